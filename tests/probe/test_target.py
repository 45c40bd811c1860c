"""URLs, records and addresses, parsed at the door."""

import pytest

from smtpcreds.errors import UsageError
from smtpcreds.pki.tlsa import parse_association
from smtpcreds.probe.asked import Security, parse_mailbox, parse_mechanism, parse_target

from .conftest import House


@pytest.mark.parametrize(
    ("text", "host", "port", "security", "account"),
    [
        ("smtp://dmzmail", "dmzmail.polkatistas.org", 25, Security.STARTTLS, ""),
        ("SMTP://DMZMAIL.", "dmzmail.polkatistas.org", 25, Security.STARTTLS, ""),
        ("smtp+tls://maildroid@dmzmail", "dmzmail.polkatistas.org", 587, Security.STARTTLS, "maildroid"),
        ("smtps://a%40b.example@mx.example.net:26/", "mx.example.net", 26, Security.IMPLICIT, "a@b.example"),
        ("smtps://a@b.example@mx.example.net", "mx.example.net", 465, Security.IMPLICIT, "a@b.example"),
        ("smtp://192.0.2.1:2525", "192.0.2.1", 2525, Security.STARTTLS, ""),
        ("smtp://x@[2001:db8::1]:26", "2001:db8::1", 26, Security.STARTTLS, "x"),
        ("smtp://localhost", "localhost", 25, Security.STARTTLS, ""),
        ("smtp://bücher.example", "xn--bcher-kva.example", 25, Security.STARTTLS, ""),
    ],
)
def test_urls(house: House, text: str, host: str, port: int, security: Security, account: str) -> None:
    found = parse_target(house.site(), text)
    assert (found.host, found.port, found.security, found.account) == (host, port, security, account)


def test_clear(house: House) -> None:
    assert parse_target(house.site(), "smtp://dmzmail", clear=True).security is Security.CLEAR


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("smtp://maildroid:s3cr3t@dmzmail", "every user of this host"),
        ("smtp://maildroid:s3/c@r3t@dmzmail", "every user of this host"),
        ("maildroid:s3cr3t@dmzmail", "every user of this host"),
        ("smtp://:s3cr3t@dmzmail", "every user of this host"),
        ("dmzmail:25", "is not a URL of an SMTP server"),
        ("http://dmzmail", "is not a URL of an SMTP server"),
        ("smtp://", "is not a URL of an SMTP server"),
        ("", "is not a URL of an SMTP server"),
        ("smtp://dmzmail/box", "more than host and port"),
        ("smtp://dmzmail?x", "more than host and port"),
        ("smtp://dmzmail:0", "more than host and port"),
        ("smtp://dmzmail:smtp", "is not a URL"),
        ("smtp://dmzmail:70000", "is not a URL"),
        ("smtp://[::1", "is not a URL"),
    ],
)
def test_what_is_no_url(house: House, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as refusal:
        parse_target(house.site(), text)
    assert "s3" not in f"{refusal.value}{refusal.value.hint}"


@pytest.mark.parametrize(
    "text", ["", "3 1 1", "3 1 1 zz", "4 1 1 aa", "3 1 1 abcd", "3 1 2 " + "00" * 32, "3 1 0 abc"]
)
def test_what_is_no_tlsa_record(text: str) -> None:
    with pytest.raises(UsageError):
        parse_association(text)


def test_a_tlsa_record_may_have_spaces_as_zone_files_have() -> None:
    assert parse_association("3 1 1 " + "AB " * 32).data == b"\xab" * 32


@pytest.mark.parametrize("text", ["", "a", "a@", "@b", "a b@c", "a>@b", "ä@b", "a\r\n@b", "a,b@c"])
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mailbox(text)


def test_mechanisms() -> None:
    assert parse_mechanism("scram-sha-256-plus") == "SCRAM-SHA-256-PLUS"
    with pytest.raises(UsageError):
        parse_mechanism("OTP")
