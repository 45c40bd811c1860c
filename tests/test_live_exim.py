"""Real Exims, and Sendmail at the other end, run from what ``smtpcreds mta apply`` wrote and printed."""

import base64
import re
import shutil
import smtplib
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from lab import EXIM, SENDMAIL, Exim, Lab, Sendmail, mc
from lab.exim import TO_SYSLOG
from mail_desk import ACCOUNT, CLIENT, FOREIGN, HUB, SENDER, Desk, carry, issue

from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Account, Credential
from smtpcreds.mta import exim_client
from smtpcreds.mta.port import File, octets
from smtpcreds.passwords import ALPHABET
from smtpcreds.secret import Secret

pytestmark = pytest.mark.live

READABLE = '[sasl]\ngroup = "Debian-exim"\nmode = "0640"\n'
HAND_WRITTEN = """\
primary_hostname = {name}
domainlist local_domains = @
acl_smtp_rcpt = acl_check_rcpt
{options}
begin acl
acl_check_rcpt:
  accept hosts = :
  accept authenticated = *
  deny message = relay not permitted
begin routers
outward:
  driver = manualroute
  domains = ! +local_domains
  transport = outward
  route_list = * {sink}
begin transports
outward:
  driver = smtp
begin authenticators
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as found:
        yield found


class SendmailHub(Desk):
    """A hub with Sendmail."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.host(HUB, SENDMAIL))
        self.sendmail = Sendmail(self.host)
        self("setup", HUB, "--no-passphrase")
        include = mc.include("/etc/mail/smtpcreds/hub.m4")
        outward = f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\nFEATURE(`access_db', , `skip')dnl\n"
        self.text = mc.HEAD + outward + include + mc.TAIL
        self.host.write("/etc/mail/sendmail.mc", self.text)
        self.host.write("/etc/mail/access", "")

    def start(self, *options: str) -> None:
        self.apply("sendmail-hub", *options)
        compiled = "m4 sendmail.mc > sendmail.cf && makemap hash access < access"
        self.host.run(("sh", "-c", f"cd /etc/mail && {compiled}"))
        self.sendmail.start(self.text)

    def secret(self) -> str:
        return self("sasl", "show", ACCOUNT, "--reveal")


class EximClient(Desk):
    """A client host with Exim, kept in one of the three styles."""

    def __init__(self, lab: Lab, hub: Desk, style: str = "") -> None:
        super().__init__(lab.host(CLIENT, EXIM))
        self.exim = Exim(self.host, split=style == "split")
        self.style = ("--with", style) if style else ()
        if style == "hand-written":
            text = HAND_WRITTEN.format(name=CLIENT, options=TO_SYSLOG, sink=lab.sink.address)
            self.host.write("/etc/exim4/exim4.conf", text)
        issue(hub, self)

    def start(self, secret: str, *options: str) -> None:
        words = ("exim-client", *self.style, "--password", "stdin:", *options)
        self.apply(*words, stdin=secret)
        self.exim.start()
        assert "ok" in self("mta", "check", *words, stdin=secret)

    def send(self) -> str:
        return self.exim.send(SENDER, FOREIGN)


@pytest.mark.parametrize("style", ["", "split", "hand-written"])
def test_client_exim_relays_through_hub_sendmail(lab: Lab, style: str) -> None:
    hub = SendmailHub(lab)
    hub.start()
    client = EximClient(lab, hub, style)
    client.start(hub.secret())
    answer = client.send()
    assert re.search("=> .* R=smtpcreds_hub .* CV=yes .*A=smtpcreds_cram_md5", answer)
    hub.host.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")
    hub.host.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=CRAM-MD5,")
    assert lab.sink.receive().recipients == (FOREIGN,)
