"""Revoked and replaced pairs on real mail servers, after all that happens in the life of an authority."""

import smtplib
import ssl
from collections.abc import Iterator

import pytest
from admin import HUB
from lab import Lab
from mail_hosts import CLIENT, FOREIGN, SENDER, EximHub, MailHost

pytestmark = pytest.mark.live

BY_CERTIFICATE = ("--relay-host", "attic")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as found:
        yield found


def answer(hub: MailHost, pair: str, mail: str = "/etc/mail/certs") -> int:
    """Return what the hub says to mail for elsewhere from who shows the pair, with the chain in its file."""
    context = ssl.create_default_context(cafile=hub.host.path(f"{mail}/cacert.pem"))
    context.load_cert_chain(hub.host.path(f"{pair}-cert.pem"), hub.host.path(f"{pair}-key.pem"))
    with hub.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as found:
        found._host = HUB  # type: ignore[attr-defined]
        found.ehlo(CLIENT)
        found.starttls(context=context)
        found.ehlo(CLIENT)
        found.mail(SENDER)
        return found.rcpt(FOREIGN)[0]


def stolen(hub: MailHost) -> str:
    """Issue a pair for the client host, and keep a copy of it as a thief would."""
    hub("cert", "issue", "attic", "--to", "/var/lib/attic")
    hub.host.run(("cp", "-a", "/var/lib/attic", "/var/lib/stolen"))
    return "/var/lib/stolen/attic"


def test_exim_refuses_a_stolen_pair_whose_name_has_another_key_of_a_new_authority(lab: Lab) -> None:
    hub = EximHub(lab)
    pair = stolen(hub)
    hub.start(*BY_CERTIFICATE)
    assert answer(hub, pair) == 250
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    hub("cert", "issue", "attic", "--force", "--to", "/var/lib/attic")
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail")
    hub.again(*BY_CERTIFICATE)
    assert answer(hub, pair) == 550
    assert answer(hub, "/var/lib/attic/attic") == 250
