"""Reads slices, and reads and writes the records of what became of their objects.

Records are written by each call, under the slice's name and the call's own, and never overwritten: two calls may
work on one slice after a run was stopped. Of two records about one object, the later one counts.

Idempotent. Raises AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import gzip
from collections.abc import Iterable, Iterator

from functions.batches.settings import BatchSettings
from functions.contract.bulk import Outcome, PlannedObject
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors

PLAN = "/plan/"
ENDING = ".jsonl.gz"


def read_slice(settings: BatchSettings, key: str) -> list[PlannedObject]:
    """Return the objects of a slice."""
    return [PlannedObject.model_validate_json(line) for line in _lines(settings, key)]


def read_outcomes(settings: BatchSettings, slice_key: str, kind: str) -> dict[str, Outcome]:
    """Return what earlier calls recorded about the objects of a slice, by key."""
    client, folder = clients.s3(settings.target_region), _folder(slice_key, kind)
    with aws_errors(f"listing the records in s3://{settings.results_bucket}/{folder}"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=settings.results_bucket, Prefix=folder)
        found = [(each["LastModified"], each["Key"]) for page in pages for each in page.get("Contents", ())]
    outcomes = (Outcome.model_validate_json(line) for _, key in sorted(found) for line in _lines(settings, key))
    return {outcome.key: outcome for outcome in outcomes}


def write_outcomes(
    settings: BatchSettings, slice_key: str, kind: str, call_id: str, outcomes: Iterable[Outcome]
) -> None:
    """Record what a call did; nothing if it did nothing."""
    text = "".join(f"{outcome.model_dump_json(exclude_defaults=True)}\n" for outcome in outcomes)
    if not text:
        return
    key = f"{_folder(slice_key, kind)}{call_id}{ENDING}"
    with aws_errors(f"writing the record s3://{settings.results_bucket}/{key}"):
        clients.s3(settings.target_region).put_object(
            Bucket=settings.results_bucket, Key=key, Body=gzip.compress(text.encode(), mtime=0)
        )


def _folder(slice_key: str, kind: str) -> str:
    """Return where the records about a slice are: `runs/<run>/copied/<call>/batch-00000/`."""
    run, _, name = slice_key.partition(PLAN)
    return f"{run}/{kind}/{name.removesuffix(ENDING)}/"


def _lines(settings: BatchSettings, key: str) -> Iterator[bytes]:
    with aws_errors(f"reading s3://{settings.results_bucket}/{key}"):
        body = clients.s3(settings.target_region).get_object(Bucket=settings.results_bucket, Key=key)["Body"].read()
    # JSON escapes line feeds, and nothing else ends a line here.
    yield from (line for line in gzip.decompress(body).split(b"\n") if line)
