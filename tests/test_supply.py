"""What is installed: pinned with hashes, from no named place, and what an isolated script obeys."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
from admin import TOP, peer

PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+) \\$", re.MULTILINE)
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(one for name, some in PROJECT["optional-dependencies"].items() for one in some),
]


def pins(name: str) -> dict[str, str]:
    return dict(PINNED.findall((TOP / "tests" / name).read_text()))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.mark.parametrize("name", ["constraints.txt", "lowest.txt"])
def test_every_pin_has_a_hash_and_no_place(name: str) -> None:
    text = (TOP / "tests" / name).read_text()
    entries = re.split(r"\n(?=[a-z])", text.split("\n\n")[-1])
    assert len(pins(name)) > 10
    for entry in (part for part in entries if not part.startswith("#")):
        assert re.match(r"[a-z0-9.-]+==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+", entry), entry
    assert not re.search(r"://|--index|--find|@ |localhost", text)


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_is_required_is_pinned(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found, requirement
    assert version(pins("constraints.txt")[found[1]]) >= version(found[2])


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_the_lowest_versions_are_those_of_the_project(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)>=([\d.]+)", requirement)
    assert found
    if found[1] == "libpass":
        assert pins("lowest.txt")["passlib"] == "1.7.4", "in its place, as in Debian"
        return
    lowest = version(pins("lowest.txt")[found[1]])
    assert lowest[: len(version(found[2]))] == version(found[2])


LINTERS = re.compile(r"mypy|ruff|types-")


@pytest.mark.parametrize("requirement", PROJECT["optional-dependencies"]["test"])
def test_the_lowest_versions_have_what_the_tests_import(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found, requirement
    assert LINTERS.match(requirement) or version(pins("lowest.txt")[found[1]]) >= version(found[2])


def test_the_bill_of_materials_is_of_what_is_installed(tmp_path: Path) -> None:
    """The tool validates it against CycloneDX's schema before it writes it."""
    path = tmp_path / "bom.json"
    words = ("--output-reproducible", "--spec-version", "1.6", "--validate", "--output-file", path)
    peer(Path(sys.executable).with_name("cyclonedx-py"), "environment", *words, sys.executable)
    bom = json.loads(path.read_text())
    assert {"click", "cryptography", "keyring", "libpass"} <= {one["name"] for one in bom["components"]}


@pytest.mark.parametrize(
    ("python", "library", "told"),
    [
        (sys.executable, "lmdb", f"{sys.executable} -m pip install lmdb"),
        ("/usr/bin/python3", "psycopg", "apt-get install python3-psycopg\n"),
        (
            *("/usr/bin/python3", "pyrage"),
            "/usr/bin/python3 -m pip install --user --break-system-packages pyrage",
        ),
    ],
)
def test_a_library_that_is_lacking_is_installed_for_the_python_that_lacks_it(
    python: str, library: str, told: str
) -> None:
    code = f"from smtpcreds.extras import how_to_install; print(how_to_install({library!r}))"
    assert peer(python, "-c", code, env={"PYTHONPATH": str(TOP)}).startswith(told)


def test_nobody_is_told_to_install_what_has_our_name_in_an_index() -> None:
    texts = [
        *TOP.glob("smtpcreds/**/*.py"),
        *TOP.glob("man/*"),
        *TOP.glob("contrib/**/*.*"),
        TOP / "README.md",
    ]
    assert not [path for path in texts if re.search(r"pip install [^\n`]*\bsmtpcreds\b", path.read_text())]
