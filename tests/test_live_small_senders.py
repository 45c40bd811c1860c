"""The small senders, as Debian has them, run from the files that ``smtpcreds mta render`` wrote, and from
nothing else but what their packages bring and the lines that it told to add."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from admin import HUB
from lab import SENDMAIL, Lab, LabError, Sendmail, mc
from lab.recorder import Recorder
from mail_hosts import ACCOUNT, MailHost, showing, showing_other_authority, without_account
from mta.facts import FACTS
from small_senders import KINDS, WITH_CRL, Client

from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Account, Credential
from smtpcreds.mta.program import File, octets
from smtpcreds.mta.programs import program_named
from smtpcreds.secret import Secret

pytestmark = pytest.mark.live

SKELETON = (
    mc.HEAD
    + "DAEMON_OPTIONS(`Family=inet, Name=MSA, Port=587')dnl\n"
    + "DAEMON_OPTIONS(`Family=inet, Name=TLSMSA, Port=465, M=s')dnl\n"
    + "define(`SMART_HOST', `[{sink}]')dnl\nFEATURE(`access_db', , `skip')dnl\n"
    + mc.include("/etc/mail/smtpcreds/hub.m4")
    + mc.TAIL
)


class Hub(MailHost):
    """Sendmail with an authority, whose administrator types commands."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.host(HUB, SENDMAIL), "[mta]\nplaintext = true\n")
        self.sendmail = Sendmail(self.host)
        self("setup", HUB, "--no-passphrase")
        self("mta", "apply", "sendmail-hub")
        self.host.write("/etc/mail/access", "")
        self.host.write("/etc/mail/sendmail.mc", SKELETON.format(sink=lab.sink.address))
        self.host.run(
            (
                "sh",
                "-c",
                "cd /etc/mail; m4 sendmail.mc > sendmail.cf; makemap hash access < access; newaliases",
            )
        )
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        for port in (25, 465, 587):
            self.host.await_port(port)

    def shows(self, pair: str) -> AbstractContextManager[None]:
        return showing(self, pair, self.sendmail.reload)


class Scene:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.hub = Hub(lab)
        self.clients = {name: Client(lab, self.hub, name) for name in KINDS}
        self.hub("cert", "issue", *KINDS)
        for client in self.clients.values():
            client.take()
            client.copy("/etc/mail/certs", "/etc/mail")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


def received(scene: Scene) -> str:
    return " ".join(scene.lab.sink.receive().headers["Received"].split())


each = pytest.mark.parametrize("name", KINDS)


@pytest.mark.parametrize("port", [465, 587])
@each
def test_mail_is_relayed(scene: Scene, name: str, port: int) -> None:
    client = scene.clients[name]
    client.take("--port", str(port))
    with scene.hub.host.log.awaits(rf"AUTH=server, relay={client.host.name} .*authid={ACCOUNT}(@{HUB})?, "):
        client.send()
    assert re.search(rf"from {client.host.name} .*by {HUB} .* with ESMTPSA ", received(scene))


@pytest.fixture(scope="class")
def other_authority(scene: Scene) -> Iterator[None]:
    with showing_other_authority(scene.hub, scene.hub.sendmail.reload):
        yield


@pytest.fixture(scope="class")
def other_name(scene: Scene) -> Iterator[None]:
    """Let the hub show a certificate of its own authority, for another host."""
    scene.hub("cert", "issue", "impostor", "--to", "/var/lib/impostor")
    with scene.hub.shows("/var/lib/impostor/impostor"):
        yield


@pytest.fixture(scope="class")
def revoked(scene: Scene) -> Iterator[None]:
    """Let the hub show a certificate that was good, and then was revoked; the clients get the new CRL."""
    scene.hub("cert", "issue", "former", "--san", HUB, "--to", "/var/lib/former")
    with scene.hub.shows("/var/lib/former/former"):
        for name in WITH_CRL:
            scene.clients[name].send()
            assert " with ESMTPSA " in received(scene)
        scene.hub("cert", "revoke", "former")
        yield


