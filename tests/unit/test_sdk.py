"""The SDK that the functions run with: all that it has to know is listed, and asked for when they are imported.

s3_of_botocore_1_34_145.json has the members of the requests and answers that the functions use, as the first SDK
knew them that Lambda's Python 3.13 came with; tests/unit/sdk_members.py made it.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.loaders
import pytest

from functions.runtime import sdk
from functions.runtime.errors import SdkTooOld
from infra.build.layer import REQUIREMENTS
from tests.unit.sdk_members import CALLED, CALLS, MODEL, SIDES, members, sources

CHECKOUT = Path(__file__).parents[2]
BEFORE: dict[str, Any] = json.loads(
    Path(__file__).with_name("s3_of_botocore_1_34_145.json").read_text(encoding="utf-8")
)
NEEDED = [
    (operation, side, member)
    for side, listed in (("input", sdk.SENT), ("output", sdk.READ))
    for operation, members in listed.items()
    for member in members
]
NOT_READ = {
    "CompleteMultipartUpload.Checksum": "the verification reads it by HEAD",
    "CopyObject.CopyObjectResult.Checksum": "the verification reads it by HEAD",
    "CreateMultipartUpload.ChecksumType": "it is what was asked for",
    "GetObject.Checksum": "only HEAD's is read",
    "GetObject.ObjectLockEventHold": "only HEAD's is read",
    "GetObjectAttributes.Checksum.": "only the parts' are read",
    "HeadObject.ContentRange": "no range is looked at, only a part's size",
    "ListMultipartUploads.Uploads.ChecksumType": "whose upload it is is known by its id",
    "ListObjectVersions.Versions.ChecksumType": "only HEAD's is read",
    "ListParts.ChecksumType": "it is what was asked for",
    "PutObject.Checksum": "the SDK has S3 compare the plan's files with its own",
    "PutObject.Size": "nothing of the answer is read",
}
"""What other answers have as well, by how it begins, and why it is not missed in these."""

NOT_SENT = {"PutObject": {"Bucket", "Key", "Body", "Metadata", "IfMatch", "IfNoneMatch"}}
"""Operations that are called with these arguments and nothing else."""

LITERALS = {
    node.arg if isinstance(node, ast.keyword) else node.value
    for module in sources()
    for node in ast.walk(module)
    if isinstance(node, ast.Constant | ast.keyword)
}
"""Every text, and every name of an argument, in the functions."""

OF_AN_ALGORITHM = re.compile(r"Checksum[A-Z][A-Z0-9]+")

USERS = (
    *("copy_object", "verify_checksum", "delete_source"),
    *("plan_batches", "copy_batch", "verify_batch", "ensure_migrated", "validate_batch"),
    *("delete_batch", "compare_batch"),
)


def shape_of(operation: str, side: str) -> dict[str, Any]:
    described = MODEL["operations"][operation]
    shape: dict[str, Any] = MODEL["shapes"][described[side]["shape"]] if side in described else {"members": {}}
    return shape


def reached(operation: str) -> set[str]:
    """The shapes of an operation's request and answer."""
    described, found = MODEL["operations"][operation], set[str]()
    waiting = [described[side]["shape"] for side in ("input", "output") if side in described]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            shape = MODEL["shapes"][name]
            inner = [
                *shape.get("members", {}).values(),
                *(shape[key] for key in ("member", "key", "value") if key in shape),
            ]
            waiting += [member["shape"] for member in inner]
    return found


def model_without(folder: Path, operation: str, member: str | None, side: str = "input", *, only: bool = False) -> Path:
    """S3, or this operation only, as another SDK describes it; the folder for AWS_DATA_PATH."""
    described = {**MODEL, "operations": dict(MODEL["operations"]), "shapes": dict(MODEL["shapes"])}
    if only:
        # To read and write all of S3 takes time.
        described["operations"] = {operation: MODEL["operations"][operation]}
        described["shapes"] = {name: MODEL["shapes"][name] for name in reached(operation)}
    if member is None:
        del described["operations"][operation]
    else:
        name = MODEL["operations"][operation][side]["shape"]
        *through, last = member.split(".")
        for step in through:
            name = described["shapes"][name]["members"][step]["shape"]
            while described["shapes"][name]["type"] == "list":
                name = described["shapes"][name]["member"]["shape"]
        shape = described["shapes"][name]
        kept = {key: value for key, value in shape["members"].items() if key != last}
        described["shapes"][name] = {**shape, "members": kept}
    path = folder / "s3" / "2006-03-01" / "service-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(described))
    return folder


def imported(modules: str, data: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "AWS_DATA_PATH": str(data)}
    command = [sys.executable, "-c", f"from functions import {modules}"]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


