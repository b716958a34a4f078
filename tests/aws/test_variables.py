"""What is rejected before anything is made, each with its reason; and what is not."""

import re
from typing import Any

import pytest

from tests.support.terraform.evaluation import ACCOUNT, Evaluation, Rejected

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/{KEY_ID}"

REJECTED_BUCKET_NAMES = {
    "two characters": "ab",
    "64 characters": "a" * 64,
    "capitals": "Uploads",
    "an underscore": "up_loads",
    "a space": "up loads",
    "a slash": "uploads/in",
    "an umlaut": "ablöse",
    "a line break at its end": "uploads\n",
    "nothing": "",
    "a hyphen first": "-uploads",
    "a dot first": ".uploads",
    "a hyphen last": "uploads-",
    "a dot last": "uploads.",
    "two dots together": "up..loads",
    "an IP address": "192.168.5.4",
    "xn--": "xn--uploads",
    "sthree-": "sthree-uploads",
    "amzn-s3-demo-": "amzn-s3-demo-bucket",
    "-s3alias": "uploads-s3alias",
    "--ol-s3": "uploads--ol-s3",
    ".mrap": "uploads.mrap",
    "--x-s3": "uploads--usw2-az1--x-s3",
    "--table-s3": "uploads--table-s3",
}
"""What is wrong with them, by "General purpose bucket naming rules" (Amazon S3 User Guide)."""


def a_source(**more: Any) -> dict[str, Any]:
    return {"sources": {"main": {"region": "us-west-2", **more}}}


def sources(**configured: dict[str, Any]) -> dict[str, Any]:
    return {"sources": {key: {"region": "us-west-2", **source} for key, source in configured.items()}}


def adopted(bucket: str = "uploads", **more: Any) -> dict[str, Any]:
    return {"bucket": bucket, "create": False, **more}


def reasons_against(evaluation: Evaluation, variables: dict[str, Any]) -> str:
    with pytest.raises(Rejected) as rejected:
        evaluation.apply(variables)
    return " ".join(str(rejected.value).split())


def test_a_source_whose_name_breaks_a_rule_of_s3_is_rejected(evaluation: Evaluation) -> None:
    names = {f"b{number}": name for number, name in enumerate(REJECTED_BUCKET_NAMES.values())}
    given = {"good": {"bucket": "uploads"}} | {key: {"bucket": name} for key, name in names.items()}
    with pytest.raises(Rejected) as rejected:
        evaluation.apply(sources(**given))
    reason = next(line for line in str(rejected.value).split("\n\n") if "not a valid bucket name" in line)
    reported = dict(re.findall(r"(\w+): '(.*?)'", reason, re.DOTALL))
    assert reported == names


@pytest.mark.parametrize("name", ["up_loads", "192.168.5.4", f"uploads-{ACCOUNT}-us-east-1-an"])
def test_a_target_whose_name_breaks_a_rule_of_s3_is_rejected(evaluation: Evaluation, name: str) -> None:
    reasons = reasons_against(evaluation, {"target_bucket": name})
    assert f"target_bucket: '{name}' is not a valid name for a new bucket" in reasons


