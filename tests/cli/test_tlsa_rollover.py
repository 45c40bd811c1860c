"""``tlsa next``, ``switch`` and ``retire``: a new key step by step, and what comes in between."""

from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin

from .other_ca import other_ca
from .tlsa_scene import CERT, KEY, NEXT, by_danetool, of_key, records


def test_the_whole_way(hub: Admin) -> None:
    first = of_key(hub.path(KEY))
    assert hub("tlsa", "plan", "dmzmail").out.startswith(f"{HUB}: no key rollover in progress\n")
    out = hub("tlsa", "next", "dmzmail", "--ttl", "3600").out
    second = of_key(hub.path(NEXT))
    assert hub.mode(NEXT) == 0o600
    assert first != second
    assert records(out)[:2] == [first, second]
    assert out.splitlines()[0].startswith(f"_25._tcp.{HUB}. 3600 IN TLSA ")
    assert of_key(hub.path(KEY)) == first, "the key in use stays in use"
    assert records(hub("tlsa", "dmzmail").out) == records(out)

    soon, then = hub.at("+115 minutes"), hub.at("+121 minutes")
    assert "too early: twice the TTL of 3600 s since the next key was made" in soon.refuses(
        75, "tlsa", "switch", "dmzmail"
    )
    assert "still uses the old key" in then.refuses(65, "tlsa", "retire", "dmzmail")
    then("tlsa", "switch", "dmzmail")
    assert of_key(hub.path(KEY)) == second
    assert by_danetool(hub.path(CERT)).endswith(second)
    assert not hub.path(NEXT).exists()
    assert of_key(hub.path(f"{KEY}.previous")) == first
    assert records(then("tlsa", "dmzmail").out)[:2] == [second, first]
    assert then("inventory", "check").out.startswith("inventory and disk agree\n")

    soon = hub.at("+200 minutes")
    assert "since the switch is over on" in soon.refuses(75, "tlsa", "retire", "dmzmail")
    out = hub.at("+245 minutes")("tlsa", "retire", "dmzmail").out
    assert records(out)[0] == second
    assert first not in out
    assert hub("tlsa", "plan", "dmzmail", "--json").data["stage"] == "settled"


def test_a_second_next_changes_nothing(hub: Admin) -> None:
    out = hub("tlsa", "next", "dmzmail").out
    key = hub.path(NEXT).read_bytes()
    assert hub("tlsa", "next", "dmzmail").out == out
    assert hub("tlsa", "next", "dmzmail", "-n").out == "nothing to do\n"
    assert hub.path(NEXT).read_bytes() == key
    assert len(hub("inventory", "events", "--subject", HUB, "--json").data["events"]) == 2
    hub("tlsa", "next", "dmzmail", "--force", "--key-type", "rsa2048")
    assert hub.path(NEXT).read_bytes() != key
    another = ("tlsa", "next", "dmzmail", "--key-type", "p384", "--ttl", "9")
    assert "is a RSA 2048 key that waits" in hub.refuses(65, *another)


def test_another_ttl_begins_the_wait_again(hub: Admin) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "3600")
    then = hub.at("+60 minutes")
    then("tlsa", "next", "dmzmail", "--ttl", "7200")
    data = hub("tlsa", "plan", "dmzmail", "--json").data
    assert data["ttl"] == 7200
    assert "too early" in hub.at("+290 minutes").refuses(75, "tlsa", "switch", "dmzmail")
    hub.at("+302 minutes")("tlsa", "switch", "dmzmail", "-n")


def test_retire_at_once(hub: Admin) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "3600")
    then = hub.at("+3 hours")
    then("tlsa", "switch", "dmzmail")
    assert "too early" in then.refuses(75, "tlsa", "retire", "dmzmail")
    then("tlsa", "retire", "dmzmail", "--at-once")
    assert "has no next key" in then.refuses(66, "tlsa", "retire", "dmzmail")


