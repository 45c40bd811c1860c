"""Files that accounts come from: one reader each, and a test that tells when a file can be no other kind.

Add a kind with one module and one row of the table.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import AmbiguousError, DataError
from . import auth_info, dovecot, jsonlines, postfix, table
from .rows import Fault, Reader, Row

__all__ = ["KINDS", "Fault", "Kind", "Row", "detect"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A text format: its reader, and what tells it from all others."""

    read: Reader
    is_certain: Callable[[bytes], bool]


KINDS = {
    "csv": Kind(table.read, table.is_table),
    "jsonl": Kind(jsonlines.read, jsonlines.is_lines_of_json),
    "auth-info": Kind(auth_info.read, auth_info.is_auth_info),
    "dovecot": Kind(dovecot.read, dovecot.is_passwd_file),
    "postfix": Kind(postfix.read, postfix.is_sasl_passwd),
}


_SAMPLE = 65536
"""Octets that tell the format of a longer file."""


def detect(content: bytes, subject: str) -> Kind:
    """Return the one kind that a file can be.

    Raises:
        DataError: the file is empty.
        AmbiguousError: it fits none, or more than one.
    """
    if not content.strip():
        raise DataError(subject, "is empty; there is nothing to import")
    sample = content if len(content) <= _SAMPLE else content[:_SAMPLE].rpartition(b"\n")[0] + b"\n"
    fitting = [name for name, kind in KINDS.items() if kind.is_certain(sample)]
    if len(fitting) == 1:
        return KINDS[fitting[0]]
    reason = f"could be {' or '.join(fitting)}" if fitting else "is of no format that can be told for certain"
    raise AmbiguousError(subject, reason, f"name it: --as {' or --as '.join(fitting or KINDS)}")
