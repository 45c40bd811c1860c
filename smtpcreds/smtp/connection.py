"""One connection to one server: octets in time, with or without TLS."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Self

from .dialogue import Replies, Reply
from .faults import ClosedError, RefusedError, SilentError, TlsError, UnreachableError

_CHUNK = 4096
_FAREWELL = 2.0
"""Seconds that QUIT may take; its answer does not matter."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that a name resolved to, as :mod:`socket` takes it."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]

    def __str__(self) -> str:
        host, port = self.address[:2]
        return f"[{host}]:{port}" if self.family == socket.AF_INET6 else f"{host}:{port}"


def resolve(host: str, port: int) -> list[Endpoint]:
    """Return the addresses of a name, in the order in which the system would try them.

    Raises:
        UnreachableError: the name has none.
    """
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
        """Connect.

        Raises:
            UnreachableError: refused, no route, or no answer in time.
        """
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
        """Wait for one reply.

        Raises:
            ReplyError, ClosedError, SilentError, TlsError: there is none.
        """
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
            raise RefusedError(self.peer, shown)
        return shown

    def discard(self) -> int:
        """Forget what came and was not read; return how many octets that were."""
        return len(self._replies.discard())

    def secure(self, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        """Begin TLS; what came before and was not read is forgotten (RFC 3207 section 6).

        Args:
            context: see :mod:`.tls`.
            name: for SNI, and for the check if the context makes one.

        Raises:
            TlsError: no handshake, or not with this server.
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
