"""migration.yaml: what is read from it, and the error for each mistake."""

import itertools
import re
import textwrap
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.contract.models import GRADES, Rule
from functions.contract.rules import KeyRule, Renaming, Rules, decide
from functions.copying.target_attributes import SETTABLE_CLASSES
from functions.objects.head import ARCHIVE_CLASSES
from infra.build.function_zips import CHECKOUT
from infra.rules import collisions, loader
from infra.rules.loader import Migration, RulesInvalid
from infra.rules.schema import MAX_RULES, RULE_KEYS, SETTINGS, Key
from tests.support.snapshots import compare

SNAPSHOT = Path(__file__).parent / "snapshots" / "migration.txt"
EXAMPLE = CHECKOUT / "migration.example.yaml"
PAGE = CHECKOUT / "docs" / "rules.md"


class Reading:
    """A folder with the file and the checks that it may name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "m.yaml"
        self.checks = folder / "checks"
        self.checks.mkdir()
        for name in ("latitudes.sql", "prices.sql", "README.md"):
            (self.checks / name).write_text("SELECT 1")

    def load(self, text: str | bytes) -> Migration:
        self.path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
        return loader.load(self.path, self.checks)

    def mistakes(self, text: str | bytes) -> list[str]:
        """Each line that tells of a mistake, without the file's folder."""
        with pytest.raises(RulesInvalid) as raised:
            self.load(text)
        return str(raised.value).replace(f"{self.path.parent}/", "").split("\n")

    def warnings(self, text: str) -> list[str]:
        return [warning.replace(f"{self.path.parent}/", "") for warning in self.load(text).warnings]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


def rules(*lines: str) -> str:
    """A file with one rule for `a/` that says this."""
    return "\n".join(["rules:", "  - prefix: a/", *(f"    {line}" for line in lines)])


def test_every_key_is_read(reading: Reading) -> None:
    read = reading.load(
        """
        # A comment.
        multipart_threshold_bytes: 5242881
        minimum_grade: checksum
        rules:
          - suffix: .tmp
            exclude: true

          - prefix: in/
            suffix: .csv
            target_prefix: in/new/
            mode: move
            purge: true
            checks: [prices.sql]
            minimum_grade: bytes
            storage_class: STANDARD_IA
            allow_empty: true
            restore_deleted: true
            versions: latest
          - {prefix: "l/", rename: "l/{rest}.old", catalogue: false}
        """
    )
    assert read.warnings == ()
    default = Rule(multipart_threshold_bytes=5_242_881, minimum_grade="checksum")
    moved = default.model_copy(
        update={
            "decided_by": "m.yaml:8",
            "mode": "move",
            "purge": True,
            "checks": ["prices.sql"],
            "minimum_grade": "bytes",
            "storage_class": "STANDARD_IA",
            "allow_empty": True,
            "restore_deleted": True,
        }
    )
    assert read.rules == Rules(
        file="m.yaml",
        default=default,
        rules=(
            KeyRule(suffix=".tmp", exclude=True, rule=default.model_copy(update={"decided_by": "m.yaml:5"})),
            KeyRule(prefix="in/", suffix=".csv", renaming=Renaming(before="in/new/", of="rest"), rule=moved),
            KeyRule(
                prefix="l/",
                renaming=Renaming(before="l/", of="rest", after=".old"),
                rule=default.model_copy(update={"decided_by": "m.yaml:19", "catalogue": False}),
            ),
        ),
    )


@pytest.mark.parametrize("text", ["minimum_grade: md5", "rules: []", "minimum_grade: md5\nrules: []"])
def test_settings_alone_hold_for_every_key(reading: Reading, text: str) -> None:
    read = reading.load(text).rules
    assert read.rules == ()
    assert decide(read, "any") == read.default


@pytest.mark.parametrize(
    ("setting", "own", "grade"),
    [
        (None, None, "readback"),
        ("md5", None, "readback"),
        ("readback", None, "readback"),
        ("bytes", None, "bytes"),
        ("bytes", "md5", "md5"),
        (None, "any", "any"),
    ],
)
def test_a_move_is_verified_by_readback_unless_its_rule_sets_a_grade(
    reading: Reading, setting: str | None, own: str | None, grade: str
) -> None:
    lines = [f"minimum_grade: {setting}"] if setting else []
    lines += [rules("mode: move", *([f"minimum_grade: {own}"] if own else [])), "  - prefix: b/"]
    read = reading.load("\n".join(lines)).rules
    moved, copied = decide(read, "a/x"), decide(read, "b/x")
    assert moved
    assert copied
    assert (moved.minimum_grade, copied.minimum_grade) == (grade, setting or "any")


MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "unknown setting": ("minimum: md5", "m.yaml:1: minimum: "),
    "rule's key at the top": ("mode: move", "m.yaml:1: mode: "),
    "unknown key": (rules("mod: move"), "m.yaml:3: mod: "),
    "key of another kind": (rules("[a]: b"), "m.yaml:3: a list: "),
    "key with a line break": (rules('"a\\nb": 1'), r"m.yaml:3: a\nb: "),
    "merge key": (rules("<<: {mode: move}"), "m.yaml:3: <<: "),
    "key twice": (rules("mode: copy", "mode: move"), "m.yaml:4: mode: "),
    "setting twice": ("rules: []\nrules: []", "m.yaml:2: rules: "),
    "mode": (rules("mode: delete"), "m.yaml:3: mode: "),
    "mode in capitals": (rules("mode: Move"), "m.yaml:3: mode: "),
    "number for text": (rules("suffix: 2026"), "m.yaml:3: suffix: "),
    "date for text": (rules("suffix: 2026-11-01"), "m.yaml:3: suffix: "),
    "word that is a bool": (rules("suffix: no"), "m.yaml:3: suffix: "),
    "nothing for text": (rules("suffix:"), "m.yaml:3: suffix: "),
    "list for text": (rules("suffix: [a]"), "m.yaml:3: suffix: "),
    "empty suffix": (rules('suffix: ""'), "m.yaml:3: suffix: "),
    "text for a flag": (
        rules("exclude: maybe"),
        "m.yaml:3: exclude: ",
    ),
    "quoted flag": (rules("purge: 'true'"), "m.yaml:3: purge: "),
    "tag that does not fit": (rules("purge: !!bool x"), "m.yaml:3: purge: "),
    "tag of somebody's": (rules("suffix: !text x"), "m.yaml:3: suffix: "),
    "threshold too small": (
        "multipart_threshold_bytes: 5242880",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold too large": (
        "multipart_threshold_bytes: 5368709121",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold with a unit": (
        "multipart_threshold_bytes: 1 GiB",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold in octal digits": (
        "multipart_threshold_bytes: 010000000000",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold in hexadecimal digits": (
        "multipart_threshold_bytes: 0x10000000",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold as hours": (
        "multipart_threshold_bytes: 2000:00:00",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold with underscores": (
        "multipart_threshold_bytes: 1_073_741_824",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold with a sign": (
        "multipart_threshold_bytes: +1073741824",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold tagged": (
        "multipart_threshold_bytes: !!int x",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "threshold that is a flag": (
        "multipart_threshold_bytes: true",
        "m.yaml:1: multipart_threshold_bytes: ",
    ),
    "grade": (
        "minimum_grade: sha256",
        "m.yaml:1: minimum_grade: ",
    ),
    "grade of a rule": (rules("minimum_grade: none"), "m.yaml:3: minimum_grade: "),
    "archive": (
        rules("storage_class: DEEP_ARCHIVE"),
        "m.yaml:3: storage_class: ",
    ),
    "storage class": (
        rules("storage_class: standard"),
        "m.yaml:3: storage_class: ",
    ),
    "all versions": (rules("versions: all"), "m.yaml:3: versions: "),
    "other versions": (rules("versions: newest"), "m.yaml:3: versions: "),
    "purge of a copy": (rules("purge: true"), "m.yaml:3: purge: "),
    "template without a key": (
        rules("rename: b/c"),
        "m.yaml:3: rename: ",
    ),
    "template with two": (rules("rename: '{key}{rest}'"), "m.yaml:3: rename: "),
    "template with one twice": (rules("rename: '{key}{key}'"), "m.yaml:3: rename: "),
    "template with another name": (
        rules("rename: '{date}/{key}'"),
        "m.yaml:3: rename: ",
    ),
    "target twice": (
        rules("target_prefix: b/", "rename: c/{rest}"),
        "m.yaml:4: rename: ",
    ),
    "address": (
        rules("target_prefix: s3://bucket/b/"),
        "m.yaml:3: target_prefix: ",
    ),
    "long prefix": (rules(f"target_prefix: {'é' * 513}"), "m.yaml:3: target_prefix: "),
    "surrogate": (rules(r'suffix: "\ud800"'), "m.yaml:3: suffix: "),
    "checks that are not a list": (rules("checks: prices.sql"), "m.yaml:3: checks: "),
    "check that is not a string": (rules("checks: [1]"), "m.yaml:3: checks: "),
    "check that is not there": (
        rules("checks: [price.sql]"),
        "m.yaml:3: checks: ",
    ),
    "check that is not a query": (rules("checks: [README.md]"), "m.yaml:3: checks: "),
    "checks without a table": (
        rules("catalogue: false", "checks: [prices.sql]"),
        "m.yaml:4: checks: ",
    ),
    "empty table without a table": (
        rules("allow_empty: true", "catalogue: false"),
        "m.yaml:3: allow_empty: ",
    ),
    "excluded and more": (
        rules("exclude: true", "mode: move"),
        "m.yaml:4: mode: ",
    ),
    "neither prefix nor suffix": (
        "rules:\n  - mode: move",
        "m.yaml:2: prefix: ",
    ),
    "rule that is text": ("rules:\n  - a/", "m.yaml:2: rules: "),
    "rules that are a mapping": ("rules:\n  a/: {}", "m.yaml:2: rules: "),
    "rules that are nothing": ("rules:", "m.yaml:1: rules: "),
    "list": ("- prefix: a/", "m.yaml:1: the file "),
    "text": ("hello", "m.yaml:1: the file "),
    "empty": ("", "m.yaml:1: the file "),
    "comments only": ("# rules:\n#  - x", "m.yaml:1: the file "),
    "cut": ("rules: [", "m.yaml:1: the file "),
    "tab": ("rules:\n\t- prefix: a/", "m.yaml:2: the file "),
    "colon": ("rules:\n  - prefix: a: b", "m.yaml:2: the file "),
    "two documents": ("rules: []\n---\nrules: []", "m.yaml:2: the file "),
    "alias without an anchor": ("rules: *a", "m.yaml:1: the file "),
    "latin-1": (b"rules:\n  - prefix: \xe9/", "m.yaml:2: the file "),
    "endless nesting": ("[" * 5000, "m.yaml:1: the file "),
    "purge of an unknown mode": (rules("mode: mov", "purge: true"), "m.yaml:3: mode: "),
    "control character": ("a: b\nc: \x07", "m.yaml:2: the file "),
    "same target": (
        "rules:\n  - prefix: a/\n    target_prefix: c/\n  - prefix: b/\n    rename: c/{rest}",
        "m.yaml:5: rename: ",
    ),
    "target that is another's": (
        "rules:\n  - prefix: raw/\n    target_prefix: clean/\n  - prefix: clean/\n    mode: move",
        "m.yaml:3: target_prefix: ",
    ),
    "target within another's": (
        "rules:\n  - prefix: raw/\n    target_prefix: clean/new/\n  - prefix: clean/\n    catalogue: false",
        "m.yaml:3: target_prefix: ",
    ),
}


