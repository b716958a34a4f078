"""Workflows of one function that a test holds, fails and lets go, by files."""

import io
import json
import uuid
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.local_server import Server, allow
from tests.support.waiting import wait_for

HANDLER = """
import json
import os
import pathlib
import time


class Faulty(Exception):
    pass


def handler(event, context):
    folder, name = pathlib.Path(event["folder"]), event["name"]
    number = 0
    while True:
        try:
            with (folder / f"{name}.call{number}").open("x") as call:
                call.write(json.dumps(event))
            break
        except FileExistsError:
            number += 1
    while (folder / f"{name}.hold{number}").exists():
        time.sleep(0.01)
    if (folder / f"{name}.fault").exists():
        raise Faulty(f"{name} is faulty")
    return {"name": name, "call": number}
"""
"""Notes each call with its event; waits while a file holds this call; fails while the function is faulty."""

Definition = dict[str, Any]


def create_function(server: Server, timeout_seconds: int = 60, handler: str = HANDLER) -> str:
    """The name of a new function with a handler."""
    zipped, name = io.BytesIO(), f"f{uuid.uuid4().hex[:8]}"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("app.py", handler)
    server.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Timeout=timeout_seconds,
        Role=server.role(name, [allow(["logs:PutLogEvents"], ["*"])], "lambda.amazonaws.com"),
        Handler="app.handler",
        Code={"ZipFile": zipped.getvalue()},
    )
    return name


def workflow(start: str, **states: Definition) -> Definition:
    return {"StartAt": start, "States": states}


@dataclass
class Workflows:
    """State machines whose tasks call one function."""

    server: Server
    function: str
    folder: Path
    arn: str = ""
    role: str = ""

    @property
    def states(self) -> Any:
        return self.server.client("stepfunctions")

    def task(self, name: str, following: str | None = None, **fields: Any) -> Definition:
        """A Task that calls the function under a name."""
        payload = {"folder": str(self.folder), "name": name, "execution.$": "$$.Execution", "input.$": "$"}
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": self.function, "Payload": payload},
            "ResultSelector": {"result.$": "$.Payload"},
            "ResultPath": f"$.{name}",
            **({"Next": following} if following else {"End": True}),
            **fields,
        }

    def create(self, definition: Definition, **fields: Any) -> str:
        """A new state machine."""
        name = f"m{uuid.uuid4().hex[:8]}"
        self.role = self.server.role(name, [allow(["lambda:InvokeFunction"], ["*"])], "states.amazonaws.com")
        self.arn = self.states.create_state_machine(
            name=name, roleArn=self.role, definition=json.dumps(definition), **fields
        )["stateMachineArn"]
        return self.arn

    def start(self, definition: Definition | None = None, **fields: Any) -> str:
        """Start an execution, of a new state machine if a definition is given."""
        if definition is not None:
            self.create(definition)
        arguments = {"input": json.dumps({"of": "start"})} | fields
        return str(self.states.start_execution(stateMachineArn=self.arn, **arguments)["executionArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        described: dict[str, Any] = self.states.describe_execution(executionArn=arn)
        del described["ResponseMetadata"]
        return described

    def ended(self, arn: str) -> dict[str, Any]:
        """The description of an execution that has ended."""

        def look() -> dict[str, Any] | None:
            found = self.describe(arn)
            return None if found["status"] == "RUNNING" else found

        return dict(wait_for(look, f"the end of {arn}"))

    def redriven(self, arn: str) -> dict[str, Any]:
        """Redrive an execution; return its description once it has ended again."""
        self.states.redrive_execution(executionArn=arn)
        return self.ended(arn)

    def events(self, arn: str) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def kinds(self, arn: str) -> list[str]:
        return [event["type"] for event in self.events(arn)]

    def break_(self, *names: str) -> None:
        """Make the function fail under these names."""
        for name in names:
            (self.folder / f"{name}.fault").touch()

    def mend(self, *names: str) -> None:
        """Let it succeed again."""
        for name in names:
            (self.folder / f"{name}.fault").unlink()

    def hold(self, name: str, call: int = 0) -> None:
        """Keep a call of the function in flight."""
        (self.folder / f"{name}.hold{call}").touch()

    def let_go(self, name: str, call: int = 0) -> None:
        """Let a held call return."""
        (self.folder / f"{name}.hold{call}").unlink()

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The events of the calls under a name so far."""
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob(f"{name}.call*"))]

    def numbers(self) -> dict[str, int]:
        """How often the function was called, by name."""
        return dict(Counter(path.name.partition(".")[0] for path in self.folder.glob("*.call*")))

    def await_call(self, name: str, number: int = 1) -> None:
        """Wait until the function was called so often."""
        wait_for(lambda: len(list(self.folder.glob(f"{name}.call*"))) >= number, f"call {number} of {name}")