@pytest.fixture(scope="class")
def deleted(scene: Scene) -> Iterator[None]:
    with without_account(scene.hub):
        yield


@pytest.mark.usefixtures("other_authority")
class TestOtherAuthority:
    @each
    def test_gets_no_secret(self, scene: Scene, name: str) -> None:
        refused(scene, name)


@pytest.mark.usefixtures("other_name")
class TestOtherName:
    @pytest.mark.parametrize("name", sorted(KINDS.keys() - {"swaks"}))
    def test_gets_no_secret(self, scene: Scene, name: str) -> None:
        refused(scene, name)

    def test_gets_that_of_swaks_which_looks_at_names_since_2024(self, scene: Scene) -> None:
        said = scene.clients["swaks"].host.run(("swaks", "--version"))
        if re.findall(r"version (\d{8})", said) >= ["20240103"]:
            refused(scene, "swaks")
        else:
            scene.clients["swaks"].send()
            assert " with ESMTPSA " in received(scene)


@pytest.mark.usefixtures("revoked")
class TestRevoked:
    @pytest.mark.parametrize("name", WITH_CRL)
    def test_gets_no_secret(self, scene: Scene, name: str) -> None:
        client = scene.clients[name]
        client.take()
        client.copy("/etc/mail/certs/.", "/etc/mail/certs")
        refused(scene, name)


@pytest.mark.usefixtures("deleted")
class TestDeletedAccount:
    @each
    def test_sends_nothing(self, scene: Scene, name: str) -> None:
        client = scene.clients[name]
        with pytest.raises(LabError):
            client.send()
        assert scene.lab.sink.empty()
        scene.hub.host.log.wait(rf"AUTH failure .*relay={client.host.name} ")


def refused(scene: Scene, name: str) -> None:
    before = len(scene.hub.host.log.find("AUTH=server"))
    with pytest.raises(LabError):
        scene.clients[name].send()
    assert len(scene.hub.host.log.find("AUTH=server")) == before
    assert scene.lab.sink.empty()


PORT = 2525
PLAINTEXT = ("PLAIN", "LOGIN")
TORTURE = {
    "book": b"Ch1mp? ,03fuzz fl0ppi",
    "alphabet": b"Az09-_.~Z",
    "colons": b":a::b:",
    "hash": b"#a # b",
    "quotes": b"'a'\"b\"''\"",
    "quoted": b'"quoted"',
    "backslash": b"\\a\\\\b\\n\\",
    "signs": b"%u %% $HOME `id` $(id) *? | & ; < > ! = ,",
    "brackets": b"[a]",
    "blank first": b" a",
    "blank last": b"a ",
    "blanks": b"a  b",
    "TAB": b"a\tb",
    "control": b"a\x01\x7fb",
    "letters": "Gr\xfc\xdfe".encode(),
    "ligature": "\ufb01ve".encode(),
    "octets": b"\xfc\xff",
    "dash": b"-a=b",
    "zero": b"0",
    "angles": b"<>",
    "488": b"x" * 488,
    "489": b"x" * 489,
    "1024": b"x" * 1024,
    "1025": b"x" * 1025,
    "1522": b"x" * 1522,
    "1523": b"x" * 1523,
    "2012": b"x" * 2012,
    "2013": b"x" * 2013,
    "2047": b"x" * 2047,
    "2048": b"x" * 2048,
    "empty": b"",
    "LF": b"a\nb",
    "CR": b"a\rb",
    "NUL": b"a\0b",
}
NOBODY = {
    "2048": "is over",
    "empty": "is empty",
    "LF": "contains a line feed",
    "CR": "contains a carriage return",
    "NUL": "contains a NUL",
}
LONG = dict.fromkeys(("1025", "1522", "1523", "2012", "2013", "2047"), "is over")
REFUSED = {
    "opensmtpd-client": {
        "blank last": "ends in a space",
        **dict.fromkeys(("1523", "2012", "2013", "2047"), "is over 1522 octets"),
    },
    "msmtp": {
        "TAB": "contains a control character",
        "control": "contains a control character",
        "ligature": "would be changed by SASLprep",
        "octets": "is not UTF-8",
        "489": "is over 488 octets",
        "1024": "is over",
        **LONG,
    },
    "nullmailer": {
        "colons": "contains a colon",
        "backslash": "contains a backslash",
        "brackets": "contains a bracket",
        "blanks": "contains two spaces in a row",
        "TAB": "contains a TAB",
        **LONG,
    },
    "dma": {"2013": "is over 2012 octets", "2047": "is over"},
    "curl": {},
    "swaks": {"dash": "begins with a dash", "zero": "is 0", "angles": "is <>"},
}
"""Why each format does not hold a secret; all others arrive."""


