"""Libraries that some installations lack: how the Python that runs this gets them."""

import os
import sys

from .shell import quote
from .systems import DEBIAN

_DEBIAN = {
    "dnspython": "python3-dnspython",
    "lmdb": "python3-lmdb",
    "psycopg": "python3-psycopg",
    "python-pkcs11": "python3-pkcs11",
}
"""Its packages; pyrage is in none."""
_DEBIAN_RELEASE = "/etc/debian_version"


def how_to_install(library: str) -> str:
    """Return the command that installs a library where this Python finds it, for a hint.

    It never names this program: whoever owns its name in an index need not be its authors.

    Args:
        library: by its name in the Python Package Index.
    """
    is_of_system = sys.prefix == sys.base_prefix
    if is_of_system and library in _DEBIAN and os.path.exists(_DEBIAN_RELEASE):
        return f"{DEBIAN.install} {_DEBIAN[library]}"
    where = f" --user{' --break-system-packages' if _is_managed() else ''}" if is_of_system else ""
    return f"{quote(sys.executable or 'python3')} -m pip install{where} {library}"


def _is_managed() -> bool:
    """Tell whether pip refuses to install beside the distribution's packages (PEP 668)."""
    from sysconfig import get_path

    return os.path.exists(f"{get_path('stdlib')}/EXTERNALLY-MANAGED")
