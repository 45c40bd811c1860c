"""The package as a library: the README's first lines, every public name, the table of verbs."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import smtpcreds

TOP = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["smtpcreds", "smtpcreds.memory", "smtpcreds.library"])
def test_examples_in_docstrings_run(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed


def test_every_public_name_is_there_and_described() -> None:
    for name in smtpcreds.__all__:
        found = getattr(smtpcreds, name)
        assert name.startswith("__") or found.__doc__, name
    with pytest.raises(AttributeError):
        _ = smtpcreds.nothing


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, smtpcreds; print(*sorted(m for m in sys.modules if m.split('.')[0] in {heavy}))"
    heavy = {"cryptography", "click", "passlib", "keyring", "sqlite3", "dataclasses"}
    run = [sys.executable, "-c", code.format(heavy=heavy)]
    assert subprocess.run(run, check=True, capture_output=True, text=True, cwd=TOP).stdout.strip() == ""


def test_it_is_typed() -> None:
    assert (TOP / "smtpcreds/py.typed").exists()


def test_a_site_from_nothing_to_a_client_host(tmp_path: Path) -> None:
    settings = tmp_path / "etc/smtpcreds/smtpcreds.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('domain = "polkatistas.org"\nhub = "dmzmail.polkatistas.org"\n')
    site = smtpcreds.Site.load(root=str(tmp_path))
    with site.transaction(preview=True) as work:
        work.ca.create()
        work.ca.issue("dmzmail")
        work.accounts.add("maildroid")
    foreseen = {(change.action, change.target) for change in work.changes if change.action == "write"}
    assert not (tmp_path / "var").exists()
    with site.transaction() as work:
        work.ca.create()
        issued = work.ca.issue("dmzmail")
        account = work.accounts.add("maildroid")
        text = work.accounts.auth_info("maildroid")
    assert {(change.action, change.target) for change in work.changes if change.action == "write"} == foreseen
    assert issued[0].order.host == "dmzmail.polkatistas.org"
    assert text.startswith(b"maildroid\nmaildroid\n")
    with site.transaction() as work:
        assert work.accounts.names() == [str(account)]
        assert work.ca.renew("dmzmail").outcomes
        assert work.ca.revoke(issued[0].serial).certificates
        work.accounts.delete("maildroid")


def test_an_authority_in_memory_revokes() -> None:
    ca = smtpcreds.CA.create("example.org")
    pair = ca.issue("attic.example.org")
    assert b"X509 CRL" in ca.crl_pem([pair])
    with pytest.raises(smtpcreds.SmtpcredsError):
        ca.issue("attic.example.com")


def test_the_first_lines_of_the_readme_run(tmp_path: Path) -> None:
    section = (TOP / "README.md").read_text().split("\n## The library\n")[1].split("\n## ")[0]
    block = "".join(re.findall(r"^    (.*\n)", section.split("| verb")[0], re.MULTILINE))
    exec(compile(ast.parse(block.replace('root="/"', f"root={str(tmp_path)!r}")), "README", "exec"), {})
    assert (tmp_path / "etc/mail/certs/dmzmail-cert.pem").exists()


def test_the_table_of_the_readme_names_methods_that_exist() -> None:
    section = (TOP / "README.md").read_text().split("\n## The library\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w[\w ]*)` \| `([\w.]+)\(", section, re.MULTILINE)
    assert len(rows) > 8
    homes = {"work.ca": "Authority", "work.accounts": "Accounts", "site": "Site"}
    library = importlib.import_module("smtpcreds.library")
    for _, method in rows:
        owner, _, name = method.rpartition(".")
        assert callable(getattr(getattr(library, homes[owner]), name)), method
