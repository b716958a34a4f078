"""Whatever a key looks like, the object goes to exactly the same key."""

import unicodedata
import uuid

import pytest

from tests.e2e.deployed import Deployed, Run

NAMES = {
    "spaces": " a  b ",
    "plus": "a+b",
    "percent": "100%",
    "ampersand-equals": "a&b=c",
    "hash-question": "a#b?c",
    "nfc": unicodedata.normalize("NFC", "Zürich-Ångström"),
    "nfd": unicodedata.normalize("NFD", "Zürich-Ångström"),
    "emoji": "🚢⚓️",
    "quotes": 'it\'s "quoted" `so`',
    "newline": "a\nb\r\nc",
    "tab": "a\tb",
    "double-slash": "a//b",
    "dots": "a/../b/./c",
    "only-dots": "..",
    "placeholder": "${x}",
    "states-path": "$.source.key",
    "backslash": "a\\b",
    "markup": "<a>&amp;</a>",
    "braces": "{database}",
    "encoded-already": "a%2Fb%20c+%E2%82%AC",
}


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    """Each key by what is odd in it."""
    folder = f"e2e_{uuid.uuid4().hex[:8]}"
    keys = {odd: f"{folder}/{odd}/{name}" for odd, name in NAMES.items()}
    keys["leading-slash"] = f"/{folder}/leading"
    keys["longest"] = f"{folder}/".ljust(1024, "k")
    keys["longest-unicode"] = f"{folder}/" + "ü" * ((1024 - len(folder) - 1) // 2)
    return keys


@pytest.fixture(scope="module")
def runs(deployment: Deployed, keys: dict[str, str]) -> dict[str, Run]:
    """All of them uploaded at once, and moved."""
    for key in keys.values():
        deployment.put(key, key.encode())
    return {run.key: run for run in deployment.runs(keys.values())}


@pytest.mark.parametrize("odd", [*NAMES, "leading-slash", "longest", "longest-unicode"])
def test_key_stays_as_it_is(odd: str, deployment: Deployed, keys: dict[str, str], runs: dict[str, Run]) -> None:
    key = keys[odd]
    assert runs[key].status == "SUCCEEDED", runs[key].cause
    assert runs[key].document["copy"]["target"]["key"] == key
    assert deployment.arrived(key) == key.encode()
    assert len(deployment.execution_names(key)) == 1


def test_a_table_under_an_odd_folder(deployment: Deployed, folder: str) -> None:
    key = f'{folder}/of day=1+1 %41/it\'s "1" & ü.csv'
    deployment.put(key, b"ship,berth\nAurora,1\n")
    run = deployment.one_run(key)
    assert (run.status, run.cause) == ("SUCCEEDED", "")
    assert run.document["validation"]["rows"] == 1
