"""Real Postfixes run from what ``smtpcreds mta apply`` wrote, plus the lines that it told people to add.

The commands are typed on the hosts of the lab themselves; smtpd is chrooted, as on any Debian.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import SENDMAIL, Host, Lab, LabError, Sendmail, mc
from lab.postfix import POSTFIX, RELOADED, Postfix

pytestmark = pytest.mark.live

TOP = Path(__file__).parent.parent
HUB = "dmzmail.polkatistas.org"
CLIENT = "attic.polkatistas.org"
OTHER = "cellar.polkatistas.org"
ACCOUNT = "maildroid"
FOREIGN = "accordion@example.net"
CONFIGURATION = f'domain = "polkatistas.org"\nhub = "{HUB}"\n'
REFUSED_LOGIN = "status=deferred (SASL authentication failed"
SECRET = ("--password", "file:/root/secret")


class Machine:
    """A host whose administrator types commands of smtpcreds, and does what they print."""

    def __init__(self, host: Host, program: str) -> None:
        self.host = host
        self.log = host.log
        self.program = program
        self.host.run(("mkdir", "-p", "/etc/smtpcreds", "/etc/mail"))
        self.host.write("/etc/smtpcreds/smtpcreds.toml", CONFIGURATION)

    def command(self, *words: str) -> tuple[str, ...]:
        return ("env", f"PYTHONPATH={TOP}", sys.executable, "-m", "smtpcreds", *words)

    def __call__(self, *words: str, stdin: str = "") -> str:
        return self.host.run(self.command(*words), stdin=stdin)

    def json(self, *words: str) -> Any:
        return json.loads(self("--json", *words))

    def refused(self, *words: str) -> str:
        with pytest.raises(LabError) as refusal:
            self(*words)
        return str(refusal.value)

    def add_lines(self, *options: str) -> None:
        """Write the files, and add by hand what is printed."""
        for include in self.json("mta", "apply", self.program, *options)["include"]:
            head = "[sasl]\n" if include["file"].endswith(".toml") else ""
            file = self.host.path(include["file"])
            file.write_text(file.read_text() + head + "".join(f"{line}\n" for line in include["lines"]))
        assert "add to" not in self("mta", "apply", self.program, *options)


class PostfixMachine(Machine):
    def __init__(self, lab: Lab, name: str, program: str, lines: str = "") -> None:
        super().__init__(lab.host(name, POSTFIX), program)
        self.postfix = Postfix(self.host)
        self.postfix.configure(lines)

    def apply(self, *options: str) -> None:
        """Follow what is printed, and start."""
        self.add_lines(*options)
        for command in self.json("mta", "apply", self.program, *options)["commands"][:-1]:
            self.host.run(("sh", "-c", command))
        self.postfix.start()
        assert "ok" in self("mta", "check", self.program, *options)

    def change(self, *options: str) -> None:
        """Take our lines out of main.cf, add those of the new file, and let --run do the rest."""
        main = self.host.path("/etc/postfix/main.cf")
        main.write_text(re.sub(r"# (\S+): begin\n.*?# \1: end\n", "", main.read_text(), flags=re.DOTALL))
        self("mta", "apply", self.program, *options)
        fragment = self.program.replace("postfix-", "/etc/postfix/smtpcreds/") + ".cf"
        self.host.run(("sh", "-c", f"cat {fragment} >> /etc/postfix/main.cf"))
        reloads = len(self.log.find(RELOADED))
        self.postfix.settle()
        self("mta", "apply", self.program, *options, "--run")
        self.log.wait(RELOADED, reloads + 1)
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.postfix.send(f"polkafan@{self.host.name}", FOREIGN)


class SendmailMachine(Machine):
    def __init__(self, lab: Lab, name: str, program: str, lines: str = "") -> None:
        super().__init__(lab.host(name, SENDMAIL), program)
        self.sendmail = Sendmail(self.host)
        role = program.partition("-")[2]
        include = mc.include(f"/etc/mail/smtpcreds/{role}.m4")
        feature = "FEATURE(`access_db', , `skip')dnl\n"
        self.host.write("/etc/mail/sendmail.mc", mc.HEAD + lines + feature + include + mc.TAIL)
        self.host.write("/etc/mail/access", "")

    def apply(self, *options: str) -> None:
        self.add_lines(*options)
        self.host.run(("sh", "-c", "m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf"))
        self.host.run(("sh", "-c", "makemap hash /etc/mail/access < /etc/mail/access"))
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.host.await_port(25)
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.sendmail.send(f"polkafan@{self.host.name}", FOREIGN)


def equip(hub: Machine, client: Machine) -> None:
    """Give a client host its certificate and the account, as the hub's administrator carries them there."""
    name = client.host.name
    hub("cert", "issue", name, "--to", f"/var/lib/{name}")
    client.host.run(("mkdir", "-p", "-m", "700", "/etc/mail/certs"))
    here, there = (machine.host.path("/") for machine in (hub, client))
    subprocess.run(("cp", "-a", f"{here}/var/lib/{name}/.", f"{there}/etc/mail/certs"), check=True)


def give_secret(hub: Machine, client: Machine) -> None:
    client.host.write("/root/secret", hub("sasl", "show", ACCOUNT, "--reveal"), 0o600)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def received(lab: Lab) -> str:
    """Return the hub's Received line of the message that left the lab."""
    return " ".join(lab.sink.receive().headers["Received"].split())


