"""One connection to the target in stages, and what each of them shows."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from time import monotonic, sleep
from typing import Self, TypeVar

from ..accounts.database import AccountDatabase
from ..accounts.entries import served
from ..ca.layout import pair_of
from ..config import Site
from ..deploy.facts import held_credential
from ..deploy.role import of_this_hub
from ..errors import (
    DataError,
    DeniedError,
    MissingInputError,
    NoSuchAccountError,
    ProtocolError,
    UnavailableError,
)
from ..files import exists, read_private, read_public
from ..lazy import dataclass
from ..model import Account, Credential
from ..mta import auth_info
from ..mta.sasl_conf import GSSAPI
from ..pki.chains import SERVER_END_POINT, server_end_point
from ..pki.describe import describe
from ..pki.encoding import parse_certificate, parse_certificates
from ..pki.keys import decode_key, is_encrypted
from ..pki.pair_rules import certificate_of
from ..pki.tlsa import match
from ..pki.values import Certificate
from ..secret import Secret
from ..shell import quote_path
from ..smtp import verbs
from ..smtp.connection import (
    TLS_UNIQUE,
    BusyError,
    Capabilities,
    ClientFiles,
    ClosedError,
    Connection,
    Context,
    Endpoint,
    Patience,
    RefusedError,
    Reply,
    ReplyError,
    Session,
    SilentError,
    TlsError,
    UnprovenError,
    VerificationError,
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
_FRESH = 60
"""Seconds for which every server waits for the first word; RFC 5321 section 4.5.3.2.7 asks for 300."""
_UNTIL_ENDED = 3
"""Seconds; Exim counts a connection until the process that served it is gone."""
T = TypeVar("T")


class DowngradeError(ProtocolError):
    """TLS is not to be had."""


@dataclass
class Server:
    """Where all connections of a probe go; as few as there can be, for servers count them.

    Attributes:
        secure: for secrets, until a login ends it.
        anonymous: for whoever has neither certificate nor secret.
        logged_in: on which somebody logged in.
        is_unproven: the server did not prove that it knows the secret, so it is told no other one.
        untold: the mechanisms that were left out for that.
        waiting: connections that will be needed, and when each was opened (monotonic).
        takes_few: it refused one of those, and took it later.
    """

    asked: ProbeRequest
    endpoints: list[Endpoint]
    patience: Patience
    logged_in: "SmtpSession | None" = None
    is_unproven: bool = False
    untold: list[str] = field(default_factory=list)
    waiting: list[tuple[Connection, float]] = field(default_factory=list)
    takes_few: bool = False

    def __post_init__(self) -> None:
        self.secure = Shared(self.trusted)
        self.anonymous = Shared(self.open)

    def close(self) -> None:
        """End every connection."""
        for shared in (self.secure, self.anonymous):
            shared.close()
        if self.logged_in:
            self.logged_in.close()
        self.forget_waiting()

    def forget_waiting(self) -> None:
        """Drop the connections that were opened before they were needed."""
        while self.waiting:
            self.waiting.pop()[0].drop()

    def foresee(self, count: int) -> None:
        """Open as many connections as will be needed: servers let each wait before they greet it.

        Where TLS comes first, who refuses one of them may do so in words or in TLS; there each has its turn.
        """
        if self.asked.target.security is Security.IMPLICIT:
            return
        with suppress(ProtocolError, UnavailableError):
            self.waiting += [(self.reached(), monotonic()) for _ in range(count)]

    def connected(self) -> Connection:
        """Return a connection to the first address that answers."""
        while self.waiting:
            connection, opened = self.waiting.pop(0)
            if monotonic() - opened < _FRESH:
                return connection
            connection.drop()
        return self.reached()

    def reached(self) -> Connection:
        """Open a connection to the first address that answers."""
        *others, last = self.endpoints
        for endpoint in others:
            try:
                return Connection.open(endpoint, self.patience)
            except ProtocolError:
                continue
        return Connection.open(last, self.patience)

    def keep(self, smtp: "SmtpSession | None") -> None:
        """Keep a connection on which somebody has logged in, if a message is to be sent by it."""
        if smtp and self.asked.envelope and self.logged_in is None:
            self.logged_in = smtp
        elif smtp:
            smtp.close()

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
        attempts: to log in; Sendmail calls more of them than it offers mechanisms an attack, and slows down.
        refusal: OpenSSL's, after which the connection was made anew to look at what it refused.
    """

    server: Server
    context: Context
    is_checked: bool
    before: Capabilities = NOTHING
    after: Capabilities = NOTHING
    session: Session | None = None
    presented: tuple[Certificate, ...] = ()
    attempts: int = 0
    refusal: VerificationError | None = None
    _open: Connection | None = field(default=None, repr=False)
    _is_early: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._open:
            self._open.close()
            self._open = None

    @property
    def connection(self) -> Connection:
        """The connection."""
        if self._open is None:
            raise AssertionError("connect first")
        return self._open

    def through(self, *stages: "Stage") -> Self:
        """Go through all stages, or the given ones."""
        for _, stage in stages or STAGES[self.server.asked.target.security]:
            stage(self)
        return self

    def connect(self) -> str:
        """Reach the first address that answers."""
        self._is_early = bool(self.server.waiting)
        self._open = self.server.connected()
        return self._open.peer

    def greet(self) -> str:
        """Read the banner; a server that takes few connections at a time is asked once more, alone."""
        try:
            return str(verbs.greet(self.connection))
        except (BusyError, ClosedError):
            if not (self._is_early or self.server.takes_few):
                raise
        self.connection.drop()
        self.server.forget_waiting()
        sleep(_UNTIL_ENDED)
        self.connect()
        banner = str(verbs.greet(self.connection))
        self.server.takes_few = True
        return banner

    def hello(self) -> str:
        """Say EHLO; inside TLS what was said before counts no more."""
        self.after = verbs.ehlo(self.connection, self.server.asked.hello)
        if self.session is None:
            self.before = self.after
        return ", ".join(self.after.keywords) or "no extensions"

    @property
    def is_spent(self) -> bool:
        """Tell whether the server would take one more attempt to log in amiss."""
        return self.attempts >= len(self.after.mechanisms) > 0

    def start_tls(self) -> str:
        """Ask for TLS; no answer but a plain yes will do."""
        if "STARTTLS" not in self.after:
            raise DowngradeError(self.connection.peer, "STARTTLS is not offered")
        return str(verbs.start_tls(self.connection))

    def secure(self) -> str:
        """Shake hands, and check who that is if that is wanted."""
        name = str(self.server.asked.trust.name)
        self.session = session_of(self.connection.secure(self.context, name))
        self.presented = tuple(parse_certificate(der, self.connection.peer) for der in self.session.presented)
        if self.is_checked:
            self.server.asked.trust.check(self.presented)
            if self.server.asked.tlsa:
                match(self.server.asked.tlsa, self.presented)
        return f"{self.session.version}, {self.session.cipher}, {self.session.bits} bits"

    def look(self) -> str:
        """Shake hands, and where OpenSSL refuses the certificate, once more without its check."""
        try:
            return self.secure()
        except VerificationError as error:
            self.close()
            self.refusal, self.session = error, None
            self.context = unverified(self.server.asked.client)
            stages = STAGES[self.server.asked.target.security]
            self.through(*stages[: stages.index(TLS)])
            return self.secure()

    def channel(self) -> Channel:
        """Return what a mechanism may know of this connection."""
        identity = self.server.asked.identity
        plus = any(name.endswith(PLUS) for name in self.after.mechanisms)
        host = str(self.server.asked.trust.name)
        return Channel(host, identity.realm if identity else "", self._binding(), plus)

    def log_in(self, mechanism: str, identity: Identity, *, is_proof_enough: bool = False) -> Reply:
        """Authenticate; see :func:`smtpcreds.smtp.verbs.authenticate`."""
        self.attempts += 1
        exchange = MECHANISMS[mechanism](identity.login, self.channel())
        hidden = (identity.login.secret.reveal(),)
        return verbs.authenticate(
            self.connection, mechanism, exchange, hidden, is_proof_enough=is_proof_enough
        )

    def _binding(self) -> Binding | None:
        if self.session is None:
            return None
        if self.session.unique:
            return Binding(TLS_UNIQUE, self.session.unique)
        data = server_end_point(self.presented[0])
        return Binding(SERVER_END_POINT, data) if data else None


