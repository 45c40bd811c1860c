"""The authority's key in a PKCS #11 token: opened with its PIN to sign, or made there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from secrets import token_bytes

from ..errors import DataError, DeniedError, MissingInputError, SmtpcredsError, UsageError
from ..files import disk, read_if_there
from ..pkcs11 import KINDS, KeyUri, Session, check
from ..pki.keys import KeyType, PublicKey, RemoteKey, decode_public_key, generate, scheme_of
from ..pki.values import Certificate, Issuer
from ..secret import Secret

Pin = Callable[[], Secret | None]

ID_OCTETS = 8
"""Of CKA_ID; so many make it certain that no other key has it."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that an authority is to have: where, and whether it is there already.

    Attributes:
        uri: without label and id, both are chosen.
        exists: take the key that is there; some tokens make keys with their own program only.
    """

    uri: KeyUri
    exists: bool = False

    def verify(self, kind: KeyType) -> None:
        """Refuse what no token does, before any is asked."""
        if self.exists and not (self.uri.label or self.uri.key_id):
            raise UsageError("--existing-key", "needs object= or id= in the URI, to know which one")
        if not self.exists and kind.name not in KINDS:
            reason = f"{kind.label} keys are not made in tokens"
            raise UsageError("--key-type", reason, f"one of {', '.join(KINDS)}")


def in_token(uri: str, own: Certificate, parents: tuple[Certificate, ...], pin: Pin) -> Issuer:
    """Return a CA that signs with a key in a token; a preview asks for the PIN, and not for the token."""
    named = KeyUri.parse(uri)
    secret = _pin(named, pin)
    if disk().is_preview:
        check(named)
        return Issuer.trial(own, parents)
    session = Session(named, secret)
    with suppress(MissingInputError):  # some tokens keep the certificate alone; each signature is verified
        _verify_same(decode_public_key(session.public_key(), named.subject), own, uri)
    key = RemoteKey(own.public_key(), uri, session.sign, session.close)  # type: ignore[arg-type]
    return Issuer(own, key, parents)


def _verify_same(public: PublicKey, own: Certificate, uri: str) -> None:
    if public != own.public_key():
        raise DataError(uri, "is not the key of the CA certificate; nothing was signed")


@contextmanager
def new_key(wanted: TokenKey, kind: KeyType, name: str, pin: Pin, path: str) -> Iterator[RemoteKey]:
    """Give a key in a token for a new authority; one that was made here goes again if the block fails.

    A kill leaves it in the token, where nothing refers to it.

    Args:
        wanted: where.
        kind: its type, unless it exists.
        name: of the authority, which a label begins with that nobody chose.
        pin: of the token.
        path: of the file that is to name the key; what it names already is never taken away.
    """
    wanted.verify(kind)
    secret = _pin(wanted.uri, pin)
    uri = wanted.uri if wanted.exists else _named(wanted.uri, name)
    if disk().is_preview:
        check(uri)
        disk().note("use" if wanted.exists else "make", str(uri), note=f"{kind.label} key in the token")
        stand_in = generate(kind)
        yield RemoteKey(stand_in.public_key(), str(uri), lambda data, _: scheme_of(stand_in).sign(data))
        return
    session = Session(uri, secret, writes=not wanted.exists)
    try:
        public = decode_public_key(
            session.public_key() if wanted.exists else session.generate(kind.name), uri.subject
        )
        yield from _kept(session, public, None if wanted.exists else path)
    finally:
        session.close()


def _kept(session: Session, public: PublicKey, path: str | None) -> Iterator[RemoteKey]:
    """Give the key; one made for a file is destroyed on failure, unless the file names it by then."""
    uri = str(session.uri)
    try:
        yield RemoteKey(public, uri, session.sign)
    except BaseException:
        if path and uri.encode() not in (read_if_there(path) or b""):
            with suppress(SmtpcredsError):
                session.destroy()
        raise
    if path:
        disk().note("make", uri, note="key in the token")


def _named(uri: KeyUri, name: str) -> KeyUri:
    key_id = uri.key_id or token_bytes(ID_OCTETS)
    return replace(uri, label=uri.label or f"{name} {key_id.hex()[:8]}", key_id=key_id)


def _pin(uri: KeyUri, pin: Pin) -> Secret:
    if (given := pin()) is None:
        hint = "give --passphrase SOURCE, or set ca.pin"
        raise DeniedError(uri.subject, "needs its PIN, and none was given", hint)
    return given
