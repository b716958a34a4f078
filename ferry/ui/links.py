"""Links into the AWS console. Hosts by partition: AWS Management Console, "Getting started" of each partition."""

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def execution_link(arn: str) -> str | None:
    """The execution's page in the AWS console; None for an unknown partition."""
    _, partition, _, region, *_ = arn.split(":")
    host = CONSOLES.get(partition)
    if host is None:
        return None
    if partition == "aws":
        host = f"{region}.{host}"
    return f"https://{host}/states/home?region={region}#/v2/executions/details/{arn}"
