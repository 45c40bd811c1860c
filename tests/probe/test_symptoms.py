"""The table of symptoms: every row can be reached, and says something."""

import pytest
from cures import unknown

from smtpcreds.errors import ProtocolError
from smtpcreds.probe.symptoms import SYMPTOMS, explain

SEEN = [
    ("connect", "connection refused", "nothing listens"),
    ("connect", "connection timed out", "firewall"),
    ("starttls", "454 4.7.0 TLS not available due to local problem", "key does not fit"),
    ("starttls", "454 TLS currently unavailable", "key does not fit"),
    ("tls", "wrong version number", "used on a port that expects STARTTLS"),
    ("ehlo inside TLS", "closed the connection without a reply", "Postfix does where SASL has no mechanism"),
    ("ehlo inside TLS", "tlsv1 alert unknown ca", "does not trust the CA of the client"),
    ("ehlo inside TLS", "sslv3 alert certificate revoked", "client certificate is revoked"),
    ("ehlo inside TLS", "tlsv13 alert certificate required", "wants a client certificate"),
    ("openssl", "unable to get local issuer certificate", "does not send its intermediate"),
    ("openssl", "self-signed certificate", "not of this CA"),
    ("openssl", "Hostname mismatch, certificate is not valid for 'x'", "another name"),
    ("openssl", "unsuitable certificate purpose", "client's certificate"),
    ("openssl", "certificate has expired", "not renewed"),
    ("openssl", "certificate is not yet valid", "clock"),
    (
        "auth PLAIN",
        "454 4.7.0 Temporary authentication failure: generic failure",
        "can't read its account database",
    ),
    (
        "auth PLAIN",
        "454 4.7.0 Temporary authentication failure: Connection lost to authentication server",
        "Dovecot delays",
    ),
    (
        "auth CRAM-MD5",
        "535 5.7.8 Error: authentication failed: authentication failure",
        "password, the account",
    ),
    ("auth PLAIN", "535 5.7.8 Error: authentication failed: no mechanism available", "plugin is missing"),
    ("auth PLAIN", "535 Incorrect authentication data", "password, the account"),
    ("auth PLAIN", "435 Unable to authenticate at present", "socket"),
    ("send", "550 5.7.1 <a@b>... Relaying denied. Proper authentication required.", "does not relay"),
    ("send", "554 5.7.1 <a@b>: Relay access denied", "does not relay"),
]
"""What real programs and OpenSSL said."""


@pytest.mark.parametrize(("step", "said", "cause"), SEEN)
def test_what_was_seen_is_explained(step: str, said: str, cause: str) -> None:
    found, cure = explain(step, ProtocolError("192.0.2.1:25", said), "dmzmail.example.org")
    assert cause in found
    assert cure


def test_the_cure_names_the_host_and_what_is_unknown_has_one_too() -> None:
    error = ProtocolError("x", "no matching TLSA record")
    assert explain("connect", ProtocolError("x", "timed out"), "h.example")[1].endswith("ping h.example")
    assert explain("never", error, "h.example") == ("", "look at the log of h.example")
    assert explain("tlsa", ProtocolError("x", "no matching", "do this"), "h")[1] == "do this"


def test_cures_name_commands_that_exist() -> None:
    assert [fault for row in SYMPTOMS for fault in unknown(row.cure)] == []


def test_rows_are_one_line_each() -> None:
    for row in SYMPTOMS:
        assert row.cause
        assert row.cure
        assert "\n" not in row.cause + row.cure
        assert "{" not in row.cure.replace("{host}", "")
