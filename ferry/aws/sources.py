"""The buckets whose uploads a deployment moves, and which of their uploads. Reads nothing but the outputs."""

from infra.terraform.outputs import Outputs, Source

MAIN = "main"


def of(outputs: Outputs) -> dict[str, Source]:
    """Each source by what the deployment calls it; the embedded cloud has the one."""
    if outputs.sources:
        return outputs.sources
    only = Source(
        bucket=outputs.source_bucket,
        region=outputs.source_region,
        account_id=outputs.uploads_topic_arn.split(":")[4],
        topic_arn=outputs.uploads_topic_arn,
        create=True,
    )
    return {MAIN: only}


def selects(source: Source, key: str) -> bool:
    """Whether the source tells of uploads to this key."""
    return key.startswith(source.prefix) and key.endswith(source.suffix)


def selection(prefix: str, suffix: str) -> str:
    """A filter in words."""
    parts = [f"prefix {prefix}"] * bool(prefix) + [f"suffix {suffix}"] * bool(suffix)
    return " and ".join(parts) or "every key"
