"""Odd files of other programs: each passes as Athena reads it, is warned of, or is rejected with a reason.

What Athena does is in the sources of Trino, on which it is built (trinodb/trino: CsvDeserializer, OpenXJsonDeserializer
and TextLineReader in lib/trino-hive-formats), and "Considerations and limitations" (Amazon Athena User Guide).
"""

import gzip
import json

import pytest

from functions.catalogue.file_columns import Unreadable
from functions.catalogue.formats import file_format, not_catalogued_reason
from functions.catalogue.glue_table import Table
from functions.catalogue.known_formats import known_format
from functions.catalogue.new_table import require_table_can_be_made
from functions.catalogue.partition_folders import folder_warnings, require_partition
from functions.objects.head import head
from functions.runtime.errors import ValidationFailed
from functions.validation.contents import Expected, FileContents
from functions.validation.delimited_lines import DelimitedLines
from functions.validation.file_reader import read_file
from functions.validation.header_check import header_warnings, read_header
from functions.validation.json_lines import JsonLines
from tests.unit.conftest import TARGET, TARGET_REGION, Cloud


def read(cloud: Cloud, key: str, body: bytes, encoding: str = "identity") -> FileContents:
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body, ContentEncoding=encoding)
    found, layout = head(TARGET, TARGET_REGION, key), file_format(key)
    assert found
    assert layout
    return read_file(found.object, layout, lambda: True, Expected(content_encoding=found.content_encoding))


def nested(levels: int, inner: object = 1) -> bytes:
    value = inner
    for _ in range(levels):
        value = [value]
    return json.dumps({"a": value}).encode() + b"\n"


def test_arrays_in_arrays_do_not_double_the_work_with_each_level() -> None:
    levels = 60
    lines = JsonLines(Table("ferry", "t", {"a": "array<" * levels + "int" + ">" * levels}, {}), lambda _: None)
    lines.check(nested(levels) * 2)
    assert lines.records == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (nested(150), "nested deeper than 100 levels"),
        (b'{"":1,"b":2}\n', "line 1 has an empty key"),
        (b'{"a":1}\n{" ":2}\n', "line 2 has an empty key"),
        (b"{}\n{}\n", "records have no keys"),
        (b'{"a": 1' + b"0" * 5000 + b"}\n", "a number has more than 4,300 digits"),
        (b'{"a":1}\n{"a": "x\x00y"}\n', r"line 2 has a NUL character \(byte 0x00\)"),
        (b'{"a": "x"\x01}\n', "expecting ',' delimiter"),
        (b"{'a': 1}\n", "expecting property name"),
    ],
)
def test_json_that_makes_no_table_is_rejected_with_its_reason(cloud: Cloud, body: bytes, reason: str) -> None:
    with pytest.raises(ValidationFailed, match=reason):
        read(cloud, "t/a.json", body)


def test_control_characters_in_the_texts_of_json_pass_in_every_shape_of_record(cloud: Cloud) -> None:
    controls = bytes({*range(1, 32), 127} - set(b"\n\r"))
    regular = b'{"id":1,"t":"a\tb","s":{"u":"\x01"}}\n' + b'{"id":2,"t":"' + controls + b'"}\n'
    texts = [b'{"id":%d,"k\t%d":"\x1f","t":["\t"]}\n' % (n, n) for n in range(200)]
    found = read(cloud, "t/a.json", regular * 3 + b"".join(texts))
    assert (found.records, found.columns) == (206, ("id", "t", "s"))
    table = Table("ferry", "t", {"id": "int", "t": "string", "s": "struct<u:string>"}, {})
    lines = JsonLines(table, lambda _: None)
    lines.check(regular * 200)
    assert (lines.records, lines.warnings) == (400, [])


def test_json_nested_a_hundred_levels_deep_passes(cloud: Cloud) -> None:
    assert read(cloud, "t/a.json", nested(99)).records == 1


