"""What the quick calls import, and that help needs none of the heavy libraries."""

import json
import sys

import pytest
from admin import Admin, peer

HEAVY = {"cryptography", "keyring", "passlib", "sqlite3", "asyncio", "ssl", "idna", "email", "subprocess"}
REPORT = """
import json, sys
try:
    from smtpcreds.cli import main
    main()
finally:
    top = {{name.partition(".")[0] for name in sys.modules}}
    sys.stderr.write(json.dumps(sorted(top & {heavy!r})))
"""


def imported(program: Admin, *words: str) -> set[str]:
    said = peer(sys.executable, "-c", REPORT.format(heavy=HEAVY), "--root", program.root, *words)
    return set(json.loads(said[said.rindex("[") :]))


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--help",), set()),
        (("--version",), set()),
        (("sasl", "--help"), set()),
        (("cert", "issue", "--help"), set()),
        (("setup", "--help"), set()),
        (("probe", "--help"), set()),
        (("sasl", "list"), set()),
        (("sasl", "show", "maildroid"), set()),
        (("sasl", "auth-info", "maildroid"), set()),
        (("sasl", "delete", "maildroid"), {"sqlite3"}),
        (("sasl", "add", "droid"), {"sqlite3"}),
    ],
)
def test_imports(hub: Admin, words: tuple[str, ...], allowed: set[str]) -> None:
    assert imported(hub, *words) <= allowed


MODULES = """
import sys
from smtpcreds.__main__ import run
try:
    run()
finally:
    sys.stderr.write(f"{sum(name.startswith('smtpcreds.') for name in sys.modules)}")
    sys.stderr.write(" click" * ("click" in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("cert", "issue", "attic"), 80),
        (("cert", "renew", "dmzmail"), 86),
        (("cert", "revoke", "dmzmail"), 81),
        (("cert", "list"), 49),
        (("sasl", "add", "droid"), 59),
    ],
)
def test_a_verb_loads_its_own_modules_and_no_click(hub: Admin, words: tuple[str, ...], most: int) -> None:
    said = peer(sys.executable, "-c", MODULES, "--root", hub.root, *words)
    number = said.rpartition("\n")[2]
    assert most - 20 < int(number) <= most


WAITS = """
import re, sys
from re import _compiler
from smtpcreds.__main__ import run
made, compiled = [], _compiler.compile
def counted(text, flags=0):
    made.append(text)
    return compiled(text, flags)
_compiler.compile = counted
try:
    run()
finally:
    sys.stderr.write(f"{len(made)} {sum(len(text) > 200 for text in made)}")
    never = {"ast", "urllib.parse", "calendar", "bcrypt"}
    never -= {"ast"} if sys.version_info >= (3, 14) else set()  # annotationlib, which dataclasses needs
    sys.stderr.write(" loaded" * bool(never & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "words", [("cert", "issue", "attic"), ("cert", "renew", "dmzmail"), ("cert", "list")]
)
def test_what_libraries_never_use_here_is_not_made(hub: Admin, words: tuple[str, ...]) -> None:
    number, long = peer(sys.executable, "-c", WAITS, "--root", hub.root, *words).rpartition("\n")[2].split()
    most = 23 + (sys.version_info >= (3, 13))
    assert int(number) <= most, (
        "one is data classes', one the reload hook's; the rest are what the run matches"
    )
    assert int(long) <= 2, "one is commands of other programs, below another root; not names in RFC 4514"


def test_the_report_can_fail(hub: Admin) -> None:
    assert {"cryptography", "sqlite3"} <= imported(hub, "cert", "issue", "mx")


@pytest.mark.parametrize("option", ["--version", "--help", "-h"])
def test_version_and_help_of_the_program_load_no_command_line(option: str) -> None:
    said = peer(sys.executable, "-X", "importtime", "-m", "smtpcreds", option)
    assert "smtpcreds" in said
    assert "click" not in said


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_they_say_what_the_command_line_says(option: str) -> None:
    at_once = peer(sys.executable, "-m", "smtpcreds", option)
    rendered = (sys.executable, "-c", f"from smtpcreds.cli import run; run(['{option}'])")
    assert at_once == peer(*rendered, env={"COLUMNS": "80"})


def test_a_narrow_terminal_gets_the_help_that_fits_it() -> None:
    narrow = peer(sys.executable, "-m", "smtpcreds", "--help", env={"COLUMNS": "56"})
    assert narrow != peer(sys.executable, "-m", "smtpcreds", "--help")
