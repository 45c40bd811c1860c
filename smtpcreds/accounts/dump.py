"""Records as text: what ``db5.3_dump`` and ``mdb_dump`` print of a sasldb, in either of their forms.

Source: db_dump of Berkeley DB 5.3 and mdb_dump of LMDB 0.9: a header to ``HEADER=END``, then a line for each
key and each value, behind a space, to ``DATA=END``; ``format=bytevalue`` is hexadecimal, ``format=print``
escapes by a backslash what can't be printed.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from ..sasldb.records import in_order, orphans
from .rows import Fault, Row, Rows

_ESCAPED = re.compile(rb"\\(\\|[0-9A-Fa-f]{2})")


def is_dump(content: bytes) -> bool:
    """Tell whether a file can only be this: its header says version and format."""
    head = content.partition(b"HEADER=END")[0].split(b"\n")
    return head[0].startswith(b"VERSION=") and any(line.startswith(b"format=") for line in head)


def read_dump(content: bytes) -> Rows:
    """Give the accounts with all their properties; see :data:`.rows.Reader`."""
    try:
        records = _records(content)
    except ValueError as error:
        yield Fault("dump", str(error))
        return
    yield from rows_of(records)


def rows_of(records: Mapping[bytes, bytes]) -> Rows:
    """Give the accounts of a database's records."""
    for account, properties in in_order(records):
        where = f"account {ascii(str(account))[1:-1]}"
        if account.realm:
            yield Row(where, account.authcid, account.realm, properties)
        else:
            yield Fault(where, "has an empty realm")
    for key in orphans(records):
        yield Fault("database", f"a record's key is not an account's: {ascii(key)[2:-1]}")


def _records(content: bytes) -> dict[bytes, bytes]:
    head, mark, rest = content.replace(b"\r\n", b"\n").partition(b"\nHEADER=END\n")
    data, end, more = rest.rpartition(b"DATA=END")
    if not mark or not end:
        raise ValueError("is cut off: it has no end of header or data")
    if more.strip() or b"\nHEADER=END\n" in data:
        raise ValueError("holds several databases; dump one of them")
    decode = _printed if b"\nformat=print" in head else _hexadecimal
    if decode is _printed and b"\nmapsize=" in head:  # mdb_dump 0.9.24 writes a backslash as it is
        raise ValueError("is ambiguous in its backslashes; leave -p out of mdb_dump")
    values = list(_values(data, decode))
    if len(values) % 2:
        raise ValueError("has a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))


def _values(data: bytes, decode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    for line in data.removesuffix(b"\n").split(b"\n") if data else ():
        if not line.startswith(b" "):
            raise ValueError("has a line that is neither key nor value")
        try:
            yield decode(line[1:])
        except ValueError:
            raise ValueError("has a value that its format can't have") from None


def _hexadecimal(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii"))


def _printed(text: bytes) -> bytes:
    if b"\\" in _ESCAPED.sub(b"", text):
        raise ValueError
    return _ESCAPED.sub(lambda found: b"\\" if found[1] == b"\\" else bytes.fromhex(found[1].decode()), text)
