"""What the functions ask S3 for, and what the botocore that is imported knows of it, as dotted paths: the members of
requests and answers at any depth, and the options of a client's Config.

s3_of_botocore_1_34_145.json holds it of the first botocore that Lambda's Python 3.13 came with. It was made by

    pip download --no-deps --dest FOLDER botocore==1.34.145
    unzip -q FOLDER/botocore-1.34.145-py3-none-any.whl -d FOLDER
    PYTHONPATH=FOLDER python -m tests.unit.sdk_members > tests/unit/s3_of_botocore_1_34_145.json

and has to be made again once the functions call another operation of S3.
"""

import ast
import gzip
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore
from botocore import xform_name
from botocore.config import Config

FUNCTIONS = Path(__file__).parents[2] / "functions"
DATA = Path(botocore.__file__).parent / "data" / "s3" / "2006-03-01" / "service-2.json.gz"
MODEL: dict[str, Any] = json.loads(gzip.decompress(DATA.read_bytes()))
OPTIONS = sorted(Config.OPTION_DEFAULTS)
SIDES = ("input", "output")


@cache
def sources() -> list[ast.Module]:
    """The functions' code, but for the list of what they need."""
    files = (file for file in sorted(FUNCTIONS.rglob("*.py")) if file.name != "sdk.py")
    return [ast.parse(file.read_text(encoding="utf-8")) for file in files]


def _calls() -> Iterator[tuple[str, set[str]]]:
    operations = {xform_name(operation): operation for operation in MODEL["operations"]}
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in operations:
                yield operations[node.func.attr], {keyword.arg for keyword in node.keywords if keyword.arg}
            # As `client.get_object_retention`, handed to somebody who calls it.
            elif isinstance(node, ast.Attribute) and node.attr in operations:
                yield operations[node.attr], set()


CALLS = list(_calls())
"""Each call of an operation of S3 in the functions, with the arguments that it names."""

CALLED = {operation for operation, _ in CALLS}


def members(operation: str, side: str) -> set[str]:
    """The members of an operation's input or output, at any depth; of a list its elements' members are meant."""
    described = MODEL["operations"][operation]
    return set(_below(described[side]["shape"], "")) if side in described else set()


def _below(name: str, before: str) -> Iterator[str]:
    shape = MODEL["shapes"][name]
    while shape["type"] == "list":
        shape = MODEL["shapes"][shape["member"]["shape"]]
    for member, described in shape.get("members", {}).items():
        yield before + member
        yield from _below(described["shape"], f"{before}{member}.")


def main() -> None:
    """Write it of the botocore that is imported."""
    operations = {operation: {side: sorted(members(operation, side)) for side in SIDES} for operation in sorted(CALLED)}
    sys.stdout.write(json.dumps({"config": OPTIONS, "operations": operations}, indent=1) + "\n")


if __name__ == "__main__":
    main()
