"""What Exim's files have in common in both roles.

Exim reads certificates, keys and credentials as a user without privileges, so it gets copies. Lines are
``name = value``. Exim expands a value, so what we are told may hold letters, digits and ``. _ -`` only.

Source: the Exim specification, chapters 6, 15, 17, 33 and 43, and update-exim4.conf(8) of Debian.
"""

import re
from collections.abc import Mapping

from ..errors import DamagedFileError, InexpressibleError
from ..secret import Secret
from .copies import Copies

USER = "Debian-exim"
DIRECTORY = "/etc/exim4/smtpcreds"
COPIES = Copies(DIRECTORY, USER)

Options = Mapping[str, str]
Groups = Mapping[str, Options]
"""Drivers or access lists by name, each with its options; the empty name has what belongs to none."""

_HEAD = "written by smtpcreds, do not edit"
_WORD = re.compile(r"[A-Za-z0-9._-]+")
_GROUP = re.compile(r"(\w+):")
_OPTION = re.compile(r"\s*(\w+(?: \w+)?)\s*=\s*(.*)")


def driver_name(mechanism: str) -> str:
    """Return what an authenticator for the mechanism is called."""
    return f"smtpcreds_{mechanism.lower().replace('-', '_')}"


def word(value: str) -> str:
    """Return a value that stands in a line as it is.

    Raises:
        InexpressibleError: one with a character that Exim could take for something else.
    """
    if not _WORD.fullmatch(value):
        raise InexpressibleError(value, "holds a character that Exim would expand or cut")
    return value


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read a fragment, to ``group.option``, or a copy.

    Raises:
        DamagedFileError: a line of a kind that is never rendered, by its number.
    """
    if path in COPIES.paths:
        return COPIES.parse(path, content)
    found: dict[str, str | Secret] = {}
    group = ""
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if name := _GROUP.fullmatch(line):
            group = f"{name[1]}."
        elif option := _OPTION.fullmatch(line):
            found[group + option[1]] = option[2]
        elif line.strip() and not line.startswith("#"):
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
    return found


def text_of(title: str, groups: Groups) -> bytes:
    """Return the lines of a fragment."""
    lines = [f"# {title}; {_HEAD}"]
    for name, options in groups.items():
        lines += [f"{name}:"] if name else []
        indent = "  " if name else ""
        lines += [f"{indent}{option} = {value}" for option, value in options.items()]
    return "".join(f"{line}\n" for line in lines).encode("ascii")
