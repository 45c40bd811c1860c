"""Logins by GSSAPI: a KDC, hubs that take its tickets by what ``mta apply --keytab`` wrote, a client."""

import re
import smtplib
import ssl
from base64 import b64encode

import pytest
from admin import HUB
from lab import Lab, LabError
from lab.commands import CURL
from lab.exim import EXIM
from lab.kerberos import CACHE, KDC, REALM, Kerberos, get_ticket, typed_with_password, with_tickets
from lab.postfix import POSTFIX
from lab.sender import message
from lab.sendmail import SENDMAIL
from mail_hosts import CLIENT, FOREIGN, SENDER, EximHub, MailHost, SendmailHub, issue, postfix_hub

from smtpcreds.mta.postfix import MAIN, MASTER, servers

pytestmark = pytest.mark.live

KEYTAB = "/etc/smtp.keytab"
README = {
    "test_sendmail_relays_for_a_ticket": """\
smtpcreds mta apply sendmail-hub --keytab /etc/smtp.keytab --edit --run
""",
}
"""The lines are added, and the commands run, by the test itself."""
SERVICE = f"smtp/{HUB}"
CURL_LOGIN = ("--ssl-reqd", "--cacert", "/etc/mail/certs/cacert.pem", "--login-options", "AUTH=GSSAPI")


