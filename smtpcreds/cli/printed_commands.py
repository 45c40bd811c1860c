"""Commands that the program prints for the administrator: as they have to be typed where it runs."""

import os
import re
import sys

from ..files.programs import which
from ..lazy import pattern
from ..shell import quote

_NOUNS = "setup|bundle|status|ca|cert|sasl|mta|tlsa|audit|probe|inventory"
_COMMAND = pattern(rf"(?<![\w./-])smtpcreds (?=(?:{_NOUNS})\b|--help$)")
_SEGMENT = pattern(r"[^;\n]+|[;\n]+")
_QUOTED = pattern(r"""(?<![^\s=(<])(?:'[^'\n]*'(?:"'"'[^'\n]*')*|\$'[^'\n]*')""")
"""A word as :func:`smtpcreds.shell.quote` writes it, a name: nothing in it is a command of ours."""
_PLACE = "\0"
_ON_ANOTHER_HOST = pattern(r"\bon (?:that host|the hub|the authority|(?!\d)[\w.-]+)(?: then)?: ")
_RUN = pattern(r"(?<![\w./-])(smtpcreds (?:mta apply|setup)\b[^&,:]*?) --run\b")
"""What is refused under another root, whose mail programs don't run here."""
_SASL = pattern(r"(?<![\w./-])(smtpcreds(?: [^;:]*?)? sasl [a-z-]+)(?![a-z-])(?![^;:]*--database)")


def program() -> str:
    """Return the words that start this program from the current directory."""
    started = sys.argv[0]
    if os.path.basename(started) != "smtpcreds":
        return f"{quote(sys.executable)} -m smtpcreds"
    found = which("smtpcreds")
    if "/" not in started or (found and os.path.realpath(found) == os.path.realpath(started)):
        return "smtpcreds"
    return quote(os.path.abspath(started))


def whole_program(root: str | None, config: str | None) -> str:
    """Return the words that start this program from anywhere, as ``typed`` has the options."""
    started = sys.argv[0]
    if os.path.basename(started) != "smtpcreds":
        start = f"{quote(sys.executable)} -m smtpcreds"
    else:
        found = started if "/" in started else which(started) or started
        start = quote(os.path.abspath(found))
    paths = [os.path.abspath(path) if path else None for path in (root, config)]
    return " ".join([start, *_option("--root", paths[0]), *_option("-c", paths[1])])


def typed(text: str, root: str | None, config: str | None, database: str | None) -> str:
    """Return a text with its commands as this run would have them typed.

    A command for another host, which the text introduces by "on HOST:", stays as it is.

    Args:
        text: one line or more.
        root: the ``--root`` of this run.
        config: its ``--config``.
        database: its ``--database``, which the commands of ``sasl`` need.
    """
    runs = not (root or "").strip("/")
    if root and not runs:
        from .other_root import inside

        text = inside(text, root, _ON_ANOTHER_HOST)
    words = [program(), *_option("--root", root), *_option("-c", config)]
    quoted = iter(_QUOTED.findall(text))
    bare = _QUOTED.sub(_PLACE, text)
    done = "".join(
        _typed(found[0], " ".join(words), database, runs=runs) for found in _SEGMENT.finditer(bare)
    )
    return re.sub(_PLACE, lambda _: next(quoted), done)


def _option(name: str, value: str | None) -> list[str]:
    return [name, quote(value)] if value else []


def _typed(segment: str, start: str, database: str | None, *, runs: bool) -> str:
    if _ON_ANOTHER_HOST.search(segment):
        return segment
    if not runs:
        segment = _RUN.sub(lambda found: found[1], segment)
    if database:
        option = f" --database {quote(database)}"
        segment = _SASL.sub(lambda found: found[1] + option, segment)
    return _COMMAND.sub(lambda _: f"{start} ", segment)
