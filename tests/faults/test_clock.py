"""The clock is a year ahead, a year behind, or jumps an hour at each look; then it is right again.

Debian: faketime.
"""

import shutil

import pytest
from admin import Admin
from cli.writing import CASES, Case, prepared

from .after import Kept, again, expected, ill_ended, kept, lost, unsound
from .conftest import Record, chosen, named

CLOCKS = {
    "a year ahead": ("faketime", "+380 days"),
    "a year behind": ("faketime", "-380 days"),
    "an hour at each look": ("faketime", "-f", "+0 i3600"),
}
BEFORE_ITS_AUTHORITY = {65}
_CLOCK = {"DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize(
    ("case", "fault"),
    chosen([(case, "clock") for case in CASES if "token" not in case.scene]),
    ids=named,
)
@pytest.mark.parametrize("jump", CLOCKS)
def test_the_right_time_brings_it_in_order(
    case: Case, fault: str, jump: str, request: pytest.FixtureRequest, record: Record
) -> None:
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    shutil.copytree(admin.directory, start, symlinks=True)
    admin.run(*words)
    stays = without_lists(kept(admin, start))
    again(admin, start)
    ran = admin.behind(*CLOCKS[jump]).run(*words, env=_CLOCK)
    faulty = [said] if (said := ill_ended(ran)) else []
    after = admin.run(*words)
    if after.status not in expected(case) | BEFORE_ITS_AUTHORITY:
        faulty.append(f"{jump}: {ran.status}, then {after.status}: {after.err}")
    faulty += [f"{jump}: {said}" for said in (unsound(admin), lost(admin, stays)) if said]
    record("smtpcreds", fault, 1, faulty)
    assert faulty == []


def without_lists(stays: Kept) -> Kept:
    """A CRL that has run out at the other time is signed anew."""
    return Kept({path: state for path, state in stays.files.items() if "crl" not in path}, stays.records)
