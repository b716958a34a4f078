"""The local Athena computes times as Trino does: cases of the tests of Trino's classes, which each table names."""

from pathlib import Path

import pytest

from tests.infra.local_queries import each_failure, require_failure, require_values

Case = tuple[str, str | None]
VALUES: dict[str, list[Case]] = {
    "ZonedChronology (Joda), DateAdd, DateTrunc of the package timestamptz: hours are instants, days are local": [
        (
            "date_add('hour', 24, TIMESTAMP '2020-03-07 12:00 America/New_York')",
            "2020-03-08 13:00:00.000 America/New_York",
        ),
        (
            "date_add('day', 1, TIMESTAMP '2020-03-07 02:30 America/New_York')",
            "2020-03-08 03:30:00.000 America/New_York",
        ),
        ("to_unixtime(date_add('hour', 1, TIMESTAMP '2020-11-01 01:30 America/New_York'))", "1.6042122E9"),
        ("to_unixtime(date_add('day', 1, TIMESTAMP '2020-10-31 01:30 America/New_York'))", "1.6042086E9"),
        ("to_unixtime(date_add('day', -1, TIMESTAMP '2020-11-02 01:30 America/New_York'))", "1.6042122E9"),
        ("to_unixtime(date_trunc('hour', from_unixtime(1604212200, 'America/New_York')))", "1.6042104E9"),
        ("to_unixtime(date_trunc('hour', from_unixtime(1604208600, 'America/New_York')))", "1.6042068E9"),
        ("to_unixtime(date_trunc('day', from_unixtime(1604260800, 'America/New_York')))", "1.6042032E9"),
        ("date_trunc('day', CAST(NULL AS timestamp with time zone))", None),
    ],
    "WithTimeZone: the first of two, an hour later if there is none": [
        ("to_unixtime(with_timezone(TIMESTAMP '2020-11-01 01:30', 'America/New_York'))", "1.6042086E9"),
        ("to_unixtime(with_timezone(TIMESTAMP '2020-03-29 02:30', 'Europe/Berlin'))", "1.5854454E9"),
        ("to_unixtime(with_timezone(TIMESTAMP '2020-03-29 05:30', 'Europe/Berlin'))", "1.5854526E9"),
        ("to_unixtime(with_timezone(TIMESTAMP '2020-04-05 01:45', 'Australia/Lord_Howe'))", "1.5860115E9"),
    ],
    "DateDiff of the packages timestamp and timestamptz": [
        (
            "date_diff('month', TIMESTAMP '2020-01-01 00:00:00 UTC', TIMESTAMP '2020-01-31 23:00:00 -05:00')",
            "1",
        ),
        ("date_diff('month', TIMESTAMP '2020-01-01 00:00 UTC', CAST(NULL AS timestamp with time zone))", None),
        ("date_diff('millisecond', TIMESTAMP '1969-12-31 23:59:59.9999', TIMESTAMP '1970-01-01 00:00:00')", "1"),
        ("date_diff('millisecond', TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 00:00:00.0006')", "0"),
        ("date_diff('year', DATE '2020-02-29', DATE '2021-02-28')", "1"),
        ("date_diff('year', DATE '2019-03-01', DATE '2020-02-29')", "0"),
        ("millisecond(TIMESTAMP '2020-01-01 00:00:00.9999')", "999"),
        ("date_add('millisecond', 600, TIMESTAMP '2020-01-01 10:00:00')", "2020-01-01 10:00:01.000"),
    ],
    "TestDateTimeFunctions": [
        ("typeof(to_iso8601(TIMESTAMP '2001-08-22 03:04:05.321'))", "varchar(26)"),
        ("typeof(to_iso8601(TIMESTAMP '2001-08-22 03:04:05.321 +07:09'))", "varchar(32)"),
        ("typeof(to_iso8601(DATE '2001-08-22'))", "varchar(16)"),
        ("timezone_hour(TIMESTAMP '2001-08-22 03:04:05.321')", "0"),
        ("EXTRACT(timezone_minute FROM TIMESTAMP '2001-08-22 03:04:05.321 -07:09')", "-9"),
        ("EXTRACT(hour FROM INTERVAL '27' HOUR)", "3"),
        ("day_of_month(INTERVAL '55' HOUR)", "2"),
        ("date_format(TIMESTAMP '2001-01-09 13:04:05.3219', '%f')", "322000"),
        ("format_datetime(TIMESTAMP '2001-08-22 03:04:05.3215', 'SSSSSS')", "322000"),
        ("format_datetime(TIMESTAMP '2001-08-22 03:04:05', 'yyyy''abc')", "2001abc"),
        ("format_datetime(TIMESTAMP '2001-08-22 03:04:05', '''z''')", "z"),
        ("date_format(TIMESTAMP '2001-01-09 13:04:05', '%g%4%')", "g4"),
        ("date_parse('2013 14', '%Y %y')", "2014-01-01 00:00:00.000"),
        ("date_parse('28-JAN-16 11.45.46.421000 PM', '%d-%b-%y %l.%i.%s.%f %p')", "2016-01-28 23:45:46.421"),
        ("date_parse('Mayx', '%Mx')", "2000-05-01 00:00:00.000"),
        ("parse_datetime('20200818', 'yyyyMMdd')", "2020-08-18 00:00:00.000 UTC"),
    ],
    "ISODateTimeFormat (Joda): dateTimeParser, dateElementParser": [
        ("from_iso8601_timestamp('2001-W34-3T01:02:03')", "2001-08-22 01:02:03.000 UTC"),
        ("from_iso8601_timestamp('2001-234')", "2001-08-22 00:00:00.000 UTC"),
        ("from_iso8601_timestamp('T01:02:03')", "1970-01-01 01:02:03.000 UTC"),
        ("from_iso8601_timestamp('2001-08-22T03:04:05,1234567-1130')", "2001-08-22 03:04:05.123 -11:30"),
        ("from_iso8601_date('2020-02')", "2020-02-01"),
        ("from_iso8601_date('2020')", "2020-01-01"),
        ("TRY(from_iso8601_date('2019-366'))", None),
        ("TRY(from_iso8601_timestamp('2001-08-22 03:04:05'))", None),
        ("TRY(from_iso8601_timestamp('T'))", None),
    ],
    "TestTimeZoneKey": [
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', '+13')", "2001-08-22 03:04:05.000 +13:00"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', '-14')", "2001-08-22 03:04:05.000 -14:00"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', '+0730')", "2001-08-22 03:04:05.000 +07:30"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', 'Etc/GMT+5')", "2001-08-22 03:04:05.000 -05:00"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', 'UTC+5')", "2001-08-22 03:04:05.000 +05:00"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', 'Etc/UTC')", "2001-08-22 03:04:05.000 UTC"),
    ],
    "TestTimestamp, TestTimestampWithTimeZone: casts": [
        ("CAST('2020-01-01 10:00:00.123456789' AS timestamp)", "2020-01-01 10:00:00.123"),
        ("CAST(CAST('2020-01-01 10:00:00.1234567' AS timestamp(6)) AS varchar)", "2020-01-01 10:00:00.123457"),
        ("CAST('2020-01-01 23:59:59.9999996' AS timestamp(6))", "2020-01-02 00:00:00.000"),
        ("TRY_CAST('2020-01-01 24:00:00' AS timestamp)", None),
        ("CAST('2020-01-01 10:00:00.123456789' AS timestamp with time zone)", "2020-01-01 10:00:00.123 UTC"),
        ("TRY_CAST('2020-03-08 02:30:00 America/New_York' AS timestamp with time zone)", None),
        ("to_unixtime(CAST('2020-11-01 01:30:00 America/New_York' AS timestamp with time zone))", "1.6042086E9"),
    ],
    "TestIntervalDayTime, TestIntervalYearMonth: units that are left out": [
        ("INTERVAL '12 10' DAY TO SECOND", "12 10:00:00.000"),
        ("INTERVAL '12' DAY TO HOUR", "12 00:00:00.000"),
        ("INTERVAL '12 10:45:32.123' DAY TO SECOND", "12 10:45:32.123"),
        ("INTERVAL '124' YEAR TO MONTH", "124-0"),
    ],
}
FAILURES: dict[str, list[tuple[str, str]]] = {
    "TestExtract, ExpressionAnalyzer.visitExtract": [
        (
            "EXTRACT(timezone_hour FROM TIMESTAMP '2001-08-22 03:04:05')",
            "TYPE_MISMATCH: line 1:8: Cannot extract TIMEZONE_HOUR from timestamp(0)",
        ),
        ("EXTRACT(hour FROM DATE '2001-08-22')", "TYPE_MISMATCH: line 1:8: Cannot extract HOUR from date"),
        ("EXTRACT(year FROM INTERVAL '1' DAY)", "TYPE_MISMATCH"),
        ("EXTRACT(day_of_month FROM INTERVAL '1' DAY)", "TYPE_MISMATCH"),
        ("EXTRACT(year FROM '2020-01-01')", "TYPE_MISMATCH"),
        (
            "EXTRACT(hour FROM CAST(TIMESTAMP '2001-08-22 03:04:05' AS time))",
            "NOT_SUPPORTED: the local Athena does not",
        ),
    ],
    "What is out of the range of DuckDB's timestamps, or not read": [
        (
            "DATE '9999-12-31' + INTERVAL '300000' YEAR",
            "NOT_SUPPORTED: the local Athena supports timestamps",
        ),
        ("CAST(DATE '500000-01-01' AS timestamp)", "NOT_SUPPORTED: the local Athena supports timestamps"),
        ("TIMESTAMP '999999-01-01 00:00:00'", "NOT_SUPPORTED: the local Athena supports timestamps"),
        ("from_iso8601_timestamp('2001-08-22T03.5')", "NOT_SUPPORTED: the local Athena does not read fractions of"),
        (
            "TRY_CAST('+12020-02-01 00:00:00' AS timestamp)",
            "NOT_SUPPORTED: the local Athena does not read +12020-02-01 00:00:00 as timestamp(3)",
        ),
        ("TRY_CAST('-0001-02-01' AS date)", "NOT_SUPPORTED: the local Athena does not read -0001-02-01 as date"),
        ("TRY_CAST('-0001-02-01' AS timestamp with time zone)", "NOT_SUPPORTED: the local Athena supports only the"),
        ("from_iso8601_date('20200101')", "NOT_SUPPORTED: the local Athena supports only the years"),
    ],
    "DateTimes: digits are ASCII's": [
        ("DATE '٢٠٢٦-01-05'", "INVALID_LITERAL"),
        ("TIMESTAMP '٢٠٢٦-01-05 10:00:00'", "INVALID_LITERAL"),
        ("DECIMAL '٢'", "INVALID_LITERAL"),
    ],
    "DateTimes: a local time that clocks skip": [
        ("TIMESTAMP '2020-03-08 02:30:00 America/New_York'", "INVALID_LITERAL"),
        ("CAST('2020-03-08 02:30:00 America/New_York' AS timestamp with time zone)", "INVALID_CAST_ARGUMENT"),
    ],
    "TestTimeZoneKey": [
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', '+20:00')", "INVALID_ARGUMENTS"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', 'america/new_york')", "INVALID_ARGUMENTS"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', 'posix/America/New_York')", "INVALID_ARGUMENTS"),
        ("with_timezone(TIMESTAMP '2001-08-22 03:04:05', '')", "INVALID_ARGUMENTS"),
    ],
    "TestDateTimeFunctions": [
        ("date_format(TIMESTAMP '2001-01-09 13:04:05', '')", "INVALID_FUNCTION_ARGUMENT"),
        ("format_datetime(TIMESTAMP '2001-01-09 13:04:05', '')", "INVALID_FUNCTION_ARGUMENT"),
        (
            "format_datetime(TIMESTAMP '2001-01-09 13:04:05', 'yyyy z')",
            "INVALID_FUNCTION_ARGUMENT: format_datetime",
        ),
        ("date_parse('', '')", "INVALID_FUNCTION_ARGUMENT"),
        ("date_parse('201', '%Y%m')", "INVALID_FUNCTION_ARGUMENT"),
        ("date_parse('٢٠٢٠', '%Y')", "INVALID_FUNCTION_ARGUMENT"),
        ("TRY(date_parse('0000-01-01', '%Y-%m-%d'))", "NOT_SUPPORTED: the local Athena supports only the years"),
        ("TRY(date_parse('2020', '%a'))", "NOT_SUPPORTED: the local Athena cannot parse %a"),
        ("date_parse('1 2', '%d %e')", "NOT_SUPPORTED: the local Athena cannot parse a format that has a field twice"),
        ("parse_datetime('2020-08-18 03:04:05.678901', 'yyyy-MM-dd HH:mm:ss.SSS')", "INVALID_FUNCTION_ARGUMENT"),
        ("parse_datetime('2020-08 Asia/Oral', 'yyyy-MM ZZZ')", "NOT_SUPPORTED: the local Athena cannot parse ZZZ"),
        ("parse_datetime('12020-08', 'yyyy-MM')", "NOT_SUPPORTED: the local Athena supports only the years"),
        ("with_timezone(DATE '2001-08-22', 'UTC')", "NOT_SUPPORTED: the local Athena does not take a date"),
        ("date_add('day', 3000000000, DATE '2020-01-01')", "INVALID_FUNCTION_ARGUMENT: integer overflow"),
    ],
    "TestIntervalDayTime, TestIntervalYearMonth": [
        ("INTERVAL '12 10' DAY", "INVALID_LITERAL"),
        ("INTERVAL '12 -10' DAY TO HOUR", "INVALID_LITERAL"),
        ("INTERVAL '+5' YEAR", "INVALID_LITERAL"),
        ("now() AT TIME ZONE INTERVAL '15' HOUR", "INVALID_FUNCTION_ARGUMENT: line 1:8: Invalid offset minutes 900"),
        ("now() AT TIME ZONE INTERVAL '1.5' SECOND", "INVALID_FUNCTION_ARGUMENT"),
        ("INTERVAL '1:2' DAY TO HOUR", "INVALID_LITERAL"),
        ("INTERVAL '5.5' DAY TO SECOND", "INVALID_LITERAL"),
        ("INTERVAL '3000000000' MONTH", "INVALID_LITERAL"),
        ("INTERVAL '9223372036854775807' SECOND", "INVALID_LITERAL"),
    ],
}


@pytest.mark.parametrize("source", VALUES)
def test_times_are_trinos(tmp_path: Path, source: str) -> None:
    require_values(VALUES[source], tmp_path)


@pytest.mark.parametrize(("query", "reason"), each_failure(FAILURES))
def test_what_trino_rejects_of_times_fails(tmp_path: Path, query: str, reason: str) -> None:
    require_failure(f"SELECT {query}", reason, tmp_path)
