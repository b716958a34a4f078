"""What a careless administrator changes in a deployment, for a while: permissions and code."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import ProxyHandler, build_opener

from tests.support.deployed.deployment import Deployed
from tests.support.deployed.waiting import wait_for


@contextmanager
def permission_removed(deployed: Deployed, role: str, *actions: str) -> Iterator[None]:
    """Have a role without these actions for a while."""
    name, policy = _inline_policy(deployed, role)
    reduced = json.loads(policy)
    for statement in reduced["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action not in actions]
    reduced["Statement"] = [statement for statement in reduced["Statement"] if statement["Action"]]
    assert reduced != json.loads(policy), f"{role} has none of {actions}"
    deployed.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced))
    try:
        yield
    finally:
        deployed.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)


@contextmanager
def policy_removed(deployed: Deployed, role: str) -> Iterator[None]:
    """Have a role without any permission for a while."""
    name, policy = _inline_policy(deployed, role)
    deployed.iam.delete_role_policy(RoleName=role, PolicyName=name)
    try:
        yield
    finally:
        deployed.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)


def _inline_policy(deployed: Deployed, role: str) -> tuple[str, str]:
    """The name and the text of a role's only inline policy."""
    (name,) = deployed.iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy: Any = deployed.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return name, policy if isinstance(policy, str) else json.dumps(policy)


@contextmanager
def code_replaced(deployed: Deployed, function: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Have other code in a function for a while: its zip, changed."""
    location = deployed.functions.get_function(FunctionName=function)["Code"]["Location"]
    opener = build_opener(ProxyHandler({} if deployed.outputs.endpoint_url else None))
    with opener.open(location) as response:
        original: bytes = response.read()
    _update_code(deployed, function, change(original))
    try:
        yield
    finally:
        _update_code(deployed, function, original)


def _update_code(deployed: Deployed, function: str, content: bytes) -> None:
    # A process that is at work keeps its old code, and the emulator uses it again.
    wait_for(deployed.is_idle, "the end of all executions")
    deployed.functions.update_function_code(FunctionName=function, ZipFile=content)
    waiter = deployed.functions.get_waiter("function_updated_v2")
    waiter.wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def in_front(key: str, code: str) -> Callable[[bytes], bytes]:
    """What puts another handler in front of a function's own, whose module is then `functions.honest_<key>`."""

    def change(original: bytes) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(original)) as source, zipfile.ZipFile(buffer, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename == f"functions/{key}.py":
                    entry.filename = f"functions/honest_{key}.py"
                target.writestr(entry, content)
            target.writestr(f"functions/{key}.py", code)
        return buffer.getvalue()

    return change