WARNINGS = {
    "with no rule": ("rules:\n  - prefix: raw/\n    target_prefix: clean/", "m.yaml:3: target_prefix: "),
    "with the rule for the others": (
        "rules:\n  - prefix: raw/\n    rename: clean/{rest}\n  - prefix: ''\n    mode: move",
        "m.yaml:3: rename: ",
    ),
    "shadowed by all": (
        "rules:\n  - prefix: ''\n    mode: move\n  - prefix: a/\n    exclude: true",
        "m.yaml:4: rules: ",
    ),
    "shadowed by a suffix": (
        "rules:\n  - suffix: .gz\n  - prefix: a/\n    suffix: .csv.gz\n    exclude: true",
        "m.yaml:3: rules: ",
    ),
    "shadowed by an exclusion": (
        "rules:\n  - prefix: a/\n    exclude: true\n  - prefix: a/b/\n    mode: move",
        "m.yaml:4: rules: ",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_file_line_and_key(reading: Reading, mistake: str) -> None:
    text, start = MISTAKES[mistake]
    (line,) = reading.mistakes(text)
    assert line.startswith(start)


def test_the_words_of_each_mistake_and_warning(reading: Reading) -> None:
    lines = [line for text, _ in MISTAKES.values() for line in reading.mistakes(text)]
    lines += [line for text, _ in WARNINGS.values() for line in reading.warnings(text)]
    compare(SNAPSHOT, "".join(f"{line}\n" for line in lines))


def test_a_thousand_rules_are_the_most(reading: Reading) -> None:
    lines = [f"  - prefix: {number}/\n    target_prefix: new/{number}/" for number in range(MAX_RULES)]
    assert len(reading.load("\n".join(["rules:", *lines])).rules.rules) == MAX_RULES
    shown = reading.mistakes("\n".join(["rules:", *lines, '  - prefix: ""']))
    assert [line.startswith("m.yaml:2: rules: 1,001 ") for line in shown] == [True]


def test_each_of_many_rules_with_one_target_is_reported_once(reading: Reading) -> None:
    lines = [f"  - prefix: {number}/\n    target_prefix: new/" for number in range(4)]
    shown = reading.mistakes("\n".join(["rules:", *lines]))
    assert [line.partition(" have ")[0] for line in shown] == [
        f"m.yaml:{3 + 2 * number}: target_prefix: '0/x' (line 2) and '{number}/x' (line {2 + 2 * number})"
        for number in (1, 2, 3)
    ]


def test_every_mistake_is_reported_in_the_order_of_the_file(reading: Reading) -> None:
    shown = reading.mistakes(
        """
        rules:
          - suffix: 1
            mode: mov
          - exclude: perhaps
          - neither
        minimum_grade: best
        multipart_threshold_bytes: 3
        colour: red
        """
    )
    places = [line.split(": ")[:2] for line in shown]
    assert places == [
        ["m.yaml:2", "suffix"],
        ["m.yaml:3", "mode"],
        ["m.yaml:4", "exclude"],
        ["m.yaml:4", "prefix"],
        ["m.yaml:5", "rules"],
        ["m.yaml:6", "minimum_grade"],
        ["m.yaml:7", "multipart_threshold_bytes"],
        ["m.yaml:8", "colour"],
    ]


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(RulesInvalid, match=r"No such file|Is a directory"):
        loader.load(tmp_path / name)


@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*"-:[]{}&*!|>'\"%@`#, \n", "  ", "rules:", "- ", "prefix", "mode: ", "a", "1", "true", "é"]),
        max_size=25,
    )
)
def test_whatever_is_in_the_file_it_is_read_or_each_mistake_is_a_line(reading: Reading, pieces: list[str]) -> None:
    try:
        reading.load("".join(pieces).encode())
    except RulesInvalid as invalid:
        for line in str(invalid).split("\n"):
            assert re.match(rf"{re.escape(str(reading.path))}:\d+: \S", line)


