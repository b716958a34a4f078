"""The page's files: vendored ones are unmodified, nothing comes from elsewhere, and a wheel has them all."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

from ferry.console import files

CHECKOUT = Path(__file__).parents[2]

STATIC = CHECKOUT / "ferry" / "console" / "static"
VENDORED = re.compile(r"^\| (\S+\.mjs) \|.*\| ([0-9a-f]{64}) \|$", re.MULTILINE)


def scripts() -> list[Path]:
    return sorted(STATIC.glob("*.js"))


def test_vendored_files_are_unmodified() -> None:
    table = dict(VENDORED.findall((STATIC / "vendor" / "README.md").read_text(encoding="utf-8")))
    found = {file.name: sha256(file.read_bytes()).hexdigest() for file in (STATIC / "vendor").glob("*.mjs")}
    assert found == table


def test_the_page_is_small() -> None:
    loaded = [file for file in STATIC.rglob("*") if file.suffix in files.TYPES]
    assert sum(len(gzip.compress(file.read_bytes())) for file in loaded) < 80_000


def test_the_frame_that_is_painted_first_is_that_of_the_page() -> None:
    tabs = re.search(r"const TABS = (\[\[.*\]\]);", (STATIC / "main.js").read_text(encoding="utf-8"))
    assert tabs
    shell = (STATIC / "index.html").read_text(encoding="utf-8")
    painted = re.findall(r'<a href="([^"]*)" class="tab">([^<]*)</a>', shell)
    assert [list(tab) for tab in painted] == json.loads(tabs[1])


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in [*scripts(), STATIC / "console.css", STATIC / "index.html"]:
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+", re.sub(r"//[^\n]*\n", "\n", file.read_text("utf-8"))))
        assert not addresses, file.name


def test_text_never_becomes_markup_or_script() -> None:
    for file in scripts():
        text = file.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "dangerouslySetInnerHTML",
                     "eval(", "new Function", "srcdoc"):  # fmt: skip
            assert word not in text, (file.name, word)
        # An address is one of our own paths, or the link into the AWS console that the server made.
        for address in re.findall(r"href=(\S+?)[\s>]", text):
            assert address in ("${to}", "${data.link}", "${child.link}", '"#main"'), (file.name, address)


def test_a_wheel_has_every_file(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "ferry", tmp_path / "ferry", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    build = "from setuptools import build_meta; build_meta.build_wheel('out')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {file.relative_to(CHECKOUT).as_posix() for file in STATIC.rglob("*") if file.is_file()} <= packed