class Client(MailHost):
    """A host of the realm that sends by curl."""

    def __init__(self, lab: Lab, realm: Kerberos, hub: MailHost) -> None:
        super().__init__(lab.host(CLIENT, with_tickets(CURL)))
        realm.join(self.host)
        issue(hub, self)

    def send(self) -> str:
        envelope = ("--mail-from", SENDER, "--mail-rcpt", FOREIGN, "--crlf", "-T", "-")
        command = (*CACHE, "curl", "-sS", *CURL_LOGIN, "-u", f"attic@{REALM}:", f"smtp://{HUB}", *envelope)
        return self.host.run(command, stdin=message(self.host, SENDER, FOREIGN))

    def answers(self, hub: MailHost, ticket: bytes = b"") -> tuple[str, int, int]:
        """Return what is offered inside TLS, the answer to a forged ticket, and that to the recipient."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as session:
            session._host = HUB  # type: ignore[attr-defined]
            session.ehlo(CLIENT)
            session.starttls(context=context)
            session.ehlo(CLIENT)
            answered = session.docmd("AUTH", f"GSSAPI {b64encode(ticket).decode()}")[0] if ticket else 0
            session.mail(SENDER)
            return session.esmtp_features["auth"], answered, session.rcpt(FOREIGN)[0]


@pytest.fixture
def realm(lab: Lab) -> Kerberos:
    return Kerberos(lab.host("kdc.polkatistas.org", KDC))


def made_by_hint(hub: MailHost, program: str, *options: str) -> None:
    """Type what the refusal of a missing keytab, or of one without the key, says."""
    refusal = hub.run("mta", "apply", program, "--keytab", KEYTAB, *options)
    assert refusal.status == 66, refusal
    typed_with_password(hub.host, refusal.problem.partition("hint: ")[2])
    assert hub.host.run(("stat", "-c", "%U %a", KEYTAB)) == "root 600\n"
    assert SERVICE in hub.host.run(("klist", "-k", KEYTAB))


def audited(hub: MailHost) -> set[str]:
    return {f["code"] for f in hub.run("--json", "audit").data["findings"] if f["severity"] != "note"}


def scram_works_beside(hub: MailHost) -> None:
    assert re.search(
        r"ok +auth SCRAM-SHA-256 .* 235 ",
        hub("probe", "smtp://maildroid@dmzmail", "--mechanism", "SCRAM-SHA-256"),
    )
    assert re.search("auth GSSAPI .* not tried: it takes a ", hub("probe", "smtp://maildroid@dmzmail"))


def test_sendmail_relays_for_a_ticket(lab: Lab, realm: Kerberos) -> None:
    hub = SendmailHub(lab, software=with_tickets(SENDMAIL))
    realm.join(hub.host)
    made_by_hint(hub, "sendmail-hub")
    hub.start("--keytab", KEYTAB)
    assert "ok" in hub("mta", "check", "sendmail-hub")
    client = Client(lab, realm, hub)
    with pytest.raises(LabError, match=r"curl: \(94\)"):
        client.send()
    offered, answered, relayed = client.answers(hub, b"no ticket")
    assert (offered.split()[0], answered, relayed) == ("GSSAPI", 535, 550)

    get_ticket(client.host, "attic")
    client.send()
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from attic \({CLIENT} .*by {HUB} .*with ESMTPSA", received)
    hub.log.wait(r"AUTH=server, .*authid=attic, mech=GSSAPI")
    scram_works_beside(hub)
    assert audited(hub) == set()

    hub.host.run(("rm", KEYTAB))
    hub.sendmail.reload()
    assert "GSSAPI" not in client.answers(hub)[0]
    assert audited(hub) == {"SASL021"}
    typed_with_password(hub.host, "kadmin -q 'addprinc -randkey imap/dmzmail'")
    typed_with_password(hub.host, f"kadmin -q 'ktadd -k {KEYTAB} imap/dmzmail'")
    hub.sendmail.reload()
    assert client.answers(hub, b"no ticket")[1] == 535
    with pytest.raises(LabError, match="Login denied"):
        client.send()
    hub.log.wait(f"No key table entry found matching {SERVICE}")
    assert audited(hub) == {"SASL022"}
    made_by_hint(hub, "sendmail-hub")
    assert audited(hub) == set()
    get_ticket(client.host, "attic")
    client.send()


def test_postfix_relays_for_a_ticket(lab: Lab, realm: Kerberos) -> None:
    hub = postfix_hub(lab, software=with_tickets(POSTFIX))
    realm.join(hub.host)
    outside = ("--with", "unchrooted")
    made_by_hint(hub, "postfix-hub", *outside)
    master, main = (hub.host.path(path).read_text() for path in (MASTER, MAIN))
    if all(each.chroot for each in servers(master, main)):  # as Debian has it up to 13
        assert "--with unchrooted" in hub.refused("mta", "apply", "postfix-hub", "--keytab", KEYTAB)
    hub.apply("--keytab", KEYTAB, *outside)
    assert hub.host.run(("stat", "-c", "%U %G %a", KEYTAB)) == "root postfix 640\n"
    client = Client(lab, realm, hub)
    assert client.answers(hub, b"no ticket")[1:] == (535, 554)

    get_ticket(client.host, "attic")
    client.send()
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from attic \({CLIENT} .*by {HUB} .*with ESMTPSA", received)
    hub.log.wait(rf"sasl_method=GSSAPI, sasl_username=attic@{HUB}$")
    scram_works_beside(hub)
    assert audited(hub) == set()

    hub.host.run(("chmod", "g-r", KEYTAB))
    hub.postfix.reload()
    with pytest.raises(LabError, match="Login denied"):
        client.send()
    hub.log.wait("SASL authentication failure: GSSAPI Error: .*Permission denied")
    assert audited(hub) == {"PERM016"}


def test_exim_relays_for_a_ticket(lab: Lab, realm: Kerberos) -> None:
    hub = EximHub(lab, "split", with_tickets(EXIM))
    realm.join(hub.host)
    made_by_hint(hub, "exim-hub", *hub.style)
    hub.host.run(("chmod", "0644", KEYTAB))
    refusal = hub.run("mta", "apply", "exim-hub", *hub.style, "--keytab", KEYTAB).problem
    hub.host.shell(refusal.partition("hint: ")[2])
    command = next(
        c for c in hub.equip("exim-hub", *hub.style, "--keytab", KEYTAB)["commands"] if KEYTAB in c
    )
    hub.host.shell(command)
    assert hub.host.run(("stat", "-c", "%U %G %a", KEYTAB)) == "root Debian-exim 640\n"
    hub.start("--keytab", KEYTAB)
    client = Client(lab, realm, hub)
    assert client.answers(hub, b"no ticket")[1:] == (535, 550)
    get_ticket(client.host, "attic")
    client.send()
    assert " with esmtpsa " in " ".join(lab.sink.receive().headers["Received"].split())
    hub.log.wait(f"A=smtpcreds_gssapi:attic@{HUB}")
    scram_works_beside(hub)
    assert audited(hub) == set()
    hub.host.run(("chmod", "g-r", KEYTAB))
    assert audited(hub) == {"PERM016"}
