"""One connection to the target in stages, and what each of them shows."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Self

from ..accounts.database import AccountDatabase
from ..accounts.entries import served
from ..ca.layout import pair_of
from ..config import Site
from ..deploy.facts import held_credential
from ..errors import DataError, MissingInputError, ProtocolError, SmtpcredsError
from ..files import exists, read_private, read_public
from ..model import Account, Credential
from ..mta import auth_info
from ..mta.programs import PROGRAMS
from ..pki.chains import SERVER_END_POINT, server_end_point
from ..pki.describe import describe
from ..pki.encoding import parse_certificate, parse_certificates
from ..pki.keys import decode_key, is_encrypted
from ..pki.pair_rules import certificate_of
from ..pki.tlsa import match
from ..pki.values import Certificate
from ..secret import Secret
from ..smtp import verbs
from ..smtp.connection import (
    TLS_UNIQUE,
    Capabilities,
    ClientFiles,
    Connection,
    Context,
    Endpoint,
    Patience,
    Reply,
    Session,
    session_of,
    unverified,
    verified,
)
from ..smtp.sasl import EXTERNAL, MECHANISMS, PLUS, Binding, Channel, Login
from .asked import Envelope, Identity, ProbeRequest, Security
from .step import Note, Record
from .trust import CHECKS

# One connection to the target, in stages: each can be a step of its own, or all be gone through at once.

NOTHING = Capabilities({})


class DowngradeError(ProtocolError):
    """TLS is not to be had."""


@dataclass
class Target:
    """Where all connections of a probe go."""

    asked: ProbeRequest
    endpoints: list[Endpoint]
    patience: Patience

    def open(self, client: ClientFiles | None = None) -> "SmtpSession":
        """Return a connection to look at whoever answers; ``client`` is presented."""
        return SmtpSession(self, unverified(client), is_checked=False)

    def by_openssl(self) -> "SmtpSession":
        """Return a connection that OpenSSL ends unless the server's certificate holds."""
        context = verified(self.asked.trust.anchors(), self.asked.client)
        return SmtpSession(self, context, is_checked=False)

    def trusted(self) -> "SmtpSession":
        """Return a connection for secrets: checked by OpenSSL and by us, unless told otherwise."""
        if self.asked.insecure:
            return self.open(self.asked.client)
        if self.asked.target.security is Security.CLEAR:
            raise DowngradeError(str(self.asked.target), "no password is sent without TLS")
        return replace(self.by_openssl(), is_checked=True)


