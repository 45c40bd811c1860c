"""What Exim's configuration comes to: macros and conditions put in, options by section, access lists.

Source: the Exim specification, chapters 6 (macros, .ifdef), 14 (main options) and 30 (smtp transport).
"""

from collections.abc import Iterator, Mapping
from dataclasses import field

from ..lazy import dataclass, pattern
from . import exim_conditions
from .exim import logical_lines

_MACRO = pattern(r"([A-Z]\w*)\s*==?\s*(.*)")
_CONDITION = pattern(r"\.(ifdef|ifndef|elifdef|elifndef|else|endif)\b\s*(.*)")
_BUILT_IN = ("_HAVE_", "_OPT_", "_DRIVER_", "_EXP_")
_BEGIN = pattern(r"begin\s+(\w+)")
_NAME = pattern(r"(\w+):")
_OPTION = pattern(r"(?:hide\s+)?(\w+)\s*=\s*(.*)")
_HOST_LIST = pattern(r"hostlist(?:_cache)?\s+(\w+)\s*=\s*(.*)")
_FLAG = pattern(r"(no_|not_)?(\w+)")
_VERB = pattern(r"(accept|defer|deny|discard|drop|require|warn)\b\s*(.*)")
_ACL_LINE = pattern(r"(!?)\s*(\w+)\s*=?\s*(.*)")


def in_force(text: str) -> Iterator[str]:
    """Yield the logical lines that are in force, macros replaced; of conditions, those of the build hold."""
    macros: dict[str, str] = {}
    taken: list[list[bool]] = []  # for each open condition: is it in force, was any branch
    for line in logical_lines(text):
        if condition := _CONDITION.match(line):
            _branch(taken, condition[1], condition[2].split(), macros)
        elif all(state[0] for state in taken):
            if definition := _MACRO.fullmatch(line):
                macros[definition[1]] = _replaced(definition[2], macros)
            else:
                yield _replaced(line, macros)


def _branch(taken: list[list[bool]], word: str, names: list[str], macros: Mapping[str, str]) -> None:
    is_known = any(name in macros or _is_built_in(name) for name in names)
    if word.startswith("if"):
        holds = is_known == (word == "ifdef")
        taken.append([holds, holds])
    elif taken and word == "endif":
        taken.pop()
    elif taken:
        holds = not taken[-1][1] and (word == "else" or is_known == (word == "elifdef"))
        taken[-1][:] = [holds, taken[-1][1] or holds]


def _is_built_in(name: str) -> bool:
    return name.startswith(_BUILT_IN) and name != "_HAVE_OPENSSL"


def _replaced(line: str, macros: Mapping[str, str]) -> str:
    """Return a line with its macros, replaced wherever their names occur; the longest goes first."""
    for name in sorted(macros, key=len, reverse=True):
        if name in line:
            line = line.replace(name, macros[name])
    return line


