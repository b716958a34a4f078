"""Reads the rows of an inventory's files as objects of a listing, in constant memory, and verifies each file's MD5.

Source: "Amazon S3 Inventory list" (Amazon S3 User Guide): gzipped CSV without a header, keys URL-encoded. SSE-C and the
restoration of archived objects are not in it: HEAD finds the former, and a restored object counts as archived.

Idempotent: it only reads. Raises InventoryInvalid, AccessDenied, BucketMissing, Throttled, RequestRejected.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from functions.inventory.manifest import Inventory
from functions.objects.head import ARCHIVE_CLASSES, location
from functions.planning.listings import ListedObject
from functions.runtime import clients
from functions.runtime.aws_errors import aws_errors, code_of
from functions.runtime.errors import InventoryInvalid

READ_BYTES = 1 << 20


class _HashedReader(io.RawIOBase):
    """Reads a response and hashes it."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._hash = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def digest_of_all(self) -> str:
        """Read what is left; return the hash."""
        while self.read(READ_BYTES):
            pass
        return self._hash.hexdigest()


def file_rows(inventory: Inventory, number: int) -> Iterator[ListedObject | None]:
    """Yield an object for each row of one file; None for a row that is not a current object."""
    file = inventory.files[number]
    address = location(inventory.bucket, file.key)
    with aws_errors(f"reading the inventory's file {address}"):
        try:
            body = clients.s3(inventory.region).get_object(Bucket=inventory.bucket, Key=file.key)["Body"]
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
            raise InventoryInvalid(
                f"The file {address} of the inventory {inventory.address} is missing. Use a newer inventory."
            ) from error
        reader = _HashedReader(body)
        read = 0
        try:
            text = io.TextIOWrapper(gzip.GzipFile(fileobj=io.BufferedReader(reader, READ_BYTES)), "utf-8", newline="")
            for values in csv.reader(text, strict=True):
                yield _object(dict(zip(inventory.fields, values, strict=True)))
                read += 1
            digest = reader.digest_of_all()
        except (ValueError, csv.Error, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InventoryInvalid(
                f"The inventory file {address} cannot be read after line {read:,}: {error}. Use a newer inventory."
            ) from error
    if digest != file.md5:
        raise InventoryInvalid(
            f"The file {address} of the inventory {inventory.address} has the MD5 {digest}, not {file.md5}: it was "
            "modified. Use a newer inventory."
        )


def _object(row: dict[str, str]) -> ListedObject | None:
    if row.get("IsLatest", "true") != "true" or row.get("IsDeleteMarker", "false") == "true":
        return None
    algorithm = row.get("ChecksumAlgorithm") or None
    hashed_in_parts = row.get("IsMultipartUploaded") == "true" and algorithm in ("SHA1", "SHA256")
    return ListedObject(
        key=unquote_plus(row["Key"], errors="strict"),
        etag=row["ETag"].strip('"'),
        size_bytes=int(row["Size"]),
        last_modified=datetime.fromisoformat(row["LastModifiedDate"]).astimezone(UTC),
        archived=row.get("StorageClass") in ARCHIVE_CLASSES,
        checksum_algorithm=algorithm,
        # Parts have one checksum together only by a CRC ("Checking object integrity", Amazon S3 User Guide).
        checksum_type="COMPOSITE" if hashed_in_parts else None,
    )
