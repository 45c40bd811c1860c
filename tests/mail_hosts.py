"""Hosts of the lab whose administrators type commands of smtpcreds and add the lines that these print."""

import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

import pytest
from admin import CERTS, CONFIG, DOMAIN, HUB, SMTPCREDS, Ran, piped
from cli.other_ca import other_ca, request_of
from lab import EXIM, SENDMAIL, Exim, Host, Lab, LabError, Sendmail, mc
from lab.exim import TO_SYSLOG, await_start
from lab.layer import Software
from lab.postfix import POSTFIX, RELOADED, Postfix
from lab.process import TIMEOUT
from place import IMPORTS
from warm import Warm

CLIENT = f"attic.{DOMAIN}"
ACCOUNT = "maildroid"
SENDER = f"polkafan@{CLIENT}"
FOREIGN = "accordion@example.net"

PLACES = {
    "above the first 'begin'": r"(?=^begin |\Z)",
    "as the first line of the list that acl_smtp_rcpt names": r"(?<=^acl_check_rcpt:\n)",
    "below 'begin transports'": r"(?<=^begin transports\n)",
    "below 'begin authenticators', in place of those with the same public_name": (
        r"(?:(?<=^begin authenticators\n)|\Z)"
    ),
    "below 'begin routers', above the router for the mail of other hosts": r"(?<=^begin routers\n)",
    "": r"\Z",
}
"""What an administrator makes of the words."""

STOCK_CLIENTS = re.compile(r"^cram_md5:\n.*?(?=^#####|\Z)", re.MULTILINE | re.DOTALL)
"""Debian's client authenticators cram_md5, plain and login."""


def added(text: str, lines: list[str], where: str) -> str:
    """Return a configuration file with the lines where the words say."""
    if "in place of" in where:
        text = STOCK_CLIENTS.sub("", text)
    new = "".join(f"{line}\n" for line in lines)
    return re.sub(PLACES[where], lambda _: new, text, count=1, flags=re.MULTILINE)


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


def typed(*words: str, later: str = "") -> tuple[str, ...]:
    """Return a command of the program; ``later`` is what the clock is ahead, as ``faketime -f`` takes it."""
    clock = ("faketime", "-f", later) if later else ()
    return ("env", *(f"{name}={value}" for name, value in IMPORTS.items()), *clock, *SMTPCREDS, *words)


_warm, _turn = Warm(), Lock()


class MailHost:
    """A host, and the commands typed on it.

    They begin in a process that has the imports behind it, but where ``is_cold``, a clock that is ahead,
    words before the command, or a library for all of the host's programs want a start as a shell makes it.
    """

    is_cold = False
    place = Path("/")
    """Where they are typed."""

    def __init__(self, host: Host, more: str = "") -> None:
        self.host = host
        self.log = host.log
        host.run(("mkdir", "-p", "/etc/smtpcreds"))
        host.write("/etc/smtpcreds/smtpcreds.toml", CONFIG + more)

    def run(self, *words: str, stdin: bytes = b"", later: str = "", before: tuple[str, ...] = ()) -> Ran:
        """Run a command, started by other words, however it ends."""
        preloaded = self.host.path("/etc/ld.so.preload").exists()
        if not (later or before or preloaded or self.is_cold):
            return self._run_warm(words, stdin)
        command = self.host.namespace.command((*before, *typed(*words, later=later)))
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=TIMEOUT)
        return Ran(done.returncode, done.stdout, done.stderr)

    def _run_warm(self, words: tuple[str, ...], stdin: bytes) -> Ran:
        with _turn, TemporaryFile() as out, TemporaryFile() as err, piped(stdin) as reader:
            streams = (reader, out.fileno(), err.fileno())
            where = ({**os.environ, **IMPORTS}, self.place, streams)
            _warm.start(words, *where, host=self.host.namespace.pid, mask=0o022)
            status = _warm.wait(TIMEOUT)
            out.seek(0)
            err.seek(0)
            return Ran(status, out.read(), err.read())

    def __call__(self, *words: str, stdin: str = "") -> str:
        ran = self.run(*words, stdin=stdin.encode())
        if ran.status:
            raise LabError(f"smtpcreds {' '.join(words)}: exit status {ran.status}\n{ran.out}{ran.err}")
        return ran.out

    def json(self, *words: str, stdin: str = "") -> Any:
        return json.loads(self("--json", *words, stdin=stdin))

    def refused(self, *words: str, stdin: str = "") -> str:
        with pytest.raises(LabError) as refusal:
            self(*words, stdin=stdin)
        return str(refusal.value)

    def equip(self, program: str, *options: str, stdin: str = "") -> Any:
        """Write the files, and add the lines that are missing as the words say."""
        done = self.json("mta", "apply", program, *options, stdin=stdin)
        for include in done["include"]:
            path = self.host.path(include["file"])
            text = path.read_text() if path.exists() else ""
            if include["where"] in PLACES:
                path.write_text(added(text, include["lines"], include["where"]))
        return done


