"""A clock that is behind: nothing is signed, and what is in place stays."""

import pytest
from admin import Admin, snapshot
from cures import commands

PAST = "2020-06-01 12:00:00"


@pytest.mark.parametrize(
    "words",
    [
        "cert renew --due",
        "cert renew dmzmail",
        "cert issue attic",
        "ca crl",
        "ca rollover",
        "cert revoke dmzmail",
        "bundle attic -o attic.tar",
    ],
)
def test_nothing_is_signed_before_the_authority_begins(hub: Admin, words: str) -> None:
    said = hub.at(PAST).refuses(65, *words.split())
    assert "polkatistas.org Mail CA: is not valid before 20" in said
    assert "and the clock of this host says 2020-06-01 12:00 UTC" in said
    assert "hint: set the clock of this host" in said


@pytest.mark.parametrize("words", ["cert renew --due", "cert issue attic", "ca crl", "ca rollover"])
def test_nothing_is_signed_before_the_last_crl(hub: Admin, words: str) -> None:
    hub.at("+21 days")("ca", "crl")
    said = hub.at("+10 days").refuses(65, *words.split())
    assert "signed CRL number 2 on 20" in said
    assert "hint: set the clock of this host" in said


def test_a_root_signs_nothing_before_its_last_crl(smtpcreds: Admin) -> None:
    smtpcreds("ca", "init", "--intermediate", "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    key = smtpcreds.state / "ca/root-key.pem"
    smtpcreds.at("+20 days")("ca", "crl", "--root-key", key)
    before = snapshot(smtpcreds.root)
    assert smtpcreds.at("+2 days").run("ca", "crl", "--root-key", key).status == 65
    assert snapshot(smtpcreds.root) == before


def test_a_clock_may_be_set_back_by_a_minute(hub: Admin) -> None:
    hub("ca", "crl")
    hub.at("-60 seconds")("cert", "issue", "attic")


def test_the_newest_certificate_is_the_one_that_was_issued_last(hub: Admin) -> None:
    """Also where the clock was an hour ahead at the one before, which begins later."""
    hub.at("1 hour")("cert", "issue", "dmzmail", "--force")
    hub("cert", "issue", "dmzmail", "--force")
    assert hub("inventory", "check").out.startswith("inventory and disk agree\n")
    hub("cert", "renew", "dmzmail")


LOOKS = (
    "status",
    "inventory check",
    "audit",
    "cert list",
    "cert verify dmzmail",
    "cert issue attic",
    "bundle attic -o attic.tar",
)


@pytest.mark.parametrize("words", LOOKS)
def test_the_cure_for_a_crl_of_the_future_signs_one_of_today(hub: Admin, words: str) -> None:
    hub.at("+380 days")("ca", "crl")
    said = str(hub.run(*words.split()))
    cures = [
        tuple(found) for line in said.splitlines() for found in commands(line) if found[:2] == ["ca", "crl"]
    ]
    assert cures
    assert all(cure[2] == "--force" for cure in cures), said
    hub("ca", "crl", "--force")
    assert "agree" in hub("inventory", "check")


def made_ahead(smtpcreds: Admin, *words: str) -> str:
    """Make an authority under a clock that is ahead; return the cure that ``status`` has for it now."""
    smtpcreds.at("+380 days")("ca", "init", *words)
    smtpcreds.at("+380 days")("cert", "issue", "attic", "--passphrase", "env:OLD", env=OLD)
    (due,) = [
        one for one in smtpcreds("status", "--json", status=1).data["due"] if one["kind"] == "authority"
    ]
    assert "is not valid before" in due["reason"]
    assert f"hint: set the clock of this host; or if it was ahead then and is right now: {due['cure']}" in (
        smtpcreds.refuses(65, "ca", "crl", "--force")
    )
    return str(due["cure"])


OLD = {"OLD": "squeezebox and more"}


@pytest.mark.parametrize(
    "words",
    [("--no-passphrase",), ("--passphrase", "env:OLD"), ("--no-passphrase", "--intermediate")],
    ids=str,
)
def test_an_authority_of_the_future_is_replaced_by_one_of_today(
    smtpcreds: Admin, words: tuple[str, ...]
) -> None:
    smtpcreds.env = OLD
    (cure,) = commands(made_ahead(smtpcreds, *words))
    secret = ("--passphrase", "env:OLD")
    assert "not valid before" in smtpcreds.refuses(65, "ca", "rollover", *secret)
    assert "not valid before" in smtpcreds.refuses(65, "ca", "rollover", "--force", *secret)
    assert "was not valid yet, and is retired\n" in smtpcreds(*cure, *secret).out
    smtpcreds("cert", "issue", "dmzmail", *secret)
    smtpcreds.verify(smtpcreds.certs / "dmzmail-cert.pem")
    bundle = (smtpcreds.certs / "cacert.pem").read_text()
    assert bundle.count("-----BEGIN") == 1 + ("--intermediate" in words)
    said = smtpcreds("inventory", "check", status=1)
    assert "attic-cert.pem: was signed by an authority that is retired" in said
    smtpcreds("cert", "issue", "attic", "--force", *secret)
    assert smtpcreds("inventory", "check").out.startswith("inventory and disk agree\n")
    assert "authority" not in {one["kind"] for one in smtpcreds.run("status", "--json").data["due"]}
