"""The scenes of the verbs, and what ``python -m tests.faults`` asks for."""

import json
import os
from collections.abc import Callable
from typing import NamedTuple

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

ORDINARY = {"verb": "", "fault": "", "sample": 1, "every": 41, "others": 24}
"""The ordinary run: one point for each forty-first pair of a case and a fault."""


class Asked(NamedTuple):
    """Which verb and fault, points for each (0: all), each how manieth pair, and the same for others."""

    verb: str
    fault: str
    sample: int
    every: int
    others: int


ASKED = Asked(**json.loads(os.environ.get("SMTPCREDS_FAULTS", json.dumps(ORDINARY))))


def chosen(pairs: list[tuple[Case, str]]) -> list[tuple[Case, str]]:
    """Return the pairs of a case and a fault that were asked for."""
    fit = [
        (case, fault) for case, fault in pairs if ASKED.verb in ("", case.verb) and ASKED.fault in ("", fault)
    ]
    return fit[:: ASKED.every]


def named(value: object) -> str:
    return value.words.replace("/", "_") if isinstance(value, Case) else str(value)


Record = Callable[[str, str, int, list[str]], None]


@pytest.fixture
def record(record_property: Callable[[str, object], None]) -> Record:
    """Record for the table: subject, fault, number of points, and what was wrong after some."""

    def add(subject: str, fault: str, points: int, wrong: list[str]) -> None:
        record_property("faults", {"subject": subject, "fault": fault, "points": points, "wrong": wrong})

    return add
