"""Libraries that some installations lack: how the Python that runs this gets them."""

import sys

from .shell import quote
from .systems import DEBIAN

_DEBIAN = {
    "dnspython": "python3-dnspython",
    "lmdb": "python3-lmdb",
    "psycopg": "python3-psycopg",
    "python-pkcs11": "python3-pkcs11",
}
"""Which distribution has what; pyrage is in none."""


def how_to_install(library: str) -> str:
    """Return the command that installs a library where this Python finds it, for a hint.

    It never names this program: whoever owns its name in an index need not be its authors.

    Args:
        library: by its name in the Python Package Index.
    """
    python = quote(sys.executable or "python3")
    if sys.prefix != sys.base_prefix:
        return f"{python} -m pip install {library}"
    alone = f"{python} -m pip install --user {library}"
    return f"{DEBIAN.install} {_DEBIAN[library]} (Debian), or {alone}" if library in _DEBIAN else alone
