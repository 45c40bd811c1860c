"""``{SCHEME}value``, as Dovecot and LDAP (RFC 2307) store secrets: what Cyrus SASL can serve of it.

Source: Dovecot 2.3, password schemes and ``hmac-cram-md5.c``; ``plugins/cram.c`` and ``plugins/digestmd5.c``
of Cyrus SASL 2.1.28.
"""

import re
from base64 import b16decode, b64decode
from collections.abc import Callable

from ..errors import DataError
from ..lazy import pattern
from ..passwords import parse_scram
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD
from .rows import octets
from .stored import property_of

_FIELD = pattern(r"\{([^}]*)\}(.*)", re.DOTALL)
_SCHEME = pattern(r"[A-Z0-9.-]{2,20}")
DIGEST = property_of("DIGEST-MD5")
"""Serves the one name and realm that went into it."""


def is_served(scheme: str) -> bool:
    """Tell whether Cyrus SASL can serve values of a scheme."""
    return scheme in _SCHEMES


def split_scheme(text: str) -> tuple[str, str] | None:
    """Return scheme, in upper case, and value; None where there is no scheme."""
    match = _FIELD.fullmatch(text)
    return (match[1].upper(), match[2]) if match else None


def converted(scheme: str, value: str, name: str) -> tuple[str, bytes] | str:
    """Return the property and its octets by which Cyrus SASL serves the value, or why it can't.

    Args:
        scheme: in upper case.
        value: what stands behind it.
        name: whose it is; Dovecot hashes the realm of ``user@realm``, and of a bare name an empty one.
    """
    convert = _SCHEMES.get(scheme)
    if convert is None:
        shown = f"scheme {scheme}" if _SCHEME.fullmatch(scheme) else "an unknown scheme"
        return f"its secret is of {shown}, which Cyrus SASL can't serve"
    try:
        prop, secret = convert(scheme, value)
    except (ValueError, DataError):
        return f"its secret is no {scheme} value"
    if prop == DIGEST and "@" not in name:
        return f"its {scheme} value was made for a name without a realm, and Cyrus SASL's accounts have one"
    return prop, secret


def _scram(scheme: str, value: str) -> tuple[str, bytes]:
    """Return the same verifier as RFC 5803 writes it; Dovecot has ``iterations,salt,StoredKey,ServerKey``."""
    iterations, salt, stored, server = value.split(",")
    verifier = f"{scheme}${iterations}:{salt}${stored}:{server}".encode()
    parse_scram(verifier)
    return AUTH_PASSWORD, verifier


def _plain(_: str, value: str) -> tuple[str, bytes]:
    return USER_PASSWORD, octets(value)


def _plain_of(decode: Callable[[str], bytes]) -> Callable[[str, str], tuple[str, bytes]]:
    return lambda _, value: (USER_PASSWORD, decode(value))


def _cram_of(decode: Callable[[str], bytes]) -> Callable[[str, str], tuple[str, bytes]]:
    def convert(_: str, value: str) -> tuple[str, bytes]:
        """Return the states of HMAC-MD5: Dovecot has the outer one first, in little-endian words."""
        state = _sized(decode(value), 32)
        words = [state[at : at + 4][::-1] for at in range(0, 32, 4)]
        return property_of("CRAM-MD5"), b"".join(words[4:] + words[:4])

    return convert


def _digest_of(decode: Callable[[str], bytes]) -> Callable[[str, str], tuple[str, bytes]]:
    return lambda _, value: (DIGEST, _sized(decode(value), 16))


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(size)
    return value


def _base64(value: str) -> bytes:
    return b64decode(value, validate=True)


def _hex(value: str) -> bytes:
    return b16decode(value, casefold=True)


_CODES = {".B64": _base64, ".BASE64": _base64, ".HEX": _hex}
_CLEAR = ("PLAIN", "CLEAR", "CLEARTEXT")
_CRAM = ("CRAM-MD5", "HMAC-MD5")
_SCHEMES: dict[str, Callable[[str, str], tuple[str, bytes]]] = {
    **dict.fromkeys(_CLEAR, _plain),
    **{name + code: _plain_of(decode) for name in _CLEAR for code, decode in _CODES.items()},
    **{name + code: _cram_of(decode) for name in _CRAM for code, decode in {"": _hex, **_CODES}.items()},
    **{"DIGEST-MD5" + code: _digest_of(decode) for code, decode in {"": _hex, **_CODES}.items()},
    "SCRAM-SHA-1": _scram,
    "SCRAM-SHA-256": _scram,
}
"""All others are one-way hashes of which only a server that sees the clear text can make use."""
