"""Checksums are real: held against published values, and against other implementations of the same.

The check values of CRCs (of the text 123456789) are those of the catalogue of parametrised CRC algorithms; of SHA-1
and SHA-256 those of FIPS 180 (of the text abc). AWS: "Checking object integrity", S3 User Guide.
"""

import base64
import hashlib
import subprocess
import sys
import zlib

import pytest

from infra.local.s3 import checksums
from tests.support.local_s3 import content
from tests.support.local_server import Server

CHECK = b"123456789"


@pytest.mark.parametrize(
    ("algorithm", "body", "value"),
    [
        ("CRC32", CHECK, "cbf43926"),
        ("CRC32C", CHECK, "e3069283"),
        ("CRC64NVME", CHECK, "ae8b14860a799888"),
        ("SHA1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SHA256", b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("MD5", b"abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("XXHASH64", b"", "ef46db3751d8e999"),
    ],
)
def test_published_values(algorithm: str, body: bytes, value: str) -> None:
    assert checksums.compute(algorithm, body) == base64.b64encode(bytes.fromhex(value)).decode()


def test_an_unknown_algorithm_has_no_value() -> None:
    assert checksums.compute("ADLER32", CHECK) is None


@pytest.mark.parametrize("cuts", [[0], [1], [4, 5], [1000, 70_000, 70_001]], ids=str)
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_a_full_object_value_folded_from_parts_is_that_of_the_whole(algorithm: str, cuts: list[int]) -> None:
    body = content(100_000)
    parts = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    values = [(str(checksums.compute(algorithm, part)), len(part)) for part in parts]
    assert checksums.of_parts(algorithm, "FULL_OBJECT", values) == checksums.compute(algorithm, body)
    if algorithm == "CRC32":
        expected = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        assert checksums.of_parts(algorithm, "FULL_OBJECT", values) == expected


def test_a_composite_value_is_the_digest_of_the_digests_and_their_number() -> None:
    parts = [content(50, seed) for seed in range(3)]
    values = [(str(checksums.compute("SHA256", part)), len(part)) for part in parts]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
    assert checksums.of_parts("SHA256", "COMPOSITE", values) == f"{base64.b64encode(digest).decode()}-3"


def test_an_object_sent_without_a_checksum_gets_crc64nvme(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="checksums")
    # Without the SDK's own: it would send one.
    s3.meta.events.register_first("before-sign.s3.PutObject", _without_checksum)
    try:
        s3.put_object(Bucket="checksums", Key="bare", Body=CHECK)
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", _without_checksum)
    found = s3.head_object(Bucket="checksums", Key="bare", ChecksumMode="ENABLED")
    assert (found["ChecksumCRC64NVME"], found["ChecksumType"]) == ("rosUhgp5mIg=", "FULL_OBJECT")
    assert "ChecksumCRC32" not in found


def test_what_is_stored_is_answered(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="answered")
    put = s3.put_object(Bucket="answered", Key="k", Body=CHECK, ChecksumAlgorithm="CRC32C")
    assert (put["ChecksumCRC32C"], put["ChecksumType"]) == ("4waSgw==", "FULL_OBJECT")


def _without_checksum(request: object, **_: object) -> None:
    headers = request.headers  # type: ignore[attr-defined]
    for name in [name for name in headers if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]:
        del headers[name]


def test_the_server_does_not_start_without_a_name_that_a_patch_requires() -> None:
    code = (
        "from ministack.services import s3\n"
        "from infra.local.s3 import patches\n"
        "patches.install()\n"
        "patches.install()\n"
        "names = [name for name in vars(s3) if hasattr(getattr(s3, name), 'patches')]\n"
        "assert len(names) > 15, names\n"
        "for name in [*names, '_check_put_preconditions', '_apply_object_lock_from_headers']:\n"
        "    original = getattr(s3, name)\n"
        "    assert len(set(getattr(original, 'patches', ()))) == len(getattr(original, 'patches', ()))\n"
        "    delattr(s3, name)\n"
        "    try:\n"
        "        patches.install()\n"
        "    except SystemExit as ended:\n"
        "        assert f'no ministack.services.s3.{name}.' in str(ended), ended\n"
        "    else:\n"
        "        raise AssertionError(name)\n"
        "    setattr(s3, name, original)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