@dataclass
class Shared:
    """A connection that several questions share, made when the first is asked.

    Attributes:
        make: returns one that is yet to be made.
        current: the one that is there.
    """

    make: Callable[[], SmtpSession]
    current: SmtpSession | None = None

    def ask(self, question: Callable[[SmtpSession], T]) -> T:
        """Ask; where the server has closed the connection since the last question, on a new one."""
        if self.current is not None and self.current.is_spent:
            self.close()
        if self.current is not None:
            try:
                return self._asked(question, self.current)
            except ClosedError:
                pass
        return self._asked(question, self._made())

    def release(self) -> SmtpSession | None:
        """Return the connection, which serves for no more questions."""
        found, self.current = self.current, None
        return found

    def close(self) -> None:
        """End the connection, if there is one."""
        if smtp := self.release():
            smtp.close()

    def _asked(self, question: Callable[[SmtpSession], T], smtp: SmtpSession) -> T:
        try:
            return question(smtp)
        except (ClosedError, SilentError, TlsError, ReplyError):
            self.close()
            raise

    def _made(self) -> SmtpSession:
        smtp = self.make()
        try:
            self.current = smtp.through()
        except BaseException:
            smtp.close()
            raise
        return smtp


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


@dataclass(frozen=True)
class ServerReport:
    """What the first connection showed.

    Attributes:
        mechanisms: offered where one would log in.
        is_verified: the server is who it should be.
        relays: for the client certificate, without a login.
    """

    mechanisms: tuple[str, ...]
    is_verified: bool
    relays: bool = False


