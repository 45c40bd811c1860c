"""Lines of cells: comma-separated values (RFC 4180), semicolons, tabs, and ``user:password``.

Line 1 names the columns, or is an account. What it is must be plain; where it is not, the administrator says
so, since an account made of two column names is one that any guesser finds.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from itertools import chain
from string import digits
from typing import NamedTuple

from ..errors import AmbiguousError, UsageError, quoted
from ..lazy import dataclass, pattern
from ..sasldb.records import USER_PASSWORD
from .columns import IDENTITIES, Role, is_column_name, is_plain_record, is_wordlike, role_of
from .ordinary import pairs
from .rows import Fault, Lines, Pairs, Row, Rows, Source, binary, octets, text_of

DELIMITERS = {"csv": ",", "semicolon": ";", "tab": "\t", "colon": ":"}
"""By the format's name on the command line."""
_FORMS = {
    "csv": "comma-separated values",
    "semicolon": "values separated by semicolons",
    "tab": "values separated by tabs",
    "colon": "lines user:password",
}
_PROLOGUE = pattern(r'#TYPE .*\n|"?sep=."?[ \r]*\n|#[^,;\t\n]*\n|[ \t\r]*\n', re.IGNORECASE)
ENCODED = ":base64"
"""Ends the name of a column that holds another property than the password, as in ``authPassword:base64``."""
LEFT_OUT = "-"
_SAY = "say --header or --no-header"


def _way_out(count: int) -> str:
    """Return the options that help, for a line of so many cells."""
    columns = (
        ("user", "password", "realm")[: max(count, 2)]
        if count < 4
        else ("user", "password", *"-" * (count - 2))
    )
    return f"{_SAY}, or what the columns are: --columns {','.join(columns)}"


class Layout(NamedTuple):
    """What the administrator says of a table.

    Attributes:
        header: whether line 1 names the columns; None leaves it to the content.
        columns: ``user``, ``password``, ``realm``, ``PROPERTY:base64`` or ``-`` by position; () leaves it
            to line 1.
    """

    header: bool | None = None
    columns: tuple[str, ...] = ()


ANY = Layout()


def parse_columns(text: str) -> tuple[str, ...]:
    """Read the argument of ``--columns``."""
    columns = tuple(part.strip() for part in text.split(","))
    wrong = [
        c for c in columns if c not in (*_SAID, LEFT_OUT) and not c.removesuffix(ENCODED) != c != ENCODED
    ]
    if wrong:
        known = ", ".join((*_SAID, f"PROPERTY{ENCODED}", LEFT_OUT))
        raise UsageError(f"--columns {text}", f"{quoted(wrong[0])} is not one of {known}")
    named = [c for c in columns if c != LEFT_OUT]
    if len(named) != len(set(named)) or "user" not in named or len(named) < 2:
        raise UsageError(f"--columns {text}", "names each column once, among them user and a secret")
    return columns


_SAID = ("user", "password", "realm")


@dataclass(frozen=True)
class Columns:
    """Where a line has what; ``encoded`` are the properties in Base64 by column."""

    count: int
    user: int
    password: int | None
    realm: int | None
    encoded: Mapping[int, str]


_PLAIN = Columns(3, 0, 1, 2, {})
"""Of a table without a header; the realm may be absent."""
_PAIR = Columns(2, 0, 1, None, {})
"""The same with colons, which a password may hold."""


