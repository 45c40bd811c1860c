"""More settings of a real Dovecot: passdbs around ours, policy servers, and its service auth."""

from collections.abc import Iterator

import pytest
from admin import HUB
from lab import DOVECOT, Dovecot, Lab
from mail_hosts import ACCOUNT, MailHost
from mail_settings import all_cured, findings
from test_live_settings_dovecot import HERE, NEW, OLD, SOCKET, Row, for_here, said

pytestmark = pytest.mark.live

NOBODY_ANSWERS = "http://127.0.0.1:9/"


def block(kind: str, *lines: str) -> str:
    inside = "".join(f"  {line}\n" for line in lines)
    return f"{kind} {{\n{inside}}}\n"


def passdb(driver: str, *lines: str) -> str:
    """Return a passdb, in the words of Dovecot 2.3."""
    return block("passdb", f"driver = {driver}", *lines)


def called(driver: str, *lines: str) -> str:
    """Return a passdb that is called like its driver, in the words of Dovecot 2.4."""
    return block(f"passdb {driver}", *lines)


def service(*lines: str) -> str:
    return block("service auth", *lines)


PATH = "/etc/dovecot/smtpcreds-users"
OURS, OURS_NEW = f"args = {PATH}", f"passwd_file_path = {PATH}"
POLICY = f"auth_policy_server_url = {NOBODY_ANSWERS}\nauth_policy_hash_nonce = salt\n"
NO_PASSWORD = ("fields {", "  nopassword = y", "}")
ROWS = [
    Row(passdb("passwd-file", OURS, "deny = yes"), "", "MTA302", versions=(OLD,)),
    Row(called("passwd-file", OURS_NEW, "deny = yes"), "", "MTA302", versions=(NEW,)),
    Row(passdb("static", "args = nopassword=y", "deny = yes"), "", "MTA302", versions=(OLD,)),
    Row(called("static", *NO_PASSWORD, "deny = yes"), "", "MTA302", versions=(NEW,)),
    Row("", passdb("static", "args = password=wrong"), "MTA303", True, True, (OLD,)),
    Row("", called("static", "password = wrong"), "MTA303", True, True, (NEW,)),
    Row(
        "",
        block("passdb other", "driver = static", "passdb_static_password = wrong"),
        "MTA303",
        True,
        True,
        (NEW,),
    ),
    Row("", POLICY + "auth_policy_reject_on_fail = yes\n", "MTA302"),
    Row("", passdb("pam", "result_failure = return-ok"), "MTA303", True, True, (OLD,)),
    Row(passdb("passwd", "result_failure = continue-ok"), "", "MTA303", True, True, (OLD,)),
    Row("", called("pam", "result_failure = return-ok"), "MTA303", True, True, (NEW,)),
    Row("", service("user = nobody"), "MTA305"),
    Row("", service("group = nogroup", "extra_groups ="), "MTA305"),
    Row("", "default_internal_user = nobody\n", "MTA305"),
    Row("", service(f"unix_listener {SOCKET} {{", "  group = root", "  user = root", "}"), "MTA304", True),
]
STOPS = ("args = password=x", "result_failure = return-fail")
STOPS_NEW = ("password = x", "result_failure = return-fail")
RIGHT = {
    OLD: [
        passdb("static", *STOPS, "mechanisms = oauthbearer"),
        passdb("static", *STOPS, "master = yes"),
        passdb("static", *STOPS, "skip = unauthenticated"),
        passdb("static", "args = nopassword=y", "skip = unauthenticated"),
        passdb("static", "args = nopassword=y", "username_filter = nobody"),
        passdb("pam", "result_internalfail = return-fail"),
    ],
    NEW: [
        called("static", *STOPS_NEW, "mechanisms_filter = oauthbearer"),
        called("static", *STOPS_NEW, "master = yes"),
        called("static", *STOPS_NEW, "skip = unauthenticated"),
        called("static", *NO_PASSWORD, "skip = unauthenticated"),
        called("static", *NO_PASSWORD, "username_filter = nobody"),
        called("pam", "result_internalfail = return-fail"),
    ],
}
"""Passdbs that are not asked about who logs in by himself, in the words of each version."""


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


@pytest.fixture(scope="module")
def secret(host: MailHost) -> str:
    """Return that of the account."""
    return host("sasl", "show", ACCOUNT, "--reveal").strip()


@pytest.mark.parametrize("row", for_here(*ROWS), ids=lambda row: row.above + row.below)
def test_what_switches_it_off_is_found_and_its_cure_ends_it(
    host: MailHost, dovecot: Dovecot, secret: str, row: Row
) -> None:
    with said(host, row.above, row.below):
        assert dovecot.comes_to((row.is_right, row.is_any_right), SOCKET, ACCOUNT, secret, "wrong")
        found = findings(host, "MTA")
        assert row.code in found, found
        assert found[row.code] in host.run("mta", "check", "dovecot-hub").out
        all_cured(host, found, "MTA")
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")


@pytest.mark.parametrize("above", RIGHT[HERE])
def test_what_is_not_asked_is_no_finding(host: MailHost, dovecot: Dovecot, secret: str, above: str) -> None:
    with said(host, above, ""):
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")
        assert findings(host, "MTA") == {}
