"""The client's side of SASL mechanisms: one table, strongest first."""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from dataclasses import field
from functools import partial
from hashlib import md5, new, pbkdf2_hmac
from hmac import compare_digest, digest
from typing import NamedTuple

from ..lazy import dataclass, pattern
from ..passwords import MIN_ITERATIONS, SCRAM_MECHANISMS
from ..secret import Secret
from .connection import SaslError, UnprovenError

# The shape of a mechanism: a generator that yields what the client says and is sent what the server says.
#
# The first thing it yields is the initial response, or :data:`WAIT` where the server speaks first. A message
# that is ``last`` may be answered with success and nothing else; success before it means that the server has
# left out its own proof.


class Message(NamedTuple):
    """What the client says."""

    data: bytes
    last: bool = False


WAIT = Message(b"")
"""The server speaks first."""
PROVED = Message(b"", last=True)
"""The server has proved to know the secret, and took our proof before that; its word for it is left."""
Exchange = Generator[Message, bytes, None]


@dataclass(frozen=True)
class Login:
    """Who logs in; ``authzid`` is empty where that is who acts. The secret's octets are used as they are."""

    authcid: str
    secret: Secret = field(repr=False)
    authzid: str = ""


@dataclass(frozen=True)
class Binding:
    """Channel binding data (RFC 5056): the registered name of its type, and octets."""

    kind: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Channel:
    """What a mechanism knows of the connection.

    Attributes:
        host: the server's name, for DIGEST-MD5's digest-uri.
        realm: that of the account, taken where the server leaves the choice.
        binding: of the session of TLS; None where there is none.
        is_binding_offered: the server offers a mechanism whose name ends in -PLUS.
    """

    host: str
    realm: str = ""
    binding: Binding | None = None
    is_binding_offered: bool = False


Mechanism = Callable[[Login, Channel], Exchange]


# Mechanisms that show the secret, or need none: PLAIN (RFC 4616), LOGIN, EXTERNAL (RFC 4422 appendix A).


def plain(login: Login, _: Channel) -> Exchange:
    """RFC 4616 section 2: authzid, NUL, authcid, NUL, password."""
    yield Message(
        b"\0".join((login.authzid.encode(), login.authcid.encode(), login.secret.reveal())), last=True
    )


def login_(login: Login, _: Channel) -> Exchange:
    """draft-murchison-sasl-login: name, then password, whatever the two prompts say."""
    yield WAIT
    yield Message(login.authcid.encode())
    yield Message(login.secret.reveal(), last=True)


def external(login: Login, _: Channel) -> Exchange:
    """Who we are says the client certificate; only whom to act for is sent."""
    yield Message(login.authzid.encode(), last=True)


# CRAM-MD5 (RFC 2195). The server proves nothing.


def cram_md5(login: Login, _: Channel) -> Exchange:
    """Name, space, HMAC-MD5 of the challenge in hex."""
    challenge = yield WAIT
    proof = digest(login.secret.reveal(), challenge, "md5")
    yield Message(b"%b %b" % (login.authcid.encode(), proof.hex().encode()), last=True)


# DIGEST-MD5 (RFC 2831) with qop=auth and mutual authentication; no security layer.

DIGEST_MD5 = "DIGEST-MD5"
_DIRECTIVE = pattern(rb'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))\s*(?:,|$)', re.DOTALL)
_QUOTED_PAIR = pattern(rb"\\(.)", re.DOTALL)
_ONCE = ("nonce", "algorithm", "charset")
_FIRST_USE = b"00000001"


@dataclass(frozen=True)
class Challenge:
    """The server's first message."""

    realms: tuple[bytes, ...]
    nonce: bytes
    is_utf8: bool


@dataclass(frozen=True)
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
        raise UnprovenError(DIGEST_MD5, "did not prove that it knows the secret (rspauth is wrong)")
    yield Message(b"", last=True)


def parse(octets: bytes) -> Challenge:
    """Read the challenge (section 2.1.1)."""
    found = _directives(octets)
    names = [name for name, _ in found]
    values = dict(found)
    if repeated := [name for name in _ONCE if names.count(name) > 1]:
        raise SaslError(DIGEST_MD5, f"sent a challenge with two values of {repeated[0]}")
    if not values.get("nonce") or values.get("algorithm") != b"md5-sess":
        raise SaslError(DIGEST_MD5, "sent a challenge without nonce, or of another algorithm than md5-sess")
    if b"auth" not in values.get("qop", b"auth").replace(b" ", b"").split(b","):
        raise SaslError(DIGEST_MD5, "offers security layers only, which SMTP clients do not have")
    realms = tuple(value for name, value in found if name == "realm")
    return Challenge(realms, values["nonce"], values.get("charset", b"").lower() == b"utf-8")


