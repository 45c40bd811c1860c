"""Two real sendmails run from what ``smtpcreds mta apply --run`` wrote, plus a skeleton of sendmail.mc.

The commands are typed on the hosts of the lab themselves, where /etc/mail belongs to smmta as on any Debian.
"""

import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from admin import HUB
from lab import SENDMAIL, Lab, Sendmail, mc
from login_accounts import PERSON, START, add_person, answers_to
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, SENDER, MailHost, answers, certified_outside, pair_of

pytestmark = pytest.mark.live

MAP = "--authinfo-map"

SKELETON = mc.HEAD + "{lines}FEATURE(`access_db', , `skip')dnl\n{include}" + mc.TAIL
"""Like Debian's sendmail.mc, which has an access map, and so rules in the ruleset authinfo."""


def include(role: str) -> str:
    return mc.include(f"/etc/mail/smtpcreds/{role}.m4")


class Machine(MailHost):
    """A host with sendmail whose administrator types commands of smtpcreds."""

    def __init__(self, lab: Lab, name: str, role: str, lines: str = "") -> None:
        super().__init__(lab.host(name, SENDMAIL))
        self.role, self.port = role, 25
        self.sendmail = Sendmail(self.host)
        self.host.write("/etc/mail/access", "")
        self.host.write("/etc/mail/sendmail.mc", SKELETON.format(lines=lines, include=include(role)))

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
            self.host.await_port(self.port)
        else:
            self.host.shell("m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf")
            self.host.shell("makemap hash /etc/mail/access < /etc/mail/access")
            self.start()
            assert "ok" in self("mta", "check", program, *options)

    def start(self) -> None:
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.host.await_port(self.port)


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


def test_mail_is_relayed_from_what_apply_wrote(scene: Scene) -> None:
    scene.hub.apply()
    scene.give_auth_info()
    scene.client.apply()
    received = scene.relayed()
    assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)
    scene.hub.host.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=SCRAM-SHA-256,")
    scene.client.host.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
    for machine in (scene.hub, scene.client):
        assert machine.host.run(("stat", "-c", "%U %a", "/etc/mail")) == "smmta 2755\n"
        assert not machine.host.log.find("unsafe|World|Group (readable|writable)|NOQUEUE: SYSERR")


def set_password(scene: Scene, secret: bytes) -> None:
    """Give the account on the hub any password at all, by the incumbent's tool."""
    command = ("saslpasswd2", "-u", HUB, "-c", "-p", ACCOUNT)
    subprocess.run(scene.hub.host.namespace.command(command), input=secret, check=True)


def apply_password(scene: Scene, secret: bytes, *options: str) -> str:
    """Type the password on the client host; return the complaint, or nothing."""
    words = ("mta", "apply", "sendmail-client", "--mechanism", "CRAM-MD5", "--password", "stdin:", *options)
    done = scene.client.run(*words, stdin=secret + b"\n")
    assert secret not in done.octets + done.complaint
    assert done.status in {0, 65}, done.err
    return done.err


TORTURE = {
    "punctuation": (b"Ch1mp? ,03fuzz a\"b'c`d <e>(f)@g;h:i %1%%2 $1 $& ${x} $| \\", "", ""),
    "octets": (b"  lead\x01\x7f \xc3\xbc \xfc\xff trail \t", "", ""),
    "hash": (b"#begins with", "begins with #", ""),
    "line feed": (b"two\nlines", "contains a line feed", ""),
    "189": (b"x" * 189, "", ""),
    "190": (b"x" * 190, "", "is over 189 octets"),
}
"""Password; why default-auth-info refuses it; why the authinfo map does. Empty: it has to arrive."""


@pytest.mark.parametrize("variant", [(), (MAP,)], ids=["file", "map"])
def test_each_password_arrives_or_is_refused_by_name(scene: Scene, variant: tuple[str, ...]) -> None:
    """Also: a running sendmail sees the new authinfo.db at once, for each message depends on it."""
    scene.hub.apply("--mechanism", "CRAM-MD5")
    scene.give_auth_info()
    scene.client.apply("--mechanism", "CRAM-MD5", *variant)
    for name, (secret, by_file, by_map) in TORTURE.items():
        complaint = apply_password(scene, secret, *variant)
        if expected := by_map if variant else by_file:
            assert f"the secret {expected}" in complaint, name
            continue
        assert not complaint, name
        set_password(scene, secret)
        assert " with ESMTPSA " in scene.relayed(), name


