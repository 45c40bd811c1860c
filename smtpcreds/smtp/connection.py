"""One connection to one server: octets in time, TLS, replies, and the dialogue."""

import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from time import monotonic
from typing import Self

from ..errors import DataError, ProtocolError, TooEarlyError, UnavailableError
from ..lazy import dataclass, pattern

# TLS contexts, and what is known of a session of TLS once it stands.

TLS_UNIQUE = "tls-unique"
Context = ssl.SSLContext
"""For rooms that hand contexts on without looking inside."""


@dataclass(frozen=True)
class ClientFiles:
    """Certificate (with those between it and its root) and key, as PEM files; the key is not encrypted."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Session:
    """A session of TLS.

    Attributes:
        version: ``TLSv1.3``.
        cipher: OpenSSL's name.
        bits: of the cipher's key.
        presented: the certificates that the server sent, its own first, as DER.
        unique: octets of the channel binding tls-unique (RFC 5929); None above TLS 1.2, which has none.
    """

    version: str
    cipher: str
    bits: int
    presented: tuple[bytes, ...]
    unique: bytes | None


def unverified(client: ClientFiles | None = None) -> ssl.SSLContext:
    """Return a context that takes any certificate: to look at it, not to tell it secrets."""
    context = _context(client)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def verified(anchors: Iterable[bytes], client: ClientFiles | None = None) -> ssl.SSLContext:
    """Return a context in which OpenSSL checks chain, dates, purpose and name.

    Args:
        anchors: DER of the CA certificates that are known; only self-signed ones are trusted.
        client: what to present if the server asks.
    """
    context, known = _context(client), b"".join(anchors)
    try:
        context.load_verify_locations(cadata=known)
    except ssl.SSLError:
        # Python takes an error that others in OpenSSL left behind for its own, and clears it: SoftHSM 2.6
        # leaves "no such engine".
        context.load_verify_locations(cadata=known)
    return context


def _context(client: ClientFiles | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if client:
        try:
            context.load_cert_chain(client.certificate, client.key, _no_passphrase)
        except ssl.SSLError as error:
            reason = (error.reason or "is refused by OpenSSL").replace("_", " ").lower()
            raise DataError(client.certificate, f"can't be presented: {reason}") from None
    return context


def _no_passphrase() -> bytes:
    """Answer OpenSSL, which would otherwise ask on the terminal."""
    return b""


def session_of(handle: ssl.SSLSocket) -> Session:
    """Describe the session of a connected socket."""
    cipher, _, bits = handle.cipher() or ("none", "", 0)
    version = handle.version() or "none"
    unique = None if version == "TLSv1.3" else handle.get_channel_binding(TLS_UNIQUE)
    return Session(version, cipher, bits, _presented(handle), unique)


def _presented(handle: ssl.SSLSocket) -> tuple[bytes, ...]:
    """Return all certificates the server sent.

    Python 3.13 has a method for it; before, only the object inside has one, whose certificates are encoded
    by public_bytes.
    """
    own = handle.getpeercert(binary_form=True)
    if hasattr(handle, "get_unverified_chain"):
        return tuple(handle.get_unverified_chain()) or (own or b"",)
    chain = handle._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]  # noqa: SLF001
    return tuple(certificate.public_bytes(_DER) for certificate in chain) or (own or b"",)


_DER = 2
"""``_ssl.ENCODING_DER``."""


# Replies of a server, from octets to values (RFC 5321 section 4.2, RFC 1869), with limits. Pure.

MAX_LINE = 2048
"""Octets with the line end; RFC 5321 section 4.5.3.1.5 has 512, a DIGEST-MD5 challenge may be longer."""
MAX_LINES = 100
SHOWN = 300
"""Characters of a reply that are quoted."""

_LINE = pattern(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_KEYWORD = pattern(r"[A-Za-z0-9][A-Za-z0-9-]*")


class ReplyError(ProtocolError):
    """What came is no reply."""


@dataclass(frozen=True)
class Reply:
    """A reply: its code, and the text of each line, printable whatever the server sent."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one, cut where a person has read enough."""
        whole = " ".join(line for line in self.lines if line)
        return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}..."

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    def without(self, words: Iterable[bytes]) -> "Reply":
        """Return the reply with these words masked, for a server may repeat what it was sent."""
        shown = [word.decode(errors="backslashreplace") for word in words if word]
        return replace(self, lines=tuple(_masked(line, shown) for line in self.lines))


def _masked(line: str, words: Iterable[str]) -> str:
    for word in words:
        line = line.replace(word, "<secret>")
    return line