def report_server(server: Server, record: Record) -> ServerReport | None:
    """Look at the server; None where the connection did not come about.

    The connection is kept for the logins, if the server is the right one.
    """
    security = server.asked.target.security
    smtp = server.open(server.asked.client) if security is Security.CLEAR else server.by_openssl()
    try:
        for name, stage in STAGES[security]:
            deed = SmtpSession.look if stage == SmtpSession.secure else stage
            if not record.run(name, partial(deed, smtp)):
                smtp.close()
                return None
            if name == "tls":
                certificate_is_good = _certificate(server, smtp, record)
        _offers(server, smtp, record)
        relays = bool(server.asked.client) and may_relay(smtp)
        if security is Security.CLEAR:
            is_verified = False
        else:
            is_verified = record.run("openssl", partial(_openssl, server, smtp)) and certificate_is_good
    except BaseException:
        smtp.close()
        raise
    report = ServerReport(smtp.after.mechanisms, is_verified, relays)
    if is_verified or server.asked.insecure:
        server.secure.current = smtp
    else:
        smtp.close()
    return report


def may_relay(smtp: SmtpSession) -> bool:
    """Tell whether the server takes the recipient of the message to send; it is taken back."""
    envelope = smtp.server.asked.envelope
    if envelope is None:
        return False
    try:
        verbs.admitted(smtp.connection, envelope.sender, envelope.recipient)
    except RefusedError:
        return False
    return True


def _certificate(server: Server, smtp: SmtpSession, record: Record) -> bool:
    """Check what the server presents; tell whether all of it holds."""
    record.run("certificate", partial(_described, smtp))
    trust = server.asked.trust
    held = [record.run(name, partial(check, trust, smtp.presented)) for name, check in CHECKS]
    if server.asked.tlsa:
        held.append(record.run("tlsa", partial(match, server.asked.tlsa, smtp.presented)))
    return all(held)


def _described(smtp: SmtpSession) -> str:
    found = describe(smtp.presented[0])
    sent = len(smtp.presented)
    more = f", sent with {sent - 1} more" if sent > 1 else ""
    return f"{found.title}, {found.key_type}, by {found.issuer}{more}; SHA-256 {found.fingerprint[:16]}..."


def _openssl(server: Server, smtp: SmtpSession) -> str:
    """Say what OpenSSL thinks, as most mail servers do; of CRLs it was told nothing."""
    if smtp.refusal:
        raise smtp.refusal
    return f"verifies it for {server.asked.trust.name}"


def _offers(server: Server, smtp: SmtpSession, record: Record) -> None:
    if server.asked.target.security is Security.STARTTLS:
        record.run("mechanisms before TLS", partial(_before, smtp))
    record.run("mechanisms", partial(_after, server, smtp))


def _before(smtp: SmtpSession) -> str:
    offered = smtp.before.mechanisms
    if clear := sorted(CLEAR_TEXT & set(offered)):
        raise OfferError("AUTH", f"{' and '.join(clear)} before TLS")
    return " ".join(offered) or "none"


def _after(server: Server, smtp: SmtpSession) -> str:
    offered = smtp.after.mechanisms
    if "ANONYMOUS" in offered:
        raise OfferError("AUTH", f"ANONYMOUS among {' '.join(offered)}")
    if set(offered) >= UNCONFIGURED:
        raise OfferError("AUTH", f"NTLM among {' '.join(offered)}")
    if not offered and server.asked.identity:
        raise OfferError("AUTH", "none offered")
    return " ".join(offered) if offered else Note("none")


# AUTH with each mechanism that the account should serve; after a login that is complete none may follow.