def read_table(content: bytes, kind: str, layout: Layout, subject: str) -> Source:
    """Return the accounts of a table; blank lines are skipped.

    Raises:
        AmbiguousError: line 1 may name columns or be an account.
    """
    text, bare = text_of(content), _PAIR if kind == "colon" else _PLAIN
    lines = _lines(text, kind, layout)
    first = next(lines, None)
    if first is None:
        return Source(_FORMS[kind], iter(()))
    where, cells = first
    if isinstance(cells, Fault):
        return Source(_FORMS[kind], _rows(bare, chain((first,), lines)))
    has_header = _has_header(cells, layout) if layout.header is None else layout.header
    if has_header is None:
        way = _SAY if layout.columns else _way_out(len(cells))
        raise AmbiguousError(subject, f"{where} may name the columns or be an account", way)
    columns = _said(layout.columns) if layout.columns else _named(cells) if has_header else bare
    if isinstance(columns, str):
        return Source(_FORMS[kind], iter((Fault(where, columns),)))
    form = _described(columns, cells if has_header else None, where)
    start = int(where.removeprefix("line ")) + has_header
    rows = _accounts(columns, text, start, kind, layout, lines if has_header else chain((first,), lines))
    return Source(
        f"{_FORMS[kind]}{form}", rows, is_table=True, lines=text.count("\n", 0, -1) + 1 - has_header
    )


def is_table(content: bytes, kind: str) -> bool:
    """Tell whether a file can only be this: each line has as many cells as the first, at least two."""
    lines = [cells for _, cells in _lines(text_of(content), kind, ANY, whole=True)]
    if not lines or any(isinstance(cells, Fault) for cells in lines):
        return False
    counts = {len(cells) for cells in lines}
    others = "".join(mark for mark in DELIMITERS.values() if mark != DELIMITERS[kind])
    return (
        (len(counts) == 1 or counts == {2, 3})
        and counts != {1}
        and (kind != "colon" or counts == {2})
        and (_is_header(lines[0]) or not any(mark in cells[0] for cells in lines for mark in others))
        and not (kind == "colon" and any(not cells[0].strip() or cells[1].startswith("{") for cells in lines))
    )


def _is_header(cells: Sequence[str] | Fault) -> bool:
    """Tell whether a line is a header beyond doubt; below one, the first cells may be URLs."""
    return not isinstance(cells, Fault) and len(cells) > 1 and _has_header(cells, ANY) is True


def odd_line(content: bytes, kind: str) -> str:
    """Return the first line that keeps a file from being this table, where most lines fit, or nothing."""
    lines = [(where, cells) for where, cells in _lines(text_of(content), kind, ANY, whole=True)]
    counts = Counter(0 if isinstance(cells, Fault) else len(cells) for _, cells in lines)
    (usual, number), *others = counts.most_common() or [(0, 0)]
    if usual < 2 or not others or number <= len(lines) // 2:
        return ""
    where, cells = next((w, c) for w, c in lines if isinstance(c, Fault) or len(c) != usual)
    return f"{where} {cells.reason if isinstance(cells, Fault) else f'has {len(cells)} fields, not {usual}'}"


Line = tuple[str, Sequence[str] | Fault]


def _lines(text: str, kind: str, layout: Layout, *, whole: bool = False) -> Iterator[Line]:
    """Give each line that is not empty with its place; a bad one does not end the file.

    Args:
        text: of the file.
        kind: see ``DELIMITERS``.
        layout: whose columns count the cells of a line with colons, of which the last takes the rest.
        whole: split such lines at each colon.
    """
    rest, skipped = (text, 0) if kind == "colon" else _without_prologue(text)
    yield from _read(rest, skipped, kind, layout, whole=whole)


def _read(text: str, skipped: int, kind: str, layout: Layout, *, whole: bool = False) -> Iterator[Line]:
    """Give the lines of a text before which there are others."""
    if kind == "colon":
        return _colons(text, skipped, -1 if whole else max(len(layout.columns), 2) - 1)
    return _separated(text, skipped, DELIMITERS[kind])


def _separated(text: str, skipped: int, delimiter: str) -> Iterator[Line]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + skipped + 1
        try:
            for cells in reader:
                if any(cells):
                    yield f"line {start}", cells
                start = reader.line_num + skipped + 1
        except csv.Error as error:
            yield (where := f"line {start}"), Fault(where, f"is not CSV: {error}")
        else:
            return


