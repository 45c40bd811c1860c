"""Two real sendmails run from what ``smtpcreds mta apply --run`` wrote, plus a skeleton of sendmail.mc.

The commands are typed on the hosts of the lab themselves, where /etc/mail belongs to smmta as on any Debian.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import SENDMAIL, Host, Lab, LabError, Sendmail, mc

pytestmark = pytest.mark.live

TOP = Path(__file__).parent.parent
HUB = "dmzmail.polkatistas.org"
CLIENT = "attic.polkatistas.org"
ACCOUNT = "maildroid"
SENDER = f"polkafan@{CLIENT}"
FOREIGN = "accordion@example.net"
CONFIGURATION = f'domain = "polkatistas.org"\nhub = "{HUB}"\n'
MAP = "--authinfo-map"

SKELETON = mc.HEAD + "{lines}FEATURE(`access_db', , `skip')dnl\n{include}" + mc.TAIL
"""Like Debian's sendmail.mc, which has an access map, and so rules in the ruleset authinfo."""


def include(role: str) -> str:
    return mc.include(f"/etc/mail/smtpcreds/{role}.m4")


class Machine:
    """A host with sendmail whose administrator types commands of smtpcreds."""

    def __init__(self, lab: Lab, name: str, role: str, lines: str = "") -> None:
        self.role = role
        self.host: Host = lab.host(name, SENDMAIL)
        self.sendmail = Sendmail(self.host)
        self.host.write("/etc/mail/access", "")
        self.host.write("/etc/mail/sendmail.mc", SKELETON.format(lines=lines, include=include(role)))
        self.host.run(("mkdir", "-p", "/etc/smtpcreds"))
        self.host.write("/etc/smtpcreds/smtpcreds.toml", CONFIGURATION)

    def __call__(self, *words: str, stdin: str = "") -> str:
        path = ("env", f"PYTHONPATH={TOP}", sys.executable, "-m", "smtpcreds")
        return self.host.run((*path, *words), stdin=stdin)

    def refused(self, *words: str, stdin: str = "") -> str:
        with pytest.raises(LabError) as refusal:
            self(*words, stdin=stdin)
        return str(refusal.value)

    def apply(self, *options: str) -> None:
        """Write the files, add the lines of the access map by hand, compile, and (re)start."""
        program = f"sendmail-{self.role}"
        self("mta", "apply", program, *options)
        self.host.run(
            ("sh", "-c", "cat /etc/mail/smtpcreds/access > /etc/mail/access || : > /etc/mail/access")
        )
        if self.host.path("/etc/mail/sendmail.cf").exists():
            starts = len(self.sendmail.log.find("starting daemon"))
            self("mta", "apply", program, *options, "--run")
            self.sendmail.log.wait("sm-mta.*starting daemon", starts + 1)
            self.host.await_port(25)
        else:
            self.host.run(("sh", "-c", "m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf"))
            self.host.run(("sh", "-c", "makemap hash /etc/mail/access < /etc/mail/access"))
            self.start()
        assert "ok" in self("mta", "check", program, *options)

    def start(self) -> None:
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.host.await_port(25)


class Scene:
    """A hub with its authority, and a client host that got what it needs from there."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hub = Machine(lab, HUB, "hub", f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n")
        self.client = Machine(lab, CLIENT, "client")
        self.hub("setup", HUB, "--no-passphrase")
        self.hub("cert", "issue", CLIENT, "--to", "/var/lib/attic")
        self.client.host.run(("mkdir", "-m", "700", "/etc/mail/certs"))
        self.copy("/var/lib/attic/.", "/etc/mail/certs")

    def copy(self, source: str, target: str) -> None:
        """Carry files to the client host with owners and modes; a source may end in ``/.``."""
        there = self.hub.host.path("/"), self.client.host.path("/")
        subprocess.run(("cp", "-a", f"{there[0]}{source}", f"{there[1]}{target}"), check=True)

    def give_auth_info(self) -> None:
        self.copy(f"/var/lib/smtpcreds/clients/{ACCOUNT}/default-auth-info", "/etc/mail")

    def send(self) -> str:
        return self.client.sendmail.send(SENDER, FOREIGN)

    def relayed(self) -> str:
        """Send a message and return the hub's Received line."""
        answer = self.send()
        assert "stat=Sent" in answer, (answer, self.hub.host.log.lines, self.client.host.log.lines)
        return " ".join(self.lab.sink.receive().headers["Received"].split())


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.mark.parametrize("variant", [(), (MAP,)])
def test_mail_is_relayed_from_what_apply_wrote(scene: Scene, variant: tuple[str, ...]) -> None:
    scene.hub.apply()
    scene.give_auth_info()
    scene.client.apply(*variant)
    received = scene.relayed()
    assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)
    scene.hub.host.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=SCRAM-SHA-256,")
    scene.client.host.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
    for machine in (scene.hub, scene.client):
        assert machine.host.run(("stat", "-c", "%U %a", "/etc/mail")) == "smmta 2755\n"
        assert not machine.host.log.find("unsafe|World|Group (readable|writable)|NOQUEUE: SYSERR")
