"""The authority's key in a PKCS #11 token: opened with its PIN to sign, or made there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from secrets import token_bytes

from ..errors import DataError, DeniedError, MissingInputError, SmtpcredsError, UsageError
from ..files import disk, read_if_there, remove, write_all
from ..model import Artifact
from ..pkcs11 import KINDS, KeyUri, Session, check
from ..pki.keys import KeyType, PublicKey, RemoteKey, decode_public_key, generate, scheme_of
from ..pki.values import Certificate, Issuer
from ..secret import Secret
from .layout import CaFiles

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
def new_key(
    wanted: TokenKey, kind: KeyType, name: str, pin: Pin, files: CaFiles, begin: Callable[[], object]
) -> Iterator[RemoteKey]:
    """Give a key in a token for a new authority; one that was made here goes again if the block fails.

    What a killed run made goes when the next one makes a key there: a file names it before it is made.

    Args:
        wanted: where.
        kind: its type, unless it exists.
        name: of the authority, which a label begins with that nobody chose.
        pin: of the token.
        files: of the authority; the key that they name already is never taken away.
        begin: takes the lock, once the token has let us in.
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
        if wanted.exists:
            yield RemoteKey(decode_public_key(session.public_key(), uri.subject), str(uri), session.sign)
        else:
            _remove_unfinished(files, session)
            session.refuse_taken()
            begin()
            yield from _made(session, kind, files)
    finally:
        session.close()


def _made(session: Session, kind: KeyType, files: CaFiles) -> Iterator[RemoteKey]:
    """Make the key and give it; it is destroyed on failure, unless the authority's file names it by then."""
    uri = str(session.uri)
    write_all([Artifact(files.unfinished_key, uri.encode())])
    try:
        public = decode_public_key(session.generate(kind.name), session.uri.subject)
        yield RemoteKey(public, uri, session.sign)
    except BaseException:
        if not _is_named(files, uri):
            with suppress(SmtpcredsError):
                session.destroy()
                remove(files.unfinished_key)
        raise
    remove(files.unfinished_key)
    disk().note("make", uri, note="key in the token")


def _is_named(files: CaFiles, uri: str) -> bool:
    return uri.encode() in (read_if_there(files.key) or b"")


def unfinished_key(files: CaFiles) -> KeyUri | None:
    """Return the key that a killed run may have left in a token, where the authority does not name it."""
    content = read_if_there(files.unfinished_key)
    uri = content.decode(errors="replace") if content else ""
    return None if not uri or _is_named(files, uri) else KeyUri.parse(uri)


def _remove_unfinished(files: CaFiles, session: Session) -> None:
    """Destroy what a killed run left in this token; in another one, it can only be named."""
    if (left := unfinished_key(files)) is None:
        return
    place = replace(left, label="", key_id=b""), replace(session.uri, label="", key_id=b"")
    if place[0] != place[1]:
        reason = f"may hold {left.key} of an interrupted run"
        hint = f"run that again in this token, or remove {files.unfinished_key}, and the key by its own tools"
        raise DeniedError(left.subject, reason, hint)
    session.destroy(left)
    remove(files.unfinished_key)


def _named(uri: KeyUri, name: str) -> KeyUri:
    key_id = uri.key_id or token_bytes(ID_OCTETS)
    return replace(uri, label=uri.label or f"{name} {key_id.hex()[:8]}", key_id=key_id)


def _pin(uri: KeyUri, pin: Pin) -> Secret:
    if (given := pin()) is None:
        hint = "give --passphrase SOURCE, or set ca.pin"
        raise DeniedError(uri.subject, "needs its PIN, and none was given", hint)
    return given
