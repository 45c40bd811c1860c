"""Every command that a document names: the command line takes it; and tests type what manual pages show."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from cures import unknown
from manual_examples import page_lines
from place import TOP
from test_manual import VERBS

MANUAL = sorted((TOP / "man").iterdir())
CONTRIB = sorted(path for path in (TOP / "contrib").rglob("*") if path.is_file())
PAGES = sorted(TOP.glob("*.md"))
DOCUMENTS = [*MANUAL, *PAGES, *CONTRIB]
TYPED = {
    "smtpcreds.1": ("tests/test_live_examples.py", "tests/test_live_bare_walks.py"),
    "smtpcreds-bundle.1": ("tests/cli/test_examples.py",),
    "smtpcreds-ca.1": ("tests/cli/test_examples.py",),
    "smtpcreds-cert.1": ("tests/cli/test_request_install.py",),
    "smtpcreds-files.7": ("tests/cli/test_examples.py",),
    "smtpcreds-inventory.1": ("tests/cli/test_inventory_convert.py",),
    "smtpcreds-sasl.1": ("tests/cli/test_convert_postgres.py", "tests/cli/test_rotate.py"),
    "smtpcreds-status.1": ("tests/cli/test_examples.py",),
    "smtpcreds-tlsa.1": ("tests/cli/test_tlsa_resolver.py",),
}
"""Which tests type the lines of a page; tests/test_from.py does those of smtpcreds-from-*."""
_PAGE = re.compile(r"(?:\bman (?=smtpcreds)|(?=smtpcreds[\w.-]*\(\d\)))(smtpcreds(?:[.-]?\w+)*)(?:\((\d)\))?")
_NAMES = "|".join(sorted(VERBS, key=len, reverse=True))
_NAMED = re.compile(rf"(?<![\w/.-])({_NAMES})((?: --?[a-z][\w-]*)+)")

_WITHIN = re.compile(
    r"^(?:\.(?:Ic|It|Li|Ql) |Remedy: )(?:.*? )?(?:smtpcreds|Nm smtpcreds Li) ([a-z].*?)[ ,.;]*$", re.MULTILINE
)


@cache
def text(document: Path) -> str:
    """Return it as it is read."""
    if document.parent.name != "man":
        return document.read_text()
    words = ("mandoc", "-T", "ascii", "-O", "width=1000", document)
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return re.sub(r"-\n +", "-", re.sub(".\b", "", shown))


def options_of(verb: str) -> set[str]:
    taken = (option for option in VERBS[verb].params if isinstance(option, click.Option))
    return {name for option in taken for name in (*option.opts, *option.secondary_opts)}


def strange(said: str) -> Iterator[str]:
    """Yield a verb with the option behind it that it does not take."""
    for verb, options in _NAMED.findall(re.sub(r"\s+", " ", said)):
        yield from (f"{verb} {option}" for option in options.split() if option not in options_of(verb))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(TOP)))
def test_an_option_that_is_named_with_its_verb_is_taken(document: Path) -> None:
    assert [*strange(text(document))] == []


def test_one_that_is_not_taken_is_found() -> None:
    said = "see cert renew\n --due --dew, and ca init --intermediate; sasl list --to"
    assert [*strange(said)] == ["cert renew --dew", "sasl list --to"]


def not_taken(lines: list[str]) -> list[str]:
    """Return what the command line does not know, in the commands of pipes, too."""
    parts = [part for line in lines for part in re.split(r" (?:\||&&|>) ", line)]
    return [found for part in parts for found in unknown(part.removesuffix(" --json-schema"))]


@pytest.mark.parametrize("document", MANUAL, ids=lambda path: path.name)
def test_every_command_that_a_page_shows_is_one(document: Path) -> None:
    within = _WITHIN.findall(document.read_text())
    assert (
        not_taken([*page_lines(document.name), *(f"smtpcreds {one}" for one in within if one not in VERBS)])
        == []
    )


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
def test_every_command_between_backquotes_is_one(document: Path) -> None:
    spans = re.findall(r"`([^`\n]*smtpcreds [^`\n]*)`", text(document))
    assert not_taken([span for span in spans if span.removeprefix("smtpcreds ") not in VERBS]) == []


def test_a_wrong_command_is_found() -> None:
    lines = [
        "smtpcreds bundle attic -o - | ssh root@attic smtpcreds setup --clients -",
        "smtpcreds ca show --to x",
    ]
    assert [found.partition(":")[0] for found in not_taken(lines)] == ["setup --clients -", "ca show --to x"]


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
def test_every_file_between_backquotes_is_there(document: Path) -> None:
    spans = re.findall(r"(?:`|`[^`\n]* )((?:contrib|man|smtpcreds|tests)/[\w./*-]+)[^`\n]*`", text(document))
    named = {span.rstrip("/") for span in spans if not re.search("NAME|NOUN", span)}
    assert sorted(one for one in named if not [*TOP.glob(one)]) == []


def test_every_page_that_is_named_is_there() -> None:
    files = [*PAGES, *CONTRIB, *(TOP / "smtpcreds").rglob("*.py")]
    named = {found for file in files for found in _PAGE.findall(file.read_text())}
    assert ("smtpcreds-symptoms", "7") in named
    assert [page for page in named if not [*TOP.glob(f"man/{page[0]}.{page[1] or '*'}")]] == []


def test_every_page_that_shows_commands_has_a_test_that_types_them() -> None:
    showing = {page.name for page in MANUAL if page_lines(page.name)}
    assert showing == {*TYPED} | {page.name for page in MANUAL if "-from-" in page.name}
    for page, files in TYPED.items():
        for file in files:
            calls = [
                node for node in ast.walk(ast.parse((TOP / file).read_text())) if isinstance(node, ast.Call)
            ]
            read = {ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "page_lines"}
            assert repr(page) in read, f"{file}: types nothing of {page}"
