"""Steps of a probe: run, timed, and explained where they fail."""

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from time import perf_counter

from ..errors import ProtocolError, SmtpcredsError
from ..lazy import dataclass
from ..model import Finding
from ..smtp.connection import BusyError
from .symptoms import explain


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    """The server does not answer that now."""
    NOTE = "note"
    """Neither good nor bad, or nothing that a client can tell."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: what was tried.
        outcome: how it ended.
        detail: what was found, or what went wrong.
        milliseconds: that it took.
        cause: why it probably failed; empty where it did not, or nothing is known.
        finding: what went wrong, with its cure; None where nothing did.
    """

    name: str
    outcome: Outcome
    detail: str
    milliseconds: float = 0.0
    cause: str = ""
    finding: Finding | None = None

    @property
    def cure(self) -> str:
        """What to do about the failure; empty where there is none."""
        return self.finding.cure if self.finding else ""


class StoppedError(ProtocolError):
    """The server does not answer now, so nothing more is asked."""


class Note(str):
    """A result that is neither good nor bad."""

    __slots__ = ()


@dataclass
class Record:
    """The steps so far.

    Attributes:
        host: of the server, for the words of cures.
        tell: is given each step as it ends.
    """

    host: str
    tell: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)

    def run(self, name: str, deed: Callable[[], str]) -> bool:
        """Run a step and tell whether it did not fail; the deed returns what it found, or raises."""
        started = perf_counter()
        try:
            detail = deed()
        except BusyError as error:
            self._explained(Outcome.UNKNOWN, name, error, started)
            raise StoppedError(error.subject, error.reason) from None
        except SmtpcredsError as error:
            self._explained(Outcome.FAILED, name, error, started)
            return False
        outcome = Outcome.NOTE if isinstance(detail, Note) else Outcome.OK
        self._add(Step(name, outcome, str(detail), _since(started)))
        return True

    def _explained(self, outcome: Outcome, name: str, error: SmtpcredsError, started: float) -> None:
        cause, cure = explain(name, error, self.host)
        finding = Finding(error.subject, error.reason, cure, name)
        self._add(Step(name, outcome, str(error), _since(started), cause, finding))

    def skip(self, name: str, why: str) -> None:
        """Add a step that can't be run."""
        self._add(Step(name, Outcome.SKIPPED, why))

    @property
    def failures(self) -> int:
        """How many steps failed."""
        return sum(step.outcome is Outcome.FAILED for step in self.steps)

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.tell(step)


def _since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)
