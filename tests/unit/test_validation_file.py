"""What is wrong with a file is found before its rows are counted, and named; a good one is counted."""

import gzip
import io
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functions.catalogue.formats import file_format
from functions.catalogue.glue_table import Table
from functions.contract.models import StoredObject
from functions.objects.head import ObjectChanged, head
from functions.runtime.errors import AccessDenied, Throttled, ValidationFailed
from functions.validation import json_lines, text_blocks
from functions.validation.contents import Expected, FileContents
from functions.validation.file_reader import read_file
from functions.validation.repeated_header import RepeatedHeader
from tests.support.parquet_files import footer, parquet
from tests.unit.conftest import TARGET, TARGET_REGION, Cloud, ErrorResponse


def packed(body: bytes) -> bytes:
    """The same bytes at any time: they name tests, and each process has to find the same names."""
    return gzip.compress(body, mtime=0)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


PARQUET = parquet(footer("id", "name", rows=3))


def put(cloud: Cloud, name: str, body: bytes) -> StoredObject:
    cloud.target.put_object(Bucket=TARGET, Key=name, Body=body)
    found = head(TARGET, TARGET_REGION, name)
    assert found
    return found.object


def read(cloud: Cloud, name: str, body: bytes, time_is_left: Callable[[], bool] = lambda: True) -> FileContents:
    layout = file_format(name)
    assert layout
    return read_file(put(cloud, name, body), layout, time_is_left, Expected())


@pytest.mark.parametrize(
    ("name", "body", "columns", "records"),
    [
        ("t/a.csv", b"id,name\n1,one\n2,two\n", ("id", "name"), 2),
        ("t/no-newline-at-the-end.csv", b"id,name\n1,one\n2,two", ("id", "name"), 2),
        ("t/crlf.csv", b"id,name\r\n1,one\r\n2,two\r\n", ("id", "name"), 2),
        ("t/cr.csv", b"id,name\r1,one\r2,two\r", ("id", "name"), 2),
        ("t/bom.csv", b"\xef\xbb\xbfid,name\n1,one\n", ("id", "name"), 1),
        ("t/quoted.csv", b'"id","name"\n"1","one, ""two"""\n', ("id", "name"), 1),
        ("t/one-column.csv", b"id\n1\n2\n3\n", ("id",), 3),
        ("t/unicode.csv", "id,né\n1,\U0001f6a2\n".encode(), ("id", "né"), 1),
        ("t/empty-fields.csv", b"id,name\n,\n1,\n", ("id", "name"), 2),
        ("t/a.tsv", b"id\tname\n1\ta,b\n", ("id", "name"), 1),
        ("t/A.CSV", b"id,name\n1,one\n", ("id", "name"), 1),
        ("t/a.csv.gz", packed(b"id,name\n1,one\n2,two\n"), ("id", "name"), 2),
        ("t/two-members.csv.gz", packed(b"id,name\n1,o") + packed(b"ne\n2,two\n"), ("id", "name"), 2),
        ("t/a.tsv.gz", packed(b"id\tname\n1\tone\n"), ("id", "name"), 1),
        ("t/a.json", b'{"id": 1}\n{"id": 2}\n', ("id",), 2),
        ("t/bom.json", b'\xef\xbb\xbf{"id": 1}\n', ("id",), 1),
        ("t/crlf.json", b'{"id": 1}\r\n{"id": 2}\r\n', ("id",), 2),
        ("t/a.jsonl", b'{"id": [1, {"a": "\\n"}]}', ("id",), 1),
        ("t/a.ndjson", b'  {"id": 1}  \n', ("id",), 1),
        ("t/a.json.gz", packed(b'{"id": 1}\n'), ("id",), 1),
        ("t/a.parquet", PARQUET, ("id", "name"), 3),
    ],
)
def test_a_good_file_is_counted(
    cloud: Cloud, name: str, body: bytes, columns: tuple[str, ...], records: int | None
) -> None:
    assert read(cloud, name, body) == FileContents(columns, records)


ONE_COLUMN = Table("ferry", "t", {"id": "string"}, {}, classification="csv", delimiter=",")