@pytest.mark.parametrize(
    "text",
    [
        "rules:\n  - prefix: a/\n    target_prefix: a/b/",
        "rules:\n  - prefix: a/\n    suffix: .csv\n    target_prefix: d/\n"
        "  - prefix: a/\n    target_prefix: d/\n  - prefix: d/\n    exclude: true",
        "rules:\n  - prefix: a/\n    suffix: .csv\n    target_prefix: d/\n"
        "  - prefix: b/\n    suffix: .json\n    target_prefix: d/\n  - prefix: d/\n    exclude: true",
        "rules:\n  - prefix: a/\n    rename: '{key}.old'",
        "rules:\n  - prefix: a/\n    mode: move\n  - suffix: .csv\n    mode: move\n  - prefix: ''",
    ],
    ids=["into itself", "the same renaming twice", "distinct by suffix", "under its prefix", "no renaming"],
)
def test_targets_that_no_two_keys_can_share_are_taken_without_a_word(reading: Reading, text: str) -> None:
    assert reading.warnings(text) == []


@pytest.mark.parametrize("warning", WARNINGS)
def test_a_suspicious_rule_is_a_warning(reading: Reading, warning: str) -> None:
    text, start = WARNINGS[warning]
    (line,) = reading.warnings(text)
    assert line.startswith(start)


def test_a_mistake_is_not_hidden_by_a_doubt_about_another_rule(reading: Reading) -> None:
    shown = reading.mistakes(
        """
        rules:
          - prefix: a/
            target_prefix: ""
          - prefix: b/
            target_prefix: d/
          - prefix: c/
            target_prefix: d/
        """
    )
    assert [line.split(" have ")[0] for line in shown] == ["m.yaml:7: target_prefix: 'b/x' (line 4) and 'c/x' (line 6)"]


AREAS = st.sampled_from(["", "a/", "b/", "a/b/"])
ENDS = st.sampled_from(["", "x", ".csv"])


@st.composite
def key_rules(draw: Any) -> KeyRule:
    renamings = st.builds(Renaming, before=AREAS, of=st.sampled_from(["key", "rest"]), after=ENDS)
    exclude = draw(st.booleans())
    renaming = None if exclude else draw(st.none() | renamings)
    return KeyRule(prefix=draw(AREAS), suffix=draw(ENDS), exclude=exclude, renaming=renaming, rule=Rule())


