"""A word that is nearly right leads to the one that was meant."""

import shlex

import pytest
from admin import HUB, Admin


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("mta apply sendmail", "sendmail-hub"),
        ("mta check postfx-hub", "postfix-hub"),
        ("probe dmzmail", "smtp://dmzmail"),
        ("cert show dmzmial", "dmzmail.polkatistas.org"),
        ("cert revoke dmzmial", "dmzmail.polkatistas.org"),
        ("cert revoke dmzmail --reason keycompromised", "keyCompromise"),
        ("cert issue attic --key-type p265", "p256"),
        ("audit --only CRET001", "CERT001"),
        ("sasl show mailroid", "maildroid"),
        ("sasl import list --as cvs", "csv"),
        ("bundle attic --mta msmpt", "msmtp"),
        ("setup dmzmail --mta postfx", "postfix-hub"),
    ],
)
def test_it_is_named(hub: Admin, words: str, meant: str) -> None:
    hub.write("list", "joe,s3cr3t-of-joe\n")
    assert f"did you mean {meant}?" in hub.run(*words.split()).problem


def test_a_list_of_a_host_that_is_not_there_says_so(hub: Admin) -> None:
    said = hub("cert", "list", "--host", "dmzmial")
    assert f"dmzmial.polkatistas.org: no certificate matches; did you mean {HUB}?" in said.err
    assert "warning" not in hub("cert", "list", "--host", "dmzmail").err


def test_a_far_word_leads_to_the_list(hub: Admin) -> None:
    assert "known: sendmail-hub, " in hub.refuses(64, "mta", "apply", "xyzzy")
    assert "smtpcreds cert list" in hub.refuses(66, "cert", "show", "xyzzy")
    assert HUB in hub("cert", "list")


def test_an_export_says_which_formats_it_takes(hub: Admin) -> None:
    said = hub.refuses(64, "sasl", "export", "--as", "xml")
    assert "--as xml: takes csv or jsonl" in said
    assert "dovecot needs --reveal" in hub.refuses(64, "sasl", "export", "--as", "dovecot")


def test_the_way_out_for_a_hashed_account_can_be_typed(hub: Admin) -> None:
    """A program that knows no SCRAM can't log in with it; the name needs quotes in a shell."""
    hub("sasl", "add", "o'brien", "--hashed", "--keep", f"file:{hub.directory}/kept")
    account = ("--account", "o'brien", "--password", f"file:{hub.directory}/kept")
    said = hub.run("mta", "render", "swaks", "--host", "attic", *account).problem
    assert "can be served by SCRAM-SHA-256 only" in said
    command = said.partition("hint: smtpcreds ")[2].partition(", or ")[0]
    hub(*shlex.split(command))
    assert hub.json("sasl", "show", "o'brien")["properties"] == ["userPassword"]


@pytest.mark.parametrize(
    "words",
    [
        "sasl add joe --allow-wek",
        "sasl import list --allow-odd-name",
        "cert retire attic --with-acounts",
        "tlsa retire dmzmail --at-one",
        "cert revoke attic --yess",
        "mta apply sendmail-hub --edits",
        "mta apply postfix-hub --relay-certificate",
        "cert renew attic --drop-sn x",
    ],
)
def test_what_weakens_or_ends_something_is_no_guess(hub: Admin, words: str) -> None:
    assert "did you mean" not in hub.refuses(64, *words.split())
