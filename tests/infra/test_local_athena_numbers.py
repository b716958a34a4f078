"""The local Athena computes numbers as Trino does: cases of the tests of Trino's classes, which each table names."""

from pathlib import Path

import pytest

from tests.infra.local_queries import each_failure, require_failure, require_values

Case = tuple[str, str | None]
VALUES: dict[str, list[Case]] = {
    "TestMathFunctions": [
        ("cbrt(27)", "3.0"),
        ("cbrt(-123.45e0)", "-4.9792473177376095"),
        ("cbrt(1e-320)", "2.1544266950262728E-107"),
        ("cbrt(-0e0)", "-0.0"),
        ("log2(536870912)", "29.000000000000004"),
        ("round(DOUBLE '0.49999999999999994', 0)", "0.0"),
        ("round(DOUBLE '-0.49999999999999994', 0)", "-0.0"),
        ("round(-0e0)", "0.0"),
        ("round(1e0, 400)", "1.0"),
        ("round(1e0, -400)", "NaN"),
        ("round(DECIMAL '9999999999999999999999999999999999999.9', 1)", "9999999999999999999999999999999999999.9"),
        ("round(DECIMAL '1.5', -1000000)", "0.0"),
        ("round(TINYINT '-128', -2)", "-100"),
        ("round(9223372036854775807, -18)", "9000000000000000000"),
        ("sign(-0e0)", "-0.0"),
        ("greatest(nan(), 5, 4)", "5.0"),
        ("greatest(5, 4, nan())", "5.0"),
        ("least(nan(), nan(), 3)", "3.0"),
        ("least(nan(), nan())", "NaN"),
        ("least(REAL 'NaN', REAL '5')", "5.0"),
        ("typeof(to_base(255, 2))", "varchar(64)"),
        ("from_base('+ff', 16)", "255"),
    ],
    "TestDoubleOperators, TestRealOperators, TestDecimalCasts": [
        ("CAST(1e40 AS real)", "Infinity"),
        ("CAST(-1e40 AS real)", "-Infinity"),
        ("CAST(nan() AS real)", "NaN"),
        ("(SELECT sum(x) FROM (VALUES REAL '3e38', REAL '3e38') AS t (x))", "Infinity"),
        ("(SELECT sum(x) OVER () FROM (VALUES REAL '-3e38', REAL '-3e38') AS t (x) LIMIT 1)", "-Infinity"),
        ("CAST(CAST(NULL AS double) AS real)", None),
        ("CAST(REAL '12345678.9e0' AS varchar)", "1.234568E7"),
        ("CAST(DECIMAL '1.5' AS decimal(38,37))", "1.5000000000000000000000000000000000000"),
        ("TRY_CAST(DECIMAL '12345678901' AS integer)", None),
        ("CAST(DECIMAL '4265292598459439.14' AS double)", "4.2652925984594395E15"),
        ("DECIMAL '4265292598459439.14' * 1e0", "4.2652925984594395E15"),
        ("CAST(DECIMAL '-822328889966021786174593959079843373' AS double)", "-8.223288899660217E35"),
        ("CAST(DECIMAL '-0.05' AS double)", "-0.05"),
        ("CAST(DECIMAL '0.12345678901234567' AS real)", "0.12345678"),
        ("CAST(REAL '1234567940' AS decimal(20,2))", "1234568000.00"),
    ],
    "TestIntegerOperators, TestBigintOperators": [
        ("INTEGER '-2147483648' % INTEGER '-1'", "0"),
        ("BIGINT '-9223372036854775808' % -1", "0"),
        ("-(-5)", "5"),
        ("-9223372036854775808", "-9223372036854775808"),
    ],
    "TestDecimalOperators": [
        ("DECIMAL '12345678901234567' * DECIMAL '123456789012345670'", "1524157875323883455265967556774890"),
        (
            "DECIMAL '17014000000000000000000000000000000000' + DECIMAL '-7014000000000000000000000000000000000.1'",
            "9999999999999999999999999999999999999.9",
        ),
        (
            "DECIMAL '17014000000000000000000000000000000000' - DECIMAL '7014000000000000000000000000000000000.1'",
            "9999999999999999999999999999999999999.9",
        ),
    ],
    "IntervalDayTimeOperators, IntervalYearMonthOperators, TimestampOperators": [
        ("INTERVAL '1' DAY * 9007199255", "9007199255 00:00:00.000"),
        ("3 * INTERVAL '1' MONTH", "0-3"),
        ("INTERVAL '1' DAY * 1.5e0", "1 12:00:00.000"),
        ("INTERVAL '3' MONTH / 2", "0-1"),
        ("typeof(TIMESTAMP '2020-01-01 10:00:00' + INTERVAL '1' DAY)", "timestamp(3)"),
        ("typeof(TIMESTAMP '2020-01-01 10:00:00 UTC' - INTERVAL '1' DAY)", "timestamp(3) with time zone"),
        ("typeof(TIMESTAMP '2020-01-01 10:00:00' + INTERVAL '1' MONTH)", "timestamp(0)"),
        ("TIMESTAMP '2020-01-01 10:00:00.0005' - TIMESTAMP '2020-01-01 10:00:00.0000'", "0 00:00:00.001"),
        ("TIMESTAMP '2020-01-01 10:00:00.0000' - TIMESTAMP '2020-01-01 10:00:00.0005'", "0 00:00:00.000"),
    ],
}
FAILURES: dict[str, list[tuple[str, str]]] = {
    "TestMathFunctions": [
        ("round(TINYINT '127', -1)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("round(5, -19)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("round(3, BIGINT '1')", "FUNCTION_NOT_FOUND"),
        ("CAST('0x1p3' AS double)", "NOT_SUPPORTED: the local Athena does not read 0x1p3 as double"),
        ("truncate(5)", "NOT_SUPPORTED: the local Athena does not truncate integers"),
        ("from_base('0x1f', 16)", "INVALID_FUNCTION_ARGUMENT"),
        ("from_base('ff ', 16)", "INVALID_FUNCTION_ARGUMENT"),
        ("width_bucket(infinity(), 0, 4, 9223372036854775807)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("width_bucket(infinity(), 4, 0, 9223372036854775807)", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ],
    "TestDecimalCasts": [
        ("CAST(true AS decimal(1,1))", "NOT_SUPPORTED: the local Athena does not cast boolean to decimal(1,1)"),
        ("CAST(BIGINT '10' AS decimal(38,37))", "INVALID_CAST_ARGUMENT: Cannot cast BIGINT '10' to DECIMAL(38, 37)"),
        ("CAST(DECIMAL '1' AS decimal(38,38))", "INVALID_CAST_ARGUMENT: Cannot cast DECIMAL '1' to DECIMAL(38, 38)"),
        ("CAST(DECIMAL '129' AS tinyint)", "INVALID_CAST_ARGUMENT: Out of range for tinyint: 129"),
        ("DECIMAL '99999999999999999999999999999999999999' = 0.1", "INVALID_CAST_ARGUMENT: Cannot cast decimal(38,0)"),
    ],
    "TestTinyintOperators, TestBigintOperators, TestDecimalOperators": [
        ("-TINYINT '-128'", "NUMERIC_VALUE_OUT_OF_RANGE: subtraction overflow"),
        ("-x FROM (VALUES BIGINT '-9223372036854775808') AS t (x)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("INTEGER '-2147483648' / -1", "NUMERIC_VALUE_OUT_OF_RANGE: division overflow"),
        (
            "DECIMAL '17015000000000000000000000000000000000' + DECIMAL '-7015000000000000000000000000000000000.1'",
            "NUMERIC_VALUE_OUT_OF_RANGE: Decimal overflow",
        ),
    ],
    "IntervalDayTimeOperators": [
        ("INTERVAL '1' DAY / 0", "INVALID_FUNCTION_ARGUMENT"),
        ("INTERVAL '1' DAY * nan()", "INVALID_FUNCTION_ARGUMENT"),
        ("INTERVAL '1' DAY * infinity()", "NOT_SUPPORTED: the local Athena does not support such a long interval"),
    ],
}


@pytest.mark.parametrize("source", VALUES)
def test_numbers_are_trinos(tmp_path: Path, source: str) -> None:
    require_values(VALUES[source], tmp_path)


@pytest.mark.parametrize(("query", "reason"), each_failure(FAILURES))
def test_what_trino_rejects_of_numbers_fails(tmp_path: Path, query: str, reason: str) -> None:
    require_failure(f"SELECT {query}", reason, tmp_path)
