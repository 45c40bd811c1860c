"""DIGEST-MD5 (RFC 2831) with qop=auth and mutual authentication; no security layer."""

import re
import secrets
from dataclasses import dataclass
from hashlib import md5
from hmac import compare_digest

from ..faults import SaslError
from .exchange import WAIT, Channel, Exchange, Login, Message

SUBJECT = "DIGEST-MD5"
_DIRECTIVE = re.compile(rb'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))\s*(?:,|$)', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_ONCE = ("nonce", "algorithm", "charset")
_FIRST_USE = b"00000001"


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's first message."""

    realms: tuple[bytes, ...]
    nonce: bytes
    is_utf8: bool


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything that both proofs are made of (section 2.1.2.1)."""

    key: bytes
    nonce: bytes
    cnonce: bytes
    uri: bytes
    authzid: bytes = b""

    def proof(self, method: bytes) -> bytes:
        """Return the response of the client (method AUTHENTICATE) or of the server (empty method)."""
        authzid = b":" + self.authzid if self.authzid else b""
        first = _hex(_md5(self.key + b":" + self.nonce + b":" + self.cnonce + authzid))
        second = _hex(_md5(method + b":" + self.uri))
        return _hex(_md5(b":".join((first, self.nonce, _FIRST_USE, self.cnonce, b"auth", second))))


def digest_md5(login: Login, channel: Channel, *, cnonce: bytes = b"", service: str = "smtp") -> Exchange:
    """Answer the challenge, then check the server's rspauth.

    Args:
        login: who.
        channel: names the host, and the realm to choose where several are offered.
        cnonce: random unless given.
        service: of the digest-uri.
    """
    challenge = parse((yield WAIT))
    cnonce = cnonce or secrets.token_urlsafe(24).encode()
    realm = _realm(challenge.realms, channel.realm.encode())
    digest = Digest(
        _md5(b":".join((_latin(login.authcid.encode()), _latin(realm), _latin(login.secret.reveal())))),
        challenge.nonce,
        cnonce,
        f"{service}/{channel.host}".encode(),
        login.authzid.encode(),
    )
    answer = yield Message(_response(login, challenge, realm, digest))
    given = dict(_directives(answer)).get("rspauth", b"")
    if not compare_digest(given, digest.proof(b"")):
        raise SaslError(SUBJECT, "did not prove to know the secret (rspauth is wrong)")
    yield Message(b"", last=True)


def parse(octets: bytes) -> Challenge:
    """Read the challenge (section 2.1.1).

    Raises:
        SaslError: it is damaged, repeats itself, or offers no plain authentication.
    """
    found = _directives(octets)
    names = [name for name, _ in found]
    values = dict(found)
    if repeated := [name for name in _ONCE if names.count(name) > 1]:
        raise SaslError(SUBJECT, f"sent a challenge with two values of {repeated[0]}")
    if not values.get("nonce") or values.get("algorithm") != b"md5-sess":
        raise SaslError(SUBJECT, "sent a challenge without nonce, or of another algorithm than md5-sess")
    if b"auth" not in values.get("qop", b"auth").replace(b" ", b"").split(b","):
        raise SaslError(SUBJECT, "offers security layers only, which SMTP clients do not have")
    realms = tuple(value for name, value in found if name == "realm")
    return Challenge(realms, values["nonce"], values.get("charset", b"").lower() == b"utf-8")


def _directives(octets: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while at < len(octets):
        directive = _DIRECTIVE.match(octets, at)
        if directive is None:
            raise SaslError(SUBJECT, "sent a challenge that is no list of directives")
        value = directive[3] if directive[2] is None else _QUOTED_PAIR.sub(rb"\1", directive[2])
        found.append((directive[1].decode().lower(), value))
        at = directive.end()
    return found


def _realm(offered: tuple[bytes, ...], own: bytes) -> bytes:
    return own if own in offered or not offered else offered[0]


def _response(login: Login, challenge: Challenge, realm: bytes, digest: Digest) -> bytes:
    parts = [b"charset=utf-8"] if challenge.is_utf8 else []
    parts += [
        b"username=" + _quoted(login.authcid.encode()),
        b"realm=" + _quoted(realm),
        b"nonce=" + _quoted(digest.nonce),
        b"nc=" + _FIRST_USE,
        b"cnonce=" + _quoted(digest.cnonce),
        b"digest-uri=" + _quoted(digest.uri),
        b"response=" + digest.proof(b"AUTHENTICATE"),
        b"qop=auth",
    ]
    return b",".join([*parts, b"authzid=" + _quoted(digest.authzid)] if digest.authzid else parts)


def _quoted(value: bytes) -> bytes:
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _latin(value: bytes) -> bytes:
    """Names and passwords are hashed as ISO 8859-1 where they fit into it.

    Dovecot 2.3 hashes UTF-8 as it is, and so refuses a password such as ``Bücher`` (observed).
    """
    try:
        return value.decode().encode("latin-1")
    except UnicodeError:
        return value


def _md5(value: bytes) -> bytes:
    return md5(value, usedforsecurity=False).digest()


def _hex(value: bytes) -> bytes:
    return value.hex().encode()
