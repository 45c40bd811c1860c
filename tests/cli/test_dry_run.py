"""The dry run is the run: of every verb, what it names beforehand is exactly what then happens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from admin import CERTS, SASLDB, STATE, Admin

from smtpcreds.cli.framework import smtpcreds

from .changes import (
    accounts_changed,
    accounts_named,
    foreseen,
    happened,
    rows,
    rows_added,
    same,
    tree,
)

READING = {
    "audit",
    "bundle",
    "ca show",
    "cert list",
    "cert show",
    "cert verify",
    "inventory check",
    "inventory events",
    "mta check",
    "mta diff",
    "mta list",
    "probe",
    "sasl list",
    "sasl rotations",
    "sasl show",
    "sasl verify",
    "status",
    "tlsa plan",
    "tlsa show",
    "tlsa texts",
}
"""Verbs that write nothing but by an option; those with one are in the table below as well."""


class Case(NamedTuple):
    """A run, after others that prepare it; ``{here}`` is the directory beside the root."""

    words: str
    before: tuple[str, ...] = ()
    scene: str = "hub"

    @property
    def verb(self) -> str:
        noun, *rest = self.words.split()
        return f"{noun} {rest[0]}" if noun in {"ca", "cert", "sasl", "mta", "tlsa", "inventory"} else noun


CASES = [
    Case("ca init --no-passphrase", scene="smtpcreds"),
    Case("ca init --no-passphrase --intermediate", scene="smtpcreds"),
    Case(
        "ca import --cert {here}/given/cert --key {here}/given/key --no-passphrase",
        scene="given",
    ),
    Case("ca crl"),
    Case("ca crl --to {here}/copy.pem --reload true", ("cert issue attic --to {here}/elsewhere",)),
    Case("ca export --to {here}/cas.pem"),
    Case("ca export --key --to {here}/key.pem"),
    Case("ca passphrase --new-passphrase file:{here}/secret"),
    Case("ca rollover"),
    Case("ca rollover", ("cert issue attic --to {here}/elsewhere", "ca rollover")),
    Case("ca rollover --retire-old --force", ("ca rollover",)),
    Case("cert issue attic mx"),
    Case("cert issue attic --to {here}/elsewhere"),
    Case("cert issue dmzmail --force"),
    Case("cert issue dmzmail", scene="authority"),
    Case("cert renew dmzmail"),
    Case("cert renew dmzmail --new-key --reload true"),
    Case("cert renew --due"),
    Case("cert revoke attic --reload true", ("cert issue attic",)),
    Case("cert request mx --to {here}/elsewhere"),
    Case("cert request mx"),
    Case(
        "cert install {here}/answer.pem",
        ("cert request mx", "cert sign {certs}/mx.csr --to {here}/answer.pem"),
    ),
    Case("cert sign {certs}/mx.csr --to {here}/answer.pem", ("cert request mx",)),
    Case("cert export dmzmail --format p12 --password file:{here}/secret --to {here}/pair.p12"),
    Case("sasl add scanner", scene="smtpcreds"),
    Case("sasl add scanner --keep file:{here}/kept"),
    Case("sasl add scanner --hashed --auth-info {here}/info"),
    Case("sasl add scanner --database {here}/other --format gdbm"),
    Case("sasl add scanner --database {here}/other --format lmdb"),
    Case("sasl passwd maildroid"),
    Case("sasl delete maildroid"),
    Case("sasl auth-info maildroid --to {here}/info"),
    Case("sasl conf --to {here}/Sendmail.conf"),
    Case("sasl convert --to gdbm {here}/converted"),
    Case("sasl convert --to lmdb {here}/converted"),
    Case("sasl export --reveal --to {here}/accounts"),
    Case("sasl import {here}/accounts.csv"),
    Case("sasl rotate maildroid"),
    Case("sasl rotate maildroid --keep file:{here}/kept"),
    Case("sasl rotate maildroid --retire", ("sasl rotate maildroid",)),
    Case("sasl rotate maildroid --abandon", ("sasl rotate maildroid",)),
    Case("mta apply sendmail-hub"),
    Case("mta apply postfix-hub"),
    Case("mta render sendmail-hub --to {here}/rendered"),
    Case("tlsa next dmzmail"),
    Case("setup dmzmail.polkatistas.org --no-passphrase", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase --mta sendmail", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase"),
    Case("bundle attic -o {here}/attic.tar"),
    Case("audit --fix", ("cert issue attic --to {here}/elsewhere",)),
    Case("status --format html --output {here}/status.html"),
]


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Walk the tree of commands."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from verbs(found, (*path, name))


def test_no_verb_is_forgotten() -> None:
    known = {case.verb for case in CASES}
    assert set(verbs(smtpcreds)) - known - READING == {"tlsa switch", "tlsa retire"}, (
        "they wait for a TTL: below"
    )
    assert not known - set(verbs(smtpcreds))


@pytest.fixture
def given(smtpcreds: Admin, tmp_path: Path) -> Admin:
    """A root without an authority, and one of another program beside it."""
    other = Admin(tmp_path / "other")
    other.configure()
    other("ca", "init", "--no-passphrase")
    (tmp_path / "given").mkdir()
    for name in ("cert", "key"):
        smtpcreds.write(f"given/{name}", other.path(f"{STATE}/ca/ca-{name}.pem").read_bytes())
    return smtpcreds


def prepared(admin: Admin, case: Case) -> list[str]:
    """Make the scene of a case, and return the words of the run."""
    admin.secret("secret")
    if "postfix" in case.words:
        admin.write("/etc/group", "postfix:x:12345:\n", 0o644)
    admin.write("accounts.csv", "joe,S3cret.of.joe,\nanne,S3cret.of.anne,\n")
    (admin.directory / "elsewhere").mkdir(0o700, exist_ok=True)
    places = {"here": admin.directory, "certs": admin.path(CERTS)}
    for words in case.before:
        admin(*words.format(**places).split())
    if case.verb == "audit":
        (admin.certs / "dmzmail-key.pem").chmod(0o644)
    return case.words.format(**places).split()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words.replace("/", "_"))
def test_what_is_named_is_what_happens(case: Case, request: pytest.FixtureRequest) -> None:
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    check(admin, words)


def check(admin: Admin, words: list[str]) -> None:
    """Try a dry run, then the run, and compare."""
    before, counted, known = tree(admin.directory), rows(admin), admin.records()
    changes = planned(admin, words)
    assert tree(admin.directory) == before, "a dry run changes nothing, not a time stamp"
    ran = admin.run(*words)
    assert ran.status in {0, 1}, ran
    same(foreseen(changes, before), happened(before, tree(admin.directory)))
    assert rows_added(changes) == +(rows(admin) - counted)
    assert accounts_named(changes, admin.path(SASLDB)) == accounts_changed(known, admin.records())


def planned(admin: Admin, words: list[str]) -> Any:
    """Return the changes that a dry run names."""
    if "html" in words:  # which has no other form
        return [{"action": "write", "target": words[-1], "mode": "0644", "note": ""}] * admin(
            "-n", *words
        ).out.count(words[-1])
    return admin.json("-n", *words)["plan"]


def test_a_switch_of_keys(hub: Admin) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "1")
    check(hub.at("+3 seconds"), ["tlsa", "switch", "dmzmail", "--reload", "true"])
    check(hub.at("+6 seconds"), ["tlsa", "retire", "dmzmail", "--at-once"])


def test_commands_are_named_and_not_run(hub: Admin) -> None:
    mark = hub.directory / "mark"
    words = ("cert", "renew", "dmzmail", "--reload", f"touch {mark}")
    assert f"would run touch {mark}\n" in hub("-n", *words).out
    assert not mark.exists()
    hub(*words)
    assert mark.exists()


def test_nobody_is_asked(locked: Admin) -> None:
    mark = locked.directory / "mark"
    assert "would write" in locked("-n", "cert", "issue", "attic", "--passphrase", f"cmd:touch {mark}")
    assert not mark.exists()


def test_what_a_killed_run_left_is_part_of_it(hub: Admin) -> None:
    words = ("cert", "renew", "dmzmail", "--new-key")
    assert hub.killed("rename:signal=KILL:when=3", *words)
    check(hub, list(words))
    hub.is_pair()
