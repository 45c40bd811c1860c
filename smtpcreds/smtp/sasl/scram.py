"""SCRAM (RFC 5802, RFC 7677) with and without channel binding, for every hash that Cyrus SASL has.

Channel bindings that the standard library can give: tls-unique up to TLS 1.2, and tls-server-end-point, which
follows from the certificate. tls-exporter (RFC 9266), TLS 1.3's own, needs exported keying material, which
:mod:`ssl` does not give.
"""

import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from hashlib import new, pbkdf2_hmac
from hmac import compare_digest, digest

from ...passwords import MIN_ITERATIONS, SCRAM_MECHANISMS
from ..faults import SaslError
from .exchange import Channel, Exchange, Login, Mechanism, Message

SUBJECT = "SCRAM"
PLUS = "-PLUS"
MAX_ITERATIONS = 2_000_000
"""Two seconds of work; a server could ask for a day."""

_FIRST = re.compile(rb"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
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
    """Read the server's first message (section 7); ``own`` is the client's nonce.

    Raises:
        SaslError: it is damaged, answers somebody else, or asks for too little or too much work.
    """
    found = _FIRST.fullmatch(message)
    try:
        salt = b64decode(found[2], validate=True) if found else b""
    except ValueError:
        salt = b""
    if not found or not salt:
        raise SaslError(SUBJECT, "sent a first message that is not of SCRAM")
    values = ServerFirst(found[1].decode(), salt, int(found[3]))
    if not values.nonce.startswith(own) or values.nonce == own:
        raise SaslError(SUBJECT, "did not extend the nonce; it answers somebody else")
    if not MIN_ITERATIONS <= values.iterations <= MAX_ITERATIONS:
        asked = f"asks for {values.iterations} iterations"
        raise SaslError(SUBJECT, f"{asked}, not {MIN_ITERATIONS} to {MAX_ITERATIONS}")
    return values


def _header(login: Login, channel: Channel, *, plus: bool) -> str:
    """Return the gs2-header: section 6 has the client tell a server without -PLUS that it could bind."""
    if plus and channel.binding is None:
        raise SaslError(SUBJECT, "this session of TLS has no channel binding")
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
        raise SaslError(SUBJECT, f"says {said[2:].decode(errors='backslashreplace')}")
    if not compare_digest(said, b"v=" + b64encode(signature)):
        raise SaslError(SUBJECT, "did not prove to know the secret (the server's signature is wrong)")


MECHANISMS: dict[str, Mechanism] = {
    name + end: partial(scram, digest_name, plus=bool(end))
    for name, digest_name in reversed(SCRAM_MECHANISMS.items())
    for end in (PLUS, "")
}
