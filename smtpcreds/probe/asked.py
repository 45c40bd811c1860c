"""What a probe is told to do."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from ..config import Site
from ..errors import NameRefusedError, UsageError, quoted
from ..names import is_qualified, parse_host
from ..pki.names import Address
from ..pki.tlsa import Association
from ..smtp.connection import ClientFiles, Patience
from ..smtp.sasl import MECHANISMS, Login
from .trust import Trust

# Where a probe goes: a URL, parsed at the door.


class Security(StrEnum):
    """When TLS begins."""

    STARTTLS = "STARTTLS"
    IMPLICIT = "TLS"
    CLEAR = "no TLS"


_SCHEMES = {
    "smtp": (25, Security.STARTTLS),
    "smtp+tls": (587, Security.STARTTLS),
    "smtps": (465, Security.IMPLICIT),
}
_FORMS = "smtp://HOST[:PORT], smtp+tls://HOST[:PORT] or smtps://HOST[:PORT], with ACCOUNT@ before HOST"
_ALIASES = {"localhost"}
"""Never completed with the domain (RFC 6761 section 6.3)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server.

    Attributes:
        host: name as lower-case A-labels, or an address.
        port: TCP.
        security: when TLS begins.
        account: as typed; empty where the URL has none.
    """

    host: str
    port: int
    security: Security
    account: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_target(site: Site, text: str, *, clear: bool = False) -> Target:
    """Read a URL.

    Args:
        site: completes a short host name with its domain.
        text: as typed.
        clear: never begin TLS.
    """
    user, password = _user(text)
    if password:
        reason = "carries a password, which every user of this host can see in the process list"
        raise UsageError("the URL", reason, "--password SOURCE, as in file:PATH; and change that password")
    scheme, host, port = _parts(text)
    default, security = _SCHEMES[scheme]
    if clear and security is Security.IMPLICIT:
        raise UsageError("--no-tls", "contradicts smtps://", "smtp://HOST")
    return Target(_host(site, host), port or default, Security.CLEAR if clear else security, user)


def parse_name(site: Site, text: str) -> str | Address:
    """Return what a certificate must be for: a name, or an address."""
    return address_of(text) or _host(site, text)


def address_of(text: str) -> Address | None:
    """Return the address that a text is, if it is one."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _user(text: str) -> tuple[str, bool]:
    """Return the account, and whether a password follows it; a password may hold any character."""
    rest = text.partition("://")[2] or text
    user, colon, _ = rest.rpartition("@")[0].partition(":")
    return unquote(user), bool(colon)


def _parts(text: str) -> tuple[str, str, int | None]:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise UsageError(quoted(text), f"is not a URL: {str(error)[:60].lower()}", _FORMS) from None
    if url.scheme not in _SCHEMES or not host:
        hint = f"did you mean smtp://{text}?" if _is_host(text) else _FORMS
        raise UsageError(quoted(text), "is not a URL of an SMTP server", hint)
    if url.path not in {"", "/"} or url.query or url.fragment or port == 0:
        raise UsageError(quoted(text), "has more than host and port", _FORMS)
    return url.scheme, host, port


def _is_host(text: str) -> bool:
    try:
        return bool(parse_host(text))
    except NameRefusedError:
        return False


def _host(site: Site, text: str) -> str:
    if address := address_of(text):
        return str(address)
    if text in _ALIASES:
        return text
    try:
        return site.qualify(text)
    except NameRefusedError:
        if is_qualified(text):
            raise
        raise NameRefusedError(quoted(text), "is neither a host name nor an address") from None


ROUNDS = 20
"""The whole probe may take so many times the patience with one step."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logs in.

    Attributes:
        login: for the mechanisms.
        realm: of the account.
        served: mechanisms that the account has a secret for, or its file names; None for no limit known.
    """

    login: Login
    realm: str = ""
    served: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a message to send; addresses without angle brackets."""

    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Everything.

    Attributes:
        target: where.
        trust: what its certificate is checked against.
        hello: our name.
        identity: None where nobody logs in.
        client: certificate and key to present.
        revoked: a pair that must be refused.
        tlsa: records of which one must fit.
        mechanisms: to try; empty for all that are offered.
        negative: try what must be refused.
        insecure: send the password even if the server is not verified.
        envelope: a message to send.
        seconds: patience with one step.
    """

    target: Target
    trust: Trust
    hello: str
    identity: Identity | None = None
    client: ClientFiles | None = None
    revoked: ClientFiles | None = None
    tlsa: tuple[Association, ...] = ()
    mechanisms: tuple[str, ...] = ()
    negative: bool = False
    insecure: bool = False
    envelope: Envelope | None = None
    seconds: float = 30.0

    def patience(self) -> Patience:
        """Start waiting."""
        return Patience.of(self.seconds, self.seconds * ROUNDS)


def parse_mechanism(text: str) -> str:
    """Return the name of a mechanism that is implemented."""
    if text.upper() not in MECHANISMS:
        raise UsageError(
            quoted(text), "unknown mechanism, or one that can't be tried", f"known: {', '.join(MECHANISMS)}"
        )
    return text.upper()


def parse_mailbox(text: str) -> str:
    """Return an address that can stand in an envelope."""
    local, at, domain = text.rpartition("@")
    if not (local and at and domain and text.isascii() and text.isprintable()) or set(text) & set(" <>,;"):
        raise UsageError(quoted(text), "is not an address of the form name@domain")
    return text
