"""What ``mta check`` tells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and the way out."""

    path: str
    what: str
    hint: str
