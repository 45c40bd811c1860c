"""One connection to the target, in stages: each can be a step of its own, or all be gone through at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from ..errors import ProtocolError
from ..pki.binding import SERVER_END_POINT, server_end_point
from ..pki.pem import parse_certificate
from ..pki.values import Certificate
from ..smtp import verbs
from ..smtp.connection import Connection, Endpoint, Patience
from ..smtp.dialogue import Capabilities, Reply
from ..smtp.sasl import MECHANISMS, PLUS, Binding, Channel
from ..smtp.tls import TLS_UNIQUE, ClientFiles, Context, Session, session_of, unverified, verified
from .asked import Asked, Identity
from .target import Security

NOTHING = Capabilities({})


class DowngradeError(ProtocolError):
    """TLS is not to be had."""


@dataclass
class Line:
    """Where all connections of a probe go."""

    asked: Asked
    endpoints: list[Endpoint]
    patience: Patience

    def open(self, client: ClientFiles | None = None) -> "Call":
        """Return a connection to look at whoever answers; ``client`` is presented."""
        return Call(self, unverified(client), is_checked=False)

    def by_openssl(self) -> "Call":
        """Return a connection that OpenSSL ends unless the server's certificate holds."""
        context = verified(self.asked.trust.anchors(), self.asked.client)
        return Call(self, context, is_checked=False)

    def trusted(self) -> "Call":
        """Return a connection for secrets: checked by OpenSSL and by us, unless told otherwise."""
        if self.asked.insecure:
            return self.open(self.asked.client)
        if self.asked.target.security is Security.CLEAR:
            raise DowngradeError(str(self.asked.target), "no password is sent without TLS")
        return replace(self.by_openssl(), is_checked=True)


@dataclass
class Call:
    """A connection that is yet to be made; leaving its context closes it.

    Attributes:
        is_checked: it ends unless our own checks of the server's certificate hold.
        before: what EHLO offered before TLS.
        after: what the last EHLO offered.
        session: of TLS, once it stands.
        presented: the server's certificates, its own first.
    """

    line: Line
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


Stage = tuple[str, Callable[[Call], str]]

CONNECT: Stage = ("connect", Call.connect)
BANNER: Stage = ("banner", Call.greet)
EHLO: Stage = ("ehlo", Call.hello)
TLS: Stage = ("tls", Call.secure)

CLEAR = (CONNECT, BANNER, EHLO)
STAGES: dict[Security, tuple[Stage, ...]] = {
    Security.CLEAR: CLEAR,
    Security.STARTTLS: (*CLEAR, ("starttls", Call.start_tls), TLS, ("ehlo inside TLS", Call.hello)),
    Security.IMPLICIT: (CONNECT, TLS, BANNER, EHLO),
}
"""By when TLS begins."""
