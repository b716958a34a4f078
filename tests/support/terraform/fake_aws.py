"""A provider of AWS that asks nobody: the real terraform plans and applies the whole of infra/aws with it.

`python -m tests.support.terraform.fake_aws` serves Terraform's plugin protocol 6 (gRPC, by "How Terraform Works With
Plugins" and "Terraform Plugin Protocol") on a free port of this machine, and prints what TF_REATTACH_PROVIDERS has to
hold. It knows each argument that infra/aws gives and each attribute that it asks for, of the type "dynamic": what is
given stays as it is, what AWS would decide is unknown in the plan and made up when applied. So it shows how the files
work together, not whether AWS would take them. It keeps nothing, so any number of runs may use it one after another.
"""

import asyncio
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from infra.build.function_zips import CHECKOUT
from tests.support.terraform import hcl
from tests.support.terraform.evaluation import ACCOUNT
from tests.support.terraform.wire import UNKNOWN, field, fields, pack, plain, typed, unpack

UNIMPLEMENTED = "12"
LIST, ERROR = 2, 1
DYNAMIC, TEXT, TEXTS = b'"dynamic"', b'"string"', b'["list","string"]'
LISTS = re.compile("actions|resources|identifiers|values")

ARNS = {
    "aws_athena_workgroup": "athena:{region}:{account}:workgroup/{name}",
    "aws_cloudwatch_event_rule": "events:{region}:{account}:rule/{name}",
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_cloudwatch_metric_alarm": "cloudwatch:{region}:{account}:alarm:{alarm_name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_kms_key": "kms:{region}:{account}:key/{uuid}",
    "aws_lambda_function": "lambda:{region}:{account}:function:{function_name}",
    "aws_lambda_layer_version": "lambda:{region}:{account}:layer:{layer_name}:1",
    "aws_s3_bucket": "s3:::{bucket}",
    "aws_sfn_state_machine": "states:{region}:{account}:stateMachine:{name}",
    "aws_sns_topic": "sns:{region}:{account}:{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
}
"""Of each kind whose ARN is asked for."""

DECIDED = {
    "aws_caller_identity": {"account_id"},
    "aws_iam_policy_document": {"json", "minified_json"},
    "aws_kms_key": {"arn", "id", "key_id"},
    "aws_ssm_parameter": {"insecure_value"},
}
"""What AWS decides of a kind, where it is more than an id, and an ARN for those above."""


NAMES = ("region", "name", "function_name", "alarm_name", "dashboard_name", "layer_name", "bucket")


class Provider:
    """Answers Terraform's calls, one after another."""

    def __init__(self) -> None:
        self.kinds = {group: {kind: Kind(group, kind) for kind in hcl.kinds(group)} for group in ("resource", "data")}

    def answer(self, call: str, request: bytes) -> bytes | None:
        """Answer one call; None for one that is not implemented."""
        given = fields(request)
        name = given.get(1, b"").decode(errors="replace")
        match call:
            case "GetProviderSchema":
                return self._schemas()
            case "UpgradeResourceState":
                return field(1, field(2, fields(given[3])[1]))
            case "ReadResource":
                return field(1, given[2])
            case "PlanResourceChange":
                prior, proposed = _sent(given[2]), _sent(given[3])
                moved = b"".join(field(2, field(1, field(1, name))) for name in _renamed(prior, proposed))
                return _value(self.kinds["resource"][name].plan(proposed)) + moved
            case "ApplyResourceChange":
                return _value(self.kinds["resource"][name].apply(_sent(given[3])))
            case "ReadDataSource":
                try:
                    return _value(self.kinds["data"][name].read(_sent(given[2])))
                except ValueError as error:
                    return field(2, field(1, ERROR) + field(2, str(error)))
            case _ if call.startswith("Validate") or call in ("ConfigureProvider", "StopProvider"):
                return b""
        return None

    def _schemas(self) -> bytes:
        provider = _blocks({"default_tags": ({"tags"}, {})}, concrete=False)
        out = field(1, field(2, field(2, _attribute("region", DYNAMIC)) + provider))
        for number, group in ((2, "resource"), (3, "data")):
            for name, kind in self.kinds[group].items():
                out += field(number, field(1, name) + field(2, field(2, kind.schema())))
        return out


class Kind:
    """A kind of resource or data source, as far as infra/aws uses it."""

    def __init__(self, group: str, name: str) -> None:
        self.group, self.name = group, name
        self.arguments, self.blocks = hcl.given_to(group, name)
        self.decided = DECIDED.get(name) or {"id", *({"arn"} if name in ARNS else ())}

    def schema(self) -> bytes:
        """Describe it to Terraform."""
        out = b"".join(field(2, _attribute(name, DYNAMIC)) for name in sorted(self.arguments))
        out += b"".join(field(2, _attribute(name, DYNAMIC, decided=True)) for name in sorted(self.decided))
        # Terraform's plan stumbles over "dynamic" in the blocks of a data source.
        return out + _blocks(self.blocks, concrete=self.group == "data")

    def plan(self, proposed: Any) -> Any:
        """Leave to be decided what was not decided yet."""
        return proposed and {**proposed, **{name: UNKNOWN for name in self.decided if proposed[name] is None}}

    def apply(self, planned: Any) -> Any:
        """Decide."""
        if planned is None:
            return None
        known = {name: plain(value) for name, value in planned.items()}
        decided = {name: typed(self._decide(name, known)) for name, value in planned.items() if value == UNKNOWN}
        return {**planned, **decided}

    def read(self, config: Any) -> Any:
        """Read a data source."""
        if self.name == "aws_caller_identity":
            return {**config, "account_id": typed(ACCOUNT)}
        if self.name == "aws_ssm_parameter":
            return {**config, "insecure_value": typed(f"what {plain(config['name'])} holds")}
        if self.name == "aws_iam_policy_document":
            text = json.dumps(policy_document(config["statement"]), separators=(",", ":"))
            return {**config, **{name: typed(text) for name in self.decided}}
        raise ValueError(f"{self.name} is not known here")

    def _decide(self, name: str, known: dict[str, Any]) -> str:
        seed = json.dumps({key: str(value) for key, value in known.items()}, sort_keys=True)
        uuid = hashlib.sha256(f"{self.name} {seed}".encode()).hexdigest()[:32]
        if name == "arn":
            return f"arn:aws:{ARNS[self.name].format(**{**known, 'account': ACCOUNT, 'uuid': uuid})}"
        if name == "id" and self.name == "aws_sqs_queue":
            return f"https://sqs.{known['region']}.amazonaws.com/{ACCOUNT}/{known['name']}"
        return str(next((known[name] for name in ("name", "bucket", "function_name") if known.get(name)), uuid))


def policy_document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a policy as the provider does; it rejects what IAM would."""
    written: list[dict[str, Any]] = []
    for given in statements:
        sid = given["sid"] or ""
        if not re.fullmatch("[A-Za-z0-9]*", sid) or sid in [entry["Sid"] for entry in written if sid]:
            raise ValueError(f"sid {sid!r} is there twice, or holds more than letters and digits")
        statement: dict[str, Any] = {"Sid": sid, "Effect": given.get("effect") or "Allow"}
        for label, name in (("Action", "actions"), ("Resource", "resources")):
            if given.get(name):
                statement[label] = sorted(set(given[name]))
        for entry in given.get("principals") or []:
            statement.setdefault("Principal", {}).setdefault(entry["type"], []).extend(entry["identifiers"])
        for entry in given.get("condition") or []:
            statement.setdefault("Condition", {}).setdefault(entry["test"], {})[entry["variable"]] = sorted(
                entry["values"]
            )
        written.append(statement)
    return {"Version": "2012-10-17", "Statement": written}


def _renamed(prior: Any, proposed: Any) -> list[str]:
    """What makes it another resource, which replaces the one there was."""
    return [name for name in NAMES if prior and proposed and prior.get(name) != proposed.get(name)]


def _attribute(name: str, kind: bytes, decided: bool = False) -> bytes:
    return field(1, name) + field(2, kind) + field(5, not decided) + field(6, decided)


def _blocks(blocks: dict[str, Any], concrete: bool) -> bytes:
    out = b""
    for name, (arguments, nested) in sorted(blocks.items()):
        inner = _blocks(nested, concrete)
        for argument in sorted(arguments):
            kind = (TEXTS if LISTS.search(argument) else TEXT) if concrete else DYNAMIC
            inner += field(2, _attribute(argument, kind))
        out += field(3, field(1, name) + field(2, inner) + field(3, LIST))
    return out


def _sent(value: bytes) -> Any:
    return unpack(fields(value)[1])


def _value(value: Any) -> bytes:
    return field(1, field(1, pack(value)))


def application(provider: Provider) -> Callable[..., Awaitable[None]]:
    """Wrap the provider as gRPC over HTTP/2: a head of five bytes on each message, the status in the trailers."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        service, _, call = scope["path"].strip("/").partition("/")
        body, more = b"", True
        while more or service != "tfplugin6.Provider":
            # The plugin library's own streams stay open: there is nothing to say on them.
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            body += event.get("body", b"")
            more = event.get("more_body", False)
        answer = provider.answer(call, body[5:])
        headers = [(b"content-type", b"application/grpc")]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        framed = b"" if answer is None else b"\0" + len(answer).to_bytes(4, "big") + answer
        await send({"type": "http.response.body", "body": framed})
        status = UNIMPLEMENTED if answer is None else "0"
        await send({"type": "http.response.trailers", "headers": [(b"grpc-status", status.encode())]})

    return respond


@contextmanager
def running() -> Iterator[str]:
    """Serve in a process of its own; yields what TF_REATTACH_PROVIDERS has to hold."""
    command = [sys.executable, "-m", "tests.support.terraform.fake_aws"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as provider:
        assert provider.stdout
        try:
            yield provider.stdout.readline()
        finally:
            provider.terminate()


def main() -> None:
    """Serve until somebody ends the process."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "ERROR"
    config.keep_alive_max_requests = 10**9  # all calls of a run come on one connection
    address = {"Network": "tcp", "String": f"127.0.0.1:{listener.getsockname()[1]}"}
    reattach = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    sys.stdout.write(json.dumps({"hashicorp/aws": reattach}) + "\n")
    sys.stdout.flush()
    asyncio.run(serve(application(Provider()), config))


if __name__ == "__main__":
    main()