@settings(derandomize=True)
@given(st.lists(key_rules(), max_size=4), st.integers(min_value=0), st.integers(min_value=0))
def test_a_reported_collision_is_real(some: list[KeyRule], index: int, other_index: int) -> None:
    given_rules = Rules(rules=tuple(some))
    index, other_index = index % (len(some) + 1), other_index % (len(some) + 1)
    found = collisions.find(given_rules, index, other_index, collisions.unused_letter(given_rules))
    if found is None:
        return
    first, second = found.sources
    assert first != second
    for key in found.sources:
        rule = given_rules.deciding(key)
        assert rule is None or not rule.exclude
        assert (rule.target_key(key) if rule else key) == found.target
    assert set(found.sources) <= set(collisions.sources_of(given_rules, found.target))


KEYS = ["".join(pieces) for many in range(5) for pieces in itertools.product(["a/", "b/", "x", ".csv"], repeat=many)]


@settings(derandomize=True)
@given(st.lists(key_rules(), max_size=4))
def test_two_rules_that_send_two_keys_to_one_target_are_found(some: list[KeyRule]) -> None:
    given_rules = Rules(rules=tuple(some))
    sent: dict[str, set[int]] = {}
    for key in KEYS:
        rule = given_rules.deciding(key)
        if rule is None or not rule.exclude:
            number = (
                len(some) if rule is None else next(index for index, key_rule in enumerate(some) if key_rule is rule)
            )
            sent.setdefault(rule.target_key(key) if rule else key, set()).add(number)
    for first, second in {pair for numbers in sent.values() for pair in itertools.combinations(sorted(numbers), 2)}:
        assert collisions.find(given_rules, first, second, collisions.unused_letter(given_rules))


@settings(derandomize=True)
@given(st.lists(key_rules(), max_size=4), st.sampled_from(KEYS))
def test_a_key_is_among_the_sources_of_its_target(some: list[KeyRule], key: str) -> None:
    given_rules = Rules(rules=tuple(some))
    rule = given_rules.deciding(key)
    target = rule.target_key(key) if rule else key
    expected = [key] if rule is None or not rule.exclude else []
    assert [source for source in collisions.sources_of(given_rules, target) if source == key] == expected


def test_the_example_can_be_used_as_it_is() -> None:
    read = loader.load(EXAMPLE)
    assert read.warnings == ()
    moved = decide(read.rules, "archive/2025/a.bin")
    assert moved
    assert (moved.mode, moved.minimum_grade, moved.storage_class) == ("move", "readback", "STANDARD_IA")
    renamed = decide(read.rules, "incoming/sales/2026/a.csv")
    assert renamed
    assert renamed.target_key == "sales/2026/a.csv"
    assert decide(read.rules, "x.tmp") is None


def test_every_example_of_the_page_can_be_used(reading: Reading) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        assert reading.warnings(example) == []


@pytest.mark.parametrize("keys", [SETTINGS, RULE_KEYS], ids=["settings", "keys of a rule"])
def test_the_page_has_the_texts_of_each_key(keys: tuple[Key, ...]) -> None:
    table = "\n".join(
        [
            "| key | what it says | allowed | without it |",
            "| --- | --- | --- | --- |",
            *(f"| `{key.name}` | {key.meaning} | {key.allowed} | {key.default} |" for key in keys),
        ]
    )
    assert table in PAGE.read_text(encoding="utf-8")


def test_each_field_of_a_decision_can_be_set() -> None:
    decided_elsewhere = {"decided_by", "target_key", "multipart_threshold_bytes"}
    assert set(Rule.model_fields) - decided_elsewhere <= {key.name for key in RULE_KEYS}
    assert {"multipart_threshold_bytes", "minimum_grade"} <= {key.name for key in SETTINGS}
    assert next(key for key in SETTINGS if key.name == "minimum_grade").allowed.split(", ") == ["any", *GRADES]


def test_each_storage_class_that_s3_knows_is_allowed_or_left_out_on_purpose() -> None:
    """One that AWS adds fails here, and is then decided on."""
    elsewhere = {"OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"}
    backups = {"AWS_BACKUP_WARM", "AWS_BACKUP_LOW_COST_WARM"}
    known: Any = botocore.session.get_session().get_service_model("s3").shape_for("StorageClass")
    assert set(known.enum) == {*SETTABLE_CLASSES, *ARCHIVE_CLASSES, *elsewhere, *backups}