REJECTED = {
    "regions that are none": (
        {"target_region": "cn-north-1", "sources": {"a": {"region": "us-west-3"}, "b": {"region": None}}},
        ["target_region: 'cn-north-1' is not an AWS region", "sources: a: 'us-west-3', b: '-': not an AWS region"],
    ),
    "a source without a region": ({"sources": {"main": {"bucket": "uploads"}}}, ['attribute "region" is required']),
    "no source": ({"sources": {}}, ["there must be 1 to 40 of them, not 0"]),
    "41 sources": (
        {"sources": {f"s{n}": {"region": "us-west-2", "prefix": f"{n:02}/", "bucket": "uploads"} for n in range(41)}},
        ["there must be 1 to 40 of them, not 41"],
    ),
    "each mistake of a source": (
        sources(
            **{"A b": {}},
            c={"create": False},
            d=adopted("uploads-d", account_id="99999999999"),
            e={"kms_key_arn": KEY_ARN},
            f=adopted("uploads-f", region="us-west-1", kms_key_arn=KEY_ARN),
            g=adopted("uploads-g", kms_key_arn=f"arn:aws:kms:us-west-2:{ACCOUNT}:alias/uploads"),
            h={"bucket": f"uploads-{ACCOUNT}-us-west-2-an"},
        ),
        [
            "31 lower-case letters, digits and hyphens, not 'A b'",
            "sources: c: an existing bucket (create = false) must be named",
            "account_id must be twelve digits: d: '99999999999'",
            "sources: e: kms_key_arn applies only to existing buckets",
            "sources: f, g: kms_key_arn must be the ARN of a key (not of an alias) in the bucket's region",
            f"sources: h: 'uploads-{ACCOUNT}-us-west-2-an': a bucket that is created here may not end with \"-an\"",
        ],
    ),
    "filters with wildcards or control characters": (
        sources(a=adopted("uploads-a", prefix="in/*"), b=adopted("uploads-b", prefix="b", suffix="x\ny")),
        [
            "sources: a: prefix 'in/*': a filter must have at most 1,000 characters, without wildcards (*)",
            "sources: b: suffix 'x y': a filter must have at most 1,000 characters, without wildcards (*)",
        ],
    ),
    "a filter that is too long": (a_source(prefix="x" * 1001), ["at most 1,000 characters"]),
    "the target as a source": (
        a_source(bucket="uploads") | {"target_bucket": "uploads"},
        ["target_bucket: 'uploads' is also a source bucket: every copy would trigger another copy"],
    ),
    "the target's default name as a source": (
        a_source(bucket=f"ferry-target-{ACCOUNT}-us-east-1"),
        [f"target_bucket: 'ferry-target-{ACCOUNT}-us-east-1' is also a source bucket"],
    ),
    "a source's default name as the target": (
        {"target_bucket": f"ferry-source-{ACCOUNT}-us-west-2"},
        [f"target_bucket: 'ferry-source-{ACCOUNT}-us-west-2' is also a source bucket"],
    ),
    "the bucket of the results as a source": (
        a_source(**adopted(f"ferry-athena-results-{ACCOUNT}-us-east-1")),
        ["is the bucket for Athena's query results, so it cannot be a source or the target"],
    ),
    "the bucket of the results as the target": (
        {"target_bucket": f"ferry-athena-results-{ACCOUNT}-us-east-1"},
        ["is the bucket for Athena's query results, so it cannot be a source or the target"],
    ),
    "filters of one bucket that overlap": (
        sources(
            a=adopted(prefix="in/"),
            b=adopted(prefix="in/csv/"),
            c=adopted(prefix="x/", suffix=".csv"),
            d=adopted(prefix="x/1", suffix="s.csv"),
            e=adopted(prefix="y/"),
        ),
        ["sources: a and b; c and d: both match some of the same uploads in one bucket"],
    ),
    "each of three entries for everything": (
        sources(a=adopted(), b=adopted(), c=adopted()),
        ["sources: a and b; a and c; b and c: both match"],
    ),
    "one key of two buckets": (
        sources(a=adopted("uploads-a"), b=adopted("uploads-b", prefix="in/")),
        ["sources: a and b: uploads of two buckets could have the same key"],
    ),
    "entries of one bucket that differ": (
        sources(
            a=adopted(prefix="a/"),
            b=adopted(prefix="b/", region="us-west-1"),
            c={"bucket": "other", "prefix": "c/", "versioning": True},
            d={"bucket": "other", "prefix": "d/"},
            e={"bucket": "third", "prefix": "e/"},
            f=adopted("third", prefix="f/"),
        ),
        ["sources: other, third, uploads: the entries of one bucket must agree on region, account_id, create"],
    ),
    "a bucket to be created in another account": (
        a_source(bucket="uploads", account_id="999999999999"),
        ["sources: main: a bucket of another account cannot be created from here"],
    ),
    "sweeps of buckets that share keys": (
        sources(a=adopted("uploads-a"), b=adopted("uploads-b"))
        | {"sources_share_keys": True, "sweep_schedule": "rate(1 hour)"},
        ["sweep_schedule: a and b: a sweep cannot tell which source's object in the target is newer"],
    ),
    **{
        f"{label} as the name": ({"name": name}, [f"name: '{name}' must have 2 to 20 characters"])
        for label, name in {
            "one character": "f",
            "21 characters": "f" * 21,
            "a capital": "Ferry",
            "a digit first": "1ferry",
            "a hyphen last": "ferry-",
            "two hyphens": "fer--ry",
        }.items()
    },
    "a name no bucket may begin with": ({"name": "sthree-ferry"}, ["name: 'sthree-ferry' is reserved by AWS"]),
    "each account's own workgroup": ({"name": "primary"}, ["name: 'primary' is reserved by AWS"]),
    "each number and text out of its bounds": (
        {
            "alert_emails": ["me", "a@b.example"],
            "oldest_message_alarm_minutes": 0.5,
            "log_retention_days": 2,
            "starters_at_once": 1,
            "query_scan_limit_gb": 0,
            "sweep_schedule": "hourly",
            "history_retention_days": 0,
            "powertools_layer_arn": "arn:aws:lambda:us-east-2:017000801446:layer:Powertools:7",
            "tags": {"aws:cost": "1"},
        },
        [
            "alert_emails: not e-mail addresses: 'me'.",
            "oldest_message_alarm_minutes: 0.5 must be a whole number from 1 to 10080",
            "log_retention_days: CloudWatch Logs does not keep logs for 2 days",
            "starters_at_once: 1 must be a whole number from 2 to 1000",
            "query_scan_limit_gb: 0 must be a whole number from 1 to 102400",
            "sweep_schedule: 'hourly' is not a schedule",
            "history_retention_days: 0 must be a whole number from 1 to 99999",
            "is not the ARN of a layer version in the target region us-east-1",
            "tags: 'aws:cost': at most 48 are allowed, each with a key of 1 to 128",
        ],
    ),
    "a switch that is neither on nor off": ({"unpromised_conditions": "first"}, ["a bool is required"]),
    **{
        f"a tag with {label}": ({"tags": tags}, ["at most 48 are allowed, each with a key of 1 to 128"])
        for label, tags in {
            "no key": {"": "2"},
            "a long key": {"k" * 129: ""},
            "a long value": {"long": "x" * 257},
            "a semicolon": {"a;b": ""},
        }.items()
    },
    "each number beyond its bounds": (
        {
            "oldest_message_alarm_minutes": 10081,
            "log_retention_days": 3654,
            "starters_at_once": 1001,
            "query_scan_limit_gb": 102401,
            "powertools_layer_arn": "arn:aws:lambda:us-east-1:017000801446:layer:Powertools",
            "tags": {f"t{n}": "" for n in range(49)},
        },
        [
            "oldest_message_alarm_minutes: 10081 must",
            "for 3654 days",
            "starters_at_once: 1001 must",
            "query_scan_limit_gb: 102401 must",
            "'arn:aws:lambda:us-east-1:017000801446:layer:Powertools' is not the ARN of a layer version",
            "'t9': at most 48 are allowed",
        ],
    ),
}