@dataclass
class SmtpSession:
    """A connection that is yet to be made; leaving its context closes it.

    Attributes:
        is_checked: it ends unless our own checks of the server's certificate hold.
        before: what EHLO offered before TLS.
        after: what the last EHLO offered.
        session: of TLS, once it stands.
        presented: the server's certificates, its own first.
    """

    line: Target
    context: Context
    is_checked: bool
    before: Capabilities = NOTHING
    after: Capabilities = NOTHING
    session: Session | None = None
    presented: tuple[Certificate, ...] = ()
    _open: Connection | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._open.close()

    @property
    def connection(self) -> Connection:
        """The connection."""
        if self._open is None:
            raise AssertionError("connect first")
        return self._open

    def through(self, *stages: "Stage") -> Self:
        """Go through all stages, or the given ones."""
        for _, stage in stages or STAGES[self.line.asked.target.security]:
            stage(self)
        return self

    def connect(self) -> str:
        """Reach the first address that answers."""
        *others, last = self.line.endpoints
        for endpoint in others:
            try:
                self._open = Connection.open(endpoint, self.line.patience)
            except ProtocolError:
                continue
            break
        self._open = self._open or Connection.open(last, self.line.patience)
        return self._open.peer

    def greet(self) -> str:
        """Read the banner."""
        return str(verbs.greet(self.connection))

    def hello(self) -> str:
        """Say EHLO; inside TLS what was said before counts no more."""
        self.after = verbs.ehlo(self.connection, self.line.asked.hello)
        if self.session is None:
            self.before = self.after
        return ", ".join(self.after.keywords) or "no extensions"

    def start_tls(self) -> str:
        """Ask for TLS; no answer but a plain yes will do."""
        if "STARTTLS" not in self.after:
            raise DowngradeError(self.connection.peer, "STARTTLS is not offered")
        return str(verbs.start_tls(self.connection))

    def secure(self) -> str:
        """Shake hands, and check who that is if that is wanted."""
        name = str(self.line.asked.trust.name)
        self.session = session_of(self.connection.secure(self.context, name))
        self.presented = tuple(parse_certificate(der, self.connection.peer) for der in self.session.presented)
        if self.is_checked:
            self.line.asked.trust.check(self.presented)
        return f"{self.session.version}, {self.session.cipher}, {self.session.bits} bits"

    def channel(self) -> Channel:
        """Return what a mechanism may know of this connection."""
        identity = self.line.asked.identity
        plus = any(name.endswith(PLUS) for name in self.after.mechanisms)
        host = str(self.line.asked.trust.name)
        return Channel(host, identity.realm if identity else "", self._binding(), plus)

    def log_in(self, mechanism: str, identity: Identity) -> Reply:
        """Authenticate."""
        exchange = MECHANISMS[mechanism](identity.login, self.channel())
        return verbs.authenticate(self.connection, mechanism, exchange, (identity.login.secret.reveal(),))

    def _binding(self) -> Binding | None:
        if self.session is None:
            return None
        if self.session.unique:
            return Binding(TLS_UNIQUE, self.session.unique)
        data = server_end_point(self.presented[0])
        return Binding(SERVER_END_POINT, data) if data else None


Stage = tuple[str, Callable[[SmtpSession], str]]

CONNECT: Stage = ("connect", SmtpSession.connect)
BANNER: Stage = ("banner", SmtpSession.greet)
EHLO: Stage = ("ehlo", SmtpSession.hello)
TLS: Stage = ("tls", SmtpSession.secure)

CLEAR = (CONNECT, BANNER, EHLO)
STAGES: dict[Security, tuple[Stage, ...]] = {
    Security.CLEAR: CLEAR,
    Security.STARTTLS: (
        *CLEAR,
        ("starttls", SmtpSession.start_tls),
        TLS,
        ("ehlo inside TLS", SmtpSession.hello),
    ),
    Security.IMPLICIT: (CONNECT, TLS, BANNER, EHLO),
}
"""By when TLS begins."""


# The first connection: everything that shows without a secret.

CLEAR_TEXT = {"PLAIN", "LOGIN"}
UNCONFIGURED = {"NTLM", "SCRAM-SHA-512"}
"""Together the mark of a Cyrus SASL without mech_list (observed); others offer one of them at most."""


class OfferError(DataError):
    """The mechanisms offered are not what they should be."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What the first connection showed.

    Attributes:
        mechanisms: offered where one would log in.
        is_verified: the server is who it should be.
    """

    mechanisms: tuple[str, ...]
    is_verified: bool


def report_server(line: Target, record: Record) -> ServerReport | None:
    """Look at the server; None where the connection did not come about."""
    with line.open(line.asked.client) as call:
        for name, stage in STAGES[line.asked.target.security]:
            if not record.run(name, partial(stage, call)):
                return None
            if name == "tls":
                certificate_is_good = _certificate(line, call, record)
        _offers(line, call, record)
    if line.asked.target.security is Security.CLEAR:
        return ServerReport(call.after.mechanisms, is_verified=False)
    is_verified = record.run("openssl", partial(_openssl, line)) and certificate_is_good
    return ServerReport(call.after.mechanisms, is_verified)


def _certificate(line: Target, call: SmtpSession, record: Record) -> bool:
    """Check what the server presents; tell whether all of it holds."""
    record.run("certificate", partial(_described, call))
    trust = line.asked.trust
    held = [record.run(name, partial(check, trust, call.presented)) for name, check in CHECKS]
    if line.asked.tlsa:
        held.append(record.run("tlsa", partial(match, line.asked.tlsa, call.presented)))
    return all(held)


