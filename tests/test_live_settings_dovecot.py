"""Settings of a real Dovecot around ours: seen by a login, found, and ended by the cure."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from admin import HUB
from lab import DOVECOT, Dovecot, Lab
from lab.process import run
from mail_hosts import ACCOUNT, MailHost
from mail_settings import by_shell, findings, kept

from smtpcreds.mta.dovecot import CONFIGURATION, version_of

pytestmark = pytest.mark.live

SOCKET = "/var/spool/postfix/private/auth"
LOCAL = "/etc/dovecot/local.conf"
OLD, NEW = (2, 3), (2, 4)
STOPS = "passdb {\n  driver = pam\n  result_failure = return-fail\n}\n"
STATIC_NEW = "passdb static {\n  password = x\n  passdb_result_failure = return-fail\n}\n"


def candidate() -> tuple[int, int]:
    """Return the version of Dovecot that this system has, and the lab unpacks."""
    told = run(("apt-cache", "show", "--no-all-versions", "dovecot-core"))
    found = re.search(r"^Version: (?:\d+:)?(\d+)\.(\d+)", told, re.MULTILINE)
    assert found, told
    return int(found[1]), int(found[2])


HERE = candidate()


class Row(NamedTuple):
    """What stands above and below our line, its code, of which versions, and which secrets are right then."""

    above: str
    below: str
    code: str
    is_right: bool = False
    is_any_right: bool = False
    versions: tuple[tuple[int, int], ...] = (OLD, NEW)
    is_answered: bool = True


def for_here(*rows: Row) -> list[Row]:
    """Return the rows of the version that is here; those of the other are run on the other Debian."""
    return [row for row in rows if HERE in row.versions]


def of_passdb(setting: str) -> Row:
    """Return a row for a later setting of our passdb, which has a name in 2.4."""
    return Row("", f"passdb smtpcreds {{\n  {setting}\n}}\n", "MTA304", versions=(NEW,))


ROWS = [
    Row("", "auth_ssl_require_client_cert = yes\n", "MTA302"),
    Row(STOPS, "", "MTA302", versions=(OLD,)),
    Row(STATIC_NEW, "", "MTA302", versions=(NEW,)),
    Row(
        "passdb static {\n  password = x\n}\npassdb_result_failure = return\n", "", "MTA302", versions=(NEW,)
    ),
    Row("", "auth_mechanisms = cram-md5\n", "MTA304"),
    Row("", "auth_mechanisms {\n  plain = no\n}\n", "MTA304", versions=(NEW,)),
    Row("", "auth_username_format = x%u\n", "MTA304"),
    Row("", "auth_username_format = %u\n", "MTA304", versions=(NEW,)),
    Row("", "auth_username_format =\n", "MTA304", versions=(NEW,)),
    Row("", "auth_username_format = x%{user}\n", "MTA304", versions=(NEW,)),
    Row("", "protocol smtp {\n  auth_ssl_require_client_cert = yes\n}\n", "MTA302"),
    Row("", "protocol smtp {\n  auth_username_format = x%u\n}\n", "MTA304"),
    Row("", "protocol !imap {\n  auth_username_format = x%u\n}\n", "MTA304"),
    Row("", "remote 0.0.0.0/0 {\n  auth_username_format = x%u\n}\n", "MTA304"),
    Row("", "auth_username_chars = abc\n", "MTA304"),
    Row("", "auth_default_realm = other.example.org\n", "MTA304", versions=(OLD,)),
    Row("", "auth_default_domain = other.example.org\n", "MTA304", versions=(NEW,)),
    Row("", "auth_username_translation = mx\n", "MTA304"),
    Row("", "auth_master_user_separator = d\n", "MTA304"),
    Row("", "auth_master_user_separator = @\n", "MTA304", True),  # NAME@REALM is refused
    Row("passdb {\n  driver = static\n  args = nopassword=y\n}\n", "", "MTA303", True, True, (OLD,)),
    Row("passdb static {\n  fields {\n    nopassword = y\n  }\n}\n", "", "MTA303", True, True, (NEW,)),
    Row("passdb static {\n  passdb_fields/nopassword = y\n}\n", "", "MTA303", True, True, (NEW,)),
    Row("", "passdb_fields {\n  nopassword = y\n}\n", "MTA303", True, True, (NEW,)),
    *(
        Row("", text, "MTA305", versions=(OLD,), is_answered=False)
        for text in (
            "service auth {\n  vsz_limit = 1M\n}\n",
            "service auth {\n  executable = /bin/false\n}\n",
            "service auth {\n  drop_priv_before_exec = yes\n}\n",
            "passdb {\n  driver = sql\n  args = /nosuch\n}\n",
        )
    ),
    of_passdb("deny = yes"),
    of_passdb("driver = static"),
    of_passdb("mechanisms_filter = cram-md5"),
    of_passdb("passwd_file_path = /dev/null"),
    of_passdb("result_success = continue-fail"),
    of_passdb("username_filter = other*"),
    of_passdb("skip = unauthenticated")._replace(is_answered=False),  # without a passdb it serves nobody
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


@pytest.fixture
def secret(host: MailHost) -> str:
    """Return that of the account."""
    return host("sasl", "show", ACCOUNT, "--reveal").strip()


@contextmanager
def said(host: MailHost, above: str, below: str) -> Iterator[None]:
    """Say more around our line, to the running daemon; in the end all is as it was."""
    try:
        with kept(host, LOCAL):
            text = host.host.path(LOCAL).read_text()
            host.host.path(LOCAL).write_text(above + text + below)
            host.host.shell("doveadm reload")
            yield
    finally:
        host.host.shell("doveadm reload")


def test_nothing_is_found_where_nothing_is_off(host: MailHost, dovecot: Dovecot, secret: str) -> None:
    assert version_of(host.host.path(CONFIGURATION).read_text()) == HERE
    assert findings(host, "MTA") == {}
    assert "ok" in host("mta", "check", "dovecot-hub")
    assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")


@pytest.mark.parametrize("row", for_here(*ROWS), ids=lambda row: row.above + row.below)
def test_what_switches_it_off_is_found_and_its_cure_ends_it(
    host: MailHost, dovecot: Dovecot, secret: str, row: Row
) -> None:
    with said(host, row.above, row.below):
        now = (row.is_right, row.is_any_right)
        assert not row.is_answered or dovecot.comes_to(now, SOCKET, ACCOUNT, secret, "wrong")
        found = findings(host, "MTA")
        assert row.code in found, found
        assert found[row.code] in host.run("mta", "check", "dovecot-hub").out
        if not found[row.code].startswith("take "):
            by_shell(host, found[row.code])
            behind = findings(host, "MTA")
            assert behind.keys() <= {"MTA303"}, behind  # one password for all, where the passdb stays
            for cure in behind.values():
                by_shell(host, cure)
            assert findings(host, "MTA") == {}
            assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")
    assert findings(host, "MTA") == {}
    assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")


ALLOWED = (
    Row("", "auth_username_format = %{user | lower}\n", "", True, versions=(NEW,)),
    Row("", "auth_username_format = %Lu\n", "", True, versions=(OLD,)),
    Row("", "auth_master_user_separator = *\n", "", True),
    Row("", "protocol smtp {\n  auth_mechanisms = cram-md5\n}\n", "", True),
    of_passdb("skip = authenticated")._replace(is_right=True),
)


@pytest.mark.parametrize("row", for_here(*ALLOWED), ids=lambda row: row.above + row.below)
def test_what_changes_nothing_is_not_found(host: MailHost, dovecot: Dovecot, secret: str, row: Row) -> None:
    with said(host, row.above, row.below):
        assert findings(host, "MTA") == {}
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")


def test_a_socket_that_the_mail_server_may_not_use_is_found(
    host: MailHost, dovecot: Dovecot, secret: str
) -> None:
    with said(host, "", f"service auth {{\n  unix_listener {SOCKET} {{\n    user = root\n  }}\n}}\n"):
        by_shell(host, findings(host, "MTA")["MTA304"])
        assert findings(host, "MTA") == {}
        assert dovecot.comes_to((True, False), SOCKET, ACCOUNT, secret, "wrong")