@pytest.mark.parametrize(("variables", "reasons"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_work_is_rejected_with_its_reason(
    evaluation: Evaluation, variables: dict[str, Any], reasons: list[str]
) -> None:
    reported = reasons_against(evaluation, variables)
    assert [reason for reason in reasons if reason not in reported] == []


TAKEN = {
    "nothing but the defaults": {},
    "nulls, which stand for the defaults": {
        "name": None,
        "unpromised_conditions": None,
        "sources": {"main": {"region": "us-west-2", "bucket": None, "create": None, "prefix": None, "suffix": None}},
        "target_bucket": None,
        "tags": None,
    },
    "every bound at its upper end": {
        "name": "a" * 20,
        "target_region": "ap-southeast-1",
        "oldest_message_alarm_minutes": 10080,
        "log_retention_days": 3653,
        "starters_at_once": 1000,
        "query_scan_limit_gb": 102400,
        "sweep_schedule": "cron(0 3 * * ? *)",
        "history_retention_days": 99999,
        "tags": {f"t{n}": "x" * 256 for n in range(48)},
        "unpromised_conditions": True,
    },
    "every bound at its lower end": {
        "name": "ab",
        "oldest_message_alarm_minutes": 1,
        "log_retention_days": 1,
        "starters_at_once": 2,
        "query_scan_limit_gb": 1,
        "sweep_schedule": "rate(1 minute)",
        "history_retention_days": 1,
    },
    "names with dots and of 63 characters": a_source(bucket="3.uploads.example") | {"target_bucket": "a" * 63},
    "an opt-in region on both sides": a_source(region="eu-south-1") | {"target_region": "af-south-1"},
    "one region for source and target": a_source(region="us-east-1"),
    "filters that do not overlap, of one bucket and of several": sources(
        a=adopted(prefix="a/"),
        b=adopted(prefix="b/"),
        c=adopted(prefix="c/", suffix=".csv"),
        d=adopted(prefix="c/", suffix=".json"),
        e={"bucket": "others", "prefix": "e/"},
    ),
    "two buckets that share keys on purpose, and a bucket of an account's namespace": sources(
        a=adopted(f"uploads-{ACCOUNT}-us-west-2-an"), b=adopted("uploads-b")
    )
    | {"sources_share_keys": True},
    "another account's bucket with its key, a layer of one's own, odd tags": {
        **a_source(**adopted(account_id="999999999999", kms_key_arn=KEY_ARN.replace(ACCOUNT, "999999999999"))),
        "powertools_layer_arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:my_layer-1:12",
        "tags": {"Kosten Stelle": "Ä 1/2 @=+._:-"},
    },
}


@pytest.mark.parametrize("variables", TAKEN.values(), ids=TAKEN)
def test_what_can_work_is_taken(evaluation: Evaluation, variables: dict[str, Any]) -> None:
    assert evaluation.apply(variables)["account"] == ACCOUNT
