"""Functions of doubles that give NaN or an infinity where Python and DuckDB raise an error, as Java does."""

import math
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


def exp(value: float) -> float:
    """Return e to the power of a number."""
    return _or(math.exp, value)


def ln(value: float) -> float:
    """Return the natural logarithm; -Infinity of zero."""
    return -math.inf if value == 0 else _or(math.log, value)


def log2(value: float) -> float:
    """Return the logarithm to base 2."""
    return -math.inf if value == 0 else _or(math.log2, value)


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
