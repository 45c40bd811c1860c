"""The relay server of a real Dovecot that takes submissions: settings seen, found, and ended by the cure."""

import smtplib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest
from admin import DOMAIN, HUB
from lab import Dovecot, Lab
from lab.process import PATIENCE
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, MailHost, PostfixMachine, issue, postfix_hub
from mail_settings import all_cured, by_shell, findings, kept
from test_live_settings_dovecot import HERE, LOCAL, NEW, OLD
from test_live_settings_dovecot_submission import SUBMISSION

from smtpcreds.mta.dovecot import CONFIGURATION

pytestmark = pytest.mark.live

BASE = f"protocols = submission\nhostname = {CLIENT}\nauth_mechanisms = cram-md5\n"
STORES = {
    OLD: """\
mail_location = maildir:/var/lib/polka
passdb {
  driver = passwd-file
  args = /etc/dovecot/polka
}
userdb {
  driver = static
  args = uid=1000 gid=1000 home=/var/lib/polka
}
""",
    NEW: """\
mail_driver = maildir
mail_path = /var/lib/polka
passdb passwd-file {
  passwd_file_path = /etc/dovecot/polka
}
userdb static {
  fields {
    uid = 1000
    gid = 1000
    home = /var/lib/polka
  }
}
""",
}
PAIR = [f"/etc/mail/certs/attic-{name}.pem" for name in ("cert", "key")]
IN_TLS = {
    OLD: "ssl = yes\nssl_cert = <{}\nssl_key = <{}\n".format(*PAIR),
    NEW: "ssl = yes\nssl_server_cert_file = {}\nssl_server_key_file = {}\n".format(*PAIR),
}
HOST = f"submission_relay_host = {HUB}\n"
WRAPPED = "465 inet n - y - - smtpd -o smtpd_tls_wrappermode=yes"
CA, SECRET_CA = "/etc/dovecot/ca.pem", "/etc/dovecot/own.pem"
TRUSTS = f"ssl_client_ca_file = {CA}\n"
TLS = "submission_relay_ssl = starttls\n"
EARLY = "submission_relay_ssl = smtps\nsubmission_relay_port = 465\n"
QUICK = "submission_relay_connect_timeout = 2 secs\n"


class Row(NamedTuple):
    """What is said of the relay server, whether mail gets there, and the code for it.

    Attributes:
        said: behind the credentials for the relay server.
        code: of the audit.
        is_in_tls: whether the relay server gets mail in TLS; None where it gets none.
        host: which.
        versions: of Dovecot.
    """

    said: str
    code: str
    is_in_tls: bool | None = None
    host: str = HOST
    versions: tuple[tuple[int, int], ...] = (OLD, NEW)


NONE = "ssl_client_ca_file = /etc/dovecot/none.pem\n"
TRUSTS_ANY = "ssl_client {\n  require_valid_cert = no\n}\n"
EMPTY = "protocol submission {\n  ssl_client {\n    ca_file = /etc/dovecot/empty.pem\n  }\n}\n"
ROWS = [
    Row("", "MTA307", False),
    Row(TRUSTS + "submission_relay_ssl = no\n", "MTA307", False),
    Row("protocol submission {\n  submission_relay_ssl = no\n}\n" + TLS + TRUSTS, "MTA307", False),
    Row(TLS + "submission_relay_ssl_verify = no\n", "MTA307", True),
    Row(TLS + TRUSTS + "ssl_client_require_valid_cert = no\n", "MTA307", True),
    Row("", "MTA308", host=""),
    Row(TLS, "MTA308", versions=(OLD,)),
    Row(TLS + NONE, "MTA308", versions=(OLD,)),
    Row(TLS + f"ssl_client_ca_file = {SECRET_CA}\n", "MTA308", versions=(OLD,)),
    Row(TLS + "ssl_client_ca_file = /etc/mail/certs/cacert.pem\n", "MTA308", versions=(OLD,)),
    Row(TLS + TRUSTS + TRUSTS_ANY, "MTA307", True, versions=(NEW,)),
    Row(TLS + TRUSTS + "ssl_client/require_valid_cert = NO\n", "MTA307", True, versions=(NEW,)),
    Row(TRUSTS + EMPTY + TLS, "MTA308", versions=(NEW,)),
    Row(TRUSTS + "submission_relay_ssl = smtps\n", "MTA308"),
    Row(TRUSTS + TLS + "submission_relay_port = 465\n" + QUICK, "MTA308"),
    Row(TLS + TRUSTS + "submission_max_mail_size = 10\n", "MTA309", versions=(OLD,)),
    Row(TLS + TRUSTS + "ssl_cipher_list = polka\n", "MTA309", versions=(OLD,)),
    Row(TLS + TRUSTS + "ssl_min_protocol = polka\n", "MTA309", versions=(OLD,)),
    Row("submission_relay_port = 2525\n", "MTA308", host="submission_relay_host = 127.0.0.1\n"),
]
NEWLY_RIGHT = [
    TLS + f"ssl_client_ca_file = {SECRET_CA}\n",
    TLS + f"ssl_client {{\n  ca_file = {SECRET_CA}\n}}\n",
    TLS + f"protocol submission {{\n  ssl_client {{\n    ca_file = {CA}\n  }}\n}}\n",
]
RIGHT = [
    TLS + TRUSTS,
    EARLY + TRUSTS,
    f"protocol submission {{\n  {TLS}}}\n{TRUSTS}",
    f"protocol imap {{\n  submission_relay_ssl = no\n}}\n{TLS}{TRUSTS}",
    *(NEWLY_RIGHT if HERE == NEW else []),
]


