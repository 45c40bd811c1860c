"""Mechanisms by the names that both sides know: what filters and security options leave of them.

Source: SASL_README of Postfix, op.me of Sendmail (AuthOptions), and what Cyrus SASL 2.1.28 was seen to offer.
"""

import re
from collections.abc import Callable, Iterable

from ..names import BY_PASSWORD, PLAINTEXT

_PLUGINS = {
    "plain": "PLAIN",
    "login": "LOGIN",
    "crammd5": "CRAM-MD5",
    "digestmd5": "DIGEST-MD5",
    "scram": "SCRAM-SHA-256",
    "scramsha1": "SCRAM-SHA-1",
    "scramsha256": "SCRAM-SHA-256",
    "gssapiv2": "GSSAPI",
}
"""What the plugins of Cyrus SASL are called, without lib and .so; a filter takes names of mechanisms."""
_OTHERS = frozenset(
    {"ANONYMOUS", "EXTERNAL", "GSSAPI", "GS2-KRB5", "GSS-SPNEGO", "KERBEROS_V4", "NTLM", "OTP", "SRP"}
    | {"OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "APOP"}
)
_KNOWN = _OTHERS | frozenset(BY_PASSWORD)
_ACTIVE = frozenset({"CRAM-MD5", *PLAINTEXT})
NO_PLAINTEXT, NO_ACTIVE, MUTUAL = "noplaintext", "noactive", "mutual_auth"
NO_DICTIONARY, FORWARD_SECRECY = "nodictionary", "forward_secrecy"
PASS_CREDENTIALS = "pass_credentials"  # noqa: S105
_WITHOUT: dict[str, Callable[[str], bool]] = {
    NO_PLAINTEXT: lambda name: name in PLAINTEXT,
    NO_ACTIVE: lambda name: name in _ACTIVE | {"DIGEST-MD5"},
    NO_DICTIONARY: lambda _: True,
    FORWARD_SECRECY: lambda _: True,
    MUTUAL: lambda name: name in _ACTIVE,
    PASS_CREDENTIALS: lambda name: name not in PLAINTEXT,
}
"""Which mechanisms by password each security option takes away (observed with Cyrus SASL 2.1.28)."""


def left(
    mechanisms: Iterable[str], filters: Iterable[str] = (), options: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return which mechanisms by password are left.

    Args:
        mechanisms: upper-case names.
        filters: words of a ``mechanism_filter``; none filter nothing.
        options: words of ``security_options``.
    """
    patterns, barred = tuple(filters), [_WITHOUT[word] for word in options if word in _WITHOUT]
    return tuple(
        name
        for name in mechanisms
        if (not patterns or _passes(name, patterns)) and not any(bar(name) for bar in barred)
    )


def _passes(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a filter lets a name pass: the first pattern that fits decides, a table for all."""
    for pattern in patterns:
        negated, plain = pattern.startswith("!"), pattern.lstrip("!")
        if plain.upper() == name or plain.startswith("/") or ":" in plain:
            return not negated
    return False


def misnamed(filters: Iterable[str]) -> dict[str, str]:
    """Return the words of a filter that name no mechanism, with what was meant; empty where nobody knows."""
    plain = (word.lstrip("!") for word in filters)
    return {
        word: _PLUGINS.get(re.sub(r"^lib|\.so$|[-_]", "", word.lower()), "")
        for word in plain
        if word.upper() not in _KNOWN and ":" not in word and not word.startswith("/")
    }
