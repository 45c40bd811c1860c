"""Every other client program relays through a hub with Postfix, from what smtpcreds wrote and told to add."""

import re
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from admin import DOMAIN, HUB
from lab import Host, Lab, LabError
from lab.sender import message
from mail_hosts import (
    ACCOUNT,
    FOREIGN,
    EximClient,
    SendmailMachine,
    give_secret,
    issue,
    postfix_hub,
    showing_other_authority,
    without_account,
)
from small_senders import KINDS, Client

pytestmark = pytest.mark.live

MECHANISMS = {
    "sendmail-client": "SCRAM-SHA-256",
    "exim-client": "CRAM-MD5",
    "opensmtpd-client": "PLAIN",
    "msmtp": "DIGEST-MD5",
    "nullmailer": "PLAIN",
    "dma": "CRAM-MD5",
    "curl": "DIGEST-MD5",
    "swaks": "CRAM-MD5",
}
"""What each takes when a hub offers everything."""
CERTS = "/etc/mail/certs"
BARE = {
    "msmtp": "msmtp --auth=off --from={sender} {recipient}",
    "curl": f"curl -q -sS --ssl-reqd --crlf --cacert {CERTS}/cacert.pem --key {CERTS}/curl-key.pem"
    f" --cert {CERTS}/curl-cert.pem smtp://{HUB} --mail-from {{sender}} --mail-rcpt {{recipient}} -T -",
}
"""Commands that show the certificate and do not log in."""


class Sender(Protocol):
    host: Host

    def send(self) -> str: ...


class Queueing:
    """A client host whose daemon takes every message, and tells in its log what became of it."""

    def __init__(self, host: Host, send: Callable[[], str], sent: str) -> None:
        self.host = host
        self._send = send
        self._sent = sent

    def send(self) -> str:
        said = self._send()
        if not re.search(self._sent, said):
            raise LabError(said)
        return said


class Scene:
    """All hosts are there before the hub starts, whose chroot has a copy of their names."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hub = postfix_hub(lab, "[mta]\nplaintext = true\n")
        small = [Client(lab, self.hub, name) for name in KINDS]
        self.clients: dict[str, Sender] = {client.name: client for client in small}
        self.clients |= {"sendmail-client": self._sendmail(), "exim-client": self._exim()}
        self.hub("cert", "issue", *KINDS)
        for client in small:
            client.take()
            client.copy(CERTS, "/etc/mail")
        self.hub.apply()

    def _sendmail(self) -> Sender:
        machine = SendmailMachine(self.lab, f"sendmail-client.{DOMAIN}", "sendmail-client")
        issue(self.hub, machine, machine.host.name)
        give_secret(self.hub, machine)
        machine.apply("--authinfo-map", "--password", "file:/var/lib/secret")
        return Queueing(machine.host, machine.send, "stat=Sent")

    def _exim(self) -> Sender:
        client = EximClient(self.lab, self.hub, name=f"exim-client.{DOMAIN}")
        client.start(self.hub("sasl", "show", ACCOUNT, "--reveal"))

        def send() -> str:
            client.exim.forget_failures()
            return client.send()

        return Queueing(client.host, send, "=> .* CV=yes ")

    def received(self) -> str:
        """Return the hub's Received line of the message that left the lab."""
        return " ".join(self.lab.sink.receive().headers["Received"].split())

    def refused(self, name: str) -> None:
        with pytest.raises(LabError):
            self.clients[name].send()
        assert self.lab.sink.empty()


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


each = pytest.mark.parametrize("name", MECHANISMS)


@each
def test_mail_is_relayed(scene: Scene, name: str) -> None:
    host = scene.clients[name].host.name
    scene.clients[name].send()
    received = scene.received()
    assert re.search(rf"from {host} .*using TLSv1.*by {HUB} \(Postfix\) with (?:E|UTF8)SMTPSA ", received)
    login = rf"sasl_method={MECHANISMS[name]}, sasl_username={ACCOUNT}(@{HUB})?$"
    scene.hub.log.wait(rf"client={host}\[.*\], {login}")


@pytest.fixture(scope="class")
def other_authority(scene: Scene) -> Iterator[None]:
    with showing_other_authority(scene.hub, scene.hub.postfix.reload):
        yield


@pytest.fixture(scope="class")
def deleted(scene: Scene) -> Iterator[None]:
    with without_account(scene.hub):
        yield


@pytest.mark.usefixtures("other_authority")
class TestOtherAuthority:
    @each
    def test_gets_neither_secret_nor_mail(self, scene: Scene, name: str) -> None:
        before = len(scene.hub.log.find("disconnect from .* auth="))
        ends = len(scene.hub.log.find("disconnect from "))
        scene.refused(name)
        scene.hub.log.wait("disconnect from ", ends + 1)
        assert len(scene.hub.log.find("disconnect from .* auth=")) == before


@pytest.mark.usefixtures("deleted")
class TestDeletedAccount:
    @each
    def test_sends_nothing(self, scene: Scene, name: str) -> None:
        scene.refused(name)
        scene.hub.log.wait(rf"{scene.clients[name].host.name}\[.*\]: SASL .* authentication failed")


@pytest.mark.usefixtures("deleted")
class TestCertificate:
    """The account is not there any more, and who shows a certificate that is listed needs none."""

    def test_relays_until_it_is_revoked(self, scene: Scene) -> None:
        hosts = ("--relay-host", "msmtp", "--relay-host", "curl")
        scene.hub.change(*hosts)
        for name in BARE:
            assert_bare_mail_is_relayed(scene, name)
        scene.hub("cert", "revoke", "msmtp")
        scene.hub.change(*hosts)
        with pytest.raises(LabError):
            bare(scene, "msmtp")
        scene.hub.log.wait(r"reject: RCPT from msmtp\..* Relay access denied")
        assert_bare_mail_is_relayed(scene, "curl")
        assert scene.lab.sink.empty()


def assert_bare_mail_is_relayed(scene: Scene, name: str) -> None:
    bare(scene, name)
    received = scene.received()
    assert re.search(rf"from {name}.*Client CN \"{name}\.{DOMAIN}\".* with (?:E|UTF8)SMTPS ", received)


def bare(scene: Scene, name: str) -> None:
    """Send one message from a host, and do not log in."""
    host = scene.clients[name].host
    sender = f"polkafan@{host.name}"
    command = BARE[name].format(sender=sender, recipient=FOREIGN).split()
    host.run(tuple(command), stdin=message(host, sender, FOREIGN))
