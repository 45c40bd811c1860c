"""Dovecot's configuration as text: each setting with its blocks and lines, by the rules of 2.3 and of 2.4."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..lazy import pattern

# Seen with doveconf of 2.3.19 and 2.4.1. Words of a block's head and values may be in quotes, a line goes on
# behind a backslash. In 2.4 a block may be the beginning of names, and blocks may stand in a name:
# ``ssl_client { ca_file = x }`` and ``ssl_client/ca_file = x`` are ``ssl_client_ca_file = x``.
#
# ``group @label name { ... }``, which may stand below its use, says what holds where ``@label = name`` is,
# unless the same block says otherwise. Of two names for a label the last counts, of two labels the first.

_PREFIXES = frozenset({"ssl_client", "ssl_server"})
_NAMED = frozenset({"service", "passdb", "protocol", "unix_listener"})
"""Blocks with a name, which is the next part of a path."""
_YES = frozenset({"yes", "y", "1"})
_BOOLEANS = frozenset(
    {
        "auth_allow_cleartext",
        "auth_policy_reject_on_fail",
        "auth_ssl_require_client_cert",
        "auth_ssl_username_from_cert",
        "deny",
        "disable_plaintext_auth",
        "drop_priv_before_exec",
        "master",
        "ssl_client_require_valid_cert",
        "submission_relay_ssl_verify",
    }
)
_SETTING = pattern(r"(@?[\w/-]+)\s*=\s*(.*)")
_CODE = pattern(r"""(?:[^#'"]|(['"])(?:\\.|(?!\1)[^\\])*(?:\1|$|\\$))*""")
"""A line up to its comment; what is in quotes is none."""
_QUOTED = pattern(r"""(['"])(.*)\1""")
_ESCAPED = pattern(r"\\(.)")


class Setting(NamedTuple):
    """One that is said, or the head of a block, which has no name.

    Attributes:
        block: heads of the blocks around it, from outside; without those that begin names.
        name: whole, as outside of such blocks.
        value: without quotes.
        begin: number of the line where the innermost block that was written begins; its own in none.
        at: the number of its line.
        to: the number of its last line.
        end: the number of the last line of that block; its own in none.
    """

    block: tuple[str, ...]
    name: str
    value: str
    begin: int
    at: int
    to: int
    end: int


def settings(text: str, *, is_new: bool) -> Iterator[Setting]:
    """Yield the heads of blocks and the settings, in order.

    Each block ``passdb`` of 2.3 gets a number; those of one name are one block in 2.4. What a group of
    2.4 says comes where the block begins that uses it, before what that says itself.
    """
    said = [*_said(text, is_new=is_new)]
    used = _used(said) if is_new else {}
    yield from _of_groups((), used, said)
    begun: set[tuple[str, ...]] = {()}
    for each in said:
        if each.name.startswith("@") or "".join(each.block[:1]).startswith("group @"):
            continue
        yield each
        if each.block not in begun:
            begun.add(each.block)
            yield from _of_groups(each.block, used, said)


def _used(said: Iterable[Setting]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return which group of each label each block uses, the first label first."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for each in said:
        if each.name.startswith("@"):
            found.setdefault(each.block, {})[each.name] = each.value
    return found


def _of_groups(
    block: tuple[str, ...], used: Mapping[tuple[str, ...], Mapping[str, str]], said: Iterable[Setting]
) -> Iterator[Setting]:
    """Yield what the groups say that a block uses."""
    for label, group in reversed([*used.get(block, {}).items()]):
        for each in said:
            if each.block[:1] == (f"group {label} {group}",):
                for name in _names(each, f"{label[1:]}_", group):
                    around, whole = _placed((*block, *each.block[1:]), name)
                    yield each._replace(block=around, name=whole)


def _names(setting: Setting, label: str, group: str) -> list[str]:
    """Return what a setting of a group may be called, with the label that was left out; none if it is lost.

    Dovecot's auth reads no group: its settings and passdbs have no effect there, though doveconf shows them
    (observed with 2.4.1 and 2.4.5).
    """
    _, *inner = setting.block
    if any(head.startswith(("auth_", "passdb ")) for head in inner[:1]):
        return []
    whole = [setting.name]
    if setting.name and not inner:
        whole += [f"{label}{setting.name}", f"{label}{group}_{setting.name}"]
    return [name for name in whole if not name.startswith("auth_") or name == "auth_allow_cleartext"]


def _said(text: str, *, is_new: bool) -> Iterator[Setting]:
    said = [*_lines(text)]
    ends = _ends(said)
    opened: list[tuple[int, str]] = []
    for at, to, line in said:
        blocks = tuple(head for _, head in opened)
        begin = opened[-1][0] if opened else at
        if found := _SETTING.fullmatch(line):
            around, name = _placed(blocks, found[1]) if is_new else (blocks, found[1])
            end = ends.get(begin, to) if opened else to
            yield Setting(around, name, _value(name, found[2]), begin, at, to, end)
        elif line.endswith("{"):
            head = " ".join(unquoted(word) for word in line[:-1].split())
            opened.append((at, f"passdb {at}" if head.split()[:1] == ["passdb"] and not is_new else head))
            blocks = (*blocks, opened[-1][1])
            yield Setting(_placed(blocks, "")[0] if is_new else blocks, "", "", at, at, to, ends.get(at, to))
        elif line == "}":
            del opened[-1:]


def _ends(said: list[tuple[int, int, str]]) -> dict[int, int]:
    """Return the last line of each block by the first."""
    opened, found = list[int](), dict[int, int]()
    for at, to, line in said:
        if line.endswith("{") and not _SETTING.fullmatch(line):
            opened.append(at)
        elif line == "}" and opened:
            found[opened.pop()] = to
    return found


def unquoted(value: str) -> str:
    """Return a value without the quotes around it."""
    found = _QUOTED.fullmatch(value)
    return _ESCAPED.sub(r"\1", found[2]) if found else value


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield first and last line and what is said, without comments; lines go on behind a backslash."""
    begin, whole = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        code = _CODE.match(line)
        plain = code[0].strip() if code else ""
        begin = begin or number
        if plain.endswith("\\"):
            whole += f"{plain[:-1].rstrip()} "
            continue
        yield begin, number, whole + plain
        begin, whole = 0, ""


def _value(name: str, value: str) -> str:
    plain = unquoted(value)
    if name.removeprefix("passdb_") not in _BOOLEANS:
        return plain
    return "yes" if is_yes(plain) else plain.lower()


def is_yes(value: str) -> bool:
    """Tell whether a switch is on."""
    return value.lower() in _YES


def _placed(blocks: tuple[str, ...], name: str) -> tuple[tuple[str, ...], str]:
    """Return the blocks and the whole name of a setting of 2.4."""
    *parts, name = name.split("/")
    while parts:
        kind = parts.pop(0)
        blocks += (f"{kind} {parts.pop(0)}" if kind in _NAMED and parts else kind,)
    while blocks and blocks[-1] in _PREFIXES:
        prefix = f"{blocks[-1]}_"
        is_own = name and not name.startswith("@")
        blocks, name = blocks[:-1], prefix + name.removeprefix(prefix) if is_own else name
    kind = f"{blocks[-1].partition(' ')[0]}_" if blocks else ""
    return blocks, name.removeprefix(kind) if kind in {"service_", "unix_listener_"} else name
