"""The dry run is the run: of every verb, what it names beforehand is exactly what then happens."""

from collections.abc import Iterator
from typing import Any

import click
import pytest
from admin import SASLDB, Admin

from smtpcreds.cli.tree import smtpcreds

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
from .writing import CASES, Case, prepared

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
    elsewhere = {"tlsa switch", "tlsa retire"}, {"ca restore"}
    assert set(verbs(smtpcreds)) - known - READING == elsewhere[0] | elsewhere[1], (
        "the first wait for a TTL, below; a whole inventory comes with a backup: test_backup.py"
    )
    assert not known - set(verbs(smtpcreds))


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
    ran = admin.run("-n", *words, "--json")
    assert ran.status in {0, 1}, ran
    return ran.data["plan"]


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
    assert hub.killed("renameat:signal=KILL:when=3", *words)
    check(hub, list(words))
    hub.is_pair()
