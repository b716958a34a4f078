"""Any keys, objects and rules, for plans of them."""

from hypothesis import strategies as st

from functions.contract.models import Rule
from functions.contract.rules import KeyRule, Renaming, Rules

CHARACTERS = ["a", "b", "!", ".", "/", "\r", "\n", "\x01", "é", "e\u0301", "\ue000", "\uff5e", "\U0001f600"]
"""Among them: two forms of one letter; a character that UTF-8 and UTF-16 sort differently than its neighbour."""

KEYS = st.lists(st.sampled_from(CHARACTERS), min_size=1, max_size=5).map("".join)
LONGEST = st.sampled_from(["a", "b"]).map(lambda begin: begin + "é" * 511 + "x")
RULES = st.lists(
    st.builds(
        KeyRule,
        prefix=st.sampled_from(["", "a", "a!", "b", "é"]),
        suffix=st.sampled_from(["", ".", "b"]),
        exclude=st.sampled_from([False, False, False, True]),
        renaming=st.none()
        | st.builds(
            Renaming,
            before=st.sampled_from(["", "a", "b!", "\uff5e"]),
            of=st.sampled_from(["key", "rest"]),
            after=st.sampled_from(["", "", ".x"]),
        ),
        rule=st.builds(Rule, mode=st.sampled_from(["copy", "move"])),
    ),
    max_size=3,
).map(lambda rules: Rules(rules=tuple(rules)))
OBJECTS = st.dictionaries(KEYS | LONGEST, st.sampled_from([{}, {"Size": 11}, {"ETag": "e2"}]), max_size=25)
