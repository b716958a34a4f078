"""Policies in the local cloud: wildcards match as on AWS ("IAM JSON policy elements: Resource"); each is read once."""

import json

import pytest
from ministack.core import iam_evaluator

from infra.local.iam import parsed_policies, wildcards


@pytest.mark.parametrize(
    ("pattern", "text", "ignore_case", "matches"),
    [
        ("a/*", "a/", False, True),
        ("a/*", "a/b/c", False, True),
        ("a/*", "a/b\nc", False, True),
        ("a/*", "a/b\n", False, True),
        ("a/*", "b/a/", False, False),
        ("a/*.csv", "a/b.csv.gz", False, False),
        ("a?c", "abc", False, True),
        ("a?c", "a\nc", False, True),
        ("a?c", "ac", False, False),
        ("a?c", "abbc", False, False),
        ("a", "a\n", False, False),
        ("[ab]", "[ab]", False, True),
        ("[ab]", "a", False, False),
        ("a.c", "abc", False, False),
        ("s3:Get*", "S3:getObject", True, True),
        ("s3:Get*", "S3:getObject", False, False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, ignore_case: bool, matches: bool) -> None:
    assert bool(wildcards.compile_wildcards(pattern, ignore_case).match(text)) == matches


def test_a_name_that_is_gone_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(iam_evaluator, "_fnmatch_compile")
    with pytest.raises(SystemExit, match=r"MiniStack has no ministack\.core\.iam_evaluator\._fnmatch_compile\."):
        wildcards.install()


def test_what_is_gathered_of_one_request_is_not_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iam_evaluator, "parse_policy_document", iam_evaluator.parse_policy_document)
    parsed_policies.install()
    text = json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}})
    first = iam_evaluator.parse_policy_document(text)
    first.append(first[0])

    second = iam_evaluator.parse_policy_document(text)

    assert [each.actions for each in second] == [["s3:GetObject"]]
    assert second[0] is first[0]
