"""What a client host gets of a hub whose settings were changed, and cures typed as they were printed."""

import json
import shlex
import smtplib
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from admin import CERTS, HUB
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, SENDER, MailHost
from place import PLACE


@dataclass(frozen=True)
class Seen:
    """What a client host gets of the hub.

    Attributes:
        tls: whether STARTTLS was offered and worked.
        auth: mechanisms inside TLS; None without AUTH.
        relays: the answer to a recipient elsewhere, 0 where no session came about.
    """

    tls: bool
    auth: frozenset[str] | None
    relays: int


_HIDDEN = 8
PATIENCE = 20
"""Seconds: a server whose processes die as they start takes a connection and says nothing."""


class Visitor:
    """A client host without software, with an account or a certificate of the hub's authority."""

    def __init__(self, hub: MailHost, client: MailHost) -> None:
        self.hub, self.client = hub, client
        self.secret = hub("sasl", "show", ACCOUNT, "--reveal").strip()

    def _context(self, *, shows_certificate: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if shows_certificate:
            certs = self.client.host.path(CERTS)
            context.load_cert_chain(certs / "attic-cert.pem", certs / "attic-key.pem")
        return context

    @contextmanager
    def _session(self, port: int, patience: int = PATIENCE) -> Iterator[smtplib.SMTP]:
        with (
            self.client.host.namespace.network(),
            smtplib.SMTP(self.hub.host.address, port, timeout=patience) as session,
        ):
            session._host = HUB  # type: ignore[attr-defined]
            yield session

    def visits(
        self,
        *,
        logs_in: bool = True,
        shows_certificate: bool = False,
        port: int = 25,
        sends: bool = False,
        patience: int = PATIENCE,
    ) -> Seen:
        """Log in by CRAM-MD5, if it is offered, and ask for a recipient elsewhere, or send a message."""
        tls, auth = False, None
        try:
            with self._session(port, patience) as session:
                session.ehlo(self.client.host.name)
                if session.has_extn("starttls"):
                    tls = (
                        session.starttls(context=self._context(shows_certificate=shows_certificate))[0] == 220
                    )
                    session.ehlo(self.client.host.name)
                offer = session.esmtp_features.get("auth")
                auth = None if offer is None else frozenset(offer.split())
                if logs_in and auth and "CRAM-MD5" in auth:
                    session.user, session.password = ACCOUNT, self.secret
                    session.auth("CRAM-MD5", session.auth_cram_md5)
                session.mail(f"polkafan@{self.client.host.name}")
                asked = session.rcpt(FOREIGN)[0]
                return Seen(tls, auth, _answer(session) if sends and asked == 250 else asked)
        except (smtplib.SMTPException, OSError):
            return Seen(tls, auth, 0)

    @contextmanager
    def stays(self) -> Iterator[None]:
        """Be connected, and say nothing but EHLO."""
        with self._session(25) as session:
            session.ehlo(self.client.host.name)
            yield

    def knocks(self, port: int = 25) -> None:
        """Let a daemon start for a client, who does not stay."""
        with self.client.host.namespace.network():
            socket.create_connection((self.hub.host.address, port), timeout=PATIENCE).close()

    def claims(self, words: str) -> int:
        """Say by XCLIENT where the session comes from, and ask for a recipient elsewhere."""
        with self._session(25) as session:
            session.ehlo(self.client.host.name)
            session.docmd("XCLIENT", words)
            session.ehlo(self.client.host.name)
            session.mail(f"polkafan@{self.client.host.name}")
            return session.rcpt(FOREIGN)[0]


MESSAGE = f"""\
Received: from localhost (localhost [127.0.0.1]) by {CLIENT}; Sun, 29 Nov 2026 04:15:42 +0000
Received: by {CLIENT}; Sun, 29 Nov 2026 04:15:41 +0000
From: {SENDER}
To: {FOREIGN}
Subject: polka

"""
MESSAGE += "Rosamunde, schenk mir dein Herz und sag ja.\n" * 5
"""As the programs of a client host hand it on: one took it from a user, the other from that one."""


def _answer(session: smtplib.SMTP) -> int:
    """Return what is said to a message, or to the wish to send one."""
    try:
        return session.data(MESSAGE)[0]
    except smtplib.SMTPDataError as error:
        return error.smtp_code


_OF_SHELLS = frozenset("&|;<>()$`*?[]{}~#!\n")


def by_shell(host: MailHost, cure: str) -> None:
    """Type a cure as it was printed; one that is a command of ours alone needs no shell."""
    ours = f"{sys.executable} -m smtpcreds "
    if cure.startswith(ours) and not set(cure) & _OF_SHELLS:
        host(*shlex.split(cure.removeprefix(ours)))
        return
    command = f"PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={PLACE}; export PATH PYTHONPATH\n{cure}"
    words = host.host.namespace.command(("sh", "-c", command))
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, (cure, done.stdout, done.stderr)


def findings(host: MailHost, *codes: str) -> dict[str, str]:
    """Return code to cure of what the audit finds, of these codes, or of all."""
    only = [word for code in codes for word in ("--only", code)]
    return {f["code"]: f["cure"] for f in host_json(host, "audit", *only)["findings"]}


def all_cured(
    host: MailHost, found: dict[str, str], *codes: str, settle: Callable[[], None] = lambda: None
) -> None:
    """Type the cures until nothing is found; one can show what was hidden behind it."""
    for _ in range(_HIDDEN):
        for cure in found.values():
            by_shell(host, cure.partition(", or by hand")[0])
        settle()
        if not (found := findings(host, *codes)):
            return
    assert found == {}


def host_json(host: MailHost, *words: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = json.loads(host.run("--json", *words).out)
    return found


def no_auth(seen: Seen) -> bool:
    return seen.auth is None


def no_tls(seen: Seen) -> bool:
    return not seen.tls


def refused(seen: Seen) -> bool:
    return seen.relays >= 400


def ended(seen: Seen) -> bool:
    return seen.relays == 0


def patience_with(is_off: Callable[[Seen], bool]) -> int:
    """Return how long to wait for an answer, or to see that none comes."""
    return PATIENCE // 4 if is_off is ended else PATIENCE


@contextmanager
def kept(machine: MailHost, *paths: str) -> Iterator[None]:
    """Put files of a host back as they were."""
    before = {path: machine.host.path(path).read_text() for path in paths}
    try:
        yield
    finally:
        for path, text in before.items():
            machine.host.path(path).write_text(text)


def replaced(machine: MailHost, file: str, old: str, new: str) -> None:
    """Write something else in the place of a part of a file; instead of nothing a line at its end."""
    path = machine.host.path(file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else f"{text}{new}\n")