def carry(source: Host, path: str, target: Host, to: str) -> None:
    """Copy files between hosts with owners and modes; a source may end in ``/.``."""
    subprocess.run(("cp", "-a", f"{source.path('/')}{path}", f"{target.path('/')}{to}"), check=True)


def issue(hub: MailHost, client: MailHost, name: str = CLIENT) -> None:
    """Give a client host its certificate."""
    hub("cert", "issue", name, "--to", f"/var/lib/{name}")
    client.host.shell("mkdir -p -m 700 /etc/mail/certs")
    carry(hub.host, f"/var/lib/{name}/.", client.host, "/etc/mail/certs")


@contextmanager
def showing(hub: MailHost, pair: str, reload: Callable[[], None]) -> Iterator[None]:
    """Let a hub use another key and certificate, given by the beginning of their paths."""
    mine = "/etc/mail/certs/dmzmail"

    def copy(source: str, target: str) -> None:
        for kind in ("key", "cert"):
            hub.host.run(("cp", "-p", f"{source}-{kind}.pem", f"{target}-{kind}.pem"))

    copy(mine, "/var/lib/mine")
    copy(pair, mine)
    reload()
    try:
        yield
    finally:
        copy("/var/lib/mine", mine)
        reload()


@contextmanager
def showing_other_authority(hub: MailHost, reload: Callable[[], None]) -> Iterator[None]:
    """Let a hub show a certificate for its name, by an authority that nobody trusts."""
    hub("--root", "/var/lib/other", "setup", HUB, "--no-passphrase")
    with showing(hub, "/var/lib/other/etc/mail/certs/dmzmail", reload):
        yield


@contextmanager
def without_account(hub: MailHost) -> Iterator[None]:
    """Let the clients have an account that the hub has no more."""
    hub("sasl", "delete", ACCOUNT)
    yield
    hub("sasl", "add", ACCOUNT)