def test_authinfo_db_is_what_makemap_makes(scene: Scene) -> None:
    """And makemap reads ours."""
    scene.give_auth_info()
    scene.client("mta", "apply", "sendmail-client", MAP)
    host = scene.client.host
    host.shell("m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf")
    ours = host.run(("makemap", "-u", "hash", "/etc/mail/authinfo"))
    host.run(
        (
            "sh",
            "-c",
            "cp /etc/mail/authinfo /etc/mail/theirs; makemap hash /etc/mail/theirs < /etc/mail/theirs",
        )
    )
    assert ours == host.run(("makemap", "-u", "hash", "/etc/mail/theirs")) != ""
    assert ours.startswith(f"authinfo:{HUB}\t")

    host.shell("makemap hash /etc/mail/authinfo < /etc/mail/authinfo")
    host.run(("chmod", "0640", "/etc/mail/authinfo.db"))
    assert host.run(("stat", "-c", "%U %a", "/etc/mail/authinfo.db")) == "smmta 640\n"
    complaint = scene.client.refused("mta", "check", "sendmail-client", MAP)
    assert "/etc/mail/authinfo.db has mode 0640, more than 0600" in complaint
    assert "/etc/mail/authinfo.db belongs to smmta:root, not to root:root" in complaint
    scene.client("mta", "apply", "sendmail-client", MAP)
    assert host.run(("stat", "-c", "%U %a", "/etc/mail/authinfo.db")) == "root 600\n"
    assert ours == host.run(("makemap", "-u", "hash", "/etc/mail/authinfo"))


def test_mail_goes_to_the_port_of_submission(scene: Scene) -> None:
    """The hub listens on no other; and back on the port of SMTP, nothing of it is left."""
    skeleton = scene.hub.host.path("/etc/mail/sendmail.mc")
    by_25 = skeleton.read_text()
    scene.hub.host.write("/etc/mail/sendmail.mc", by_25.replace("Port=smtp", "Port=587"))
    scene.hub.port = 587
    scene.hub.apply("--port", "587")
    assert "listens on port" not in scene.hub.run("audit").out
    scene.give_auth_info()
    scene.client.apply("--port", "587")
    assert " with ESMTPSA " in scene.relayed()
    assert "A=TCP $h 587" in scene.client.host.path("/etc/mail/sendmail.cf").read_text()

    scene.client.host.shell("sed -i 's/A=TCP $h 587/A=TCP $h/' /etc/mail/sendmail.cf")
    told = scene.client.refused("mta", "check", "sendmail-client")
    assert "sendmail.cf has no A=TCP $h 587 in its mailer relay" in told
    told = scene.client.refused("mta", "apply", "sendmail-client", "--port", "465")
    assert "port 465: uses implicit TLS, which Sendmail as a client can't" in told

    scene.hub.host.write("/etc/mail/sendmail.mc", by_25)
    scene.hub.port = 25
    scene.hub.apply("--port", "25")
    scene.client.apply("--port", "25")
    assert " with ESMTPSA " in scene.relayed()


def test_relaying_by_certificate_ends_with_its_revocation(scene: Scene) -> None:
    scene.hub.apply("--relay-host", "attic")
    scene.give_auth_info()
    scene.client.apply()
    scene.hub("sasl", "delete", ACCOUNT)
    assert " with ESMTPS " in scene.relayed()
    scene.hub.host.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")

    scene.hub("cert", "issue", "tuba", "--to", "/var/lib/tuba")
    scene.hub.apply("--relay-host", "tuba")
    assert "dsn=5.7.1" in scene.send()

    scene.hub.apply("--relay-certificates")
    assert " with ESMTPS " in scene.relayed()
    scene.hub("cert", "revoke", "attic")
    scene.hub.sendmail.reload()
    assert "dsn=5.7.1" in scene.send()
    scene.hub.host.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=FAIL")


def test_who_can_not_prove_to_be_the_hub_gets_neither_mail_nor_secret(scene: Scene) -> None:
    scene.hub.apply()
    scene.give_auth_info()
    scene.client.apply()
    scene.hub("cert", "issue", "impostor", "--to", "/var/lib/impostor")
    files = "cp /var/lib/impostor/impostor-$f.pem /etc/mail/certs/dmzmail-$f.pem"
    scene.hub.host.shell(f"for f in key cert; do {files}; done")
    scene.hub.sendmail.reload()
    answer = scene.send()
    assert "stat=Deferred" in answer
    assert f"CN impostor.polkatistas.org does not match {HUB}" in answer
    assert not scene.hub.host.log.find("AUTH=server")
    assert scene.lab.sink.empty()


@contextmanager
def session_with(scene: Scene) -> Iterator[smtplib.SMTP]:
    """Speak to the hub from inside its network, by its name."""
    with scene.hub.host.namespace.network(), smtplib.SMTP(scene.hub.host.address, 25) as session:
        session._host = HUB  # type: ignore[attr-defined]
        session.ehlo(CLIENT)
        yield session


