"""Passwords outside TLS at the submission service of a real Dovecot: seen, found, and ended by the cure."""

import smtplib
import time
from collections.abc import Iterator

import pytest
from admin import HUB
from lab import DOVECOT, Dovecot, Lab
from lab.dovecot import lay
from lab.layer import Software
from lab.process import PATIENCE
from mail_hosts import ACCOUNT, CLIENT, MailHost, issue
from mail_settings import by_shell, findings
from test_live_settings_dovecot import LOCAL, SOCKET, said

pytestmark = pytest.mark.live

SUBMISSION = Software(("dovecot-core", "dovecot-submissiond"), lay)
SERVICE = f"protocols = submission\nhostname = {HUB}\nsubmission_relay_host = 192.0.2.1\n"
BESIDE = {"MTA307", "MTA309"}
"""It offers no TLS, and its relay server, which this test has no need of, is spoken to outside TLS."""
TRUST = "login_trusted_networks = 10.0.0.0/8 192.0.2.0/24\n"


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[MailHost, MailHost]]:
    with Lab() as lab:
        host, client = MailHost(lab.host(HUB, SUBMISSION)), MailHost(lab.host(CLIENT, DOVECOT))
        host("ca", "init", "--no-passphrase")
        issue(host, client)
        host("sasl", "add", ACCOUNT)
        host.equip("dovecot-hub", "--plaintext")
        local = host.host.path(LOCAL)
        local.write_text(local.read_text() + SERVICE)
        Dovecot(host.host).start(SOCKET)
        yield host, client


def offers_plain(host: MailHost, client: MailHost, wanted: bool) -> bool:
    """Tell whether PLAIN is offered outside TLS, or is not, once the daemon has read its files."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with (
                client.host.namespace.network(),
                smtplib.SMTP(host.host.address, 587, timeout=PATIENCE) as session,
            ):
                session.ehlo(CLIENT)
                if ("PLAIN" in session.esmtp_features["auth"].split()) == wanted:
                    return True
        except (OSError, smtplib.SMTPException):
            pass
        time.sleep(0.05)
    return False


def test_a_network_whose_passwords_are_taken_outside_tls_is_found_until_the_cure(
    hosts: tuple[MailHost, MailHost],
) -> None:
    host, client = hosts
    assert offers_plain(host, client, wanted=False)
    assert findings(host, "MTA").keys() == BESIDE
    with said(host, "", TRUST):
        assert offers_plain(host, client, wanted=True)
        found = findings(host, "MTA")
        assert found.keys() == {"MTA306", *BESIDE}
        assert found["MTA306"] in host.run("mta", "check", "dovecot-hub").out
        by_shell(host, found["MTA306"])
        assert findings(host, "MTA").keys() == BESIDE
        assert offers_plain(host, client, wanted=False)
