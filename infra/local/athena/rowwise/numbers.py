"""Numbers as Trino computes, rounds and prints them.

Sources: DoubleOperators, RealOperators, DecimalOperators, MathFunctions, IntervalDayTime of Trino, and their tests.
"""

import math
import re
import struct
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, localcontext

from infra.local.athena.errors import Fault

_DOUBLE = re.compile(
    r"[\x00-\x20]*([+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))([fFdD]?)[\x00-\x20]*"
)
_DIGITS = re.compile("([+-]?)([0-9A-Za-z]+)")
_EXACT = Context(prec=400, Emax=10000, Emin=-10000, rounding=ROUND_HALF_UP)


def java_double(value: float) -> str:
    """Print a double as Java's Double.toString does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else text + ".0"
    # Java prints at least two digits, those closest to the value: of the smallest doubles, the second one counts.
    two_digits = f"{value:.1e}"
    written = two_digits if float(two_digits) == value else repr(value)
    sign, digits, exponent = Decimal(written).normalize().as_tuple()
    shown = "".join(map(str, digits))
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{len(shown) - 1 + int(exponent)}"


def double_of_text(text: str) -> float:
    """Read a double as Java's Double.parseDouble does, without hexadecimal ones. Raises ValueError."""
    match = _DOUBLE.fullmatch(text)
    if match is None or (match[2] and match[1].endswith(("NaN", "Infinity"))):
        raise ValueError(f"{text} is not a number")
    return float(match[1])


