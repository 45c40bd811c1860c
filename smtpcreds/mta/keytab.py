"""A keytab: the keys by which a service takes Kerberos tickets; who has them can make tickets for it, too.

Source: MIT krb5's documentation, "Keytab file format", version 2, which all of its releases since 1.0 and
Heimdal write.
"""

from collections.abc import Iterator
from struct import error, unpack_from

from ..errors import DamagedFileError

_VERSION = b"\x05\x02"


def principals(content: bytes, path: str) -> tuple[str, ...]:
    """Return whose keys it holds, as ``smtp/dmzmail.example.org@EXAMPLE.ORG``, each once.

    Raises:
        DamagedFileError: it is no keytab.
    """
    if not content.startswith(_VERSION):
        raise DamagedFileError(path, "is no keytab", "klist -k shows what is one")
    try:
        return tuple(dict.fromkeys(map(_principal, _entries(content))))
    except error:
        raise DamagedFileError(path, "is a keytab that ends too early", "make it anew: ktadd") from None


def _entries(content: bytes) -> Iterator[bytes]:
    """Yield each entry without its length; a negative length is that of a hole."""
    at = len(_VERSION)
    while at < len(content):
        (length,) = unpack_from(">i", content, at)
        at += 4
        if length > 0:
            yield unpack_from(f"{length}s", content, at)[0]
        at += abs(length)


def _principal(entry: bytes) -> str:
    (components,) = unpack_from(">H", entry)
    at, texts = 2, []
    for _ in range(components + 1):
        (length,) = unpack_from(">H", entry, at)
        (text,) = unpack_from(f"{length}s", entry, at + 2)
        texts.append(text.decode(errors="replace"))
        at += 2 + length
    realm, *names = texts
    return f"{'/'.join(names)}@{realm}"
