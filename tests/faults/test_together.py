"""Eight processes at once, four for each verb of a pair: each gets its turn, and all is whole."""

from itertools import combinations_with_replacement

import pytest
from admin import Admin
from cli.writing import CASES, Case, prepared

from .after import checked, half_way
from .conftest import ASKED, Record, named

SIDE_BY_SIDE = list({case.verb: case for case in CASES if case.scene == "hub" and not case.before}.values())
PAIRS = list(combinations_with_replacement(SIDE_BY_SIDE, 2))
DONE, BUSY = {0, 1}, {75}
ALREADY = {65, 66, 67, 73}
"""What a run says that finds itself done, or finds that another one took away what it was to change."""
LOCKED = {"ca passphrase": {77}, "ca rollover": {77}}
_STEP = ASKED.every * 7 if ASKED.every > 1 else 1


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in PAIRS if ASKED.verb in ("", pair[0].verb, pair[1].verb)][::_STEP]
    if ASKED.fault in ("", "eight at once")
    else [],
    ids=named,
)
def test_each_gets_its_turn(first: Case, second: Case, hub: Admin, record: Record) -> None:
    pair = named_pair(first, second)
    faulty = record.each(
        "smtpcreds",
        "eight at once",
        "pairs",
        [pair],
        lambda _: at_once(first, second, hub),
        among=[named_pair(*each) for each in PAIRS],
    )
    assert faulty == []


def named_pair(first: Case, second: Case) -> str:
    return f"{first.words} | {second.words}"


def at_once(first: Case, second: Case, hub: Admin) -> str:
    """Run four of each at once; return what is wrong then."""
    words = [prepared(hub, case) for case in (first, second)]
    ran = hub.at_once(*words * 4)
    allowed = DONE | BUSY | ALREADY | LOCKED.get(first.verb, set()) | LOCKED.get(second.verb, set())
    faulty = [f"{each.status}: {each.err}" for each in ran if each.status not in allowed]
    if not any(each.status in DONE for each in ran):
        faulty.append(f"not one came through: {ran}")
    if left := list(hub.directory.rglob("*.smtpcreds-*")):
        faulty.append(f"left behind: {left}")
    faulty += [said] if (said := half_way(hub)) else []
    if (ran_after := checked(hub)).status:
        faulty.append(f"inventory check: {ran_after}")
    return "; ".join(faulty)