def _directives(octets: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while at < len(octets):
        directive = _DIRECTIVE.match(octets, at)
        if directive is None:
            raise SaslError(DIGEST_MD5, "sent a challenge that is not a list of directives")
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


# SCRAM (RFC 5802, RFC 7677) with and without channel binding, for every hash that Cyrus SASL has.
#
# Channel bindings that the standard library can give: tls-unique up to TLS 1.2, and tls-server-end-point,
# which follows from the certificate. tls-exporter (RFC 9266), TLS 1.3's own, needs exported keying material,
# which the module ssl does not give.

SCRAM = "SCRAM"
SCRAM_PLUS = "-PLUS"
MAX_ITERATIONS = 2_000_000
"""Two seconds of work; a server could ask for a day."""

_FIRST = pattern(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,.*)?", re.DOTALL)


@dataclass(frozen=True)
class ServerFirst:
    """The server's first message."""

    nonce: str
    salt: bytes
    iterations: int


def scram(name: str, login: Login, channel: Channel, *, plus: bool = False, nonce: str = "") -> Exchange:
    """Prove to know the secret, then have the server prove it.

    Args:
        name: of the hash, for hashlib.
        login: who.
        channel: has the binding.
        plus: bind the channel.
        nonce: random unless given.
    """
    header = _header(login, channel, plus=plus)
    bound = channel.binding.data if plus and channel.binding else b""
    bare = f"n={_escaped(login.authcid)},r={nonce or secrets.token_urlsafe(24)}"
    answer = yield Message((header + bare).encode())
    first = parse_first(answer, bare.partition(",r=")[2])
    final = f"c={b64encode(header.encode() + bound).decode()},r={first.nonce}"
    signed = b",".join((bare.encode(), answer, final.encode()))
    salted = pbkdf2_hmac(name, login.secret.reveal(), first.salt, first.iterations)
    proof = b64encode(_proof(name, salted, signed)).decode()
    answer = yield Message(f"{final},p={proof}".encode())
    _check_final(answer, digest(digest(salted, b"Server Key", name), signed, name))
    yield Message(b"", last=True)


def parse_first(message: bytes, own: str) -> ServerFirst:
    """Read the server's first message (section 7); ``own`` is the client's nonce."""
    found = _FIRST.fullmatch(message)
    try:
        salt = b64decode(found[2], validate=True) if found else b""
    except ValueError:
        salt = b""
    if not found or not salt:
        raise SaslError(SCRAM, "sent a first message that is not of SCRAM")
    values = ServerFirst(found[1].decode(), salt, int(found[3]))
    if not values.nonce.startswith(own) or values.nonce == own:
        raise UnprovenError(SCRAM, "did not extend the nonce; it answers somebody else")
    if not MIN_ITERATIONS <= values.iterations <= MAX_ITERATIONS:
        asked = f"asks for {values.iterations} iterations"
        raise SaslError(SCRAM, f"{asked}, not {MIN_ITERATIONS} to {MAX_ITERATIONS}")
    return values


def _header(login: Login, channel: Channel, *, plus: bool) -> str:
    """Return the gs2-header: section 6 has the client tell a server without -PLUS that it could bind."""
    if plus and channel.binding is None:
        raise SaslError(SCRAM, "this session of TLS has no channel binding")
    if plus and channel.binding:
        flag = f"p={channel.binding.kind}"
    else:
        flag = "y" if channel.binding and not channel.is_binding_offered else "n"
    authzid = f"a={_escaped(login.authzid)}" if login.authzid else ""
    return f"{flag},{authzid},"


def _escaped(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _proof(name: str, salted: bytes, signed: bytes) -> bytes:
    key = digest(salted, b"Client Key", name)
    signature = digest(new(name, key).digest(), signed, name)
    return bytes(left ^ right for left, right in zip(key, signature, strict=True))


def _check_final(message: bytes, signature: bytes) -> None:
    said = message.partition(b",")[0]
    if said.startswith(b"e="):
        raise SaslError(SCRAM, f"says {said[2:].decode(errors='backslashreplace')}")
    if not compare_digest(said, b"v=" + b64encode(signature)):
        raise UnprovenError(SCRAM, "did not prove that it knows the secret (the server's signature is wrong)")


SCRAM_EXCHANGES: dict[str, Mechanism] = {
    name + end: partial(scram, digest_name, plus=bool(end))
    for name, digest_name in reversed(SCRAM_MECHANISMS.items())
    for end in (SCRAM_PLUS, "")
}


EXTERNAL = "EXTERNAL"
PLUS = SCRAM_PLUS

MECHANISMS: dict[str, Mechanism] = {
    EXTERNAL: external,
    **SCRAM_EXCHANGES,
    "DIGEST-MD5": digest_md5,
    "CRAM-MD5": cram_md5,
    "PLAIN": plain,
    "LOGIN": login_,
}