def _colons(text: str, skipped: int, splits: int) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), skipped + 1):
        if line.strip() and not line.startswith("#"):
            yield f"line {number}", line.removesuffix("\r").split(":", splits)


def _without_prologue(text: str) -> tuple[str, int]:
    """Leave out blank lines, comments, and what Excel (``sep=;``) and PowerShell (``#TYPE``) write first.

    A line behind ``#`` that has several cells may be a header.
    """
    skipped = 0
    while match := _PROLOGUE.match(text):
        text, skipped = text[match.end() :], skipped + 1
    return text, skipped


# Whether line 1 names the columns, and which column is what.


def _has_header(cells: Sequence[str], layout: Layout) -> bool | None:
    """Tell whether line 1 names the columns; None where it can't be told."""
    names = [cell.strip() for cell in cells]
    roles = [_role(name) for name in names]
    if layout.columns:
        return _has_header_beside(names, _said(layout.columns))
    if not any(roles):
        return False if len(cells) in (2, 3) and is_plain_record(cells) else None
    if len(names) < 2 or not all(map(_may_be_name, names)):
        return None
    if all(role for role, name in zip(roles, names, strict=True) if name):
        return True
    is_named = _identity(roles) not in (None, Role.NAME)  # the name of what, where other columns are unknown?
    return True if is_named and {Role.PASSWORD, Role.HASH} & set(roles) else None


def _has_header_beside(names: Sequence[str], columns: Columns) -> bool | None:
    """Tell the same where the administrator says which column is the user and which the password."""
    if len(names) != columns.count:
        return None
    cells = (names[columns.user], "" if columns.password is None else names[columns.password])
    if all(map(_may_be_name, names)) and any(map(is_column_name, cells)):
        return True
    return False if is_plain_record(cells) else None


def _may_be_name(name: str) -> bool:
    return is_wordlike(name, digits) or _role(name) is not None


def _role(name: str) -> Role | None:
    return Role.OTHER if name.endswith(ENCODED) and name != ENCODED else role_of(name)


def _identity(roles: Sequence[Role | None]) -> Role | None:
    return next((role for role in IDENTITIES if role in roles), None)


def _named(cells: Sequence[str]) -> Columns | str:
    """Return the columns that a header names, or what is wrong with it."""
    roles = [_role(cell.strip()) for cell in cells]
    encoded = {n: cell.removesuffix(ENCODED) for n, cell in enumerate(cells) if cell.endswith(ENCODED)}
    identity = _identity(roles)
    if identity is None:
        return f"names no column for the user; {_way_out(len(cells))}"
    for role in (identity, Role.PASSWORD, Role.REALM):
        if roles.count(role) > 1:
            return f"names {roles.count(role)} columns for the {role}; {_way_out(len(cells))}"
    if len(set(encoded.values())) != len(encoded):
        return "names a property twice"
    if Role.PASSWORD in roles and USER_PASSWORD in encoded.values():
        return f"has both password and {USER_PASSWORD}{ENCODED}"
    if Role.PASSWORD not in roles and not encoded:
        return _no_secret(roles)
    password, realm = (roles.index(r) if r in roles else None for r in (Role.PASSWORD, Role.REALM))
    return Columns(len(cells), roles.index(identity), password, realm, encoded)


def _no_secret(roles: Sequence[Role | None]) -> str:
    if Role.HASH in roles:
        return "names hashes only, from which no server can make the password"
    return "has no column for secrets, such as password"


def _said(columns: Sequence[str]) -> Columns:
    at = {name: number for number, name in enumerate(columns)}
    encoded = {n: name.removesuffix(ENCODED) for name, n in at.items() if name.endswith(ENCODED)}
    return Columns(len(columns), at["user"], at.get("password"), at.get("realm"), encoded)


