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
from smtpcreds.__main__ import main
try:
    main()
finally:
    sys.stderr.write(f"{sum(name.startswith('smtpcreds.') for name in sys.modules)}")
    sys.stderr.write(" click" * ("click" in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("cert", "issue", "attic"), 80),
        (("cert", "renew", "dmzmail"), 86),
        (("cert", "revoke", "dmzmail"), 110),
        (("cert", "list"), 45),
        (("sasl", "add", "droid"), 60),
    ],
)
def test_a_verb_loads_its_own_modules_and_no_click(hub: Admin, words: tuple[str, ...], most: int) -> None:
    said = peer(sys.executable, "-c", MODULES, "--root", hub.root, *words)
    number = said.rpartition("\n")[2]
    assert most - 20 < int(number) <= most


THREADS = """
import threading
from smtpcreds import __main__ as program
program._put_off("socket")
import socket
assert "gethostname" not in vars(socket)
gate, names = threading.Barrier(8), []
def used():
    gate.wait()
    names.append((socket.gethostname(), socket.AF_INET, socket.create_connection.__name__))
threads = [threading.Thread(target=used) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
import ssl
try: socket.nope
except AttributeError: print(len(names), len(set(names)), hasattr(socket, "nope"))
"""


def test_a_module_that_is_put_off_is_whole_for_every_thread() -> None:
    assert peer(sys.executable, "-c", THREADS) == "8 1 False\n"


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
