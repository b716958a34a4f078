"""The rules of a Choice state in words. Pure.

"Choice State", Amazon States Language specification: a rule compares a Variable, or combines rules by And, Or and Not;
in JSONata it is one Condition.
"""

from collections.abc import Mapping
from typing import Any

SIGNS = {
    "Equals": "=",
    "EqualsPath": "=",
    "LessThan": "<",
    "LessThanPath": "<",
    "GreaterThan": ">",
    "GreaterThanPath": ">",
    "LessThanEquals": "≤",
    "LessThanEqualsPath": "≤",
    "GreaterThanEquals": "≥",
    "GreaterThanEqualsPath": "≥",
    "Matches": "matches",
}
TYPES = ("String", "Numeric", "Boolean", "Timestamp")
OTHER_FIELDS = ("Variable", "Next", "Comment", "Assign", "Output")


def choices(state: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each rule of a Choice state with the state that it leads to, the default last; nothing for other states."""
    found = [{"when": condition(rule), "next": rule["Next"]} for rule in state.get("Choices", [])]
    return found + ([{"when": "otherwise", "next": state["Default"]}] if "Default" in state else [])


def condition(rule: Mapping[str, Any]) -> str:
    """One rule in words."""
    for operator, word in (("And", " and "), ("Or", " or ")):
        if operator in rule:
            return word.join(_nested(part) for part in rule[operator])
    if "Not" in rule:
        return f"not {_nested(rule['Not'])}"
    if "Condition" in rule:
        return str(rule["Condition"]).removeprefix("{%").removesuffix("%}").strip()
    variable = _path(rule.get("Variable", ""))
    for name, value in rule.items():
        if name in OTHER_FIELDS:
            continue
        if name.startswith("Is"):
            return f"{variable} is {'' if value else 'not '}{name.removeprefix('Is').lower()}"
        sign = next((SIGNS.get(name.removeprefix(kind)) for kind in TYPES if name.startswith(kind)), None)
        shown = _path(value) if name.endswith("Path") else str(value).lower() if isinstance(value, bool) else value
        return f"{variable} {sign or name} {shown}"
    return variable


def _nested(rule: Mapping[str, Any]) -> str:
    text = condition(rule)
    return f"({text})" if "And" in rule or "Or" in rule else text


def _path(path: str) -> str:
    return path.removeprefix("$.")
