"""Whatever a key looks like, the object goes to exactly the same key, copied or moved."""

import unicodedata

import pytest

from tests.support.deployed.deployment import Deployed, Run
from tests.support.deployed.names import MODES, in_mode, new_folder

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
Keys = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def keys() -> Keys:
    """Each key by its mode and what is odd in it."""
    keys: Keys = {}
    for mode in MODES:
        folder = in_mode(mode, new_folder())
        keys |= {(mode, odd): f"{folder}/{odd}/{name}" for odd, name in NAMES.items()}
        keys[mode, "leading-slash"] = f"/{folder}/leading"
        keys[mode, "longest"] = f"{folder}/".ljust(1024, "k")
        keys[mode, "longest-unicode"] = f"{folder}/" + "ü" * ((1024 - len(folder) - 1) // 2)
    return keys


@pytest.fixture(scope="module")
def runs(deployment: Deployed, keys: Keys) -> dict[str, Run]:
    """All of them uploaded at once."""
    for key in keys.values():
        deployment.put(key, key.encode())
    return {run.key: run for run in deployment.runs(keys.values())}


@pytest.mark.parametrize("odd", [*NAMES, "leading-slash", "longest", "longest-unicode"])
def test_key_stays_as_it_is(odd: str, mode: str, deployment: Deployed, keys: Keys, runs: dict[str, Run]) -> None:
    key = keys[mode, odd]
    deployment.assert_arrived(runs[key], key.encode(), mode)
    assert runs[key].document["copy"]["target"]["key"] == key
    assert len(deployment.execution_names(key)) == 1


def test_a_table_under_an_odd_folder(deployment: Deployed, folder: str, mode: str) -> None:
    key = in_mode(mode, f'{folder}/of day=1+1 %41/it\'s "1" & ü.csv')
    body = b"ship,berth\nAurora,1\n"
    deployment.put(key, body)
    run = deployment.one_run(key)
    deployment.assert_arrived(run, body, mode)
    assert run.document["validation"]["rows"] == 1