@pytest.mark.parametrize(("call", "number"), [("renameat", 3), ("renameat", 4), ("unlinkat", 1)])
def test_a_killed_switch_is_completed(hub: Admin, call: str, number: int) -> None:
    """Killed before the key is in place, before the certificate is, or before the next key waits no more."""
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    second = of_key(hub.path(NEXT))
    then = hub.at("+3 minutes")
    where = (f"-einject={call}:signal=SIGKILL:when={number}",)
    strace = ("strace", "-f", "-qq", "-o/dev/null", *where)
    killed = then.behind(*strace).run("tlsa", "switch", "dmzmail")
    assert "Caught Killed" in killed.err, "as faketime calls it"
    then("ca", "crl")
    assert of_key(hub.path(KEY)) == second
    assert by_danetool(hub.path(CERT)).endswith(second)
    assert then("tlsa", "plan", "dmzmail", "--json").data["stage"] == "switched"
    hub.at("+9 minutes")("tlsa", "retire", "dmzmail")
    assert not hub.path(NEXT).exists()
    assert hub.at("+9 minutes")("inventory", "check").out.startswith("inventory and disk agree\n")


def test_a_server_that_does_not_take_it_keeps_the_old_key(hub: Admin) -> None:
    first = of_key(hub.path(KEY))
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    then = hub.at("+3 minutes")
    ran = then.run("tlsa", "switch", "dmzmail", "--reload", "false")
    assert ran.status == 69
    assert of_key(hub.path(KEY)) == first
    assert then("tlsa", "plan", "dmzmail", "--json").data["stage"] == "publishing"
    then("tlsa", "switch", "dmzmail", "--reload", "true")
    assert of_key(hub.path(KEY)) != first


def test_another_new_key_behind_its_back_is_noticed(hub: Admin) -> None:
    hub("tlsa", "next", "dmzmail")
    hub("cert", "renew", "dmzmail", "--new-key")
    ran = hub("tlsa", "dmzmail")
    assert len(ran.warnings) == 1
    assert records(ran.out)[0] == of_key(hub.path(KEY))
    assert len(records(ran.out)) == 2
    assert "has lost its next key, or uses another one" in hub.refuses(65, "tlsa", "switch", "dmzmail")
    hub("tlsa", "next", "dmzmail")
    assert hub("tlsa", "dmzmail").err == ""


def test_the_answer_of_another_ca_is_a_switch(smtpcreds: Admin, tmp_path: Path) -> None:
    ca = other_ca(tmp_path / "other")
    smtpcreds("cert", "request", "dmzmail")
    request = smtpcreds.path(f"{CERTS}/dmzmail.csr")
    smtpcreds("cert", "install", ca.answer(request), "--chain", ca.certificate)
    smtpcreds("tlsa", "next", "dmzmail", "--ttl", "60")
    second = of_key(smtpcreds.path(NEXT))
    smtpcreds("cert", "request", "dmzmail")
    smtpcreds("cert", "install", ca.answer(request))
    assert of_key(smtpcreds.path(KEY)) == second
    assert smtpcreds("tlsa", "plan", "dmzmail", "--json").data["stage"] == "switched"


def test_status_knows_what_is_half_way_and_when_it_is_due(hub: Admin) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "3600")
    data = hub("status", "--json").data
    assert [(change["kind"], change["next"]) for change in data["half_way"]] == [
        ("tlsa", f"smtpcreds tlsa switch {HUB}")
    ]
    assert data["due"] == []
    (due,) = hub.at("+3 hours").run("status", "--json").data["due"]
    assert (due["kind"], due["cure"]) == ("tlsa", f"smtpcreds tlsa switch {HUB}")


@pytest.mark.parametrize("ttl", ["0", "99999999"])
def test_times_to_live_that_are_none(hub: Admin, ttl: str) -> None:
    assert "--ttl: takes 1 to" in hub.refuses(64, "tlsa", "next", "dmzmail", "--ttl", ttl)
