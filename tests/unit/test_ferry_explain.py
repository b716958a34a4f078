"""`ferry explain`: what happens to a key, as the starter decides it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ferry import cli
from ferry.aws.clients import Deployment
from ferry.commands import explain
from ferry.errors import CommandError
from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Renaming, Rules
from infra.terraform import outputs as outputs_file
from infra.terraform.outputs import DeployedSource, Outputs
from tests.support.facts import Naming
from tests.unit.ferry_fakes import outputs

BUCKET = "ferry-target-us-east-1"
OUTPUTS = outputs()
MOVED = Rule(
    decided_by="m.yaml:9",
    mode="move",
    purge=True,
    checks=["a.sql", "b.sql"],
    minimum_grade="readback",
    storage_class="STANDARD_IA",
    allow_empty=True,
    multipart_threshold_bytes=6_000_000,
)
RULES = Rules(
    file="m.yaml",
    rules=(
        KeyRule(suffix=".tmp", exclude=True, rule=Rule(decided_by="m.yaml:2")),
        KeyRule(prefix="in/", suffix=".csv", renaming=Renaming(before="out/", of="rest"), rule=MOVED),
        KeyRule(prefix="log/", rule=Rule(decided_by="m.yaml:15", catalogue=False, checks=[])),
    ),
)
STRIPPED = Rules(
    rules=(KeyRule(prefix="gone/", renaming=Renaming(of="rest"), rule=Rule(decided_by="m.yaml:20")),),
)


def shown(
    key: str, capsys: pytest.CaptureFixture[str], rules: Rules = RULES, where: Outputs | None = OUTPUTS
) -> list[str]:
    """The lines that a person reads, with one space where there are many."""
    explain.explain(key, rules, where, as_json=False)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def document(
    key: str, capsys: pytest.CaptureFixture[str], rules: Rules = RULES, where: Outputs | None = OUTPUTS
) -> dict[str, Any]:
    explain.explain(key, rules, where, as_json=True)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_a_move_is_shown_in_the_first_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown("in/2026/a.csv", capsys) == [
        "in/2026/a.csv",
        "MOVED by rule 2 of 3 (prefix in/ and suffix .csv), m.yaml:9",
        "",
        "Target s3://ferry-target-us-east-1/out/2026/a.csv",
        "Warning out/2026/a.csv has the same target: the later upload wins",
        "Source deleted after verification, permanently",
        "Grade readback or bytes",
        "Storage class STANDARD_IA",
        "Table yes; checks: a.sql, b.sql; may be empty",
        "Parts multipart copy above 6,000,000 bytes",
    ]


def test_a_key_that_no_rule_matches_is_shown_with_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown("other/a.csv", capsys)
    assert rows[:2] == ["other/a.csv", Naming("COPIED by default", "3")]
    assert rows[3:] == [
        "Target s3://ferry-target-us-east-1/other/a.csv",
        "Source kept",
        "Grade any grade",
        "Storage same class as the source",
        "Table yes; all checks",
        "Parts multipart copy above 1,073,741,824 bytes",
    ]
    assert shown("other/a.csv", capsys, Rules())[1] == Naming("COPIED by default")


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("log/a.csv", "Table none: the rule sets `catalogue: false`"),
        ("a.csv", "Table none: "),
        ("a/b.pdf", "Table none: "),
        ("gone/a/b.csv", "Table yes; all checks"),
        ("gone/b.csv", "Table none: "),
    ],
)
def test_whether_it_is_catalogued_is_shown_by_the_targets_key(
    key: str, row: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = STRIPPED if key.startswith("gone/") else RULES
    assert [line for line in shown(key, capsys, rules) if line.startswith(row)]


def test_no_checks_at_all_are_shown_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    rules = Rules(rules=(KeyRule(rule=Rule(checks=[], mode="move", minimum_grade="bytes")),))
    rows = shown("a/b.csv", capsys, rules, where=None)
    assert rows[1] == Naming("MOVED by rule 1 of 1")
    assert {"Target a/b.csv", "Table yes; checks: none", "Grade bytes"} <= set(rows)
    assert Naming("Source deleted after verification", "delete marker") in rows


def test_an_excluded_key_is_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown("in/a.tmp", capsys) == [
        "in/a.tmp",
        "SKIPPED by rule 1 of 3 (suffix .tmp), m.yaml:2",
        "",
        "Result not copied; no execution will start",
    ]
    answer = document("in/a.tmp", capsys)
    assert (answer["outcome"], answer["rule"], answer["decided_by"]) == ("exclude", 1, "m.yaml:2")
    assert {answer[name] for name in ("target_bucket", "target_key", "mode", "catalogue", "reason")} == {None}


def test_an_impossible_target_key_is_dead_lettered_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown("gone/", capsys, STRIPPED)
    assert rows[1] == Naming("DEAD-LETTERED by rule 1 of 1", "prefix gone/", "m.yaml:20")
    assert rows[3] == Naming("dead-letter queue")
    answer = document("gone/", capsys, STRIPPED)
    assert answer["outcome"] == "dead_letter"
    assert answer["reason"]


def test_as_json_it_is_the_starters_decision_and_what_surrounds_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert document("in/2026/a.csv", capsys) == {
        **MOVED.model_dump(mode="json"),
        "key": "in/2026/a.csv",
        "outcome": "move",
        "reason": None,
        "sources": None,
        "rule": 2,
        "decided_by": "m.yaml:9",
        "target_bucket": BUCKET,
        "target_key": "out/2026/a.csv",
        "same_target_key": ["out/2026/a.csv"],
        "not_catalogued_reason": None,
    }
    answer = document("other/x.pdf", capsys)
    assert (answer["outcome"], answer["rule"], answer["decided_by"]) == ("copy", None, "default")
    assert answer["target_key"] == "other/x.pdf"
    assert answer["not_catalogued_reason"]


def test_a_key_that_a_terminal_would_act_on_is_shown_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown("in/\x1b[31m[bold]\n.csv", capsys)
    assert rows[0] == r"in/\x1b[31m[bold]\n.csv"
    assert rows[3].endswith(r"out/\x1b[31m[bold]\n.csv")


def answering(*, body: bytes | None, key: str = "rules/migration.json") -> Deployment:
    """A deployment whose starter reads this key, and whose bucket of results holds this."""
    deployment = Deployment(outputs(endpoint_url="http://127.0.0.1:1"))
    settings = {"RULES_BUCKET": "ferry-athena-results-us-east-1", "RULES_KEY": key}
    starter = Stubber(deployment.lambda_)
    starter.add_response(
        "get_function_configuration", {"Environment": {"Variables": settings}}, {"FunctionName": "ferry-starter"}
    )
    starter.activate()
    stub = Stubber(deployment.target_s3)
    where = {"Bucket": "ferry-athena-results-us-east-1", "Key": "rules/migration.json"}
    if body is None:
        stub.add_client_error("get_object", "NoSuchKey", expected_params=where)
    else:
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(body), len(body))}, where)
    stub.activate()
    return deployment


def test_the_rules_are_those_that_the_starter_reads() -> None:
    assert explain.deployed_rules(answering(body=RULES.model_dump_json().encode())) == RULES


def test_a_deployment_without_rules_copies_everything() -> None:
    assert explain.deployed_rules(answering(body=None, key="")) == Rules()


@pytest.mark.parametrize("body", [None, b"{}x", b'{"later": 1}'], ids=["missing", "not JSON", "of another release"])
def test_rules_that_are_missing_or_cannot_be_read_are_an_error(body: bytes | None) -> None:
    with pytest.raises(CommandError, match=r"s3://ferry-athena-results-us-east-1/rules/migration\.json"):
        explain.deployed_rules(answering(body=body))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text("rules:\n  - prefix: raw/\n    target_prefix: clean/\n")
    return path


def test_a_file_of_rules_is_enough_without_any_cloud(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_OUTPUTS", str(tmp_path / "absent" / "outputs.json"))
    assert cli.run(["explain", "raw/a.csv", "--rules", str(file), "--json"]) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (answer["target_bucket"], answer["target_key"], answer["decided_by"]) == (None, "clean/a.csv", "m.yaml:2")
    assert printed.err.startswith(f"! {file}:3: target_prefix: ")
    assert printed.err.count("\n") == 1


def test_without_rules_and_a_deployment_it_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_OUTPUTS", str(tmp_path / "outputs.json"))
    assert cli.run(["explain", "a"]) == 1
    assert str(tmp_path / "outputs.json") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["up"], ["explain", "a"]], ids=["up", "explain"])
def test_each_mistake_of_a_file_is_a_line_and_nothing_is_done(
    command: list[str], file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("rules:\n  - prefix: a/\n    mode: mov\n    color: red\n")
    elsewhere = tmp_path / "cloud" / "outputs.json"
    assert cli.run([*command, "--rules", str(file), "--outputs", str(elsewhere)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split(": ")[:3] for line in printed.err.splitlines()] == [
        ["ferry", f"{file}:3", "mode"],
        ["ferry", f"{file}:4", "color"],
    ]
    assert not elsewhere.parent.exists()


@pytest.mark.parametrize("command", [["up"], ["explain", "a"]], ids=["up", "explain"])
@pytest.mark.parametrize("name", ["absent", "."])
def test_a_wrong_path_of_rules_is_wrong_usage(
    command: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    elsewhere = tmp_path / "cloud" / "outputs.json"
    assert cli.run([*command, "--rules", str(path), "--outputs", str(elsewhere)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ferry: --rules {path} ")
    assert "migration.yaml" in error


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ([], "'key'"),
        ([""], "KEY is 0 bytes"),
        (["s3://bucket/a"], "KEY s3://bucket/a"),
        (["k" * 1025], "KEY is 1,025 bytes"),
    ],
)
def test_what_is_no_key_is_wrong_usage(
    arguments: list[str],
    printed: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "outputs.json"
    outputs_file.save(outputs(endpoint_url="http://127.0.0.1:1"), path)
    monkeypatch.setenv("FERRY_OUTPUTS", str(path))
    assert cli.run(["explain", *arguments]) == 2
    assert printed in capsys.readouterr().err


def of_sources(**filters: tuple[str, str]) -> Outputs:
    """A deployment whose sources have these prefixes and suffixes, each in a region of its own."""
    topic = "arn:aws:sns:{}:000000000000:ferry-uploads"
    return outputs(
        sources={
            name: DeployedSource(
                bucket=f"bucket-{number}",
                region=region,
                account_id="000000000000",
                prefix=prefix,
                suffix=suffix,
                topic_arn=topic.format(region),
            )
            for number, (region, (name, (prefix, suffix))) in enumerate(
                zip(("us-west-2", "eu-west-1", "ap-south-1"), filters.items(), strict=False)
            )
        }
    )


def test_of_several_sources_those_are_shown_whose_filters_take_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    where = of_sources(main=("", ""), europe=("in/", ".csv"), asia=("asia/", ""))
    assert "Sources main, europe" in shown("in/2026/a.csv", capsys, where=where)
    answer = document("in/2026/a.csv", capsys, where=where)
    assert (answer["outcome"], answer["sources"]) == ("move", ["main", "europe"])


def test_a_key_that_no_source_selects_is_skipped_whatever_the_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = of_sources(europe=("in/", ".csv"), asia=("asia/", ""))
    assert shown("in/2026/a.json", capsys, where=where) == [
        "in/2026/a.json",
        "SKIPPED by the sources' filters",
        "",
        "Result not copied: this key does not match any source's prefix and suffix",
    ]
    answer = document("in/2026/a.json", capsys, where=where)
    assert (answer["outcome"], answer["sources"], answer["decided_by"]) == ("exclude", [], "sources")
    assert {answer[name] for name in ("target_bucket", "target_key", "rule", "mode", "reason")} == {None}
