"""Which mechanisms Cyrus SASL 2.1.28 can serve from the properties an account has."""

from collections.abc import Iterable, Mapping

from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD

STRONGEST_FIRST = (
    "SCRAM-SHA-512",
    "SCRAM-SHA-384",
    "SCRAM-SHA-256",
    "SCRAM-SHA-224",
    "SCRAM-SHA-1",
    "DIGEST-MD5",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
    "OTP",
    "SRP",
)
"""In the order in which Cyrus clients prefer them (observed), with the two that need clear text last."""

_SERVED_BY = {
    USER_PASSWORD: frozenset(STRONGEST_FIRST[:9]),
    "cmusaslsecretCRAM-MD5": frozenset({"CRAM-MD5"}),
    "cmusaslsecretDIGEST-MD5": frozenset({"DIGEST-MD5"}),
    "cmusaslsecretPLAIN": frozenset({"PLAIN", "LOGIN"}),
    "cmusaslsecretOTP": frozenset({"OTP"}),
    "cmusaslsecretSRP": frozenset({"SRP"}),
}


def served(properties: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the mechanisms, strongest first, that a relay with all plugins can serve the account.

    An ``authPassword`` holds one verifier and serves the one SCRAM variant that it names (RFC 5803).
    """
    found: set[str] = set()
    for name, value in properties.items():
        found |= _SERVED_BY.get(name, frozenset())
        if name == AUTH_PASSWORD:
            found.add(value.partition(b"$")[0].decode(errors="replace"))
    return ordered(found & set(STRONGEST_FIRST))


def ordered(mechanisms: Iterable[str]) -> tuple[str, ...]:
    """Return the mechanisms, strongest first."""
    return tuple(sorted(mechanisms, key=STRONGEST_FIRST.index))