class SendmailHub(MailHost):
    """A hub with Sendmail."""

    def __init__(self, lab: Lab, *authority: str, software: Software = SENDMAIL) -> None:
        super().__init__(lab.host(HUB, software))
        self.sendmail = Sendmail(self.host)
        if authority:
            self("ca", "init", "--no-passphrase", *authority)
        self("setup", HUB, "--no-passphrase")
        include = mc.include("/etc/mail/smtpcreds/hub.m4")
        outward = f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\nFEATURE(`access_db', , `skip')dnl\n"
        self.text = mc.HEAD + outward + include + mc.TAIL
        self.host.write("/etc/mail/sendmail.mc", self.text)
        self.host.write("/etc/mail/access", "")

    def start(self, *options: str) -> None:
        self.equip("sendmail-hub", *options)
        compiled = "m4 sendmail.mc > sendmail.cf && makemap hash access < access"
        self.host.shell(f"cd /etc/mail && {compiled}")
        self.sendmail.start(self.text)

    def secret(self) -> str:
        return self("sasl", "show", ACCOUNT, "--reveal")


class EximClient(MailHost):
    """A client host with Exim, kept in one of the three styles."""

    def __init__(self, lab: Lab, hub: MailHost, style: str = "", name: str = CLIENT) -> None:
        super().__init__(lab.host(name, EXIM))
        self.exim = Exim(self.host, split=style == "split")
        self.style = ("--with", style) if style else ()
        if style == "hand-written":
            text = HAND_WRITTEN.format(name=name, options=TO_SYSLOG, sink=lab.sink.address)
            self.host.write("/etc/exim4/exim4.conf", text)
        issue(hub, self, name)

    def start(self, secret: str, *options: str) -> None:
        words = ("exim-client", *self.style, "--password", "stdin:", *options)
        self.equip(*words, stdin=secret)
        self.exim.start()
        assert "ok" in self("mta", "check", *words, stdin=secret)

    def send(self) -> str:
        return self.exim.send(SENDER, FOREIGN)


class EximHub(MailHost):
    """A hub with Exim."""

    def __init__(self, lab: Lab, style: str = "", software: Software = EXIM, *authority: str) -> None:
        super().__init__(lab.host(HUB, software), READABLE)
        self.exim = Exim(self.host, split=style == "split", smart_host=lab.sink.address)
        self.style = ("--with", style) if style else ()
        if style == "hand-written":
            text = HAND_WRITTEN.format(name=HUB, options=TO_SYSLOG, sink=lab.sink.address)
            self.host.write("/etc/exim4/exim4.conf", text)
        if authority:
            self("ca", "init", "--no-passphrase", *authority)
        self("setup", HUB, "--no-passphrase")

    def start(self, *options: str) -> None:
        self.equip("exim-hub", *self.style, *options)
        self.exim.start()
        assert "ok" in self("mta", "check", "exim-hub", *self.style, *options)

    def again(self, *options: str) -> None:
        """Apply once more, with the daemon running, and wait until it has read everything."""
        starts = self.starts()
        self("mta", "apply", "exim-hub", *self.style, *options, "--run")
        self.await_start(starts + 1)

    def starts(self) -> int:
        """Return how often the daemon has started so far."""
        return self.exim.starts()

    def await_start(self, nth: int, *, is_open: bool = True) -> None:
        """Wait until the daemon has started so often."""
        await_start(self.host, nth=nth)
        if is_open:
            self.host.await_port(25)


class SendmailClient(MailHost):
    """A client host with Sendmail."""

    def __init__(self, lab: Lab, hub: MailHost) -> None:
        super().__init__(lab.host(CLIENT, SENDMAIL))
        self.sendmail = Sendmail(self.host)
        issue(hub, self)
        carry(hub.host, f"/var/lib/smtpcreds/clients/{ACCOUNT}/default-auth-info", self.host, "/etc/mail")
        self("mta", "apply", "sendmail-client")
        self.host.write("/etc/mail/access", self.host.path("/etc/mail/smtpcreds/access").read_text())
        text = (
            mc.HEAD
            + "FEATURE(`access_db', , `skip')dnl\n"
            + mc.include("/etc/mail/smtpcreds/client.m4")
            + mc.TAIL
        )
        self.host.write("/etc/mail/sendmail.mc", text)
        compiled = "m4 sendmail.mc > sendmail.cf && makemap hash access < access"
        self.host.shell(f"cd /etc/mail && {compiled}")
        self.sendmail.start(text)

    def send(self) -> str:
        return self.sendmail.send(SENDER, FOREIGN)


class Machine(MailHost):
    """A host with one mail program."""

    def __init__(self, host: Host, program: str, more: str = "") -> None:
        super().__init__(host, more)
        self.program = program

    def add_lines(self, *options: str) -> list[str]:
        """Write the files, add by hand what is printed, and return the commands that are left to run."""
        first = self.json("mta", "apply", self.program, *options)
        self.letting_in = [command for command in first["commands"] if command.startswith("chgrp ")]
        for include in first["include"]:
            head = "[sasl]\n" if include["file"].endswith(".toml") else ""
            file = self.host.path(include["file"])
            file.write_text(file.read_text() + head + "".join(f"{line}\n" for line in include["lines"]))
        left = self.json("mta", "apply", self.program, *options)
        assert not left["include"]
        return list(left["commands"])


class PostfixMachine(Machine):
    def __init__(
        self,
        lab: Lab,
        name: str,
        program: str,
        lines: str = "",
        more: str = "",
        software: Software = POSTFIX,
    ) -> None:
        super().__init__(lab.host(name, software), program, more)
        self.postfix = Postfix(self.host)
        self.postfix.configure(lines)

    def apply(self, *options: str) -> None:
        """Follow what is printed, and start."""
        commands = self.add_lines(*options)
        for command in (
            *self.letting_in,
            *commands[:-1],
        ):  # where Postfix is in no chroot, it opens the database
            self.host.shell(command)
        self.postfix.start()
        assert "ok" in self("mta", "check", self.program, *options)

    def change(self, *options: str) -> None:
        """Take our lines out of main.cf, add those of the new file, and let --run do the rest."""
        main = self.host.path("/etc/postfix/main.cf")
        main.write_text(re.sub(r"# (\S+): begin\n.*?# \1: end\n", "", main.read_text(), flags=re.DOTALL))
        self("mta", "apply", self.program, *options)
        fragment = self.program.replace("postfix-", "/etc/postfix/smtpcreds/") + ".cf"
        self.host.shell(f"cat {fragment} >> /etc/postfix/main.cf")
        reloads = len(self.log.find(RELOADED))
        self.postfix.settle()
        self("mta", "apply", self.program, *options, "--run")
        self.log.wait(RELOADED, reloads + 1)
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.postfix.send(f"polkafan@{self.host.name}", FOREIGN)


class SendmailMachine(Machine):
    def __init__(self, lab: Lab, name: str, program: str, lines: str = "", more: str = "") -> None:
        super().__init__(lab.host(name, SENDMAIL), program, more)
        self.sendmail = Sendmail(self.host)
        role = program.partition("-")[2]
        include = mc.include(f"/etc/mail/smtpcreds/{role}.m4")
        feature = "FEATURE(`access_db', , `skip')dnl\n"
        self.host.write("/etc/mail/sendmail.mc", mc.HEAD + lines + feature + include + mc.TAIL)
        self.host.write("/etc/mail/access", "")

    def apply(self, *options: str) -> None:
        self.add_lines(*options)
        self.host.shell("m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf")
        self.host.shell("makemap hash /etc/mail/access < /etc/mail/access")
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.sendmail.await_daemon()
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.sendmail.send(f"polkafan@{self.host.name}", FOREIGN)


def postfix_hub(lab: Lab, more: str = "", software: Software = POSTFIX) -> PostfixMachine:
    """Return a hub with Postfix and an authority, which is not configured yet and does not run."""
    outward = f"relayhost = [{lab.sink.address}]\n"
    hub = PostfixMachine(lab, HUB, "postfix-hub", outward, more, software)
    hub("setup", HUB, "--no-passphrase")
    return hub


def give_secret(hub: Machine, client: Machine) -> None:
    """Carry the secret of the account to a client host, for ``--password file:/var/lib/secret``."""
    client.host.write("/var/lib/secret", hub("sasl", "show", ACCOUNT, "--reveal"), 0o600)


Pair = tuple[str, str]
"""Paths of a certificate and its key."""


def pair_of(host: Host, stem: str = "attic") -> Pair:
    """Return the pair that a host of the lab has."""
    certs = host.path(CERTS)
    return str(certs / f"{stem}-cert.pem"), str(certs / f"{stem}-key.pem")


def certified_outside(hub: MailHost, directory: Path) -> Pair:
    """Let an outside CA certify the hub; return the pair of a client that it certified, named as ours."""
    outside = other_ca(directory / "outside")
    hub("cert", "request", HUB)
    answer = outside.answer(hub.host.path(f"{CERTS}/dmzmail.csr"))
    for file, name in ((answer, "answer.pem"), (outside.certificate, "outside.pem")):
        shutil.copy(file, hub.host.path(f"/var/lib/{name}"))
    said = hub("cert", "install", "/var/lib/answer.pem", "--ca", "/var/lib/outside.pem")
    assert "its client certificates do not allow relaying" in said
    request = request_of(directory, f"/CN={CLIENT}")
    return str(outside.answer(request, (CLIENT,))), str(request.with_suffix(".key"))


def answers(hub: MailHost, client: MailHost, pair: Pair) -> tuple[int, int]:
    """Offer the hub a message for outside, from the client's address and with a certificate.

    Returns:
        Its answer to AUTH EXTERNAL, 0 where it does not offer that; and to the recipient.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(*pair)
    with client.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as session:
        session._host = HUB  # type: ignore[attr-defined]
        session.ehlo(CLIENT)
        session.starttls(context=context)
        session.ehlo(CLIENT)
        is_offered = "EXTERNAL" in session.esmtp_features.get("auth", "").split()
        answered = session.docmd("AUTH", "EXTERNAL =")[0] if is_offered else 0
        session.mail(SENDER)
        return answered, session.rcpt(FOREIGN)[0]
