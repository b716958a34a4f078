"""The checksums: independently known values, and that any split of any bytes makes the same whole."""

import base64
import hashlib
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.objects.checksums import (
    CRC_BYTES,
    HASHERS,
    Crc,
    composite,
    digest_of,
    folded,
    from_text,
    joined,
    to_text,
)

CHECK = b"123456789"
VECTORS = {
    # The check values of CRC-32/ISO-HDLC, CRC-32/ISCSI and CRC-64/NVME in the catalogue of parametrised CRC algorithms.
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
}
ABC = {
    # FIPS 180-4's examples of "abc" (NIST, "Cryptographic Standards and Guidelines: Example Values"), RFC 1321 for MD5.
    "SHA1": "a9993e364706816aba3e25717850c26c9cd0d89d",
    "SHA256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "SHA512": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "MD5": "900150983cd24fb0d6963f7d28e17f72",
}
pieces = st.lists(st.binary(max_size=200), max_size=8)


@pytest.mark.parametrize("algorithm", VECTORS)
def test_a_crc_has_the_published_check_value(algorithm: str) -> None:
    assert digest_of(algorithm, CHECK).hex() == VECTORS[algorithm]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # RFC 3720, appendix B.4: 32 bytes of zeros, of ones, and counting up.
        (bytes(32), "8a9136aa"),
        (b"\xff" * 32, "62a8ab43"),
        (bytes(range(32)), "46dd794e"),
    ],
    ids=["zeros", "ones", "counting"],
)
def test_crc32c_has_the_values_of_the_iscsi_standard(content: bytes, expected: str) -> None:
    assert digest_of("CRC32C", content).hex() == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # NVM Express NVM Command Set Specification, "64b CRC test cases": 4 KiB of zeros, and of ones.
        (bytes(4096), "6482d367eb22b64e"),
        (b"\xff" * 4096, "c0ddba7302eca3ac"),
    ],
    ids=["zeros", "ones"],
)
def test_crc64nvme_has_the_values_of_the_nvme_standard(content: bytes, expected: str) -> None:
    assert digest_of("CRC64NVME", content).hex() == expected


@pytest.mark.parametrize("algorithm", ABC)
def test_a_hash_has_the_published_value(algorithm: str) -> None:
    assert digest_of(algorithm, b"abc").hex() == ABC[algorithm]


def test_every_algorithm_is_held_against_a_published_value() -> None:
    assert set(VECTORS) | set(ABC) == set(HASHERS)
    assert set(VECTORS) == set(CRC_BYTES)


@pytest.mark.parametrize("algorithm", HASHERS)
@given(pieces=pieces)
def test_pieces_make_the_checksum_of_the_whole(algorithm: str, pieces: list[bytes]) -> None:
    hasher = HASHERS[algorithm]()
    for piece in pieces:
        hasher.update(piece)
    assert hasher.digest() == digest_of(algorithm, b"".join(pieces))


@pytest.mark.parametrize("algorithm", CRC_BYTES)
@given(pieces=pieces)
def test_folding_any_split_of_any_bytes_is_the_checksum_of_the_whole(algorithm: str, pieces: list[bytes]) -> None:
    parts = [(digest_of(algorithm, piece), len(piece)) for piece in pieces]
    assert folded(algorithm, parts) == digest_of(algorithm, b"".join(pieces))


@pytest.mark.parametrize("algorithm", CRC_BYTES)
@given(first=st.binary(max_size=200), second=st.binary(max_size=200))
def test_a_crc_goes_on_from_its_value(algorithm: str, first: bytes, second: bytes) -> None:
    later = Crc(algorithm, digest_of(algorithm, first))
    later.update(second)
    assert later.digest() == digest_of(algorithm, first + second)


@pytest.mark.parametrize("algorithm", CRC_BYTES)
def test_folding_holds_beyond_four_gigabytes(algorithm: str) -> None:
    """Of zeros: by one step, and by doubling a piece that was computed."""
    value, size_bytes = digest_of(algorithm, bytes(1024**2)), 1024**2
    while size_bytes < 5 * 1024**3:
        value, size_bytes = joined(algorithm, value, value, size_bytes), size_bytes * 2
    head = digest_of(algorithm, CHECK)
    at_once = joined(algorithm, head, value, size_bytes)
    half = digest_of(algorithm, bytes(1024**2))
    in_steps = folded(algorithm, [(head, len(CHECK)), *[(half, 1024**2)] * (size_bytes // 1024**2)])
    assert at_once == in_steps


def test_a_composite_value_is_the_checksum_of_the_parts_checksums() -> None:
    parts = [b"one", b"two", b"three"]
    digests = [hashlib.sha256(part).digest() for part in parts]
    combined = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert composite("SHA256", digests) == f"{combined}-3"
    crcs = [zlib.crc32(part).to_bytes(4, "big") for part in parts]
    crc = base64.b64encode(zlib.crc32(b"".join(crcs)).to_bytes(4, "big")).decode()
    assert composite("CRC32", crcs) == f"{crc}-3"


@given(value=st.binary(max_size=64))
def test_what_is_written_is_read_again(value: bytes) -> None:
    assert from_text(to_text(value)) == value


def test_nothing_of_awscrt_is_loaded_for_what_python_computes_itself() -> None:
    code = (
        "import sys; from functions.objects.checksums import HASHERS, digest_of; "
        "[digest_of(name, b'x') for name in HASHERS if name not in ('CRC32C', 'CRC64NVME')]; "
        "sys.exit('awscrt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
