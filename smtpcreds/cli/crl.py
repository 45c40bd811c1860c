"""What people and JSON are told of a CRL."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..authority.publish import Published


def crl_row(done: "Published") -> dict[str, object]:
    """Return what JSON tells of a new CRL."""
    return {
        "number": done.number,
        "this_update": done.crl.last_update_utc,
        "next_update": done.crl.next_update_utc,
        "count": len(done.crl),
        "path": done.path,
        "copies": done.copies,
    }


def crl_lines(done: "Published") -> Iterator[str]:
    """Yield what a person is told."""
    listed = f"{len(done.crl)} revoked" if len(done.crl) else "nothing revoked"
    yield f"CRL number {done.number}: {listed}, valid to {done.crl.next_update_utc:%Y-%m-%d}"
    yield from (f"  {path}" for path in (done.path, *done.copies))