def shortest_float(value: float) -> float:
    """Return the double with the fewest digits that is the same real."""
    if not math.isfinite(value):
        return value
    packed = struct.pack("f", value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == packed:
            return float(text)
    return value


def text_of_double(value: float) -> str:
    """Cast a double to varchar: the scientific form of the SQL standard, `1.0E3`."""
    if value == 0:
        return "-0E0" if math.copysign(1, value) < 0 else "0E0"
    if not math.isfinite(value):
        return java_double(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    shown = "".join(map(str, digits))
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{len(shown) - 1 + int(exponent)}"


def text_of_real(value: float) -> str:
    """Cast a real to varchar: at most 7 digits, where the shortest text may need 9 (TestRealOperators)."""
    return text_of_double(float(f"{value:.6e}"))


_LONG = 2.0**63
_LONG_POWERS = 18
_LEAST_POWER, _MOST_POWER = -323, 308
"""The powers of ten that a double has."""


def _fit(value: Decimal, precision: int, scale: int) -> Decimal | None:
    try:
        with localcontext(_EXACT):
            rounded = value.quantize(Decimal(1).scaleb(-scale))
    except DecimalException:
        return None
    return rounded if abs(rounded) < Decimal(10) ** (precision - scale) else None


def decimal_of_double(value: float, precision: int, scale: int) -> Decimal:
    """Cast a double to a decimal."""
    found = try_decimal_of_double(value, precision, scale)
    if found is None:
        raise Fault(
            "INVALID_CAST_ARGUMENT", f"Cannot cast DOUBLE '{java_double(value)}' to DECIMAL({precision}, {scale})"
        )
    return found


def try_decimal_of_double(value: float, precision: int, scale: int) -> Decimal | None:
    """Cast a double to a decimal; None if it does not fit."""
    return _fit(Decimal(repr(value)), precision, scale) if math.isfinite(value) else None


def decimal_of_real(value: float, precision: int, scale: int) -> Decimal:
    """Cast a real to a decimal."""
    return decimal_of_double(shortest_float(value), precision, scale)


def try_decimal_of_real(value: float, precision: int, scale: int) -> Decimal | None:
    """Cast a real to a decimal; None if it does not fit."""
    return try_decimal_of_double(shortest_float(value), precision, scale)


def add(left: Decimal, right: Decimal, precision: int, scale: int) -> Decimal:
    """Add two decimals whose sum may have too many digits for the scale of the result."""
    with localcontext(_EXACT):
        # Trino rescales both to 128 bits first.
        if max(abs(left), abs(right)).scaleb(scale) >= 2**127:
            raise Fault("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
        return _in_range(left + right, precision, scale)


def subtract(left: Decimal, right: Decimal, precision: int, scale: int) -> Decimal:
    """Subtract two decimals as `add` adds them."""
    return add(left, right.copy_negate(), precision, scale)


def divide(left: Decimal, right: Decimal, precision: int, scale: int) -> Decimal:
    """Divide two decimals, rounded half up to the scale of the result."""
    if right == 0:
        raise Fault("DIVISION_BY_ZERO", "Division by zero")
    with localcontext(_EXACT):
        quotient = left / right
    return _in_range(quotient, precision, scale)


def remainder(left: Decimal, right: Decimal, precision: int, scale: int) -> Decimal:
    """Return the remainder of two decimals, with the sign of the first."""
    if right == 0:
        raise Fault("DIVISION_BY_ZERO", "Division by zero")
    with localcontext(_EXACT):
        return _in_range(left % right, precision, scale)


def _in_range(value: Decimal, precision: int, scale: int) -> Decimal:
    found = _fit(value, precision, scale)
    if found is None:
        raise Fault("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
    return found


def round_decimal(value: Decimal, digits: int, precision: int, scale: int) -> Decimal:
    """Round a decimal to a number of digits, half up; its scale stays."""
    if digits >= scale:
        return value
    with localcontext(_EXACT):
        rounded = value.quantize(Decimal(1).scaleb(-max(digits, -precision)))
    return _in_range(rounded, precision, scale)


def round_integer(value: int, digits: int, bits: int) -> int:
    """Round an integer of a number of bits to a power of ten, half away from zero (MathFunctions.roundLong)."""
    if digits >= 0:
        return value
    factor: int = 10 ** min(-digits, _LONG_POWERS + 1)
    rounded = (abs(value) + factor // 2) // factor * factor * (-1 if value < 0 else 1)
    if digits < -_LONG_POWERS or not -(2 ** (bits - 1)) <= rounded < 2 ** (bits - 1):
        raise Fault("NUMERIC_VALUE_OUT_OF_RANGE", f"numerical overflow: {value}")
    return rounded


def round_double(value: float, digits: int) -> float:
    """Round a double to a number of digits, half up (MathFunctions.round)."""
    if not math.isfinite(value):
        return value
    if value == 0 or digits < _LEAST_POWER:
        return math.nan if digits < _LEAST_POWER else 0.0
    # A number with so many digits has no more to round.
    scaled = abs(value) * 10.0**digits if digits <= _MOST_POWER else math.inf
    if scaled >= _LONG:
        return value
    whole = math.floor(scaled)
    return math.copysign((whole + (scaled - whole >= 0.5)) / 10.0**digits, value)


def average(total: Decimal, count: int, precision: int, scale: int) -> Decimal:
    """Return the average of decimals, which has their type."""
    return divide(total, Decimal(count), precision, scale)


def text_of_day_interval(milliseconds: int) -> str:
    """Print an interval of days to seconds: `2 03:04:05.006`."""
    sign, rest = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    days, rest = divmod(rest, 86_400_000)
    hours, rest = divmod(rest, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{sign}{days} {hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def text_of_year_interval(months: int) -> str:
    """Print an interval of years to months: `1-2`."""
    sign, rest = ("-", -months) if months < 0 else ("", months)
    return f"{sign}{rest // 12}-{rest % 12}"


def to_base(value: int, radix: int) -> str:
    """Write an integer in a base."""
    _check_radix(radix)
    digits, rest = "", abs(value)
    while rest:
        rest, digit = divmod(rest, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return ("-" if value < 0 else "") + (digits or "0")


def from_base(text: str, radix: int) -> int:
    """Read an integer in a base."""
    _check_radix(radix)
    match = _DIGITS.fullmatch(text)
    try:
        # The zero keeps Python's int from taking a prefix such as 0x.
        value = int(f"{match[1]}0{match[2]}", radix) if match is not None else None
    except ValueError:
        value = None
    if value is None or not -(2**63) <= value < 2**63:
        raise Fault("INVALID_FUNCTION_ARGUMENT", f'Not a valid base-{radix} number: For input string: "{text}"')
    return value


def _check_radix(radix: int) -> None:
    if not 2 <= radix <= 36:
        raise Fault("INVALID_FUNCTION_ARGUMENT", "Radix must be between 2 and 36")


def width_bucket(value: float, low: float, high: float, count: int) -> int:
    """Return the number of the bucket that a value is in."""
    if count <= 0:
        raise Fault("INVALID_FUNCTION_ARGUMENT", "bucketCount must be greater than 0")
    if not all(map(math.isfinite, (low, high))) or math.isnan(value) or low == high:
        raise Fault("INVALID_FUNCTION_ARGUMENT", "bounds must be finite and cannot equal each other")
    if count == 2**63 - 1 and value >= max(low, high):
        raise Fault("NUMERIC_VALUE_OUT_OF_RANGE", f"Bucket for value {java_double(value)} is out of range")
    lower, upper = min(low, high), max(low, high)
    if value < lower:
        found = 0
    elif value >= upper:
        found = count + 1
    else:
        found = int(count * (value - lower) / (upper - lower) + 1)
    return found if low <= high else count - found + 1


def width_bucket_of_bins(value: float, bins: list[float | None]) -> int:
    """Return how many of the bins begin at or below a value."""
    if not bins:
        raise Fault("INVALID_FUNCTION_ARGUMENT", "Bins cannot be an empty array")
    if math.isnan(value):
        raise Fault("INVALID_FUNCTION_ARGUMENT", "Operand cannot be NaN")
    if None in bins:
        raise Fault("NOT_SUPPORTED", "the local Athena does not support NULL in bins")
    numbers = [number for number in bins if number is not None]
    # Only the bins that the search visits are checked.
    lower, upper = 0, len(numbers)
    while lower < upper:
        middle = (lower + upper) // 2
        if numbers[lower] > numbers[upper - 1]:
            raise Fault("INVALID_FUNCTION_ARGUMENT", "Bin values are not sorted in ascending order")
        if not math.isfinite(numbers[middle]):
            raise Fault("INVALID_FUNCTION_ARGUMENT", f"Bin value must be finite, got {java_double(numbers[middle])}")
        lower, upper = (lower, middle) if value < numbers[middle] else (middle + 1, upper)
    return lower