@pytest.fixture(scope="module")
def recorder(scene: Scene) -> Iterator[Recorder]:
    certs = scene.hub.host.path("/etc/mail/certs")
    with scene.hub.host.namespace.network():
        server = Recorder(scene.hub.host.address, PORT, certs / "dmzmail-cert.pem", certs / "dmzmail-key.pem")
    yield server
    server.close()


def give(client: Client, secret: bytes) -> None:
    """Let the file that holds the account hold another secret, with PLAIN and LOGIN at the recorder."""
    program = program_named(client.name)
    certs = "/etc/mail/certs"
    facts = replace(
        FACTS,
        host=client.host.name,
        port=PORT,
        mechanisms=PLAINTEXT,
        tls=replace(
            FACTS.tls, key=f"{certs}/{client.name}-key.pem", certificate=f"{certs}/{client.name}-cert.pem"
        ),
        credential=Credential(Account(ACCOUNT, HUB), Secret(secret), HUB),
    )
    for file in program.render(facts):
        if file.path in program.SECRET_FILES:
            assert isinstance(file, File)
            client.host.path(file.path).write_bytes(octets(file.content))


@each
def test_each_secret_arrives_or_is_refused_by_name(scene: Scene, recorder: Recorder, name: str) -> None:
    client = scene.clients[name]
    told = [word for one in PLAINTEXT for word in ("--mechanism", one)]
    options = {"dma": [], "nullmailer": ["--plaintext"], "opensmtpd-client": ["--plaintext"]}
    client.take("--port", str(PORT), *options.get(name, told))
    for kind, secret in TORTURE.items():
        if expected := {**NOBODY, **REFUSED[name]}.get(kind):
            with pytest.raises(InexpressibleError, match=rf"{ACCOUNT}@{HUB}: the secret {expected}"):
                give(client, secret)
            continue
        give(client, secret)
        client.send()
        assert recorder.login() == (ACCOUNT.encode(), secret), kind


@each
def test_letters_beyond_ascii_log_in_at_the_hub(scene: Scene, name: str) -> None:
    """By the strongest mechanism that both know, whose hashes must be of the same octets."""
    client = scene.clients[name]
    secret = TORTURE["letters"]
    command = ("saslpasswd2", "-u", HUB, "-c", "-p", ACCOUNT)
    subprocess.run(scene.hub.host.namespace.command(command), input=secret, check=True)
    client.take()
    client.send()
    assert " with ESMTPSA " in received(scene)


def test_both_authorities_are_believed_while_one_replaces_the_other(scene: Scene) -> None:
    """The last test of the module, for the hub has another authority then."""
    scene.hub("ca", "rollover")
    for before in (True, False):
        if not before:
            scene.hub("cert", "renew", "dmzmail")
            scene.hub.sendmail.reload()
        for name in WITH_CRL:
            client = scene.clients[name]
            client.take()
            client.copy("/etc/mail/certs/.", "/etc/mail/certs")
            client.send()
            assert " with ESMTPSA " in received(scene)
    scene.hub("cert", "revoke", "dmzmail", "--all")
    for name in WITH_CRL:
        client = scene.clients[name]
        client.take()
        client.copy("/etc/mail/certs/.", "/etc/mail/certs")
        refused(scene, name)
