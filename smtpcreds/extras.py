"""Libraries that some installations lack: how the Python that runs this gets them."""

import os
import sys
from collections.abc import Callable

from .shell import quote
from .systems import OS_RELEASE, named


def os_release(place: Callable[[str], str] = str) -> str | None:
    """Return os-release(5), if there is one.

    Args:
        place: where a path is looked for; by default on the system that runs this.
    """
    for path in map(place, OS_RELEASE):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            continue
    return None


def brought_by(thing: str) -> str:
    """Return the command that brings a thing to the system that runs this; nothing if it is not known."""
    system = named(os_release() or "")
    return system.brought_by(thing) if system else ""


def in_package(*things: str) -> str:
    """Return how to install things on the system that runs this, in brackets behind a blank, or nothing."""
    commands = " or ".join(filter(None, map(brought_by, things)))
    return commands and f" ({commands})"


def token_libraries() -> list[str]:
    """Return the libraries of PKCS #11 tokens that are where packages of the system put them."""
    import glob

    system = named(os_release() or "")
    places = system.token_libraries.values() if system else ()
    return [path for place in places for path in sorted(glob.glob(place))]


def how_to_install(library: str) -> str:
    """Return the command that installs a library where this Python finds it, for a hint.

    It never names this program: whoever owns its name in an index need not be its authors.

    Args:
        library: by its name in the Python Package Index.
    """
    is_of_system = sys.prefix == sys.base_prefix
    if is_of_system and (command := brought_by(library)):
        return command
    where = f" --user{' --break-system-packages' if _is_managed() else ''}" if is_of_system else ""
    return f"{quote(sys.executable or 'python3')} -m pip install{where} {library}"


def _is_managed() -> bool:
    """Tell whether pip refuses to install beside the distribution's packages (PEP 668)."""
    from sysconfig import get_path

    return os.path.exists(f"{get_path('stdlib')}/EXTERNALLY-MANAGED")