def test_one_column_of_a_tsv_file_is_read_with_the_commas_of_its_table(cloud: Cloud) -> None:
    """No tab says that tabs separate; what accepts one column is the crawler's classifier of commas."""
    obj, layout = put(cloud, "t/a.tsv", b"id\nx\ny\n"), file_format("t/a.tsv")
    assert layout
    started = read_file(obj, layout, lambda: True, Expected(ONE_COLUMN))
    assert (started.columns, started.records) == (("id",), 2)
    with pytest.raises(ValidationFailed, match="line 3 has 2 fields"):
        read_file(put(cloud, "t/a.tsv", b"id\nx\nLima, Peru\n"), layout, lambda: True, Expected(ONE_COLUMN))
    assert read_file(put(cloud, "t/a.tsv", b"id\nLima, Peru\n"), layout, lambda: True, Expected()).records == 1


KINDS = {
    # Athena reads otherwise than meant: OpenCSVSerDe's quotes.
    "inches in two fields": (b'w,h,name\n12",13",frame\n', "line 2 has 2 fields as Athena reads it"),
    "inches before a separator": (b'sku,inner,outer,price\nA1,10",12",799\n', "line 2 has 3 fields as Athena reads it"),
    "a backslash before the closing quote": (
        b'id,path,owner\n1,"C:\\temp\\",ann\n',
        "on line 2 a backslash precedes",
    ),
    "a quotation at the end": (b'id,text\n1,he put "no"\n', "line 2: Athena reads field 2 as 'he put \"no'"),
    "a blank before the first field's quote": (b'a,b\n1,2\n "x",2\n', "line 3: Athena reads field 1 as ' x'"),
    "a blank after a quote": (b'a,b\n1,"x" \n', "line 2: Athena reads field 2 as 'x\" '"),
    "an empty field of blank and quotes": (b'a,b\n1, ""\n', "line 2: Athena reads field 2"),
    "doubled quotes in an unquoted field": (b'a,b\n1,x""y\n', "line 2: Athena reads field 2 as 'x\"y'"),
    "an escaped separator": (b"a,b\n1,x\\,y\n", "line 2 has 3 fields, but the header has 2"),
    "a header with inches": (b'w",h"\n1,2\n', "its header has"),
    # TextLineReaderFactory in trinodb/trino skips lines "when the split is at the beginning of the file".
    "two files that were joined": (b"a,b\n1,2\na,b\n3,4\n", "line 3 repeats the header"),
    "a header twice": (b"a,b\na,b\n1,2\n", "line 2 repeats the header"),
    "a header at the end": (b"a,b\n1,2\na,b", "line 3 repeats the header"),
    "joined files with byte order marks": (
        b"\xef\xbb\xbfa,b\r\n1,2\r\n\xef\xbb\xbfa,b\r\n",
        "line 3 repeats the header",
    ),
    "joined files of several writers": (b'A b,"c, d"\r1,2\r"A b", "c, d"\r3,4\r', "line 3 repeats the header"),
    "joined files with other letters": ("Ä,b\n1,2\nÄ,b\n".encode(), "line 3 repeats the header"),
    "a quote in the first name": (b'"a ""b""",c\n1,2\n"a ""b""",c\n', "line 3 repeats the header"),
    "an exact header after another": (b"Id,Name\n1,a\nid,name\nId,Name\n", "line 4 repeats the header, as if"),
    "records without a header": (b"M,yes\nF,no\nM,yes\n", "Or the file has no header"),
    # Not text.
    "a NUL byte in a field": (b"a,b\n1,2\n3,\x00\n", "line 3 has a NUL character"),
    "a NUL byte in the header": (b"a,\x00b\n1,2\n", "header has a NUL character"),
    "a header of more than a megabyte": (
        b",".join(b"c%07d" % n for n in range(130_000)) + b"\n1\n",
        "longer than 1 MB",
    ),
    "a name of more than 255 bytes": ("a,{}\n1,2\n".format("\u00e9" * 128).encode(), "a column name of 256 bytes"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_athena_reads_otherwise_than_meant_is_rejected(cloud: Cloud, kind: str) -> None:
    body, reason = KINDS[kind]
    with pytest.raises(ValidationFailed) as raised:
        read(cloud, "t/a.csv", body)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("body", "warnings"),
    [
        # As Spark and MySQL escape, and as people align columns.
        (b'id,comment,city\n1,"say \\"hi, you\\" now",Rome\n', 0),
        (b'id,text\n1, "a,b"\n', 0),
        (b'"Month", "1958", "1959"\n"JAN",  340,  360\n', 1),
        (b'id,text\n1,5\\" pipe\n', 0),
        (b'id,text\n1,a "quoted" word\n', 0),
        (b"id,path\n1,C:\\temp\n", 1),
        (b"id,path\n1,\\\\server\\share\n", 1),
        (b"id,path\n1,\\N\n", 1),
        (b'id,path\n1,"a\\\\b"\n', 1),
        (b",".join(b"column_%04d" % n for n in range(8000)) + b"\n" + b",".join([b"1"] * 8000) + b"\n", 0),
        ("a,{}\n1,2\n".format("\u00e9" * 127).encode(), 0),
        (b"a,b\n\x01,2\n", 0),
        (b"a,b\na,c\n", 0),
        (b"a,b\nb,a\n", 0),
        (b"word\nword\n", 1),
        (b"word\nwords\n", 0),
        (b"name,type\nName,Type\n", 1),
        ("İd,b\ni̇d,B\n".encode(), 1),
    ],
)
def test_a_line_that_athena_reads_as_meant_passes(cloud: Cloud, body: bytes, warnings: int) -> None:
    found = read(cloud, "t/a.csv", body)
    assert (found.records, len(found.warnings)) == (1, warnings)


TABLE = Table("ferry", "t", {"id": "int", "name": "string"}, {})


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", ["t/a.csv", "t/a.csv.gz", "t/a.json", "t/a.json.gz"])
def test_a_file_that_is_read_in_many_calls_is_read_as_in_one(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, name: str, end: bytes
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 7)
    lines = [b'%d,"a, b"' % n for n in range(20)] if ".csv" in name else [b'{"id":%d}' % n for n in range(20)]
    header = [b"id,name"] if ".csv" in name else []
    body = b"\xef\xbb\xbf" + end.join([*header, *lines])
    obj, layout = put(cloud, name, packed(body) if name.endswith(".gz") else body), file_format(name)
    assert layout
    once = read_file(obj, layout, lambda: True, Expected(TABLE))
    found = read_file(obj, layout, lambda: False, Expected(TABLE))
    calls = 1
    while found.progress is not None:
        assert found.records is None
        found = read_file(obj, layout, lambda: False, Expected(TABLE), found.progress)
        calls += 1
    assert replace(found, columns=once.columns) == once
    assert (found.records, calls > 3) == (20, True)


def test_a_value_that_equals_the_name_of_the_only_column_is_a_warning_with_its_line(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 7)
    found = read(cloud, "t/a.csv", b"word\nis\nword\nthen\nword\n")
    assert found.records == 4
    (warning,) = found.warnings
    assert warning.startswith("line 3 repeats the header")


def test_a_header_is_found_again_by_a_later_call(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 7)
    obj, layout = put(cloud, "t/a.csv", b"Id,Name\n1,a\n2,b\nId,Name\n"), file_format("t/a.csv")
    assert layout
    progress = read_file(obj, layout, lambda: False, Expected(TABLE)).progress
    assert progress
    with pytest.raises(ValidationFailed, match="line 4 repeats the header"):
        read_file(obj, layout, lambda: True, Expected(TABLE), progress)


def test_a_row_that_differs_from_the_header_in_case_is_a_warning_in_a_later_call_too(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 7)
    obj, layout = put(cloud, "t/a.csv", b"Id,Name\n1,a\nid,name\nID,NAME\n2,b\n"), file_format("t/a.csv")
    assert layout
    found = read_file(obj, layout, lambda: False, Expected(TABLE))
    while found.progress:
        found = read_file(obj, layout, lambda: False, Expected(TABLE), found.progress)
    (warning,) = found.warnings
    assert warning.startswith("line 3 repeats the header but for case")


def test_quotes_in_the_first_name_do_not_slow_the_search_for_headers() -> None:
    pattern = RepeatedHeader(",", ['a""""b""c', "d"])._start
    assert pattern.pattern.count(b'"++') == 2
    assert [line for line, _ in RepeatedHeader(",", ['a"b', "c"]).lines_in(b'1,2\n"a""b",c\n')] == [2]


WHOLE_GZIP = packed(b"id,name\n" + b"".join(b"%d,x%d\n" % (n, n * n) for n in range(5000)))
BAD_CHECKSUM = WHOLE_GZIP[:-8] + bytes(8)
BAD_DEFLATE = WHOLE_GZIP[:20] + b"\xff" * 40 + WHOLE_GZIP[60:]


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        # Another kind of file than the name says.
        ("t/a.csv", PNG, "it is a PNG image"),
        ("t/a.json", PNG, "it is a PNG image"),
        ("t/a.csv", b"\xff\xd8\xff\xe0", "it is a JPEG image"),
        ("t/a.csv", b"GIF89a", "it is a GIF image"),
        ("t/a.csv", b"%PDF-1.7", "it is a PDF document"),
        ("t/a.csv", b"PK\x03\x04rest", "it is a zip archive (or an Excel file)"),
        ("t/a.csv", b"\xd0\xcf\x11\xe0", "it is an old Excel file"),
        ("t/a.csv", PARQUET, "it is Parquet"),
        ("t/a.csv", packed(b"id\n1\n"), "it is gzip, so its name should end in .gz"),
        ("t/a.csv.gz", packed(PNG), "it is a PNG image"),
        ("t/a.csv", "id\n1\n".encode("utf-16"), "it is UTF-16 text"),
        ("t/a.csv", b"\xfe\xff" + "id\n".encode("utf-16-be"), "it is UTF-16 text"),
        ("t/a.csv", "id,n\u00e9\n1,2\n".encode("latin-1"), "UTF-8 text: byte 0xe9"),
        ("t/a.csv", b"id,name\n1,cut\xc3", "UTF-8 text: byte 0xc3"),
        # Broken gzip.
        ("t/a.csv.gz", b"id,name\n1,one\n", "gzip file: "),
        ("t/a.csv.gz", WHOLE_GZIP[:-100], "gzip file: "),
        ("t/a.csv.gz", WHOLE_GZIP[:5], "gzip file: "),
        ("t/a.csv.gz", BAD_CHECKSUM, "gzip file: "),
        ("t/a.csv.gz", BAD_DEFLATE, "gzip file: "),
        # Delimited.
        ("t/a.csv", b"id,name\n1,one\n2\n", "line 3 has 1 fields"),
        ("t/a.csv", b"id,name\n1,one,more\n", "line 2 has 3 fields"),
        ("t/a.csv", b"id,name\n1,one\n\n2,two\n", "line 3 is empty"),
        ("t/a.csv.gz", packed(b"id,name\n1\n"), "line 2 has 1 fields"),
        ("t/a.csv", b"id;name\n1,5;one\n", "separated by ';'"),
        ("t/a.csv", b"id\tname\n1\tone\n", "separated by '\\t'"),
        ("t/a.csv", b"1\x01one\n2\x01two\n", "separated by '\\x01'"),
        ("t/a.csv", b"id,$Path\n1,one\n", r"a column named $Path"),
        ("t/a.json", b'{"id": 1, "$path": "one"}\n', "a column named $path"),
        ("t/a.csv", b"a\x1cb,c\n1,2\n", "its header has the character U+001C in the name"),
        ("t/a.csv", b"id,c\x01\n1,2\n", "U+0001"),
        ("t/a.csv", b"id,c\x1f\n1,2\n", "U+001F"),
        ("t/a.json", b'{"id": 1}\n{"a\\nb": 1}\n', "line 2 has the character U+000A in the name 'a\\nb'"),
        ("t/a.json", b'{"id": 1}\n{"s": [{"\x02": 1}]}\n', "the column s has "),
        ("t/a.json", b'{"id": 1}\n{"s": {"": 1}}\n', "the column s has a nested key without a name"),
        ("t/a.tsv", b"id,name\n1,one\n", "separated by ','"),
        ("t/a.csv", b'id,name\n1,one\n2,c"d\n', "line 3 has an unpaired quote"),
        ("t/a.csv", b"id,name,Name\n1,2,3\n", "duplicate column names (case-insensitive): name"),
        ("t/a.csv", b"id, id\n1,2\n", "duplicate column names (case-insensitive): id"),
        ("t/a.csv", b"id,,name, \n1,2,3,4\n", "position 2, 4"),
        ("t/a.csv", b"id,name\n", "no rows, only a header"),
        ("t/a.csv", b"id,name", "no rows, only a header"),
        ("t/a.csv", b"\xef\xbb\xbf", "first line is empty"),
        ("t/a.csv", b"\n1,one\n", "first line is empty"),
        ("t/a.csv.gz", packed(b""), "first line is empty"),
        ("t/a.csv", b'id,"na\nme"\n1,2\n', "header has a line break"),
        ("t/a.csv", b'id,name\n1,one\n2,"two\nlines"\n3,x\n', "starts on line 3 has a line break"),
        ("t/a.csv", b'id,name\n1,"never closed\n2,x\n', "starts on line 2 has a line break"),
        # JSON.
        ("t/a.json", b'[{"id": 1}, {"id": 2}]', "JSON array"),
        ("t/a.json", b'  [\n{"id": 1}\n]\n', "JSON array"),
        ("t/a.json", b'{\n  "id": 1\n}\n', "line 1 is not a complete JSON object"),
        ("t/a.json", b'{"id": 1}\n{"id": \n', "line 2 is not a complete JSON object"),
        ("t/a.json", b'{"id": 1}\n7\n', "line 2 is not a complete JSON object"),
        ("t/a.json", b'{"id": 1}\n[1]\n', "line 2 is not a complete JSON object"),
        ("t/a.json", b'{"id": 1}\n\n{"id": 2}\n', "line 2 is empty"),
        ("t/a.json", b'{"id": 1} {"id": 2}\n', "line 1 is not a complete JSON object"),
        ("t/a.json", b'{"a":' * 100_000, "line 1 is not a complete JSON object"),
        ("t/a.json", b'{"a": ' + b"9" * 5000 + b"}", "line 1 is not a complete JSON object"),
        ("t/a.json.gz", packed(b""), "no rows"),
        ("t/a.ndjson", b"\xef\xbb\xbf", "no rows"),
        # Parquet.
        ("t/a.parquet", b"PAR1PAR1", "not a Parquet file: it is too short"),
        ("t/a.parquet", PNG, "not a Parquet file but a PNG image"),
        ("t/a.parquet", b"id,name\n1,one\n", "not a Parquet file"),
        ("t/a.parquet", PARQUET[:-4], "truncated: its footer is missing"),
        ("t/a.parquet", PARQUET[:14], "truncated: its footer is missing"),
        ("t/a.parquet", parquet(b""), "footer cannot be read: it ends unexpectedly"),
        ("t/a.parquet", parquet(b"foot"), "footer cannot be read: unknown type"),
        ("t/a.parquet", parquet(b"\x00"), "footer cannot be read: the schema is missing"),
        ("t/a.parquet", parquet(footer("id", rows=0)), "allow_empty"),
        ("t/a.parquet", b"PAR1" + (1000).to_bytes(4, "little") + b"PAR1", "truncated"),
    ],
)
def test_a_bad_file_is_reported_in_words(cloud: Cloud, name: str, body: bytes, reason: str) -> None:
    with pytest.raises(ValidationFailed) as raised:
        read(cloud, name, body)
    assert f"s3://{TARGET}/{name} " in str(raised.value)
    assert reason in str(raised.value)


