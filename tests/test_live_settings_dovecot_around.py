"""More settings of a real Dovecot: passdbs around ours, policy servers, and its service auth."""

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
NOBODY_ANSWERS = "http://127.0.0.1:9/"


class Row(NamedTuple):
    """What stands above and below our line, the code, and which secret is right then."""

    above: str
    below: str
    code: str
    is_right: bool = False
    is_any_right: bool = False


def passdb(driver: str, *lines: str) -> str:
    inside = "".join(f"  {line}\n" for line in (f"driver = {driver}", *lines))
    return f"passdb {{\n{inside}}}\n"


def service(*lines: str) -> str:
    inside = "".join(f"  {line}\n" for line in lines)
    return f"service auth {{\n{inside}}}\n"


OURS = "args = /etc/dovecot/smtpcreds-users"
POLICY = f"auth_policy_server_url = {NOBODY_ANSWERS}\nauth_policy_hash_nonce = salt\n"
ROWS = [
    Row(passdb("passwd-file", OURS, "deny = yes"), "", "MTA302"),
    Row(passdb("static", "args = nopassword=y", "deny = yes"), "", "MTA302"),
    Row("", passdb("static", "args = password=wrong"), "MTA303", True, True),
    Row("", POLICY + "auth_policy_reject_on_fail = yes\n", "MTA302"),
    Row("", service("user = nobody"), "MTA305"),
    Row("", service("group = nogroup", "extra_groups ="), "MTA305"),
    Row("", "default_internal_user = nobody\n", "MTA305"),
    Row("", service(f"unix_listener {SOCKET} {{", "  group = root", "  user = root", "}"), "MTA304", True),
]
RIGHT = [
    passdb("static", "args = password=x", "result_failure = return-fail", "mechanisms = oauthbearer"),
    passdb("static", "args = password=x", "result_failure = return-fail", "master = yes"),
    passdb("static", "args = password=x", "result_failure = return-fail", "skip = unauthenticated"),
    passdb("static", "args = nopassword=y", "skip = unauthenticated"),
    passdb("static", "args = nopassword=y", "username_filter = nobody"),
    passdb("pam", "result_internalfail = return-fail"),
]
"""Passdbs that are not asked about who logs in by himself."""


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


def with_lines(host: MailHost, above: str, below: str = "") -> str:
    """Write lines around ours, and let the daemon read them; return what was there before."""
    path = host.host.path(LOCAL)
    kept = path.read_text()
    path.write_text(above + kept + below)
    host.host.shell("doveadm reload")
    return kept


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.above + row.below)
def test_what_switches_it_off_is_found_and_its_cure_ends_it(
    host: MailHost, dovecot: Dovecot, row: Row
) -> None:
    secret = host("sasl", "show", ACCOUNT, "--reveal").strip()
    kept = with_lines(host, row.above, row.below)
    try:
        assert dovecot.comes_to((row.is_right, row.is_any_right), SOCKET, ACCOUNT, secret, "wrong")
        found = findings(host, "MTA")
        assert row.code in found, found
        assert found[row.code] in host.run("mta", "check", "dovecot-hub").out
        for _ in range(2):
            for cure in findings(host, "MTA").values():
                by_shell(host, cure)
        assert findings(host, "MTA") == {}
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")
    finally:
        host.host.path(LOCAL).write_text(kept)
        host.host.shell("doveadm reload")


@pytest.mark.parametrize("above", RIGHT)
def test_what_is_not_asked_is_no_finding(host: MailHost, dovecot: Dovecot, above: str) -> None:
    secret = host("sasl", "show", ACCOUNT, "--reveal").strip()
    kept = with_lines(host, above)
    try:
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")
        assert findings(host, "MTA") == {}
    finally:
        host.host.path(LOCAL).write_text(kept)
        host.host.shell("doveadm reload")
