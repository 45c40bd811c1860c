"""Eight processes at once, four for each verb of a pair: each gets its turn, and all is whole."""

from itertools import combinations_with_replacement

import pytest
from admin import Admin
from cli.writing import CASES, Case, prepared

from .after import DONE, expected, unsound
from .conftest import ASKED, Record, named

SIDE_BY_SIDE = list({case.verb: case for case in CASES if case.scene == "hub" and not case.before}.values())
PAIRS = list(combinations_with_replacement(SIDE_BY_SIDE, 2))
BUSY = {75}
_STEP = ASKED.every * 7 if ASKED.every > 1 else 1


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in PAIRS if ASKED.verb in ("", pair[0].verb, pair[1].verb)][::_STEP]
    if ASKED.fault in ("", "eight at once")
    else [],
    ids=named,
)
def test_each_gets_its_turn(first: Case, second: Case, hub: Admin, record: Record) -> None:
    words = [prepared(hub, case) for case in (first, second)]
    ran = hub.at_once(*words * 4)
    allowed = DONE | BUSY | expected(first) | expected(second)
    faulty = [f"{each.status}: {each.err}" for each in ran if each.status not in allowed]
    if not any(each.status in DONE for each in ran):
        faulty.append(f"not one came through: {ran}")
    if left := list(hub.directory.rglob("*.smtpcreds-*")):
        faulty.append(f"left behind: {left}")
    faulty += [said] if (said := unsound(hub)) else []
    record("smtpcreds", "eight at once", 1, faulty)
    assert faulty == []
