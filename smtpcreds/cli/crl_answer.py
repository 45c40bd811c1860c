"""What people and JSON are told of a CRL."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ca.publish import Published


def crl_row(done: "Published") -> dict[str, object]:
    """Return what JSON tells of a new CRL."""
    return {
        "number": done.crl.number,
        "this_update": done.crl.this_update,
        "next_update": done.crl.next_update,
        "count": done.crl.count,
        "path": done.path,
        "copies": done.copies,
    }


def crl_lines(done: "Published") -> Iterator[str]:
    """Yield what a person is told."""
    crl = done.crl
    yield f"CRL number {crl.number}: {crl.count or 'nothing'} revoked, valid to {crl.next_update:%Y-%m-%d}"
    yield from (f"  {path}" for path in (done.path, *done.copies))