@pytest.mark.parametrize(
    "line",
    [
        # Fields that end in a backslash beside fields that begin with a comma: two valid readings, with three fields.
        '"","\\",",\'\\"',
        '"b","a\\",",x\\"',
        ' ,""" \\",",a\\"',
    ],
)
def test_a_line_that_rfc_4180_allows_is_not_taken_for_another_dialect(line: str) -> None:
    with pytest.raises(Unreadable, match="Athena reads field"):
        DelimitedLines(",", ["c1", "c2", "c3"]).check(f"{line}\n".encode())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"a";"b"', "seem to be separated by ';'"),
        ("sep=,", "only Excel understands"),
        ('{"a":1,"b":2}', "seems to be JSON"),
        ("[1,2]", "seems to be JSON"),
    ],
)
def test_a_first_line_that_is_no_header_is_named(line: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_header(line, ",")


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("1,2,2026-11-27 10:00:00", "seems to hold values instead of names"),
        ("Adelie,Torgersen,39.1", "seems to hold values instead of names"),
        *(
            (line, "seems to hold values instead of names")
            for line in (
                "1,a",
                f"{'I was only too happy. ' * 6},then",
                "1,Alice,x",
                "a,30,x",
                "a,NaN",
                "NULL,x",
                "2026-11-27,a,b",
                "a,7,3",
                "a,9,5,6",
                "2019,5",
            )
        ),
        *(
            (line, "")
            for line in ("id,0,1,2", "p,50,75,90", "age,30,60", "x,true,false", "id,2019", "2019,a", "a,2026-11-27")
        ),
        ("country,2026-11-27,1/22/20", ""),
        ("a\\b,c", "a backslash in the header"),
        ("2019,2020,name", ""),
        *(
            (f"a{char}b{char}c", f"if {char!r} is the delimiter")
            for char in (":", " ", "   ", "^", "~", "::", "¦", "/", "-", "、")
        ),
        ("a : b", "if ' : ' is the delimiter, Athena will not split"),
        ('"a b"', ""),
        ("first_name", ""),
        ("$price ", ""),
        ("a b,c", ""),
        ("id,name", ""),
    ],
)
def test_a_header_that_may_be_a_record_is_a_warning(line: str, warning: str) -> None:
    found = header_warnings(line, read_header(line, ","))
    assert bool(found) == bool(warning)
    assert warning in "".join(found)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("1,a\n\ufeff2,b\n", 3),
        ("\ufeff1,a\n2,b\n", 2),
        ("1,a\r\n2,b\r\n\ufeff3,c\r\n\ufeff4,d", 4),
        ("1,a\r\ufeff2,b\r", 3),
        ("1,\ufeffa\n2,b\n", 0),
    ],
)
def test_a_byte_order_mark_that_joined_files_leave_is_a_warning(cloud: Cloud, body: str, line: int) -> None:
    found = read(cloud, "t/a.csv", b"\xef\xbb\xbfid,t\n" + body.encode()).warnings
    assert [f"line {line} begins with a byte order mark" in warning for warning in found] == [True] * bool(line)


def test_joined_files_with_byte_order_marks_are_rejected_where_their_headers_are(cloud: Cloud) -> None:
    with pytest.raises(ValidationFailed, match="line 3 repeats the header"):
        read(cloud, "t/a.csv", "\ufeffid,t\n1,a\n\ufeffid,t\n2,b\n".encode())


def test_the_warning_of_a_header_does_not_hide_that_of_a_line(cloud: Cloud) -> None:
    found = read(cloud, "t/a.csv", b"1,2\n3,C:\\temp\n4,D:\\temp\n").warnings
    assert ["values instead of names" in found[0], "from line 2 on" in found[1], len(found)] == [True, True, 2]


@pytest.mark.parametrize(
    ("first_bytes", "kind"),
    [
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\n <html><body>a,b</body>", "HTML"),
        (b'<?xml version="1.0"?>', "XML"),
        ("a,b".encode("utf-16-le"), "UTF-16"),
        ("a,b".encode("utf-16-be"), "UTF-16"),
        ("a,b".encode("utf-32"), "UTF-32"),
        (b"BZh91AY&SY\xd8", "bzip2; the only compressed text that S3 Ferry reads is gzip"),
        (b"BZh9,b\n1,2\n", ""),
        (b"\xfd7zXZ\x00\x00", "xz; "),
        (b"\x28\xb5\x2f\xfd\x04", "zstd; "),
        (b"<b>,a\n", ""),
        (b"a,b\n", ""),
    ],
)
def test_other_formats_are_known_by_their_first_bytes(first_bytes: bytes, kind: str) -> None:
    assert kind in known_format(first_bytes)
    assert bool(kind) == bool(known_format(first_bytes))


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("t/a.csv", "id,name\n1,a\n".encode("utf-16-le"), "it is UTF-16 text; save it as UTF-8"),
        ("t/a.csv", b"PK\x03\x04\x14\n", r"it is a zip archive \(or an Excel file\)"),
        ("t/a.json", b"PAR1\n", "it is Parquet"),
        ("t/a.json.gz", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "its content is compressed twice"),
    ],
    ids=["UTF-16", "Excel", "Parquet", "twice"],
)
def test_a_file_that_no_crawler_makes_a_table_of_is_named_before_the_crawl(
    cloud: Cloud, key: str, body: bytes, reason: str
) -> None:
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body)
    found, layout = head(TARGET, TARGET_REGION, key), file_format(key)
    assert found
    assert layout
    with pytest.raises(ValidationFailed, match=f"no table can be made of it: .*{reason}"):
        require_table_can_be_made(found.object, len(body), layout)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("t/a.json.gz", gzip.compress(b"", mtime=0) + gzip.compress(b'{"a":1}\n', mtime=0)),
        ("t/a.json.gz", gzip.compress(b'{"a":', mtime=0) + gzip.compress(b"1}\n", mtime=0)),
        ("t/a.csv.gz", gzip.compress(b"id,na", mtime=0) + gzip.compress(b"me\n1,a\n", mtime=0)),
        ("t/a.json.gz", gzip.compress(b'{"a":1}\n', mtime=0)[:14]),
        ("t/a.json", b'{"a": "' + b"x" * 1_100_000 + b'"}\n'),
    ],
    ids=["empty member", "two members", "header in two members", "cut off", "long"],
)
def test_before_the_crawl_no_file_fails_that_may_be_valid(cloud: Cloud, key: str, body: bytes) -> None:
    """Members: RFC 1952, 2.2. What is cut off, the validation names."""
    cloud.target.put_object(Bucket=TARGET, Key=key, Body=body)
    found, layout = head(TARGET, TARGET_REGION, key), file_format(key)
    assert found
    assert layout
    require_table_can_be_made(found.object, len(body), layout)


