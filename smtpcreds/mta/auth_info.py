"""Sendmail's default-auth-info: who a client host is when it relays.

Lines, in order: authorization id, authentication id, secret, realm, and optionally the mechanisms to try.
Sendmail (usersmtp.c, getauth) skips a line that begins with ``#`` wherever it stands, ends a line at LF
alone, and reads at most 2046 octets of it. There is no quoting.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence

from ..errors import DamagedFileError, InexpressibleError, number_of
from ..lazy import dataclass, pattern
from ..model import Credential
from ..secret import Secret
from ..shell import quote
from .program import Content
from .sasl_conf import named

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


@dataclass(frozen=True)
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
        raise DamagedFileError(
            path, f"has {number_of(len(lines), 'line')}; default-auth-info has four, at least three"
        )
    try:
        authzid, authcid = lines[0].decode(), lines[1].decode()
        rest = [line.decode() for line in lines[3:5]]
    except UnicodeDecodeError:
        raise DamagedFileError(path, "has an id or realm that is not UTF-8") from None
    realm, mechanisms = [*rest, "", ""][:2]
    return AuthInfo(authzid, authcid, Secret(lines[2]), realm, tuple(mechanisms.split()))


_SAMPLE = [b"sendmail", b"sendmail", b"sendmailpwd"]


def is_sample(content: bytes) -> bool:
    """Tell whether the file is what Debian's package puts there, with an account that nobody has.

    Its own script (/usr/share/sendmail/update_auth) knows it by these three lines, too.
    """
    return content.split(b"\n")[:3] == _SAMPLE


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


# FEATURE(authinfo): who a Sendmail client host is, by server, in a map instead of default-auth-info.
#
# Key ``AuthInfo:host``; value ``"U:authzid" "I:authcid" "P=secret" "R:realm" "M:mechanisms"``. ``X:`` takes
# text, in which sendmail replaces ``%1`` and which ends at ``"``; ``X=`` takes base64 (usersmtp.c, readauth).
# Names of letters, digits and ``@ . _ + -`` are written as text; other names, and every secret, in base64.

MAP_PATH = "/etc/mail/authinfo"
MAX_TEXT = 252
"""Longer values are dropped by sendmail, which then does not log in and says nothing (observed)."""
MAX_SECRET = MAX_TEXT // 4 * 3
MAX_MAP_LINE = 1023
"""makemap reads 1024 octets of a line."""

_PLAIN = pattern(r"[A-Za-z0-9@._+-]+")
_TAG = pattern(rb'"([UIPRM])([:=])([^"]*)"')
MAP_KEY = pattern(rb"AuthInfo:", re.IGNORECASE)
"""Begins the entries of an access map that are meant for logins."""
_LINE = pattern(rb'(AuthInfo:[^\s"]*)[ \t]+("[^"]*"(?:[ \t]+"[^"]*")*)[ \t]*', re.IGNORECASE)
_ARGUMENT = pattern(rb"%(%|[0-9])")


def entry(host: str, credential: Credential, mechanisms: Sequence[str] = ()) -> tuple[str, Content]:
    """Return key and value for one server, as they stand in the source.

    Args:
        host: the server's name as sendmail connects to it.
        credential: both ids are ``user@realm`` when the relay would look the bare name up in another realm.
        mechanisms: that may be tried with this server; empty for all that are configured.
    """
    login = credential.login
    names = [_tag("U", login, credential), _tag("I", login, credential)]
    more = [_tag("R", credential.account.realm, credential)]
    if mechanisms:
        more.append(f'"M:{" ".join(mechanisms)}"')
    head = f'{" ".join(names)} "P='.encode()
    tail = f'" {" ".join(more)}'.encode()
    secret = _secret(credential)
    key = f"AuthInfo:{host}"
    if len(key) + 1 + len(head) + len(secret) + len(tail) > MAX_MAP_LINE:
        raise InexpressibleError(
            str(credential.account), f"makes a line of over {MAX_MAP_LINE} octets in {MAP_PATH}"
        )
    return key, (head, secret, tail)


def source(key: str, value: Content) -> Content:
    """Return the line of the source file."""
    return (f"{key}\t".encode(), *value, b"\n")


def record(key: str, value: Content) -> tuple[bytes, Content]:
    """Return the record that makemap makes of the line: the key folded to lower case, the value as it is."""
    return key.lower().encode(), value


def parse_map(content: bytes, path: str) -> dict[str, AuthInfo]:
    """Read a source file: key to what the host logs in with.

    Raises:
        DamagedFileError: a line that sendmail would not understand, by its number.
    """
    found: dict[str, AuthInfo] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            key, info = parse_map_line(line)
        except ValueError:
            raise DamagedFileError(
                path, f'line {number} is not AuthInfo:host "U:..." "I:..." "P=..."'
            ) from None
        found[key] = info
    return found


def parse_map_line(line: bytes) -> tuple[str, AuthInfo]:
    """Read one entry of a source file.

    Raises:
        ValueError: sendmail would not understand it.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError("no entry for a login")
    return match[1].decode(), _auth_info(match[2])


def _auth_info(text: bytes) -> AuthInfo:
    values = {
        tag: _replaced(value) if sign == b":" else b64decode(value, validate=True)
        for tag, sign, value in _TAG.findall(text)
    }
    authcid = values.get(b"I", values.get(b"U"))
    if authcid is None or b"P" not in values or len(values) != text.count(b'"') // 2:
        raise ValueError("a tag is missing or unknown, or comes twice")
    authzid = values.get(b"U", authcid).decode()
    realm, mechanisms = values.get(b"R", b"").decode(), values.get(b"M", b"").decode()
    return AuthInfo(authzid, authcid.decode(), Secret(values[b"P"]), realm, tuple(mechanisms.split()))


def _replaced(text: bytes) -> bytes:
    """Return a text as sendmail's map look-up hands it on: ``%%`` is a percent sign, ``%1`` no secret's."""
    if any(found != b"%" for found in _ARGUMENT.findall(text)) or text.endswith(b"\\"):
        raise ValueError("sendmail would put something else in its place")
    return text.replace(b"%%", b"%")


def _tag(letter: str, name: str, credential: Credential) -> str:
    plain = _PLAIN.fullmatch(name) is not None
    text = name if plain else b64encode(name.encode()).decode()
    if len(text) > MAX_TEXT:
        what = "the realm" if letter == "R" else "the user name"
        raise InexpressibleError(
            str(credential.account), f"{what} is too long for the authinfo map ({MAX_TEXT} octets)"
        )
    return f'"{letter}{":" if plain else "="}{text}"'


def _secret(credential: Credential) -> Secret:
    """Return the secret in base64."""
    value = credential.secret.reveal()
    fault = (
        "is empty"
        if not value
        else "contains a NUL"
        if b"\0" in value
        else f"is over {MAX_SECRET} octets"
        if len(value) > MAX_SECRET
        else None
    )
    if fault:
        account = str(credential.account)
        reason = f"the secret {fault}, which the authinfo map can't express"
        raise InexpressibleError(account, reason, f"smtpcreds sasl passwd {quote(account)}")
    return Secret(b64encode(value))