@dataclass
class Replies:
    """Turns octets into replies, in whatever pieces they come.

    It holds one reply at most: more than :data:`MAX_LINES` lines of :data:`MAX_LINE` octets raise.
    """

    subject: str
    _buffer: bytearray = field(default_factory=bytearray)
    _code: int = 0
    _lines: list[str] = field(default_factory=list)

    def feed(self, octets: bytes) -> None:
        """Add what was received."""
        self._buffer += octets

    def take(self) -> Reply | None:
        """Return the next whole reply, or None where more octets are needed.

        A line may end in LF alone, as every client takes it.
        """
        while (end := self._buffer.find(b"\n", 0, MAX_LINE)) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            if self._is_last(line):
                reply = Reply(self._code, tuple(self._lines))
                self._code, self._lines = 0, []
                return reply
        if len(self._buffer) >= MAX_LINE:
            raise ReplyError(self.subject, f"sent a line of over {MAX_LINE} octets")
        return None

    def discard(self) -> bytes:
        """Return and forget all that came and was not taken (RFC 3207 section 5)."""
        pending = bytes(self._buffer)
        self._buffer.clear()
        self._code, self._lines = 0, []
        return pending

    @property
    def is_inside(self) -> bool:
        """Tell whether a reply has begun."""
        return bool(self._buffer or self._lines)

    def _is_last(self, line: bytes) -> bool:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ReplyError(self.subject, f"sent what is not a reply: {printable(line[:60])!r}")
        code, mark, text = int(found[1]), found[2], found[3] or b""
        if self._lines and code != self._code:
            raise ReplyError(self.subject, f"sent a reply with two codes, {self._code} and {code}")
        if len(self._lines) >= MAX_LINES:
            raise ReplyError(self.subject, f"sent a reply of over {MAX_LINES} lines")
        self._code = code
        self._lines.append(printable(text))
        return mark != b"-"


def printable(octets: bytes) -> str:
    """Return octets as text in which nothing can move a terminal's cursor; UTF-8 stays readable."""
    text = octets.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True)
class Capabilities:
    """What EHLO offers: keyword in upper case to its parameters."""

    keywords: Mapping[str, tuple[str, ...]]

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms, in the server's order, each once and in upper case."""
        return tuple(dict.fromkeys(name.upper() for name in self.keywords.get("AUTH", ())))


def capabilities(reply: Reply) -> Capabilities:
    """Read the reply to EHLO; lines that are no keyword are passed over."""
    found: dict[str, tuple[str, ...]] = {}
    for keyword, *parameters in filter(None, (line.split() for line in reply.lines[1:])):
        if _KEYWORD.fullmatch(keyword):
            found[keyword.upper()] = (*found.get(keyword.upper(), ()), *parameters)
    return Capabilities(found)


# How a conversation can fail, beside replies that are none (:class:`ReplyError`).


class UnreachableError(UnavailableError):
    """No connection could be made."""


class SilentError(UnavailableError):
    """The other side did not answer in time."""


class ClosedError(ProtocolError):
    """The other side closed the connection."""


class TlsError(ProtocolError):
    """TLS failed; the reason is in OpenSSL's words."""


class RefusedError(ProtocolError):
    """The server answered, and the answer is no.

    Attributes:
        reply: what it said.
    """

    def __init__(self, subject: str, reply: Reply) -> None:
        super().__init__(subject, str(reply))
        self.reply = reply


class BusyError(TooEarlyError):
    """The server answers nothing now: 421 and 454 say so of whatever was asked, which is not known then."""


class VerificationError(TlsError):
    """OpenSSL refused the server's certificate."""


class SaslError(ProtocolError):
    """A challenge that breaks its mechanism."""


class UnprovenError(SaslError):
    """A server that can't prove to know the secret: an impostor must not be sent another one."""


BUSY = {421, 454}
"""RFC 5321 section 4.2.3, RFC 3207 section 4, RFC 4954 section 6: as with rate limits, for a while."""


def refused(peer: str, reply: Reply) -> ProtocolError | BusyError:
    """Return the error that a reply is."""
    return BusyError(peer, str(reply)) if reply.code in BUSY else RefusedError(peer, reply)


# One connection to one server: octets in time, with or without TLS.

_CHUNK = 4096
_FAREWELL = 2.0
"""Seconds that QUIT may take; its answer does not matter."""


@dataclass(frozen=True)
class Patience:
    """How long is waited: seconds for each step, and the moment (monotonic) at which all of it ends."""

    step: float
    end: float

    @classmethod
    def of(cls, step: float, total: float) -> "Patience":
        """Start now, with these seconds for a step and for everything."""
        return cls(step, monotonic() + total)

    def until(self) -> float:
        """Return when a step that begins now must be over."""
        return min(monotonic() + self.step, self.end)


