"""What sendmail.cf says in options, classes, macros, maps and rulesets; a rule is its two sides.

The last line of an option counts, but flags are added to those of the lines before; names of options are the
same in upper and lower case (readcf.c).
Options of one letter, macros inside values, and files of classes are not followed.
"""

import re
from collections.abc import Callable, Iterator

from ..lazy import dataclass, pattern

_OPTION = pattern(r"O\s+([A-Za-z0-9_.]+)\s*=\s*(.*)")
_FLAGS = frozenset({"authoptions", "dontblamesendmail"})
_NAMED = pattern(r"\{(\w+)\}|(.)")
_RULESET = pattern(r"S\s*(\w+)")
_FILE = pattern(r"F(?:\{(\w+)\}|(\w))\s*(?:-o\s+)?(\S+)")


@dataclass(frozen=True)
class SendmailCf:
    """What the file says.

    Attributes:
        options: lower-case name to value.
        classes: name to the words of its ``C`` lines.
        class_files: name to the file of its ``F`` line.
        macros: name to value.
        maps: name to class and arguments, as ``hash -T<TMPF> /etc/mail/access``.
        rulesets: name to rules, each its left and right side.
    """

    options: dict[str, str]
    classes: dict[str, frozenset[str]]
    class_files: dict[str, str]
    macros: dict[str, str]
    maps: dict[str, str]
    rulesets: dict[str, list[tuple[str, str]]]

    def option(self, name: str) -> str:
        """Return the value of an option, empty where it is not set."""
        return self.options.get(name.lower(), "")

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of an option that holds a list."""
        return tuple(self.option(name).replace(",", " ").split())

    def has_flag(self, name: str) -> bool:
        """Tell whether ``DontBlameSendmail`` has the flag."""
        return name.lower() in {word.lower() for word in self.words("DontBlameSendmail")}

    def map_file(self, name: str) -> str:
        """Return the path of a map in a file, without ``.db``; empty where there is no such map.

        Red Hat's sendmail.mc names the file with its end, and Sendmail adds no other (map.c).
        """
        words = [word for word in self.maps.get(name, "").split()[1:] if not word.startswith("-")]
        path = words[-1] if words and words[-1].startswith("/") else ""
        return path.removesuffix(".cdb").removesuffix(".db")


def parse(text: str) -> SendmailCf:
    """Read the file; a line of a kind that is not looked at is passed over."""
    found = SendmailCf({}, {}, {}, {}, {}, {})
    for line in _lines(text):
        if take := _KINDS.get(line[0]):
            take(found, line)
    return found


def _option(found: SendmailCf, line: str) -> None:
    if option := _OPTION.match(line):
        name, value = option[1].lower(), option[2].strip()
        before = found.options.get(name, "") if name in _FLAGS else ""
        found.options[name] = f"{before} {value}".strip()


def _class(found: SendmailCf, line: str) -> None:
    if name := _NAMED.match(line, 1):
        key = name[1] or name[2]
        found.classes[key] = found.classes.get(key, frozenset()) | set(line[name.end() :].split())


def _macro(found: SendmailCf, line: str) -> None:
    if name := _NAMED.match(line, 1):
        found.macros[name[1] or name[2]] = line[name.end() :].strip()


def _map(found: SendmailCf, line: str) -> None:
    name, _, rest = line[1:].strip().partition(" ")
    found.maps[name] = rest.strip()


def _ruleset(found: SendmailCf, line: str) -> None:
    if ruleset := _RULESET.match(line):
        found.rulesets[ruleset[1]] = found.rulesets.pop(ruleset[1], [])


def _rule(found: SendmailCf, line: str) -> None:
    left, *right = re.split(r"\t+", line[1:], maxsplit=2)
    if found.rulesets and right:
        next(reversed(found.rulesets.values())).append((left.strip(), right[0].strip()))


def _file(found: SendmailCf, line: str) -> None:
    if file := _FILE.match(line):
        found.class_files[file[1] or file[2]] = file[3]


_KINDS: dict[str, Callable[[SendmailCf, str], None]] = {
    "O": _option,
    "C": _class,
    "D": _macro,
    "K": _map,
    "S": _ruleset,
    "F": _file,
    "R": _rule,
}


def _lines(text: str) -> Iterator[str]:
    """Yield logical lines: one that begins with a blank continues the one before."""
    held = ""
    for line in text.split("\n"):
        if line[:1] in {" ", "\t"}:
            held += " " + line.strip()
            continue
        if held and held[0] != "#":
            yield held
        held = line.rstrip()
    if held and held[0] != "#":
        yield held