NOBODY = Identity(Login("", Secret(b"")))
"""Who logs in by a certificate."""
UNPROVEN = "the server did not prove that it knows the secret, so nothing more is sent to it"
UNVERIFIED = "no password is sent to a server that is not verified; --insecure-send-password sends it"


def log_in(server: Server, record: Record, seen: ServerReport) -> list[str]:
    """Try the mechanisms, strongest first; return those that worked."""
    asked = server.asked
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
    if GSSAPI in seen.mechanisms and not asked.mechanisms:
        record.skip(
            f"auth {GSSAPI}", "not tried: it takes a Kerberos ticket, as curl and the mail programs do"
        )
    for name in wanted:
        if name not in usable:
            record.skip(f"auth {name}", "the account, or its file, does not serve it")
    if not usable:
        record.run("auth", partial(_nothing_in_common, seen))
    server.foresee(further(asked, usable))
    return list(_opened(server, record, usable))


BY_PASSWORD = {"CRAM-MD5", "PLAIN", "LOGIN"}
"""Mechanisms that can't be tried without logging in, after which no other may be tried on the connection."""


def further(asked: ProbeRequest, usable: Sequence[str]) -> int:
    """Return how many connections a probe surely needs beside the first, if these mechanisms work."""
    logins = len({*BY_PASSWORD, EXTERNAL}.intersection(usable[:-1]))
    is_refused = asked.negative or bool(asked.client or asked.revoked)
    wrong_passwords = bool(asked.negative and asked.identity)
    return logins + is_refused + wrong_passwords + bool(asked.revoked)


def _opened(server: Server, record: Record, usable: list[str]) -> Iterator[str]:
    for name in usable:
        if server.is_unproven:
            server.untold.append(name)
            record.skip(f"auth {name}", UNPROVEN)
        elif record.run(f"auth {name}", partial(_attempt, server, name, is_last=name == usable[-1])):
            yield name


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


def _attempt(server: Server, mechanism: str, *, is_last: bool) -> str:
    """Log in; where the server proves itself before the end, no further unless it is the last mechanism."""
    identity = NOBODY if mechanism == EXTERNAL else server.asked.identity or NOBODY
    try:
        reply = server.secure.ask(lambda smtp: smtp.log_in(mechanism, identity, is_proof_enough=not is_last))
    except UnprovenError:
        server.is_unproven = True
        raise
    if reply.code != ACCEPTED:
        return PROVED
    server.keep(server.secure.release())
    return str(reply)


ACCEPTED = 235
PROVED = "both sides proved to know the secret; cancelled there, which saves a connection"


# Who logs in, with which secret and certificate: from accounts, files and what was typed.


def of_account(site: Site, text: str, secret: Callable[[], Secret] | None) -> Identity:
    """Return an account with its secret: the one given, of the database, or what this host logs in with."""
    accounts = AccountDatabase(site)
    account = accounts.parse(text)
    credential = (
        Credential(account, secret(), site.realm)
        if secret
        else held_credential(site, of_this_hub(site), account)
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
        hint = f"openssl pkey -in {quote_path(key)} -out PLAIN, in a directory of mode 0700"
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
    with suppress(MissingInputError, DeniedError, NoSuchAccountError, UnavailableError):
        return served(accounts.properties(account))
    return None


# A marked message, sent by the best login that worked.

MARK = "X-Smtpcreds-Probe"


def send(server: Server, envelope: Envelope, mechanism: str | None) -> str:
    """Send it and return what the server says; ``mechanism`` None sends without a login."""
    asked, mark = server.asked, secrets.token_hex(8)
    content = compose(envelope, mark, asked.hello, asked.trust.now, str(asked.target))

    def sent(smtp: SmtpSession) -> Reply:
        if mechanism and smtp is not server.logged_in:
            smtp.log_in(mechanism, NOBODY if mechanism == EXTERNAL else asked.identity or NOBODY)
        return verbs.deliver(smtp.connection, envelope.sender, envelope.recipient, content)

    reply = sent(server.logged_in) if server.logged_in else server.secure.ask(sent)
    return f"{reply}; marked {MARK}: {mark}"


def compose(envelope: Envelope, mark: str, host: str, now: datetime, target: str) -> bytes:
    """Return a message (RFC 5322) that says what it is.

    Args:
        envelope: repeated in the header.
        mark: what to look for at the other end.
        host: ours, for the Message-ID.
        now: aware.
        target: the server that was probed.
    """
    lines = (
        f"From: {envelope.sender}",
        f"To: {envelope.recipient}",
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
