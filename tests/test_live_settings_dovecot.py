"""Settings of a real Dovecot around ours: seen by a login, found, and ended by the cure."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from admin import HUB
from lab import DOVECOT, Dovecot, Lab
from mail_hosts import ACCOUNT, MailHost
from mail_settings import by_shell, findings

pytestmark = pytest.mark.live

SOCKET = "/var/spool/postfix/private/auth"
LOCAL = "/etc/dovecot/local.conf"
STOPS = "passdb {\n  driver = pam\n  result_failure = return-fail\n}\n"


class Row(NamedTuple):
    """What stands above and below our line, the code, and which secret is right then."""

    above: str
    below: str
    code: str
    is_right: bool
    is_any_right: bool = False


ROWS = [
    Row("", "auth_ssl_require_client_cert = yes\n", "MTA302", False),
    Row(STOPS, "", "MTA302", False),
    Row("", "auth_mechanisms = cram-md5\n", "MTA304", False),
    Row("", "auth_username_format = x%u\n", "MTA304", False),
    Row("", "protocol smtp {\n  auth_ssl_require_client_cert = yes\n}\n", "MTA302", False),
    Row("", "protocol smtp {\n  auth_username_format = x%u\n}\n", "MTA304", False),
    Row("", "protocol !imap {\n  auth_username_format = x%u\n}\n", "MTA304", False),
    Row("", "remote 0.0.0.0/0 {\n  auth_username_format = x%u\n}\n", "MTA304", False),
    Row("", "auth_username_chars = abc\n", "MTA304", False),
    Row("", "auth_default_realm = other.example.org\n", "MTA304", False),
    Row("", "auth_username_translation = mx\n", "MTA304", False),
    Row("passdb {\n  driver = static\n  args = nopassword=y\n}\n", "", "MTA303", True, True),
]


@pytest.fixture(scope="module")
def host() -> Iterator[MailHost]:
    with Lab() as lab:
        host = MailHost(lab.host(HUB, DOVECOT))
        host("sasl", "add", ACCOUNT)
        host.equip("dovecot-hub", "--plaintext")
        yield host


@pytest.fixture(scope="module")
def dovecot(host: MailHost) -> Dovecot:
    dovecot = Dovecot(host.host)
    dovecot.start(SOCKET)
    return dovecot


def reload(host: MailHost) -> None:
    """Let the running daemon read its configuration."""
    host.host.shell("doveadm reload")


def test_nothing_is_found_where_nothing_is_off(host: MailHost, dovecot: Dovecot) -> None:
    secret = host("sasl", "show", ACCOUNT, "--reveal").strip()
    assert findings(host, "MTA") == {}
    assert "ok" in host("mta", "check", "dovecot-hub")
    assert dovecot.lets_in(SOCKET, ACCOUNT, secret)
    assert not dovecot.lets_in(SOCKET, ACCOUNT, "wrong")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.above + row.below)
def test_what_switches_it_off_is_found_and_its_cure_ends_it(
    host: MailHost, dovecot: Dovecot, row: Row
) -> None:
    secret = host("sasl", "show", ACCOUNT, "--reveal").strip()
    path = host.host.path(LOCAL)
    kept = path.read_text()
    path.write_text(row.above + kept + row.below)
    reload(host)
    assert dovecot.lets_in(SOCKET, ACCOUNT, secret) is row.is_right
    assert dovecot.lets_in(SOCKET, ACCOUNT, "wrong") is row.is_any_right
    found = findings(host, "MTA")
    assert row.code in found, found
    assert found[row.code] in host.run("mta", "check", "dovecot-hub").out
    if found[row.code].startswith("take "):
        path.write_text(kept)
        reload(host)
    else:
        by_shell(host, found[row.code])
    assert findings(host, "MTA") == {}
    assert dovecot.lets_in(SOCKET, ACCOUNT, secret)
    assert not dovecot.lets_in(SOCKET, ACCOUNT, "wrong")
    path.write_text(kept)


def test_a_socket_that_the_mail_server_may_not_use_is_found(host: MailHost, dovecot: Dovecot) -> None:
    path = host.host.path(LOCAL)
    kept = path.read_text()
    path.write_text(f"{kept}service auth {{\n  unix_listener {SOCKET} {{\n    user = root\n  }}\n}}\n")
    reload(host)
    by_shell(host, findings(host, "MTA")["MTA304"])
    assert findings(host, "MTA") == {}
