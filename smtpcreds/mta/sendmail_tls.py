"""Which versions of TLS options of OpenSSL leave, as Sendmail takes them: by name, or by number.

Source: op.me of sendmail 8.17 (ServerSSLOptions), openssl/ssl.h of 3.0. A client speaks no version above one
that is switched off while an older one is on (seen with OpenSSL 3.0); a server does.
"""

from itertools import dropwhile, takewhile

from ..lazy import pattern

_BITS = {"TLSV1": 1 << 26, "TLSV1_1": 1 << 28, "TLSV1_2": 1 << 27, "TLSV1_3": 1 << 29}
_OF_TODAY = frozenset({"TLSV1_2", "TLSV1_3"})
_NAMED = pattern(r"(?i)(-?)SSL_OP_NO_(TLSv1(?:_[1-3])?)\b")
_NUMBER = pattern(r"(?i)(?<![\w-])\+?(0x[0-9a-f]{1,16}|[0-9]{1,19})\b")


def _off(options: str) -> set[str]:
    """Return the versions that are switched off; a sign ``-`` leaves one on."""
    number = sum({int(found[1], 0 if "x" in found[1].lower() else 10) for found in _NUMBER.finditer(options)})
    named = {found[2].upper() for found in _NAMED.finditer(options) if not found[1]}
    return named | {version for version, bit in _BITS.items() if number & bit}


def lacks_version(options: str, minor: int) -> bool:
    """Tell whether options switch TLS 1.2, or 1.3, off."""
    return f"TLSV1_{minor}" in _off(options)


def serves(options: str) -> bool:
    """Tell whether a server is left a version that clients speak."""
    return not _off(options) >= _OF_TODAY


def asks(options: str) -> bool:
    """Tell whether a client is left a version that servers speak."""
    off = _off(options)
    begun = dropwhile(off.__contains__, _BITS)
    return bool(_OF_TODAY & {*takewhile(lambda version: version not in off, begun)})
