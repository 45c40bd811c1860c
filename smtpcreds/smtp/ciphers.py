"""Which ciphers a string of OpenSSL's leaves, as this host's OpenSSL reads it; see openssl-ciphers(1)."""

import ssl

_SUITES = "TLSv1.3"
"""These have a list of their own, and no string of ciphers takes them away."""


def left(text: str) -> tuple[str, ...]:
    """Return the names of the ciphers of TLS 1.2 and older; none where OpenSSL refuses the string."""
    return tuple(name for name, _ in _of_old_versions(text))


def encrypting(text: str) -> tuple[str, ...]:
    """Return those that encrypt."""
    return tuple(name for name, bits in _of_old_versions(text) if bits)


def _of_old_versions(text: str) -> list[tuple[str, int]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(text)
    except ssl.SSLError:
        return []
    return [
        (str(one["name"]), int(one["strength_bits"]))
        for one in context.get_ciphers()
        if one["protocol"] != _SUITES
    ]