def test_needed_is_the_version_of_the_layer_with_which_the_tests_run() -> None:
    pinned = re.findall(r"^botocore==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [sdk.TESTED] == pinned == [botocore.__version__]


def test_every_call_names_only_arguments_that_its_operation_has() -> None:
    assert len(CALLS) > 25
    for operation, arguments in CALLS:
        assert arguments <= set(shape_of(operation, "input")["members"]), operation


def test_the_clients_are_set_up_with_nothing_else_that_the_runtimes_sdk_did_not_know() -> None:
    (given,) = (
        {keyword.arg for keyword in node.keywords}
        for module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Config"
    )
    assert given - set(BEFORE["config"]) == set(sdk.OPTIONS)


def younger(operation: str, side: str) -> set[str]:
    """What the functions may send or read, by its words, and the runtime's SDK did not know."""
    return {
        path
        for path in members(operation, side) - set(BEFORE["operations"][operation][side])
        # A checksum's name is put together with its algorithm's.
        if all(name in LITERALS or OF_AN_ALGORITHM.fullmatch(name) for name in path.split("."))
    }


@pytest.mark.parametrize("operation", sorted(CALLED))
def test_what_is_younger_than_the_runtimes_sdk_is_listed(operation: str) -> None:
    if operation not in BEFORE["operations"]:
        assert operation in sdk.SENT
        return
    if operation in NOT_SENT:
        assert all(arguments <= NOT_SENT[operation] for called, arguments in CALLS if called == operation)
    else:
        assert younger(operation, "input") <= set(sdk.SENT.get(operation, ()))
    listed = sdk.READ.get(operation, ())
    missed = {
        path
        for path in younger(operation, "output")
        if not any(f"{member}.".startswith(f"{path}.") for member in listed)
    }
    assert {path for path in missed if not f"{operation}.{path}".startswith(tuple(NOT_READ))} == set()


def test_nothing_is_excused_that_needs_no_excuse() -> None:
    known = [operation for operation in CALLED if operation in BEFORE["operations"]]
    found = {f"{operation}.{path}" for operation in known for path in younger(operation, "output")}
    assert [excuse for excuse in NOT_READ if not any(path.startswith(excuse) for path in found)] == []


@pytest.mark.parametrize(
    "path", ["Retention.EventHold", "ObjectParts.Parts.ChecksumXXHASH3", "MultipartUpload.Parts.ChecksumMD5"]
)
def test_a_younger_member_is_seen_at_any_depth(path: str) -> None:
    assert any(path in younger(operation, side) for operation in BEFORE["operations"] for side in SIDES)


@pytest.mark.parametrize(("operation", "side", "member"), NEEDED, ids=[".".join(path) for path in NEEDED])
def test_a_member_that_is_missing_is_named(
    operation: str, side: str, member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operation in CALLED
    monkeypatch.setenv("AWS_DATA_PATH", str(model_without(tmp_path, operation, member, side, only=True)))
    with pytest.raises(SdkTooOld, match=rf"botocore {sdk.TESTED}, .*{operation}\.{member};"):
        sdk.require_sdk(operation)


@pytest.fixture(autouse=True)
def session_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No other test gets clients of a model that lacks something."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    sdk._s3_model.cache_clear()
    yield
    sdk._s3_model.cache_clear()


def test_this_sdk_knows_all_of_it() -> None:
    sdk.require_sdk(*sdk.SENT, *sdk.READ)


@pytest.mark.parametrize("function", USERS)
def test_a_function_is_not_even_imported_with_an_sdk_that_lacks_something(function: str, tmp_path: Path) -> None:
    failed = imported(function, model_without(tmp_path, "HeadObject", "ChecksumType", "output"))
    assert failed.returncode != 0
    last_line = failed.stderr.rstrip().splitlines()[-1]
    assert "SdkTooOld: " in last_line
    for named in (sdk.TESTED, "HeadObject.ChecksumType", "dist/layer.zip"):
        assert named in last_line


def test_no_function_is_imported_with_an_sdk_that_cannot_set_up_its_clients() -> None:
    """An SDK of before the option, as far as a client's Config tells."""
    every = sorted({file.stem for file in (CHECKOUT / "functions").glob("*.py")} - {"__init__"})
    assert len(every) == 21
    script = f"""
import importlib
from botocore.config import Config
del Config.OPTION_DEFAULTS["response_checksum_validation"]
for function in {every}:
    try:
        importlib.import_module("functions." + function)
    except Exception as error:
        print(function, type(error).__name__, error)
"""
    environment = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[function, "SdkTooOld"] for function in every]
    assert [line for line in lines if "response_checksum_validation" not in line] == []


def test_a_function_that_names_no_operation_of_s3_loads_no_model() -> None:
    script = """
import botocore.loaders
read = []
load = botocore.loaders.JSONFileLoader.load_file
def watched(self, path):
    read.append(path)
    return load(self, path)
botocore.loaders.JSONFileLoader.load_file = watched
from functions import poll_crawler, run_validation_query, start_crawler, starter
print([path for path in read if "service-2" in path])
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"


def test_an_operation_that_is_missing_is_named(tmp_path: Path) -> None:
    failed = imported("copy_object", model_without(tmp_path, "PutObjectAnnotation", None))
    assert "PutObjectAnnotation" in failed.stderr


def test_the_others_do_without(tmp_path: Path) -> None:
    data = model_without(tmp_path, "HeadObject", "ChecksumType", "output")
    unused = {file.stem for file in (CHECKOUT / "functions").glob("*.py")} - {"__init__", *USERS}
    assert unused == {
        *("starter", "start_crawler", "poll_crawler", "run_validation_query"),
        *("reconcile_report", "write_report", "require_complete"),
        *("catalogue_batch", "plan_audit", "find_extra", "write_audit_report"),
    }
    ran = imported(", ".join(sorted(unused)), data)
    assert ran.returncode == 0, ran.stderr


def test_the_clients_are_made_of_the_model_that_was_looked_at() -> None:
    script = """
import builtins, functions.copy_object, boto3, botocore.loaders
read = []
load = botocore.loaders.JSONFileLoader.load_file
def watched(self, path):
    read.append(path)
    return load(self, path)
botocore.loaders.JSONFileLoader.load_file = watched
from functions.runtime import clients
clients.s3("us-east-1")
print([path for path in read if "/s3/" in path and "service-2" in path])
"""
    environment = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
