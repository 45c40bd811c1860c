"""A disagreement, and the command that ends it."""

from dataclasses import dataclass

from ..errors import SmtpcredsError

CURE_ALL = "smtpcreds ca crl"
"""Settles what was interrupted, signs a CRL, and installs it with bundle and links in every directory."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with which file, host or authority; ``cure`` is a command, or says where to look."""

    subject: str
    fault: str
    cure: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.fault}; cure: {self.cure}"


def as_finding(error: SmtpcredsError) -> Finding:
    """Return the finding that an error of ours is, where it stops one comparison only."""
    return Finding(error.subject, error.reason, error.hint or "look at it")
