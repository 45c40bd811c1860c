"""Keys in groups that can be hashed side by side, each key in its own lane of one large integer."""

from collections.abc import Iterable, Iterator

LANES = 1024
"""Keys of a group, at most."""


def groups(keys: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Give the keys, in groups of one length, with that length; in no particular order."""
    by_length: dict[int, list[bytes]] = {}
    for key in keys:
        by_length.setdefault(len(key), []).append(key)
    for length, alike in by_length.items():
        for start in range(0, len(alike), LANES):
            yield length, alike[start : start + LANES]
