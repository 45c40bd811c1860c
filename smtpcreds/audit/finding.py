"""What the audit calls a finding: a stable code, its severity and its meaning.

Each stands as one row beside the check that finds it; :mod:`.run` gathers them.
"""

from dataclasses import dataclass
from typing import Self

from ..errors import SmtpcredsError
from ..model import Finding, Repair, Severity


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        name: family and number; never given to anything else, even when the code is retired.
        severity: of every finding with this code.
        title: what is so, as the manual page has it.
    """

    name: str
    severity: Severity
    title: str

    @classmethod
    def error(cls, name: str, title: str) -> Self:
        """Return a row: a secret is exposed, or mail goes unencrypted, unauthenticated or nowhere."""
        return cls(name, Severity.ERROR, title)

    @classmethod
    def warning(cls, name: str, title: str) -> Self:
        """Return a row: it works today."""
        return cls(name, Severity.WARNING, title)

    @classmethod
    def note(cls, name: str, title: str) -> Self:
        """Return a row: worth knowing."""
        return cls(name, Severity.NOTE, title)

    def found(self, subject: str, message: str, cure: str, repair: Repair | None = None) -> Finding:
        """Return a finding of this kind; the arguments are its attributes."""
        return Finding(subject, message, cure, self.name, self.severity, repair=repair)


AUDIT001 = Code.warning("AUDIT001", "something could not be checked")


def unchecked(error: SmtpcredsError) -> Finding:
    """Return the finding that something could not be looked at."""
    return AUDIT001.found(error.subject, error.reason, error.hint or "look at it")