@dataclass(frozen=True)
class Statement:
    """One statement of an access list: verb, and its conditions as negation, name and value."""

    verb: str
    conditions: list[tuple[bool, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Configuration:
    """Options by name, each with what stands behind ``=``; a flag without a value is ``yes`` or ``no``."""

    main: Mapping[str, str]
    acls: Mapping[str, list[Statement]]
    transports: Mapping[str, Mapping[str, str]]
    authenticators: Mapping[str, Mapping[str, str]]
    host_lists: Mapping[str, str] = field(default_factory=dict)
    routers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def parse(text: str) -> Configuration:
    """Read a configuration; what is not understood is passed over."""
    parts: dict[str, dict[str, dict[str, str]]] = {"main": {"": {}}}
    acls: dict[str, list[Statement]] = {}
    lists: dict[str, str] = {}
    part, name = "main", ""
    for line in in_force(text):
        if begin := _BEGIN.fullmatch(line):
            part, name = begin[1], ""
        elif (item := _NAME.fullmatch(line)) and part != "main":
            name = item[1]
            acls.setdefault(name, []) if part == "acl" else parts.setdefault(part, {}).setdefault(name, {})
        elif part == "acl":
            _take(acls.setdefault(name, []), line)
        elif part == "main" and (hosts := _HOST_LIST.fullmatch(line)):
            lists[hosts[1]] = hosts[2].strip()
        elif option := _OPTION.fullmatch(line):
            parts.setdefault(part, {}).setdefault(name, {})[option[1]] = option[2].strip()
        elif flag := _FLAG.fullmatch(line):
            parts.setdefault(part, {}).setdefault(name, {})[flag[2]] = "no" if flag[1] else "yes"
    of = {part: parts.get(part, {}) for part in ("transports", "authenticators", "routers")}
    return Configuration(
        parts["main"][""], acls, of["transports"], of["authenticators"], lists, of["routers"]
    )


def _take(statements: list[Statement], line: str) -> None:
    if verb := _VERB.fullmatch(line):
        statements.append(Statement(verb[1]))
        line = verb[2]
    if statements and line and (condition := _ACL_LINE.fullmatch(line)):
        statements[-1].conditions.append((bool(condition[1]), condition[2], condition[3].strip()))


def named(conf: Configuration, value: str) -> list[Statement]:
    """Return the access list that an option names, or is; none where nobody can tell."""
    own: list[Statement] = []
    if value not in conf.acls and _VERB.fullmatch(value):
        _take(own, value)
    return conf.acls.get(value, own)


def elsewhere(value: str) -> bool | None:
    """Tell whether a list of hosts or domains has one that is none of ours; None where nobody can tell."""
    if "$" in value:
        return None
    for item in filter(None, (part.strip() for part in value.split(":"))):
        name = item.lstrip("! ")
        if name == "*" or name.startswith("+"):
            if name == "*" or item.startswith("!"):
                return (name == "*") != item.startswith("!")
        elif item.startswith("!"):
            return None
    return value.rpartition(":")[2].strip().startswith("!")


def is_nobody(hosts: str) -> bool:
    """Tell whether a list of hosts is empty, or excludes all first."""
    return hosts.replace(":", "").strip() == "" or hosts.replace(" ", "").startswith("!*")


def is_everybody(hosts: str) -> bool:
    """Tell whether a list of hosts is ``*``."""
    return hosts.strip() == "*"


def is_never(condition: str) -> bool:
    """Tell whether a condition is a constant that does not hold."""
    return exim_conditions.constant(condition) is False


_EVERY_VERSION = frozenset({"TLS1.2", "TLS1.3"})


_BASES = ("NONE", "NORMAL", "PERFORMANCE", "SECURE", "PFS", "LEGACY", "SUITEB", "@", "+", "-", "!", "%")
"""How the words of a priority string begin."""
_CIPHERS = ("AES-", "CHACHA20", "CAMELLIA", "CIPHER-ALL")


def is_unknown(priorities: str) -> bool:
    """Tell whether GnuTLS does not take it as a priority string; Exim then doesn't start."""
    words = [word.strip().upper() for word in priorities.split(":")]
    return not all(word.startswith(_BASES) for word in words) or words == ["NONE"]


def without_cipher(priorities: str, key: str) -> bool:
    """Tell whether a priority string leaves no cipher for a kind of key, ``RSA`` or ``EC``."""
    words = [word.strip().upper() for word in priorities.split(":")]
    added = [word[1:] for word in words if word.startswith("+")]
    if "-CIPHER-ALL" in words and not any(word.startswith(_CIPHERS) for word in added):
        return True
    usable = ("SIGN-ECDSA", "SIGN-EDDSA") if key == "EC" else ("SIGN-RSA",)
    if "-SIGN-ALL" in words and not any(word.startswith(usable) for word in added):
        return True
    kinds = ("ECDHE-ECDSA",) if key == "EC" else ("RSA", "DHE-RSA", "ECDHE-RSA")
    is_old = "TLS1.3" not in versions(priorities)
    return is_old and "-KX-ALL" in words and not any(word in kinds for word in added)


def versions(priorities: str) -> frozenset[str]:
    """Return which of TLS 1.2 and 1.3 a priority string of GnuTLS leaves (gnutls_priority_init(3)).

    A list of ciphers, as Exim with OpenSSL takes it, says nothing of versions, and leaves both.
    """
    left = _EVERY_VERSION
    for word in priorities.split(":"):
        name = word[1:].upper().removeprefix("VERS-")
        meant = _EVERY_VERSION if name in {"ALL", "TLS-ALL"} else frozenset({name}) & _EVERY_VERSION
        if word[1:].upper().startswith("VERS-"):
            left = left | meant if word[0] == "+" else left - meant
    return left
