"""The chain of events: each carries the hash of the one before it, so that the record shows tampering.

The hash of an event is SHA-256, lower-case hex, over six netstrings (cr.yp.to/proto/netstrings.txt) without
anything between them: the hash of the event before it, then ``at``, ``who``, ``what``, ``subject`` and
``detail`` in UTF-8, ``at`` in decimal seconds since 1970 UTC. Before the first event stands :data:`GENESIS`.
Who can write to the inventory can make a new chain, but none that leads to a hash which was noted elsewhere.
"""

from collections.abc import Iterable, Iterator

from ..lazy import dataclass
from .rows import Event, Row, event_of, event_values

GENESIS = "0" * 64
"""Stands for the hash before the first event."""


@dataclass(frozen=True)
class Head:
    """The end of the chain.

    Attributes:
        events: how many there are.
        hash: of the last one, lower-case hex.
    """

    events: int
    hash: str


@dataclass(frozen=True)
class Chain:
    """What a look at the whole chain has shown.

    Attributes:
        head: its end.
        broken: number and content of the first event that does not follow from the one before it; None for
            content that can't be read.
        later: how many more there are.
        has_noted: the hash that was looked for is one of the chain.
    """

    head: Head
    broken: tuple[int, Event | None] | None
    later: int
    has_noted: bool


def event_hash(before: str, values: Row) -> str:
    """Return the hash of an event.

    Args:
        before: the hash of the event before it.
        values: its columns, as :func:`.rows.event_values` gives them.
    """
    from hashlib import sha256

    octets = (str(value).encode() for value in (before, *values))
    return sha256(b"".join(b"%d:%b," % (len(field), field) for field in octets)).hexdigest()


def chained(before: str, events: Iterable[Event]) -> Iterator[Row]:
    """Yield the columns of EVENT for events that follow an event with this hash."""
    for event in events:
        values = event_values(event)
        before = event_hash(before, values)
        yield *values, before


def hashes(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the columns of SET_HASH for rows of EVENT_CHAIN, whatever hashes these have."""
    before = GENESIS
    for number, *values, _ in rows:
        before = event_hash(before, tuple(values))
        yield before, number


def read_chain(rows: Iterable[Row], noted: str) -> Chain:
    """Follow the chain from its beginning.

    Args:
        rows: of EVENT_CHAIN.
        noted: a hash to look for; empty for none.
    """
    before, count, broken = GENESIS, 0, list[tuple[int, Event | None]]()
    has_noted = noted in {"", GENESIS}
    for number, *values, found in rows:
        if found != event_hash(before, tuple(values)):
            broken.append((number, _readable(tuple(values))))
        has_noted = has_noted or found == noted
        before, count = found, count + 1
    first = broken[0] if broken else None
    return Chain(Head(count, before), first, max(0, len(broken) - 1), has_noted)


def _readable(values: Row) -> Event | None:
    try:
        return event_of(values)
    except (TypeError, ValueError, OverflowError, OSError):  # SQLite holds anything in any column
        return None