def _described(call: SmtpSession) -> str:
    found = describe(call.presented[0])
    sent = len(call.presented)
    more = f", sent with {sent - 1} more" if sent > 1 else ""
    return f"{found.title}, {found.key_type}, by {found.issuer}{more}; SHA-256 {found.fingerprint[:16]}..."


def _openssl(line: Target) -> str:
    """Have OpenSSL verify, as most mail servers do; of CRLs it is told nothing."""
    with line.by_openssl() as call:
        call.through()
    return f"verifies it for {line.asked.trust.name}"


def _offers(line: Target, call: SmtpSession, record: Record) -> None:
    if line.asked.target.security is Security.STARTTLS:
        record.run("mechanisms before TLS", partial(_before, call))
    record.run("mechanisms", partial(_after, line, call))


def _before(call: SmtpSession) -> str:
    offered = call.before.mechanisms
    if clear := sorted(CLEAR_TEXT & set(offered)):
        raise OfferError("AUTH", f"{' and '.join(clear)} before TLS")
    return " ".join(offered) or "none"


def _after(line: Target, call: SmtpSession) -> str:
    offered = call.after.mechanisms
    if "ANONYMOUS" in offered:
        raise OfferError("AUTH", f"ANONYMOUS among {' '.join(offered)}")
    if set(offered) >= UNCONFIGURED:
        raise OfferError("AUTH", f"NTLM among {' '.join(offered)}")
    if not offered and line.asked.identity:
        raise OfferError("AUTH", "none offered")
    return " ".join(offered) if offered else Note("none")


# AUTH with each mechanism that the account should serve, each on a connection of its own.

NOBODY = Identity(Login("", Secret(b"")))
"""Who logs in by a certificate."""
UNVERIFIED = "no password is sent to a server that is not verified; --insecure-send-password sends it"


def log_in(line: Target, record: Record, seen: ServerReport) -> list[str]:
    """Try the mechanisms, strongest first; return those that worked."""
    asked = line.asked
    if not asked.identity and not (asked.client and _by_certificate(asked, seen)):
        record.skip("auth", "no account given")
        return []
    if not (seen.mechanisms or asked.mechanisms):
        record.skip("auth", "no mechanism is offered")
        return []
    if not (seen.is_verified or asked.insecure):
        record.skip("auth", UNVERIFIED)
        return []
    wanted = _wanted(asked, seen)
    usable = [name for name in wanted if _is_served(asked, name)]
    for name in wanted:
        if name not in usable:
            record.skip(f"auth {name}", "the account, or its file, does not serve it")
    if not usable:
        record.run("auth", partial(_nothing_in_common, seen))
    return [name for name in usable if record.run(f"auth {name}", partial(_attempt, line, name))]


def _wanted(asked: ProbeRequest, seen: ServerReport) -> list[str]:
    """Return the mechanisms asked for, else those that are offered and known."""
    known = [name for name in MECHANISMS if name in (asked.mechanisms or seen.mechanisms)]
    if asked.mechanisms:
        return known
    usable = [name for name in known if asked.identity or name == EXTERNAL]
    return [name for name in usable if asked.client or name != EXTERNAL]


def _by_certificate(asked: ProbeRequest, seen: ServerReport) -> bool:
    return EXTERNAL in seen.mechanisms or EXTERNAL in asked.mechanisms


def _is_served(asked: ProbeRequest, mechanism: str) -> bool:
    served = asked.identity.served if asked.identity else None
    return served is None or mechanism == EXTERNAL or mechanism.removesuffix(PLUS) in served


def _nothing_in_common(seen: ServerReport) -> str:
    raise OfferError(
        "AUTH", f"no mechanism in common; the server offers {' '.join(seen.mechanisms) or 'none'}"
    )


