"""One thing that is wrong, the command that cures it, and the repair where that is safe."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import SmtpcredsError
from .code import Code
from .codes import CODES


@dataclass(frozen=True, slots=True)
class Repair:
    """What ``--fix`` does to a path; it looks again first."""

    path: str
    apply: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong.

    Attributes:
        code: its row of the table.
        subject: file, directory or account.
        reason: what was found there and what follows, without a trailing stop; never a secret.
        cure: the command that ends it, or words where no command does.
        repair: None where a person has to decide.
    """

    code: Code
    subject: str
    reason: str
    cure: str
    repair: Repair | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.code.name} {self.code.severity}  {self.subject}: {self.reason}"


def found(code: str, subject: str, reason: str, cure: str, repair: Repair | None = None) -> Finding:
    """Return a finding with the row of that name."""
    return Finding(CODES[code], subject, reason, cure, repair)


def unchecked(error: SmtpcredsError) -> Finding:
    """Return the finding that something could not be looked at."""
    return found("AUDIT001", error.subject, error.reason, error.hint or "look at it")
