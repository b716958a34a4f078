"""Functions of doubles that give NaN or an infinity where Python and DuckDB raise an error, as Java does."""

import math
import struct
from collections.abc import Callable


def _or(compute: Callable[..., float], *arguments: float) -> float:
    try:
        return compute(*arguments)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf


def sqrt(value: float) -> float:
    """Return the square root; NaN of a negative number."""
    return _or(math.sqrt, value)


def cbrt(value: float) -> float:
    """Return the cube root, with the roundings of Java's: the polynomial and the step of Newton of fdlibm's s_cbrt."""
    if value == 0 or not math.isfinite(value):
        return value
    size = abs(value)
    if size < _SMALLEST_NORMAL:
        guess = _of_words(_high_word(size * 2.0**54) // 3 + 696219795)
    else:
        guess = _of_words(_high_word(size) // 3 + 715094163)
    s = 19 / 35 + guess * guess / size * guess
    guess *= 5 / 14 + 45 / 28 / (s + 99 / 70 + -864 / 1225 / s)
    guess = _of_words(_high_word(guess) + 1)
    quotient = size / (guess * guess)
    root = guess + guess * ((quotient - guess) / (guess + guess + quotient))
    return math.copysign(root, value)


_SMALLEST_NORMAL = 2.0**-1022


def _high_word(value: float) -> int:
    return int(struct.unpack(">I", struct.pack(">d", value)[:4])[0])


def _of_words(high: int) -> float:
    return float(struct.unpack(">d", struct.pack(">I", high) + bytes(4))[0])


def exp(value: float) -> float:
    """Return e to the power of a number."""
    return _or(math.exp, value)


def ln(value: float) -> float:
    """Return the natural logarithm; -Infinity of zero."""
    return -math.inf if value == 0 else _or(math.log, value)


def log2(value: float) -> float:
    """Return the logarithm to base 2 as MathFunctions of Trino computes it, which is not always a whole number."""
    return ln(value) / math.log(2)


def log10(value: float) -> float:
    """Return the logarithm to base 10."""
    return -math.inf if value == 0 else _or(math.log10, value)


def log(base: float, value: float) -> float:
    """Return the logarithm to a base."""
    over, under = ln(value), ln(base)
    if under == 0:
        return math.nan if over == 0 or math.isnan(over) else math.copysign(math.inf, over)
    return over / under if math.isfinite(under) or math.isfinite(over) else math.nan


def power(base: float, exponent: float) -> float:
    """Return a power."""
    if base == 0 and exponent < 0:
        is_odd = exponent == math.floor(exponent) and exponent % 2 == 1
        return math.copysign(math.inf, base) if is_odd else math.inf
    if abs(base) == 1 and (math.isinf(exponent) or math.isnan(exponent)):
        return math.nan
    try:
        return math.pow(base, exponent)
    except ValueError:
        return math.nan
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf


def sin(value: float) -> float:
    """Return the sine."""
    return _or(math.sin, value)


def cos(value: float) -> float:
    """Return the cosine."""
    return _or(math.cos, value)


def tan(value: float) -> float:
    """Return the tangent."""
    return _or(math.tan, value)


def asin(value: float) -> float:
    """Return the arc sine."""
    return _or(math.asin, value)


def acos(value: float) -> float:
    """Return the arc cosine."""
    return _or(math.acos, value)


def sinh(value: float) -> float:
    """Return the hyperbolic sine."""
    return math.copysign(_or(math.sinh, abs(value)), value)


def cosh(value: float) -> float:
    """Return the hyperbolic cosine."""
    return _or(math.cosh, value)