def _attempt(line: Target, mechanism: str) -> str:
    return attempt(line, mechanism, line.asked.identity or NOBODY)


def attempt(line: Target, mechanism: str, identity: Identity) -> str:
    """Log in on a new connection and return what the server says."""
    if mechanism == EXTERNAL:
        identity = NOBODY
    with line.trusted() as call:
        call.through()
        return str(call.log_in(mechanism, identity))


# Who logs in, with which secret and certificate: from accounts, files and what was typed.


def of_account(site: Site, text: str, secret: Callable[[], Secret] | None) -> Identity:
    """Return an account with its secret: the one given, of the database, or what this host logs in with."""
    accounts = AccountDatabase(site)
    account = accounts.parse(text)
    credential = (
        Credential(account, secret(), site.realm)
        if secret
        else held_credential(site, PROGRAMS.values(), account)
    )
    login = Login(credential.login, credential.secret)
    return Identity(login, account.realm, _served(accounts, account))


def of_file(path: str) -> Identity:
    """Return what a default-auth-info says; its mechanism list limits what is tried, as in Sendmail."""
    found = auth_info.parse(read_private(path), path)
    authzid = "" if found.authzid == found.authcid else found.authzid
    return Identity(Login(found.authcid, found.secret, authzid), found.realm, found.mechanisms or None)


def of_pair(certificate: str, key: str) -> ClientFiles:
    """Return a pair to present, once it is known to be one."""
    encoded = read_private(key)
    if is_encrypted(encoded):
        hint = f"openssl pkey -in {key} -out PLAIN, in a directory of mode 0700"
        raise DataError(key, "is encrypted; mail servers could not use it either", hint)
    first = parse_certificates(read_public(certificate), certificate).certificates[0]
    certificate_of(decode_key(encoded, None, key), [first], key, certificate)
    return ClientFiles(certificate, key)


def of_host(site: Site, host: str) -> ClientFiles:
    """Return the pair of a host, as it is installed here."""
    pair = pair_of(site, site.qualify(host))
    if not exists(pair.certificate):
        reason = f"has no certificate in {site.certificates}"
        raise MissingInputError(host, reason, "name the files: --cert FILE --key FILE")
    return of_pair(pair.certificate, pair.key)


def _served(accounts: AccountDatabase, account: Account) -> tuple[str, ...] | None:
    """Return what the account has secrets for; None where the database is not here, or not for us."""
    with suppress(SmtpcredsError):
        return served(accounts.properties(account))
    return None


# A marked message, sent by the best login that worked.

MARK = "X-Smtpcreds-Probe"


def send(line: Target, letter: Envelope, mechanism: str | None) -> str:
    """Send it and return what the server says; ``mechanism`` None sends without a login."""
    asked, mark = line.asked, secrets.token_hex(8)
    with line.trusted() as call:
        call.through()
        if mechanism:
            call.log_in(mechanism, asked.identity or NOBODY)
        content = compose(letter, mark, asked.hello, asked.trust.now, str(asked.target))
        reply = verbs.deliver(call.connection, letter.sender, letter.recipient, content)
    return f"{reply}; marked {MARK}: {mark}"


def compose(letter: Envelope, mark: str, host: str, now: datetime, target: str) -> bytes:
    """Return a message (RFC 5322) that says what it is.

    Args:
        letter: the envelope, repeated in the header.
        mark: what to look for at the other end.
        host: ours, for the Message-ID.
        now: aware.
        target: the server that was probed.
    """
    lines = (
        f"From: {letter.sender}",
        f"To: {letter.recipient}",
        f"Subject: smtpcreds probe {mark}",
        f"Date: {_date(now)}",
        f"Message-ID: <{mark}@{host}>",
        f"{MARK}: {mark}",
        "Auto-Submitted: auto-generated",
        "",
        f"Sent by smtpcreds probe through {target}. It can be deleted.",
        "",
    )
    return "\r\n".join(lines).encode()


def _date(now: datetime) -> str:
    from email.utils import format_datetime

    return format_datetime(now)
