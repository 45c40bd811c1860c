"""Host names and accounts at the door."""

import pytest

from smtpcreds.errors import NameRefusedError
from smtpcreds.model import Account, Credential, Root, parse_account
from smtpcreds.names import covers, is_within, parse_host
from smtpcreds.secret import Secret


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dmzmail", "dmzmail"),
        ("DMZmail.Polkatistas.ORG.", "dmzmail.polkatistas.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1and1.example", "1and1.example"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), ".".join(["a" * 63] * 3 + ["b" * 61])),
    ],
)
def test_good_names(text: str, name: str) -> None:
    assert parse_host(text) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (".", "empty"),
        ("two words", "character"),
        ("a..b", "empty label"),
        (".example.org", "empty label"),
        ("bad_name.example", "underscore"),
        ("-lead.example", "hyphen"),
        ("trail-.example", "hyphen"),
        ("bang!.example", "character"),
        ("a/b", "character"),
        ("nul\0.example", "character"),
        ("new\nline", "character"),
        ("a" * 64 + ".example", "64 octets"),
        (".".join(["a" * 63] * 4), "255 octets"),
        ("*.example.org", "character"),
        ("10.0.0.1", "number"),
        ("xn--a", "Punycode"),
        ("\u2603\ufe0f.example", "IDNA"),
        ("a\u200bb.\u202e.example", "IDNA"),
    ],
)
def test_bad_names_say_which_rule(text: str, reason: str) -> None:
    with pytest.raises(NameRefusedError, match=reason) as caught:
        parse_host(text)
    assert caught.value.subject.isprintable()


def test_wildcard_is_the_whole_left_label() -> None:
    assert parse_host("*.example.org", wildcard=True) == "*.example.org"
    for text in ("*", "*.org", "a.*.org", "mail*.example.org"):
        with pytest.raises(NameRefusedError):
            parse_host(text, wildcard=True)


def test_matching() -> None:
    assert covers("*.example.org", "a.example.org")
    assert not covers("*.example.org", "a.b.example.org")
    assert not covers("*.example.org", "example.org")
    assert is_within("a.example.org", "example.org")
    assert not is_within("badexample.org", "example.org")


def test_accounts_split_at_the_first_at() -> None:
    assert parse_account("maildroid", "hub.example") == Account("maildroid", "hub.example")
    assert parse_account("maildroid@other", "hub.example") == Account("maildroid", "other")
    assert str(Account("a", "b")) == "a@b"


@pytest.mark.parametrize(
    "text", ["", "@realm", "user@", "a@b@c", "a\0b", "a\nb", "a:b", " a", "a ", "x" * 256]
)
def test_bad_accounts(text: str) -> None:
    with pytest.raises(NameRefusedError):
        parse_account(text, "hub.example")


def test_login_carries_a_foreign_realm() -> None:
    account = Account("maildroid", "hub.example")
    assert Credential(account, Secret("x"), "hub.example").login == "maildroid"
    assert Credential(account, Secret("x"), "other.example").login == "maildroid@hub.example"


def test_root() -> None:
    assert Root().path("/etc/x") == "/etc/x"
    assert Root("/").path("/etc/x") == "/etc/x"
    assert Root("/try/").path("/etc/x") == "/try/etc/x"
    assert Root("/").is_host
    assert not Root("/try").is_host
