"""The rules of Choice states in words."""

from typing import Any

import pytest

from ferry.console.conditions import choices, condition


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"Variable": "$.copy.status", "StringEquals": "copied"}, "copy.status = copied"),
        ({"Variable": "$.n", "NumericGreaterThanEquals": 3}, "n ≥ 3"),
        ({"Variable": "$.n", "NumericLessThanPath": "$.limit"}, "n < limit"),
        ({"Variable": "$.moved", "BooleanEquals": True}, "moved = true"),
        ({"Variable": "$.a", "IsPresent": False}, "a is not present"),
        ({"Variable": "$.a", "StringMatches": "*.csv"}, "a matches *.csv"),
        ({"Not": {"Variable": "$.a", "IsNull": True}}, "not a is null"),
        ({"And": [{"Variable": "$.a", "IsNull": True},
                  {"Or": [{"Variable": "$.b", "NumericEquals": 1}, {"Variable": "$.b", "NumericEquals": 2}]}]},
         "a is null and (b = 1 or b = 2)"),
        ({"Condition": "{% $states.input.n > 3 %}"}, "$states.input.n > 3"),
    ],
)  # fmt: skip
def test_a_rule_is_said_in_words(rule: dict[str, Any], text: str) -> None:
    assert condition(rule) == text


def test_each_rule_names_the_state_that_it_leads_to_and_the_default_is_last() -> None:
    state = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "A"}], "Default": "B"}
    assert choices(state) == [{"when": "n = 1", "next": "A"}, {"when": "otherwise", "next": "B"}]
    assert choices({"Type": "Task", "Next": "A"}) == []
