"""TLS contexts, and what is known of a session of TLS once it stands."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DataError

TLS_UNIQUE = "tls-unique"
Context = ssl.SSLContext
"""For rooms that hand contexts on without looking inside."""


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """Certificate (with those between it and its root) and key, as PEM files; the key is not encrypted."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
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
    context = _context(client)
    context.load_verify_locations(cadata=b"".join(anchors))
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
