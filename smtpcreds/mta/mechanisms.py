"""Which SASL mechanisms are offered or tried, parsed at the door and put in order."""

import re
from collections.abc import Iterable

from ..errors import UsageError
from ..mechanisms import BY_PASSWORD, PLAINTEXT

EXTERNAL = "EXTERNAL"
STRONGEST_FIRST = (EXTERNAL, *BY_PASSWORD)
DEFAULT = ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5")
"""None of them shows the secret on the wire."""
_NAME = re.compile(r"[A-Z0-9_-]{1,20}")


def named(name: str) -> str:
    """Return a name of any mechanism, known here or not, in upper case (RFC 4422 section 3.1).

    Raises:
        UsageError: it can't be one.
    """
    if not _NAME.fullmatch(name.upper()):
        raise UsageError(name, "is no name of a mechanism; such are SCRAM-SHA-256, CRAM-MD5")
    return name.upper()


def offer(
    chosen: Iterable[str] = (),
    *,
    default: Iterable[str] = DEFAULT,
    plaintext: bool = False,
    external: bool = False,
) -> tuple[str, ...]:
    """Return the mechanisms, the strongest first.

    Args:
        chosen: names in any case; empty for the default.
        default: what is offered when nothing is chosen.
        plaintext: add PLAIN and LOGIN, which every program offers inside TLS only.
        external: add EXTERNAL, by which a verified client certificate logs in.

    Raises:
        UsageError: an unknown mechanism; the hint lists the known ones.
    """
    wanted = {name.upper() for name in chosen} or set(default)
    wanted |= set(PLAINTEXT) if plaintext else set()
    wanted |= {EXTERNAL} if external else set()
    for name in sorted(wanted - set(STRONGEST_FIRST)):
        raise UsageError(name, "is no mechanism that can be offered", f"known: {', '.join(STRONGEST_FIRST)}")
    return tuple(name for name in STRONGEST_FIRST if name in wanted)


def usable(program: str, known: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """Return those of the wanted mechanisms that a program knows, in the order of ``wanted``.

    Raises:
        UsageError: none of them; the hint says what to offer.
    """
    names = tuple(known)
    found = tuple(name for name in wanted if name in names)
    if not found:
        hint = "give --plaintext, also to the program of the hub; it offers them inside TLS only"
        reason = f"knows of mechanisms only {', '.join(names)}, and none of them is to be tried"
        raise UsageError(program, reason, hint if set(names) & set(PLAINTEXT) else f"--mechanism {names[0]}")
    return found