def test_a_line_may_be_as_long_as_athenas_and_no_longer(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert text_blocks.LONGEST_LINE == 32 * 1024 * 1024
    longest = 2 * 1024 * 1024
    monkeypatch.setattr(text_blocks, "LONGEST_LINE", longest)
    empty = len('{"a":""}\n')
    fits = b'{"a":"' + b"x" * (longest - empty - 1) + b'"}\n'
    assert len(fits) == longest - 1
    assert read(cloud, "t/a.json", fits).records == 1
    with pytest.raises(ValidationFailed, match="a line of more than 2 MB"):
        read(cloud, "t/a.json", fits.replace(b"x", b"xxx", 1))


def test_a_small_file_that_unpacks_to_one_endless_line_is_rejected_in_bounded_memory(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 1024 * 1024
    monkeypatch.setattr(text_blocks, "LONGEST_LINE", longest)
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 64 * 1024)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(64):
            file.write(b" " * longest)
    obj, layout = put(cloud, "t/bomb.json.gz", packed.getvalue()), file_format("t/bomb.json.gz")
    assert layout
    tracemalloc.start()
    try:
        with pytest.raises(ValidationFailed, match="a line of more than 1 MB"):
            read_file(obj, layout, lambda: True, Expected())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * longest


def test_a_long_field_is_read_as_any_other(cloud: Cloud) -> None:
    # Athena's limit is that of a row, 32 MB ("Considerations and limitations").
    for header, value in ((b"id\n", b""), (b"id,name\n", b"1,")):
        assert read(cloud, "t/a.csv", header + value + b"x" * (1024 * 1024 + 1) + b"\n").records == 1


@pytest.mark.parametrize("name", ["t/a.csv", "t/a.parquet"])
@pytest.mark.parametrize(
    ("code", "error"),
    [("PreconditionFailed", ObjectChanged), ("NoSuchKey", ObjectChanged), ("AccessDenied", AccessDenied)],
)
def test_a_file_that_cannot_be_had_is_no_bad_file(cloud: Cloud, name: str, code: str, error: type[Exception]) -> None:
    cloud.hooks.answer("GetObject", ErrorResponse(code))
    with pytest.raises(error):
        read(cloud, name, PARQUET)


def test_a_parquet_file_replaced_between_two_reads_is_changed_and_not_broken(cloud: Cloud) -> None:
    cloud.hooks.answer("GetObject", lambda: None, ErrorResponse("PreconditionFailed"))
    with pytest.raises(ObjectChanged):
        read(cloud, "t/a.parquet", PARQUET)
    assert [given.get("Range") for given in cloud.hooks.params["GetObject"]] == ["bytes=0-3", "bytes=-65536"]


@pytest.mark.parametrize("name", ["t/a.csv", "t/a.csv.gz"])
def test_a_body_that_breaks_off_is_tried_again_and_never_reported_as_a_bad_file(cloud: Cloud, name: str) -> None:
    body = b"id,name\n1,one\n2"
    body = packed(body) if name.endswith(".gz") else body

    def promise_more(answer: dict[str, Any]) -> None:
        answer["Body"]._content_length = len(body) + 100

    cloud.hooks.edits["GetObject"] = promise_more
    with pytest.raises(Throttled, match=f"(?i)reading s3://{TARGET}/{name}"):
        read(cloud, name, body)


def test_the_broken_gzip_files_of_this_table_are_broken_in_different_ways() -> None:
    for broken, error in ((BAD_CHECKSUM, gzip.BadGzipFile), (BAD_DEFLATE, zlib.error), (WHOLE_GZIP[:-100], EOFError)):
        with pytest.raises(error):
            gzip.decompress(broken)


def test_what_athena_changes_is_reported_by_the_line_it_begins_in(cloud: Cloud) -> None:
    paths = read(cloud, "t/a.csv", b"id,path\n1,x\n2,C:\\temp\n3,D:\\temp\n")
    assert paths.records == 3
    (warning,) = paths.warnings
    assert "line 3" in warning
    assert "backslash" in warning
    assert read(cloud, "t/a.csv", b"id,path\n1,x\n").warnings == ()


@pytest.mark.parametrize(
    ("name", "body", "columns"),
    [
        ("t/a.csv", b"id,name\n", ("id", "name")),
        ("t/a.tsv.gz", packed(b"id\tname"), ("id", "name")),
        ("t/a.parquet", parquet(footer("id", "name", rows=0)), ("id", "name")),
        ("t/a.json.gz", packed(b""), None),
    ],
)
def test_a_file_without_rows_is_good_where_its_rule_allows_it(
    cloud: Cloud, name: str, body: bytes, columns: tuple[str, ...] | None
) -> None:
    layout = file_format(name)
    assert layout
    assert read_file(put(cloud, name, body), layout, lambda: True, Expected(allow_empty=True)) == FileContents(
        columns, 0
    )


def test_a_header_without_names_is_bad_although_its_rule_allows_no_rows(cloud: Cloud) -> None:
    layout = file_format("t/a.csv")
    assert layout
    with pytest.raises(ValidationFailed, match="first line is empty"):
        read_file(put(cloud, "t/a.csv", b"\n"), layout, lambda: True, Expected(allow_empty=True))


def test_the_columns_of_json_are_those_of_the_first_record_and_what_comes_later(cloud: Cloud) -> None:
    found = read(cloud, "t/a.json", b'{"Id": 1, "b": {"c": 1}}\n{"id": 2, "D": 1}\n{"e": 1, "d": 2}\n')
    assert (found.columns, found.later_columns) == (("id", "b"), ("d", "e"))


def test_keys_as_many_as_records_are_not_all_remembered(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MOST_LATER_COLUMNS", 2)
    found = read(cloud, "t/a.json", b"".join(b'{"k%d": 1}\n' % number for number in range(10)))
    assert (found.records, found.later_columns) == (10, ("k1", "k2"))