@contextmanager
def session_in_tls(scene: Scene) -> Iterator[smtplib.SMTP]:
    """Speak to it inside TLS, with the client's certificate."""
    context = ssl.create_default_context(cafile=scene.hub.host.path("/etc/mail/certs/cacert.pem"))
    certs = scene.client.host.path("/etc/mail/certs")
    context.load_cert_chain(certs / "attic-cert.pem", certs / "attic-key.pem")
    with session_with(scene) as session:
        session.starttls(context=context)
        session.ehlo(CLIENT)
        yield session


def offered(scene: Scene, *, tls: bool) -> set[str]:
    """Ask the hub which mechanisms it offers."""
    with (session_in_tls if tls else session_with)(scene) as session:
        return set(session.esmtp_features.get("auth", "").split())


def test_plain_and_login_are_offered_inside_tls_only(scene: Scene) -> None:
    hashed = {"SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5"}
    scene.hub.apply("--plaintext", "--external")
    assert offered(scene, tls=False) == hashed
    assert offered(scene, tls=True) == {*hashed, "PLAIN", "LOGIN", "EXTERNAL"}
    scene.hub.apply("--saslauthd")
    assert offered(scene, tls=True) == {*hashed, "PLAIN", "LOGIN", "EXTERNAL"}
    scene.hub.apply("--mechanism", "PLAIN", "--mechanism", "LOGIN")
    assert offered(scene, tls=False) == set()
    assert offered(scene, tls=True) == {"PLAIN", "LOGIN"}


def test_client_hosts_log_in_by_sasldb_and_people_by_pam(scene: Scene) -> None:
    """And so does the next plain run of apply."""
    add_person(scene.hub.host)
    scene.hub.host.shell(START)
    scene.hub.apply("--saslauthd")
    scene.give_auth_info()
    scene.client.apply()
    for _ in range(2):
        assert " with ESMTPSA " in scene.relayed()
        assert answers_to(scene.hub) == [(250, 535), (250, 535)]
        scene.hub("mta", "apply", "sendmail-hub", "--run")
        assert "as applied with: --saslauthd" in scene.hub("mta", "check", "sendmail-hub")
    scene.hub.host.log.wait(rf"AUTH=server, relay={CLIENT} .*mech=SCRAM-SHA-256,")
    scene.hub.host.log.wait(rf"AUTH=server, .*authid={PERSON}(@{HUB})?, mech=LOGIN,")


@pytest.mark.parametrize("options", [("--external",), ("--relay-certificates",)])
def test_a_client_of_the_ca_that_certified_the_hub_relays_nothing(
    scene: Scene, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Sendmail has one list of CAs for servers and for clients, so AUTH EXTERNAL itself succeeds."""
    login = 235 if "--external" in options else 0
    ours = pair_of(scene.client.host)
    scene.hub.apply(*options)
    assert answers(scene.hub, scene.client, ours) == (login, 250)
    foreign = certified_outside(scene.hub, tmp_path)
    assert "(unchanged)" in scene.hub("mta", "apply", "sendmail-hub", *options), "it was right before"
    scene.hub.sendmail.reload()
    assert answers(scene.hub, scene.client, foreign) == (login, 550)
    scene.hub.host.log.wait(r"STARTTLS=server, .*verify=OK", 2)
    assert answers(scene.hub, scene.client, ours) == (login, 250)


def test_a_key_that_was_replaced_does_not_relay_by_external(scene: Scene) -> None:
    ours = pair_of(scene.client.host)
    scene.hub.apply("--external")
    assert answers(scene.hub, scene.client, ours) == (235, 250)
    scene.hub("cert", "issue", scene.client.host.name, "--force", "--to", "/var/lib/attic")
    scene.hub.apply("--external")
    assert answers(scene.hub, scene.client, ours) == (235, 550)


def test_lines_of_an_old_hub_below_the_mailers_are_named(scene: Scene) -> None:
    """m4 takes a definition below the MAILER lines, too, and what TRUST_AUTH_MECH names adds up."""
    lines = "TRUST_AUTH_MECH(`LOGIN PLAIN')dnl\ndefine(`confAUTH_MECHANISMS', `LOGIN PLAIN')dnl\n"
    scene.hub.apply()
    mc = scene.hub.host.path("/etc/mail/sendmail.mc")
    with mc.open("a") as file:
        file.write(lines)
    scene.hub.host.shell("touch -d '1 minute ago' /etc/mail/sendmail.mc")
    said = scene.hub("mta", "apply", "sendmail-hub", "--edit", "--run", "--plaintext")
    assert "/etc/mail/sendmail.mc defines anew in line" in said
    cure = next(line for line in said.splitlines() if line.strip().startswith("sed -i")).strip()
    audit = scene.hub.run("audit").out
    assert audit.count(f"cure: {cure}") >= 2, audit
    scene.hub.host.shell(cure)
    assert "LOGIN" not in mc.read_text()
    assert "ok" in scene.hub("mta", "check", "sendmail-hub")
    assert "MTA001" not in scene.hub.run("audit").out
