"""Reads values in Thrift's compact protocol, forward only. Pure.

The bytes are untrusted input. Every step consumes at least a byte, and the nesting has a limit, so reading terminates
whatever the bytes are. Source: "Thrift compact protocol" (Apache Thrift specification).

Raises ThriftUnreadable, which never leaves a function.
"""

from collections.abc import Iterator

DEEPEST = 32
"""How deep structs may be nested; a Parquet footer needs five levels."""

LONGEST_VARINT_BYTES = 10

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(14)
INTEGERS = frozenset({I16, I32, I64})
FIXED_BYTES = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8, UUID: 16}
"""The size of a value outside a field, where it does not depend on the value."""


class ThriftUnreadable(Exception):
    """The bytes are invalid; the message says why."""


class ThriftCutOff(ThriftUnreadable):
    """The bytes end too early."""


class CompactReader:
    """Reads bytes of the compact protocol, forward only."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self._position = 0

    @property
    def position(self) -> int:
        """How many bytes have been read."""
        return self._position

    def field(self, previous: int) -> tuple[int, int]:
        """Read the next field's number and type; `previous` is the number of the preceding field."""
        header = self._byte()
        kind, delta = header & 0x0F, header >> 4
        if kind == STOP:
            return 0, STOP
        return (previous + delta if delta else self.integer()), kind

    def fields(self) -> Iterator[tuple[int, int]]:
        """Iterate over the fields of a struct; the caller reads or skips each one's value."""
        number, kind = self.field(0)
        while kind != STOP:
            yield number, kind
            number, kind = self.field(number)

    def integer(self) -> int:
        """Read a number of any width: a zigzag varint."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def byte(self) -> int:
        """Read a byte."""
        return self._byte()

    def text(self) -> str:
        """Read a name."""
        try:
            return str(self._take(self._varint()), "utf-8")
        except UnicodeDecodeError as error:
            raise ThriftUnreadable("a name is not UTF-8") from error

    def binary(self) -> bytes:
        """Read bytes."""
        return bytes(self._take(self._varint()))

    def list_header(self) -> tuple[int, int]:
        """Read the type of a list's elements, and their number."""
        header = self._byte()
        size = header >> 4
        return header & 0x0F, self._varint() if size == 0x0F else size

    def skip(self, kind: int, depth: int = 0) -> None:
        """Skip a field's value."""
        if depth > DEEPEST:
            raise ThriftUnreadable(f"the nesting is deeper than {DEEPEST} levels")
        if kind in (TRUE, FALSE):
            # For a boolean field the type is the value.
            return
        self._skip_value(kind, depth)

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind in FIXED_BYTES:
            self._take(FIXED_BYTES[kind])
        elif kind in INTEGERS:
            self._varint()
        elif kind == BINARY:
            self._take(self._varint())
        elif kind in (LIST, SET):
            element, size = self.list_header()
            for _ in range(size):
                self._skip_element(element, depth)
        elif kind == MAP:
            self._skip_map(depth)
        elif kind == STRUCT:
            field, kind = self.field(0)
            while kind != STOP:
                self.skip(kind, depth + 1)
                field, kind = self.field(field)
        else:
            raise ThriftUnreadable(f"unknown type {kind}")

    def _skip_map(self, depth: int) -> None:
        size = self._varint()
        if not size:
            return
        kinds = self._byte()
        for _ in range(size):
            self._skip_element(kinds >> 4, depth)
            self._skip_element(kinds & 0x0F, depth)

    def _skip_element(self, kind: int, depth: int) -> None:
        """Skip an element. It takes at least a byte, so a huge size soon reaches the end of the bytes."""
        if depth > DEEPEST:
            raise ThriftUnreadable(f"the nesting is deeper than {DEEPEST} levels")
        self._skip_value(kind, depth + 1)

    def _varint(self) -> int:
        value = 0
        for index in range(LONGEST_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value
        raise ThriftUnreadable("a number has more than 64 bits")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, length: int) -> bytes | memoryview:
        taken = self._data[self._position : self._position + length]
        if len(taken) < length:
            raise ThriftCutOff("it ends unexpectedly")
        self._position += length
        return taken
