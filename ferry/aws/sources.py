"""The source buckets of a deployment, and which of their keys it receives. Reads nothing but the outputs."""

from infra.terraform.outputs import DeployedSource, Outputs

MAIN = "main"


def of(outputs: Outputs) -> dict[str, DeployedSource]:
    """Each source by its name in terraform.tfvars; the local cloud has exactly one."""
    if outputs.sources:
        return outputs.sources
    only = DeployedSource(
        bucket=outputs.source_bucket,
        region=outputs.source_region,
        account_id=outputs.uploads_topic_arn.split(":")[4],
        topic_arn=outputs.uploads_topic_arn,
        create=True,
    )
    return {MAIN: only}


def selects(source: DeployedSource, key: str) -> bool:
    """Whether the bucket notifies the deployment of uploads to this key."""
    return key.startswith(source.prefix) and key.endswith(source.suffix)


def describe_filter(prefix: str, suffix: str) -> str:
    """A filter in words."""
    parts = []
    if prefix:
        parts.append(f"prefix {prefix}")
    if suffix:
        parts.append(f"suffix {suffix}")
    return " and ".join(parts) or "every key"
