"""Translate AWS's errors into the failure of a crawl."""

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.glue.errors import CrawlFailed
from infra.local.glue.models import CrawlerDefinition


def crawl_failure(error: ClientError | BotoCoreError, settings: CrawlerDefinition, subject: str) -> CrawlFailed:
    """Describe why a crawl failed, naming the crawler or its role and `subject`, such as `bucket b`."""
    if not isinstance(error, ClientError):
        return CrawlFailed(f"Cannot reach the {subject} of crawler {settings.name}: {error}")
    details = error.response["Error"]
    code, message = details.get("Code", ""), details.get("Message", "")
    if code in {"AccessDenied", "AccessDeniedException", "403"}:
        return CrawlFailed(
            f"Access denied to the {subject}: {message.rstrip('.')}. "
            f"Add the missing permission to the crawler's role {settings.role}."
        )
    if code == "EntityNotFoundException":
        return CrawlFailed(f"The {subject} of crawler {settings.name} does not exist.")
    if code in {"NoSuchBucket", "404"}:
        return CrawlFailed(f"The S3 location of crawler {settings.name} does not exist: {subject}.")
    return CrawlFailed(f"The {subject} of crawler {settings.name}: {code}: {message}")
