"""Comma-separated values (RFC 4180): ``user,password[,realm]``, or a header that names the columns."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

from ...sasldb.records import USER_PASSWORD
from .rows import Fault, Row, binary, octets, text_of

USER_COLUMNS = ("user", "account")
PASSWORD, REALM = "password", "realm"
ENCODED = ":base64"
"""Ends the name of a column that holds another property than the password, as in ``authPassword:base64``."""
_PLAIN = ("user", PASSWORD, REALM)


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the accounts; see :data:`.rows.Reader`. Empty lines are skipped."""
    columns: Sequence[str] | None = None
    for where, cells in _lines(text_of(content)):
        if isinstance(cells, Fault):
            yield cells
        elif columns is None and is_header(cells):
            columns = [cell if cell.endswith(ENCODED) else cell.lower() for cell in cells]
            if fault := _header_fault(columns):
                yield Fault(where, fault)
                return
        else:
            columns = columns or _PLAIN
            yield _row(where, columns, cells)


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether the first line names columns: its first cell is ``user`` or ``account``."""
    return cells[0].lower() in USER_COLUMNS


def is_table(content: bytes) -> bool:
    """Tell whether a file can only be this: there is a header, or each line has a user and a password."""
    lines = [cells for _, cells in _lines(text_of(content))]
    rows = [cells for cells in lines if not isinstance(cells, Fault)]
    if not rows or len(rows) != len(lines):
        return False
    return (len(rows[0]) > 1 and is_header(rows[0])) or all(
        2 <= len(row) <= 3 and ":" not in row[0] for row in rows
    )


def _lines(text: str) -> Iterator[tuple[str, Sequence[str] | Fault]]:
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    while True:
        where = f"line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield where, Fault(where, f"is no CSV: {error}")
        else:
            if cells:
                yield where, cells


def _header_fault(columns: Sequence[str]) -> str | None:
    for number, name in enumerate(columns, 1):
        if name not in (*USER_COLUMNS, PASSWORD, REALM) and not name.endswith(ENCODED):
            return f"column {number} is none of user, password, realm, PROPERTY{ENCODED}"
        if name in columns[: number - 1] or (name in USER_COLUMNS and number > 1):
            return f"column {number} comes twice"
    return None if len(columns) > 1 else "has no column for secrets, such as password"


def _row(where: str, columns: Sequence[str], cells: Sequence[str]) -> Row | Fault:
    if len(cells) != len(columns) and not (columns is _PLAIN and len(cells) == 2):
        expected = "2 or 3" if columns is _PLAIN else str(len(columns))
        return Fault(where, f"has {len(cells)} fields, not {expected}")
    return _named(where, dict(zip(columns, cells, strict=False)))


def _named(where: str, cells: Mapping[str, str]) -> Row | Fault:
    properties: dict[str, bytes] = {}
    for column, cell in cells.items():
        if column.endswith(ENCODED) and cell:
            value = binary(cell)
            if value is None:
                return Fault(where, f"its {column.removesuffix(ENCODED)} is not Base64")
            properties[column.removesuffix(ENCODED)] = value
    if secret := cells.get(PASSWORD):
        properties[USER_PASSWORD] = octets(secret)
    name = next(cells[column] for column in USER_COLUMNS if column in cells)
    return Row(where, name, cells.get(REALM, ""), properties)
