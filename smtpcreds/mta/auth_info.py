"""Sendmail's default-auth-info: who a client host is when it relays.

Lines, in order: authorization id, authentication id, secret, realm, and optionally the mechanisms to try.
Sendmail (usersmtp.c, getauth) skips a line that begins with ``#`` wherever it stands, ends a line at LF
alone, and reads at most 2046 octets of it. There is no quoting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from ..errors import DamagedFileError, InexpressibleError
from ..model import Credential
from ..secret import Secret
from .mechanisms import named

DEFAULT_PATH = "/etc/mail/default-auth-info"
MAX_LINE = 2046
_LINES = (
    "the authorization id",
    "the authentication id",
    "the secret",
    "the realm",
    "the mechanism list",
)
_FORBIDDEN = {b"\n": "a line feed", b"\r": "a carriage return", b"\0": "a NUL"}


@dataclass(frozen=True, slots=True)
class AuthInfo:
    """The file read back; ``realm`` is empty and ``mechanisms`` is () where the lines are absent."""

    authzid: str
    authcid: str
    secret: Secret
    realm: str = ""
    mechanisms: tuple[str, ...] = ()


def render(credential: Credential, mechanisms: Sequence[str] = ()) -> bytes:
    """Return the file's octets; see :func:`pieces`."""
    head, secret, tail = pieces(credential, mechanisms)
    return head + secret.reveal() + tail


def pieces(credential: Credential, mechanisms: Sequence[str] = ()) -> tuple[bytes, Secret, bytes]:
    """Return what stands before the secret, the secret, and what stands behind it.

    Both ids are ``user@realm`` when the relay would look the bare name up in another realm.

    Raises:
        InexpressibleError: a value that sendmail would skip, cut or split, named without showing a secret.
        UsageError: a mechanism that can't be one.
    """
    login = credential.login.encode()
    realm = credential.account.realm.encode()
    tail = [realm, " ".join(map(named, mechanisms)).encode()] if mechanisms else [realm]
    lines = (login, login, credential.secret.reveal(), *tail)
    for what, value in zip(_LINES, lines, strict=False):
        _check(str(credential.account), what, value)
    end = b"".join(b"\n" + value for value in tail)
    return login + b"\n" + login + b"\n", credential.secret, end + b"\n"


def parse(content: bytes, path: str) -> AuthInfo:
    """Read the file as sendmail does.

    Raises:
        DamagedFileError: fewer than three lines, or text that is not UTF-8 outside the secret.
    """
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    if len(lines) < 3:
        raise DamagedFileError(path, f"has {len(lines)} lines; default-auth-info has four, at least three")
    try:
        authzid, authcid = lines[0].decode(), lines[1].decode()
        rest = [line.decode() for line in lines[3:5]]
    except UnicodeDecodeError:
        raise DamagedFileError(path, "has an id or realm that is not UTF-8") from None
    realm, mechanisms = [*rest, "", ""][:2]
    return AuthInfo(authzid, authcid, Secret(lines[2]), realm, tuple(mechanisms.split()))


def _check(subject: str, what: str, value: bytes) -> None:
    fault = _fault(value)
    if fault:
        raise InexpressibleError(
            subject,
            f"{what} {fault}, which default-auth-info can't express",
            f"smtpcreds sasl passwd {quote(subject)}" if what == "the secret" else None,
        )


def _fault(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if value.startswith(b"#"):
        return "begins with #"
    if len(value) > MAX_LINE:
        return f"is over {MAX_LINE} octets"
    return next((f"contains {name}" for octet, name in _FORBIDDEN.items() if octet in value), None)