def _described(columns: Columns, header: Sequence[str] | None, where: str) -> str:
    """Return the columns in words; ``header`` None means that there is none."""
    named: dict[int, str] = {columns.user: "user", **columns.encoded}
    named |= {
        n: what for n, what in ((columns.password, "password"), (columns.realm, "realm")) if n is not None
    }
    if header is None:
        realm = " or user, password, realm" if columns is _PLAIN else ""
        said = [named[n] for n in sorted(named) if not (realm and n == columns.realm)]
        return f", no header: {', '.join(said)}{realm}"
    pairs = [f"{named[n]} from {_cell(header, n)}" for n in sorted(named)]
    rest = [_cell(header, n) for n in range(len(header)) if n not in named]
    left = f"; left out: {', '.join(rest)}" if rest else ""
    return f"; {where} is the header: {', '.join(pairs)}{left}"


def _cell(header: Sequence[str], number: int) -> str:
    return f'"{header[number].strip()}"' if number < len(header) else f"column {number + 1}"


# The accounts.

_BLOCK = 1 << 16
"""Characters that are looked at together."""


def _accounts(
    columns: Columns, text: str, start: int, kind: str, layout: Layout, lines: Iterator[Line]
) -> Rows:
    """Give the accounts of a text from a line on; ``lines`` has the same, one by one."""
    *before, rest = text.split("\n", start - 1)
    if any('"' in line or "\r" in line for line in before):  # which may go on in the next one
        yield from _rows(columns, lines)
    elif len(before) == start - 1:
        del text, lines, before  # of a million accounts 300 MB
        yield from _in_blocks(columns, rest, start, kind, layout)


def _in_blocks(columns: Columns, text: str, number: int, kind: str, layout: Layout) -> Rows:
    """Give what is ordinary many at a time; from the first quotation mark on, one by one."""
    at = 0
    while (end := text.rfind("\n", at, at + _BLOCK) + 1) > at:
        some = text[at:end]
        if '"' in some or "\r" in some:
            break
        count = some.count("\n")
        if found := _ordinary(columns, some, range(number, number + count), DELIMITERS[kind]):
            yield found
        else:
            yield from _rows(columns, _read(some, number - 1, kind, layout))
        at, number = end, number + count
    yield from _rows(columns, _read(text[at:], number - 1, kind, layout))


def _ordinary(columns: Columns, text: str, numbers: range, delimiter: str) -> Pairs | None:
    """Return whole lines of which each has an ordinary name and password, else None."""
    if columns.password is None or columns.encoded or not (columns.realm is None or columns is _PLAIN):
        return None
    width = columns.count if columns.realm is None else 2
    *cells, _ = text.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    if len(cells) != (width + 1) * len(numbers) or cells[width :: width + 1] != ["\n"] * len(numbers):
        return None
    users, secrets = (cells[at :: width + 1] for at in (columns.user, columns.password))
    return pairs(Lines(numbers), users, secrets)


def _rows(columns: Columns, lines: Iterator[Line]) -> Rows:
    for where, cells in lines:
        yield cells if isinstance(cells, Fault) else _row(where, columns, cells)


def _row(where: str, columns: Columns, cells: Sequence[str]) -> Row | Fault:
    if len(cells) != columns.count:
        if columns is not _PLAIN or len(cells) != 2:
            expected = "2 or 3" if columns is _PLAIN else str(columns.count)
            return Fault(where, f"has {len(cells)} fields, not {expected}")
        cells = (*cells, "")
    properties: dict[str, bytes] = {}
    if columns.password is not None and cells[columns.password]:
        properties[USER_PASSWORD] = octets(cells[columns.password])
    for number, name in columns.encoded.items():
        value = binary(cells[number])
        if value is None:
            return Fault(where, f"its {name} is not Base64")
        if value:
            properties[name] = value
    realm = cells[columns.realm] if columns.realm is not None else ""
    return Row(where, cells[columns.user], realm, properties)
