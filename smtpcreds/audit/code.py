"""What a finding is called: a stable code, how bad it is, what it means and what ends it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; the order of definition is that of badness."""

    NOTE = "note"
    """Worth knowing."""
    WARNING = "warning"
    """Works today; will stop, or is weaker than it looks."""
    ERROR = "error"
    """A secret is exposed, or mail goes unencrypted, unauthenticated or nowhere."""

    def reaches(self, threshold: "Severity") -> bool:
        """Tell whether this is as bad as the threshold, or worse."""
        order = list(Severity)
        return order.index(self) >= order.index(threshold)


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table.

    Attributes:
        name: family and number; never given to anything else, even when the code is retired.
        severity: of every finding with this code.
        title: what is so, as the manual page has it.
        remedy: what ends it, likewise; a finding carries the very command.
    """

    name: str
    severity: Severity
    title: str
    remedy: str


def table(*rows: tuple[str, Severity, str, str]) -> dict[str, Code]:
    """Return rows of one family by name."""
    return {row[0]: Code(*row) for row in rows}