class Scene:
    def __init__(self, lab: Lab) -> None:
        self.hub: PostfixMachine = postfix_hub(lab)
        self.hub.apply("--plaintext")
        by_shell(self.hub, "postconf -e smtpd_tls_auth_only=no")
        by_shell(self.hub, f"postconf -M smtps/inet='{WRAPPED}'")
        self.hub.postfix.reload()
        secret = self.hub("sasl", "show", ACCOUNT, "--reveal").strip()
        self.login = f"submission_relay_user = {ACCOUNT}@{HUB}\nsubmission_relay_password = {secret}\n"
        self.front = MailHost(lab.host(CLIENT, SUBMISSION))
        issue(self.hub, self.front)
        for path, mode in ((CA, 644), (SECRET_CA, 600)):
            self.front.host.shell(f"install -m {mode} /etc/mail/certs/cacert.pem {path}")
        self.front.host.write("/etc/dovecot/empty.pem", "")
        self.front.host.shell("install -d -o 1000 -g 1000 /var/lib/polka")
        self.front.host.write("/etc/dovecot/polka", "polkafan:{PLAIN}secret\n")
        self.front.host.write(LOCAL, BASE + IN_TLS[HERE] + STORES[HERE] + self.login + HOST + TLS + TRUSTS)
        Dovecot(self.front.host).start("/run/dovecot/anvil")
        self.front.host.await_port(587)

    def seen(self) -> bool | None:
        """Hand in a message; tell whether the relay server got it in TLS, None if it got none."""
        self.hub.log.forget()
        with self.hub.host.namespace.network():
            session = smtplib.SMTP(self.front.host.address, 587, timeout=PATIENCE)
        session.user, session.password = "polkafan", "secret"
        try:
            session.ehlo(HUB)
            session.auth("CRAM-MD5", session.auth_cram_md5)
            session.sendmail(f"polkafan@{DOMAIN}", [FOREIGN], "Subject: polka\n\nRosamunde\n")
        except (OSError, smtplib.SMTPException):
            return None
        finally:
            session.close()
        self.hub.log.wait("disconnect from .* mail=1 ")
        return bool(self.hub.log.find("TLS connection established from"))

    def comes_to(self, wanted: bool | None) -> bool:
        """Tell whether that is what becomes of a message, once the daemon has read its files."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError):
                if self.seen() is wanted:
                    return True
            time.sleep(0.05)
        return False

    @contextmanager
    def said(self, host: str, text: str) -> Iterator[None]:
        try:
            with kept(self.front, LOCAL):
                self.front.host.write(LOCAL, BASE + IN_TLS[HERE] + STORES[HERE] + self.login + host + text)
                self.front.host.shell("doveadm reload")
                yield
        finally:
            self.front.host.shell("doveadm reload")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if HERE in row.versions], ids=lambda row: row.host + row.said
)
def test_what_weakens_or_stops_the_way_to_the_relay_server_is_found_until_the_cure(
    scene: Scene, row: Row
) -> None:
    with scene.said(row.host, row.said):
        assert scene.comes_to(row.is_in_tls)
        found = findings(scene.front, "MTA")
        assert list(found) == [row.code], found
        all_cured(scene.front, found, "MTA")
        assert scene.comes_to(True)


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_not_found(scene: Scene, text: str) -> None:
    with scene.said(HOST, text):
        assert scene.comes_to(True)
        assert findings(scene.front, "MTA") == {}


def test_only_dovecot_2_3_starts_without_its_file_of_authorities(scene: Scene) -> None:
    """The daemon is not told of it: one that can't read its configuration may be throttled for a minute."""
    host, options = scene.front.host, ["-F"] if HERE == NEW else []  # what 2.4 asks at its start
    for name, text in (("right", ""), ("none", NONE)):
        host.write(f"/etc/dovecot/{name}.conf", host.path(CONFIGURATION).read_text() + text)
        words = ("doveconf", *options, "-c", f"/etc/dovecot/{name}.conf")
        done = subprocess.run(host.namespace.command(words), capture_output=True)
        assert (done.returncode == 0) == (HERE == OLD or not text), done.stderr