@dataclass(frozen=True)
class Endpoint:
    """An address that a name resolved to, as :mod:`socket` takes it."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]

    def __str__(self) -> str:
        host, port = self.address[:2]
        return f"[{host}]:{port}" if self.family == socket.AF_INET6 else f"{host}:{port}"


def resolve(host: str, port: int) -> list[Endpoint]:
    """Return the addresses of a name, in the order in which the system would try them."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnreachableError(host, f"name not resolved: {reason or 'it can not be one'}") from None
    return list(dict.fromkeys(Endpoint(family, address) for family, _, _, _, address in found))  # type: ignore[arg-type]


class Connection:
    """A conversation with a server; :meth:`close` ends it, as does leaving the context.

    Attributes:
        peer: address and port, for messages.
        hidden: octets that are masked in replies which are expected to have certain codes, and so are shown.
    """

    def __init__(self, peer: str, handle: socket.socket, patience: Patience) -> None:
        self.peer = peer
        self.hidden: list[bytes] = []
        self._handle = handle
        self._patience = patience
        self._replies = Replies(peer)

    @classmethod
    def open(cls, endpoint: Endpoint, patience: Patience) -> Self:
        """Connect."""
        handle = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            handle.settimeout(max(0.001, patience.until() - monotonic()))
            handle.connect(endpoint.address)
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            handle.close()
            raise UnreachableError(str(endpoint), "connection timed out") from None
        except OSError as error:
            handle.close()
            raise UnreachableError(str(endpoint), (error.strerror or str(error)).lower()) from None
        return cls(str(endpoint), handle, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self) -> Reply:
        """Wait for one reply."""
        until = self._patience.until()
        while (reply := self._replies.take()) is None:
            if octets := self._receive(until):
                self._replies.feed(octets)
            else:
                inside = "in the middle of a reply" if self._replies.is_inside else "without a reply"
                raise ClosedError(self.peer, f"closed the connection {inside}")
        return reply

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        with self._explained(until := self._patience.until()):
            self._handle.settimeout(max(0.001, until - monotonic()))
            try:
                self._handle.sendall(octets)
            except (ssl.SSLEOFError, ConnectionError):
                self._handle.recv(_CHUNK)  # an alert that says why has perhaps arrived before
                raise

    def command(self, line: bytes, *accepted: int) -> Reply:
        """Send a line and return its reply; where codes are given, another one raises RefusedError."""
        self.send(line + b"\r\n")
        return self.expect(*accepted)

    def expect(self, *accepted: int) -> Reply:
        """Return the next reply, which has to have one of these codes, if any are given."""
        reply = self.reply()
        shown = reply.without(self.hidden) if accepted else reply
        if accepted and reply.code not in accepted:
            raise refused(self.peer, shown)
        return shown

    def discard(self) -> int:
        """Forget what came and was not read; return how many octets that were."""
        return len(self._replies.discard())

    def secure(self, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        """Begin TLS; what came before and was not read is forgotten (RFC 3207 section 6).

        Args:
            context: from :func:`unverified` or :func:`verified`.
            name: for SNI, and for the check if the context makes one.
        """
        self.discard()
        with self._explained(until := self._patience.until()):
            self._handle.settimeout(max(0.001, until - monotonic()))
            secured = context.wrap_socket(self._handle, server_hostname=name, do_handshake_on_connect=False)
            self._handle = secured
            secured.do_handshake()
        return secured

    def close(self) -> None:
        """Say goodbye, if there is still somebody, and close."""
        with suppress(OSError, ValueError):
            self._handle.settimeout(_FAREWELL)
            self._handle.sendall(b"QUIT\r\n")
        with suppress(OSError):
            self._handle.close()

    def drop(self) -> None:
        """Close without a word, as a client must that was not greeted yet (RFC 5321 section 4.3.1)."""
        with suppress(OSError):
            self._handle.close()

    def _receive(self, until: float) -> bytes:
        with self._explained(until):
            self._handle.settimeout(max(0.001, until - monotonic()))
            return self._handle.recv(_CHUNK)

    @contextmanager
    def _explained(self, until: float) -> Iterator[None]:
        """Give errors of the system and of OpenSSL our names; time that has run out is one of them."""
        try:
            if monotonic() >= until:
                raise TimeoutError
            yield
        except TimeoutError:
            raise SilentError(self.peer, "did not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise VerificationError(self.peer, _words(error)) from None
        except ssl.SSLError as error:
            raise TlsError(self.peer, _words(error)) from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ClosedError(self.peer, f"the connection broke: {reason}") from None


def _words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # Python 3.11.2 says the second
        return "the connection was closed in the middle of TLS"
    return (error.reason or str(error)).replace("_", " ").lower()
