"""Ciphers of TLS 1.2 that a list leaves, as this host's OpenSSL takes it (openssl-ciphers(1))."""

import ssl

_ENOUGH = 128
"""Bits below which no client of today offers a cipher."""
_KEYS = {"auth-rsa": "RSA", "auth-ecdsa": "EC"}
_EXCHANGES = frozenset({"kx-rsa", "kx-dhe", "kx-ecdhe"})
"""By certificate alone; others need a secret that both sides were given (PSK, SRP)."""


def keys_served(ciphers: str) -> frozenset[str]:
    """Return for which kinds of key, of ``RSA`` and ``EC``, a list leaves a cipher that others offer.

    Those of TLS 1.3, which no such list is about, don't count; neither do ciphers that encrypt or
    authenticate nothing. A list that OpenSSL can't take leaves none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(ciphers)
    except (ssl.SSLError, ValueError):
        return frozenset()
    left = (cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3")
    usual = (cipher for cipher in left if cipher["kea"] in _EXCHANGES and cipher["strength_bits"] >= _ENOUGH)
    return frozenset(kind for cipher in usual if (kind := _KEYS.get(cipher["auth"])))


def left(ciphers: str) -> tuple[str, ...]:
    """Return the names of the ciphers of TLS 1.2 and older; none where OpenSSL refuses the list."""
    return tuple(name for name, _ in _named(ciphers))


def encrypting(ciphers: str) -> tuple[str, ...]:
    """Return those that encrypt."""
    return tuple(name for name, bits in _named(ciphers) if bits)


def _named(ciphers: str) -> list[tuple[str, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(ciphers)
    except (ssl.SSLError, ValueError):
        return []
    found = (cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3")
    return [(str(cipher["name"]), int(cipher["strength_bits"])) for cipher in found]
