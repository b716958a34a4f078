"""Small Parquet files, written by hand."""


def parquet(footer: bytes, data: bytes = b"data") -> bytes:
    """A file as Parquet's file layout has it."""
    return b"PAR1" + data + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def schema(*names: str) -> bytes:
    """The list of a Parquet schema's elements in Thrift's compact protocol, by hand: a root and columns of text."""
    texts = [name.encode() for name in names]
    columns = [b"\x15\x0c\x25\x02\x18" + bytes([len(text)]) + text + b"\x00" for text in texts]
    root = b"\x48\x01r\x15" + bytes([2 * len(names)]) + b"\x00"
    return bytes([(1 + len(names)) << 4 | 0x0C]) + root + b"".join(columns)


def footer(*names: str, rows: int) -> bytes:
    """A complete footer: version 1, the schema, the number of rows, no row groups."""
    return b"\x15\x02\x19" + schema(*names) + b"\x16" + bytes([2 * rows]) + b"\x19\x0c\x00"


def footer_of_a_struct(name: str, fields: list[str]) -> bytes:
    """A footer of one column, a struct of as many fields of text as are wanted."""
    group = b"\x35\x02\x18" + bytes([len(name)]) + name.encode() + b"\x15" + _varint(2 * len(fields)) + b"\x00"
    root = b"\x48\x01r\x15\x02\x00"
    texts = b"".join(b"\x15\x0c\x25\x02\x18" + bytes([len(each)]) + each.encode() + b"\x00" for each in fields)
    elements = b"\xfc" + _varint(2 + len(fields)) + root + group + texts
    return b"\x15\x02\x19" + elements + b"\x16\x02\x19\x0c\x00"


def footer_of_empty_chunks(groups: int, chunks: int) -> bytes:
    """A footer of as many row groups, each with as many column chunks that are empty."""
    group = (b"\x19\xfc" + _varint(chunks) + bytes(chunks) if chunks else b"") + b"\x00"
    return footer("id", rows=1).removesuffix(b"\x19\x0c\x00") + b"\x19\xfc" + _varint(groups) + group * groups + b"\x00"


def _varint(number: int) -> bytes:
    rest = b""
    while number > 0x7F:
        rest += bytes([number & 0x7F | 0x80])
        number >>= 7
    return rest + bytes([number])


def footer_of_one_chunk(
    name: str, physical: int, encoding: int, *, elsewhere: bool = False, encrypted: bool = False
) -> bytes:
    """A footer with a row group of one column chunk: its physical type and its encoding, as parquet.thrift numbers.

    Its pages may be in another file (file_path), or encrypted (crypto_metadata).
    """
    stored = bytes([0x15, 2 * physical, 0x19, 0x15, 2 * encoding])
    meta_data = stored + bytes([0x19, 0x18, len(name)]) + name.encode() + b"\x15\x02\x00"
    chunk = (b"\x18\x01x\x2c" if elsewhere else b"\x3c") + meta_data + (b"\x5c\x1c\x00\x00" if encrypted else b"")
    row_group = b"\x19\x1c" + chunk + b"\x00" + b"\x00"
    return footer(name, rows=1).removesuffix(b"\x19\x0c\x00") + b"\x19\x1c" + row_group + b"\x00"


def page(stored: bytes, values: int, crc: int | None = None, kind: int = 0, largest: bytes = b"") -> bytes:
    """A data page (or one of another kind) that is stored as it is, with its header in Thrift's compact protocol.

    `largest`: the largest value, in the statistics of the header.
    """
    sizes = 2 * (b"\x15" + _number(len(stored)))
    checksum = b"" if crc is None else b"\x15" + _number(crc - (crc >> 31 << 32))
    field = {0: 5, 2: 7}.get(kind, 5)
    details = bytes([(field - (4 if checksum else 3)) << 4 | 0x0C]) + b"\x15" + _number(values) + b"\x15\x00"
    details += (b"\x3c\x18" + _varint(len(largest)) + largest + b"\x00" if largest else b"") + b"\x00"
    return b"\x15" + _number(kind) + sizes + checksum + details + b"\x00" + stored


def footer_of_pages(
    name: str, values: int, size: int, *, start: int = 4, rows: int | None = None, codec: int = 0, chunks: int = 1
) -> bytes:
    """A footer of one row group with one column of INT32: how many values its pages have, and where they are.

    `chunks`: how often the row group has the column.
    """
    path = b"\x19\x18" + bytes([len(name)]) + name.encode()
    numbers = b"\x15" + b"\x16".join(map(_number, (codec, values, size, size))) + b"\x26" + _number(start)
    chunk = b"\x3c" + b"\x15\x02\x19\x15\x00" + path + numbers + b"\x00\x00"
    group = (
        b"\x19"
        + bytes([chunks << 4 | 0x0C])
        + chunk * chunks
        + b"\x26"
        + _number(values if rows is None else rows)
        + b"\x00"
    )
    return b"\x15\x02\x19" + schema(name) + b"\x16" + _number(values) + b"\x19\x1c" + group + b"\x00"


def _number(number: int) -> bytes:
    return _varint(number << 1 ^ number >> 63)