def postfix_hub(lab: Lab) -> PostfixMachine:
    hub = PostfixMachine(lab, HUB, "postfix-hub", f"relayhost = [{lab.sink.address}]\n")
    hub("setup", HUB, "--no-passphrase")
    return hub


def test_postfix_relays_by_every_mechanism_until_the_account_is_deleted(lab: Lab) -> None:
    """Changes of the account count at once, through the copy in the chroot."""
    hub = postfix_hub(lab)
    client = PostfixMachine(lab, CLIENT, "postfix-client")
    equip(hub, client)
    hub.apply("--plaintext")
    give_secret(hub, client)
    client.apply(*SECRET, "--plaintext")
    for mechanism in ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"):
        client.host.run(("postconf", "-e", f"smtp_sasl_mechanism_filter={mechanism.lower()}"))
        client.postfix.reload()
        assert "status=sent" in client.send()
        assert re.search(rf"from {CLIENT} .*by {HUB} .*with ESMTPSA", received(lab))
        hub.log.wait(rf"sasl_method={mechanism}, sasl_username={ACCOUNT}(@{HUB})?$")
    client.log.wait(rf"Verified TLS connection established to {HUB}")
    assert not client.log.find("(Trusted|Untrusted|Anonymous) TLS")

    with pytest.raises(LabError) as report:  # other things are wrong with the lab
        hub("audit")
    assert not re.search("(PERM|SASL|MTA).* error", str(report.value))

    hub("sasl", "passwd", ACCOUNT)
    assert REFUSED_LOGIN in client.send()
    client.host.run(("postsuper", "-d", "ALL"))
    give_secret(hub, client)
    client("mta", "apply", "postfix-client", *SECRET, "--mechanism", "LOGIN", "--run")
    assert "status=sent" in client.send()
    received(lab)
    hub("sasl", "delete", ACCOUNT)
    assert REFUSED_LOGIN in client.send()
    client.host.run(("postsuper", "-d", "ALL"))
    assert lab.sink.empty()
    assert not hub.log.find("[Pp]ermission denied|differ$|fatal:|unknown password verifier")

    hub("sasl", "add", ACCOUNT)
    hub.change("--plaintext", "--with", "unchrooted")
    hub.host.run(("chmod", "0600", "/etc/postfix/sasl/smtpd.conf"))  # as one with a password of a role is
    hub.postfix.reload()
    give_secret(hub, client)
    client("mta", "apply", "postfix-client", *SECRET, "--mechanism", "LOGIN", "--run")
    assert "status=sent" in client.send()
    assert hub.host.run(("stat", "-c", "%U:%G %a", "/etc/sasldb2")) == "root:postfix 640\n"


def test_postfix_relays_for_sendmail_by_account_and_then_by_certificate_until_it_is_revoked(lab: Lab) -> None:
    hub = postfix_hub(lab)
    client = SendmailMachine(lab, CLIENT, "sendmail-client")
    equip(hub, client)
    hub.apply("--relay-host", CLIENT)
    give_secret(hub, client)
    client.apply(*SECRET)
    assert "stat=Sent" in client.send()
    assert re.search(rf"Client CN \"{CLIENT}\", Issuer .*verified OK.*with ESMTPSA", received(lab))
    client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
    hub.log.wait(rf"Trusted TLS connection established from {CLIENT}")
    hub.log.wait(r"sasl_method=SCRAM-SHA-256")

    hub("sasl", "delete", ACCOUNT)
    assert "stat=Sent" in client.send()
    assert re.search(r"verified OK.*with ESMTPS ", received(lab))

    hub("cert", "revoke", CLIENT)
    assert "is as smtpcreds wrote it once" in hub.refused(
        "mta", "check", "postfix-hub", "--relay-host", CLIENT
    )
    hub.change("--relay-host", CLIENT)
    assert "dsn=5.7.1" in client.send()
    assert lab.sink.empty()


def test_sendmail_relays_for_postfix_that_gives_nothing_to_another_hub(lab: Lab) -> None:
    hub = SendmailMachine(lab, HUB, "sendmail-hub", f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n")
    hub("setup", HUB, "--no-passphrase")
    client = PostfixMachine(lab, CLIENT, "postfix-client")
    equip(hub, client)
    hub.apply()
    give_secret(hub, client)
    client.apply(*SECRET, "--with", "lmdb")
    assert "status=sent" in client.send()
    received(lab)
    client.change(*SECRET, "--with", "hash")
    assert "status=sent" in client.send()
    assert re.search(rf"from {CLIENT} .*by {HUB} .*with ESMTPSA.*verify=OK", received(lab))
    hub.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=SCRAM-SHA-256,")
    client.log.wait(rf"Verified TLS connection established to {HUB}")

    hub("--root", "/root/other", "setup", HUB, "--no-passphrase")
    pair = "/root/other/etc/mail/certs/dmzmail-key.pem /root/other/etc/mail/certs/dmzmail-cert.pem"
    hub.host.run(("sh", "-c", f"cp {pair} /etc/mail/certs"))
    hub.sendmail.reload()
    assert "status=deferred (Server certificate not verified)" in client.send()
    client.log.wait("certificate verification failed for .*untrusted issuer")
    assert len(hub.log.find("AUTH=server")) == 2
    assert lab.sink.empty()
