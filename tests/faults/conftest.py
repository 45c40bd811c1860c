"""The scenes of the verbs, and what ``python -m tests.faults`` asks for."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

import pytest
from cli.conftest import (  # noqa: F401
    authority,
    authority_tree,
    bare,
    given,
    hub,
    hub_tree,
    restored,
    rooted,
    smtpcreds,
    token,
    tokened,
    unattended,
    with_token,
)
from cli.writing import Case
from kills import Point

from .faults import spread
from .results import Key, key, lines, named_key, revision

_P = TypeVar("_P")

ORDINARY = {"verb": "", "fault": "", "sample": 3, "every": 41, "others": 24, "into": "", "kills": 2}
"""The ordinary run: three points of each 41st pair of a case and a fault, and kills of each second case."""


class Asked(NamedTuple):
    """Verb and fault, points for each (0: all), each how manieth pair, others too, where to, and kills."""

    verb: str
    fault: str
    sample: int
    every: int
    others: int
    into: str
    kills: int = 0


ASKED = Asked(**json.loads(os.environ.get("SMTPCREDS_FAULTS", json.dumps(ORDINARY))))


def chosen(pairs: list[tuple[Case, str]]) -> list[tuple[Case, str]]:
    """Return the pairs of a case and a fault that were asked for."""
    fit = [
        (case, fault) for case, fault in pairs if ASKED.verb in ("", case.verb) and ASKED.fault in ("", fault)
    ]
    kills = [pair for pair in fit if pair[1] == "SIGKILL"][:: ASKED.kills] if ASKED.kills else []
    return list(dict.fromkeys([*fit[:: ASKED.every], *kills]))


def grouped(pairs: list[tuple[Case, str]]) -> list[tuple[Case, list[str]]]:
    """Return each case once, with its faults."""
    faults: dict[Case, list[str]] = {}
    for case, fault in pairs:
        faults.setdefault(case, []).append(fault)
    return list(faults.items())


def named(value: object) -> str:
    return value.words.replace("/", "_") if isinstance(value, Case) else " ".join(cast("list[str]", value))


class Outcome(NamedTuple):
    """What was wrong, if anything, and whether another point left the same state, of which that was found."""

    wrong: str
    same: bool = False


class Record:
    """What came of points; those that were tried before and went well are left out."""

    def __init__(self) -> None:
        self._into = Path(ASKED.into) if ASKED.into else None
        before = lines(self._into) if self._into else {}
        self._well = {key for key, told in before.items() if not told["wrong"]}
        self._wrong = before.keys() - self._well

    def each(
        self,
        subject: str,
        fault: str,
        run: object,
        found: Sequence[_P],
        at: Callable[[_P], str | Outcome | None],
        *,
        among: Sequence[object] = (),
    ) -> list[str]:
        """Try a sample of the points; return what was wrong after some of them.

        Args:
            subject: the program.
            fault: what happens at a point.
            run: the command, with what prepares it.
            found: the points that there are.
            at: has it happen at one, and returns what came of it; None if the run did not come there.
            among: all points of the run, where others of them are in other calls.
        """
        assert found, f"{fault} of {run}: there is no point at which it could happen"
        of: Key = subject, fault, _text(run), ""
        wrong = {one[3] for one in self._wrong if one[:3] == of[:3]}
        for gone in wrong - {_text(point) for point in among or found}:
            self._append({**named_key((*of[:3], gone)), "gone": True})
        chosen_now = {_text(point) for point in spread(found, ASKED.sample)} | wrong
        faulty = []
        for point in found:
            told: dict[str, object] = {**named_key((*of[:3], _text(point)))}
            if told["point"] in chosen_now and key(told) not in self._well:
                if (said := at(point)) is None:
                    self._append({**told, "gone": True})
                    continue
                came = said if isinstance(said, Outcome) else Outcome(said)
                told |= {"of": len(among or found), "revision": revision()}
                self._append({**told, **came._asdict()})
                faulty += [came.wrong] if came.wrong else []
        return faulty

    def _append(self, told: dict[str, object]) -> None:
        if self._into:
            with self._into.open("a") as file:
                file.write(f"{json.dumps(told)}\n")


def _text(of: object) -> str:
    if isinstance(of, Point):
        return f"{of.call} {of.number}"
    return f"{of.scene}: {'; '.join((*of.before, of.words))}" if isinstance(of, Case) else str(of)


@pytest.fixture
def record() -> Record:
    """Record for the table what came of points."""
    return Record()
