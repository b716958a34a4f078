"""Inventories of a source, as S3 Inventory writes them: a manifest, and gzipped CSV files in no order."""

import csv
import gzip
import hashlib
import io
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

from tests.support.listed_buckets import RESULTS, SOURCE, ListedBuckets

INVENTORIES = "ferry-inventories"
MANIFEST = "daily/manifest.json"
ADDRESS = f"s3://{INVENTORIES}/{MANIFEST}"
FIELDS = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass", "ChecksumAlgorithm")
CREATED_MS = 1_795_780_800_000

Row = dict[str, str]


def csv_file(rows: Sequence[Row], fields: Sequence[str] = FIELDS) -> bytes:
    """One file: every value is quoted, and there is no header."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [row[name] for name in fields] for row in rows
    )
    return gzip.compress(text.getvalue().encode(), 1, mtime=0)


def row_of(bucket: str, key: str, found: Mapping[str, Any]) -> Row:
    """The row of an object that a listing describes."""
    return {
        "Bucket": bucket,
        "Key": quote_plus(key),
        "Size": str(found["Size"]),
        "LastModifiedDate": found["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "ETag": found["ETag"].strip('"'),
        "StorageClass": found.get("StorageClass", "STANDARD"),
        "ChecksumAlgorithm": next(iter(found.get("ChecksumAlgorithm", ())), ""),
    }


def inventory_files(
    bucket: str, destination: str, *files: Sequence[Row], fields: Sequence[str] = FIELDS, **changed: Any
) -> dict[str, bytes]:
    """The files of an inventory of a bucket, by key; `changed` are fields of its manifest."""
    written, listed = {}, []
    for number, rows in enumerate(files):
        key, body = f"daily/data/{number}.csv.gz", csv_file(rows, fields)
        written[key] = body
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        listed.append({"key": key, "size": len(body), "MD5checksum": md5})
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": f"arn:aws:s3:::{destination}",
        "version": "2016-11-30",
        "creationTimestamp": str(CREATED_MS),
        "fileFormat": "CSV",
        "fileSchema": ", ".join(fields),
        "files": listed,
    }
    return {**written, MANIFEST: json.dumps(manifest | changed).encode()}


class InventoriedBuckets(ListedBuckets):
    """Two buckets as in a listing, and files in a third one that can be read."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.denied = False

    def rows(self) -> list[Row]:
        """A row of each object of the source, in no order."""
        rows = [row_of(SOURCE, key, found) for key, found in self.objects[SOURCE].items()]
        random.Random(13).shuffle(rows)
        return rows

    def inventory(self, *files: Sequence[Row], fields: Sequence[str] = FIELDS, **changed: Any) -> None:
        """Have an inventory of these files; `changed` are fields of its manifest."""
        self.files |= inventory_files(SOURCE, INVENTORIES, *files, fields=fields, **changed)

    def _GetObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        if self.denied:
            return 403, {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
        files = self.written if asked["Bucket"] == RESULTS else self.files
        if asked["Key"] not in files:
            return 404, {"Error": {"Code": "NoSuchKey", "Message": "The specified key does not exist."}}
        body = files[asked["Key"]]
        if "Range" in asked:
            first, _, last = asked["Range"].removeprefix("bytes=").partition("-")
            body = body[int(first) : int(last) + 1]
        return 200, {"Body": io.BytesIO(body), "Metadata": {}, "ETag": "x"}

    def _PutObject(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - S3's name
        if asked["Key"] in self.written and "/inventory/" in asked["Key"]:
            assert asked["Body"].read() == self.written[asked["Key"]], "a sorted run is overwritten by another one"
            return 200, {"ETag": "x"}
        return super()._PutObject(asked)
