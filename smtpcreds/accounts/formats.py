"""The text formats that accounts come in, and which one a file has.

Add a format with its reader and one row of the table.
"""

import codecs
from collections.abc import Callable

from ..errors import AmbiguousError, DataError, ForeignFormatError, UsageError
from ..lazy import dataclass
from .dump import is_dump, read_dump
from .foreign import foreign, shape
from .ldif import is_ldif, read_ldif
from .readers import (
    is_auth_info,
    is_auth_info_map,
    is_lines_of_json,
    is_passwd_file,
    is_sasl_passwd,
    read_auth_info,
    read_auth_info_map,
    read_dovecot,
    read_json_lines,
    read_postfix,
)
from .rows import Reader, Source
from .table import ANY, DELIMITERS, Layout, is_table, odd_line, read_table


@dataclass(frozen=True)
class Kind:
    """A text format.

    Attributes:
        read: returns the accounts; takes content, layout of a table, and what messages call the file.
        is_certain: tells it from all others.
        is_marked: so surely that no other is asked.
    """

    read: Callable[[bytes, Layout, str], Source]
    is_certain: Callable[[bytes], bool]
    is_marked: bool = False


def _lines(form: str, read: Reader, *, is_exact: bool = False) -> Callable[[bytes, Layout, str], Source]:
    return lambda content, _layout, _subject: Source(form, read(content), is_exact)


def _table(name: str) -> Kind:
    return Kind(
        lambda content, layout, subject: read_table(content, name, layout, subject),
        lambda content: is_table(content, name),
    )


KINDS = {
    **{name: _table(name) for name in DELIMITERS},
    "jsonl": Kind(_lines("lines of JSON", read_json_lines, is_exact=True), is_lines_of_json, is_marked=True),
    "ldif": Kind(_lines("LDIF", read_ldif), is_ldif, is_marked=True),
    "dump": Kind(_lines("a dump of a sasldb", read_dump, is_exact=True), is_dump, is_marked=True),
    "authinfo": Kind(
        _lines("the source of Sendmail's authinfo map", read_auth_info_map), is_auth_info_map, is_marked=True
    ),
    "auth-info": Kind(_lines("Sendmail's default-auth-info", read_auth_info), is_auth_info),
    "dovecot": Kind(_lines("Dovecot's passwd-file", read_dovecot), is_passwd_file),
    "postfix": Kind(_lines("Postfix's sasl_passwd", read_postfix), is_sasl_passwd),
}

_SAMPLE = 65536
"""Octets that tell the format of a longer file."""


def read_text(content: bytes, kind: str | None, subject: str, layout: Layout = ANY) -> Source:
    """Return the accounts of a text.

    Args:
        content: in UTF-8, or in UTF-16 with or without its byte order mark.
        kind: a key of ``KINDS``; None to tell it from the content.
        subject: what messages call the file.
        layout: what the administrator says of a table.
    """
    text, encoding = _in_utf8(content, subject)
    name = kind or _detected(text, subject, layout)
    if layout != ANY and name not in DELIMITERS:
        raise UsageError(
            "--columns" if layout.columns else "--header",
            f"is for tables, and {subject} is {name}",
            f"name the kind of table: --as {' or --as '.join(DELIMITERS)}",
        )
    source = KINDS[name].read(text, layout, subject)
    return source._replace(form=f"{source.form} ({encoding})") if encoding else source


def _detected(content: bytes, subject: str, layout: Layout) -> str:
    """Return the one kind that a file can be."""
    if not content.strip():
        raise DataError(subject, "is empty; there is nothing to import")
    lines = content[:_SAMPLE].rpartition(b"\n")[0]
    sample = lines + b"\n" if lines and len(content) > _SAMPLE else content
    if marked := next(
        (name for name, kind in KINDS.items() if kind.is_marked and kind.is_certain(sample)), None
    ):
        return marked
    if found := foreign(sample):
        raise ForeignFormatError(subject, f"seems to be {found.name}", found.way)
    names = KINDS if layout == ANY else DELIMITERS
    fitting = [name for name in names if KINDS[name].is_certain(sample)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        choice = " or ".join(fitting)
        raise AmbiguousError(
            subject, f"could be {choice}", f"name it: --as {choice.replace(' or ', ' or --as ')}"
        )
    if found := shape(sample):
        raise ForeignFormatError(subject, f"seems to be {found.name}", found.way)
    raise _unclear(sample, subject)


def _unclear(sample: bytes, subject: str) -> AmbiguousError:
    """Say what a file of no certain format comes nearest to."""
    near = [(name, odd) for name in DELIMITERS if (odd := odd_line(sample, name))]
    if len(near) == 1:
        (name, odd), *_ = near
        return AmbiguousError(
            subject, f"seems to be {name}, but {odd}", f"correct that line, or name it: --as {name}"
        )
    reason = "unknown file format"
    return AmbiguousError(subject, reason, f"name it: --as {' or --as '.join(KINDS)}")


def _in_utf8(content: bytes, subject: str) -> tuple[bytes, str]:
    """Return the text in UTF-8, and the encoding that it had where that was another."""
    name = _wide(content)
    if name is None:
        return content.removeprefix(codecs.BOM_UTF8), ""
    try:
        return content.decode(name).removeprefix("\ufeff").encode(), name.upper()
    except UnicodeError:
        raise DataError(subject, f"begins as {name.upper()} and goes on as something else") from None


def _wide(content: bytes) -> str | None:
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = content[:64]
    if len(head) < 8 or len(content) % 2:
        return None
    zeros = {at % 2 for at, octet in enumerate(head) if not octet}
    if head.count(0) * 2 != len(head) or len(zeros) != 1:
        return None
    return "utf-16-le" if zeros == {1} else "utf-16-be"