def test_a_file_that_is_compressed_twice_is_named_so(cloud: Cloud) -> None:
    with pytest.raises(ValidationFailed, match="compressed twice"):
        read(cloud, "t/a.csv.gz", gzip.compress(gzip.compress(b"a,b\n1,2\n")))


@pytest.mark.parametrize(
    ("key", "encoding", "body"),
    [
        ("t/a.csv", "gzip", gzip.compress(b"a,b\n1,2\n", mtime=0)),
        ("t/a.json", "x-gzip", gzip.compress(b'{"a":1}\n', mtime=0)),
        ("t/a.csv", "br", b"\x8b\x03\x80a,b\n1,2\n\x03"),
        ("t/a.tsv", "zstd", b"\x28\xb5\x2f\xfd\x04"),
        ("t/a.parquet", "deflate", b"x\x9c" + b"\x01" * 20),
    ],
)
def test_a_content_encoding_that_athena_ignores_is_named(cloud: Cloud, key: str, encoding: str, body: bytes) -> None:
    """By the suffix of the name: CompressionKind.forFile in lib/trino-hive-formats."""
    with pytest.raises(ValidationFailed, match="which Athena ignores: it decompresses only by the suffix") as raised:
        read(cloud, key, body, encoding)
    assert f"Content-Encoding: {encoding}" in str(raised.value)
    with pytest.raises(ValidationFailed) as raised:
        read(cloud, key, body, "utf-8")
    assert "Content-Encoding" not in str(raised.value)


def test_a_suffix_of_gzip_that_athena_does_not_know_makes_no_table() -> None:
    assert file_format("t/a.csv.GZ") is None
    assert "lower case" in str(not_catalogued_reason("t/a.csv.GZ", 1))
    assert file_format("t/a.CSV.gz") == file_format("t/a.csv.gz")


def partitioned(*keys: str, **partition: str) -> Table:
    return Table("ferry", "t", {"a": "string"}, partition, folder=f"s3://{TARGET}/t/", partition_keys=keys)


def test_a_folder_at_the_place_of_another_partition_is_rejected() -> None:
    with pytest.raises(ValidationFailed, match="its folder `q=1` is where the value of the partition column p"):
        require_partition(f"s3://{TARGET}/t/q=1/p=2/a.csv", partitioned("p", "q", p="q=1", q="p=2"))


def test_folders_whose_values_are_shown_as_meant_pass() -> None:
    for folder, table in (
        ("p=1=2", partitioned("p", p="1=2")),
        ("1", partitioned("p", p="1")),
        ("a", partitioned("partition_0", partition_0="a")),
    ):
        uri = f"s3://{TARGET}/t/{folder}/x.csv"
        require_partition(uri, table)
        assert folder_warnings(uri, table) == []


def test_a_folders_whole_name_as_a_value_is_a_warning() -> None:
    uri, table = f"s3://{TARGET}/t/x/a=1/a.csv", partitioned("p", "partition_1", p="x", partition_1="a=1")
    require_partition(uri, table)
    (warning,) = folder_warnings(uri, table)
    assert "partition_1 has the value a=1" in warning


def test_a_percent_encoded_partition_is_a_warning() -> None:
    (warning,) = folder_warnings(f"s3://{TARGET}/t/p=1%3A2/a.csv", partitioned("p"))
    assert "the folders p=1%3A2 seem to be percent-encoded, as Hive and Spark write them" in warning


def test_folders_below_the_partitions_are_a_warning() -> None:
    (warning,) = folder_warnings(f"s3://{TARGET}/t/p=1/q=2/a.csv", partitioned("p"))
    assert "q=2" in warning
    assert folder_warnings(f"s3://{TARGET}/t/deep/er/a.csv", partitioned()) == []
