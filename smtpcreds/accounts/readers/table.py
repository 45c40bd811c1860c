"""Comma-separated values (RFC 4180): ``user,password[,realm]``, or a header that names the columns."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

from ...sasldb.records import USER_PASSWORD
from .rows import Fault, Row, binary, octets, text_of

USER_COLUMNS = ("user", "account")
PASSWORD, REALM = "password", "realm"
ENCODED = ":base64"
"""Ends the name of a column that holds another property than the password, as in ``authPassword:base64``."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a line has what; the user comes first. ``encoded`` are the properties in Base64 by column."""

    count: int
    password: int | None
    realm: int | None
    encoded: Mapping[int, str]


_PLAIN = Columns(3, 1, 2, {})


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines are skipped."""
    columns = _PLAIN
    for number, (where, cells) in enumerate(_lines(text_of(content))):
        if isinstance(cells, Fault):
            yield cells
        elif number or not is_header(cells):
            yield _row(where, columns, cells)
        elif fault := _header_fault(names := _names(cells)):
            yield Fault(where, fault)
            return
        else:
            columns = _columns(names)


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether the first line names columns: its first cell is ``user`` or ``account``."""
    return cells[0].lower() in USER_COLUMNS


def is_table(content: bytes) -> bool:
    """Tell whether a file can only be this: there is a header, or each line has a user and a password."""
    lines = (cells for _, cells in _lines(text_of(content)))
    first = next(lines, None)
    if first is None or isinstance(first, Fault):
        return False
    return (len(first) > 1 and is_header(first)) or all(map(_is_pair, (first, *lines)))


def _is_pair(cells: Sequence[str] | Fault) -> bool:
    return not isinstance(cells, Fault) and 2 <= len(cells) <= 3 and ":" not in cells[0]


def _lines(text: str) -> Iterator[tuple[str, Sequence[str] | Fault]]:
    """Give each line that is not empty with its place; a bad one does not end the file."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            for cells in reader:
                if cells:
                    yield f"line {start}", cells
                start = reader.line_num + 1
        except csv.Error as error:
            yield (where := f"line {start}"), Fault(where, f"is no CSV: {error}")
        else:
            return


def _names(cells: Sequence[str]) -> list[str]:
    return [cell if cell.endswith(ENCODED) else cell.lower() for cell in cells]


def _header_fault(names: Sequence[str]) -> str | None:
    for number, name in enumerate(names[1:], 2):
        if name in names[: number - 1] or name in USER_COLUMNS:
            return f"column {number} comes twice"
        if name not in (PASSWORD, REALM) and not name.endswith(ENCODED):
            return f"column {number} is none of user, password, realm, PROPERTY{ENCODED}"
    if {PASSWORD, USER_PASSWORD + ENCODED} <= set(names):
        return f"has both {PASSWORD} and {USER_PASSWORD}{ENCODED}"
    return None if len(names) > 1 else "has no column for secrets, such as password"


def _columns(names: Sequence[str]) -> Columns:
    at = {name: number for number, name in enumerate(names)}
    encoded = {at[name]: name.removesuffix(ENCODED) for name in names if name.endswith(ENCODED)}
    return Columns(len(names), at.get(PASSWORD), at.get(REALM), encoded)


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
    return Row(where, cells[0], cells[columns.realm] if columns.realm is not None else "", properties)
