"""Each classic failure, on live servers: what they log, and whether audit and probe tell the truth about it.

As a program (``PYTHONPATH=.:tests python tests/test_live_failures.py``) it prints what was said.
"""

import re
from collections.abc import Iterator

import pytest
from failure_scene import Pair, Seen
from failure_table import POSTFIX, SENDMAIL, Failure
from lab import Lab
from symptoms_page import told

pytestmark = pytest.mark.live

SENT = "stat=Sent|status=sent"
FAMILIES = {"sendmail": SENDMAIL, "postfix": POSTFIX}
ROWS = [
    pytest.param(family, row, id=f"{family}-{row.name}") for family, rows in FAMILIES.items() for row in rows
]


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with Lab() as lab:
        yield Pair(lab, request.param)


@pytest.mark.parametrize("pair", FAMILIES, indirect=True, scope="module")
def test_right_hosts_have_nothing_that_audit_finds_or_probe_refuses(pair: Pair) -> None:
    assert [pair.audit(machine) for machine in pair.machines] == [[], []]
    assert {step["outcome"] for step in pair.probe(())} == {"ok"}
    assert re.search(SENT, pair.send())


@pytest.mark.parametrize(("pair", "failure"), ROWS, indirect=["pair"], scope="module")
def test_a_failure_is_named_for_what_it_is(pair: Pair, failure: Failure) -> None:
    try:
        seen = pair.witness(failure)
        check(failure, seen)
        if failure.is_cured:
            assert pair.cure(pair.at(failure.at), list(seen.findings.values())) == []
    finally:
        pair.restore(pair.at(failure.at))


def check(failure: Failure, seen: Seen) -> None:
    assert re.search(failure.delivery, seen.delivery), seen
    assert failure.log or not re.search(failure.silence, seen.log), seen
    assert set(seen.findings) == failure.codes, seen
    assert set(seen.steps) == failure.steps, seen
    causes = [step["cause"] for step in seen.steps.values()]
    assert not causes or failure.cause in causes[-1], seen
    assert "geheim" not in repr(seen)
    assert not failure.log or leads(told(seen.log), failure, failure.logged_at), seen
    assert re.search(SENT, seen.delivery) or leads(told(seen.delivery), failure, "client"), seen


def leads(remedy: str, failure: Failure, reader: str) -> bool:
    """Tell whether what the manual says of a line, read at a host, finds the fault where it is."""
    here, _, away = remedy.partition("on the hub: ")
    asked = away if failure.at == "hub" and reader == "client" else here or away
    finds = re.search(r"smtpcreds (?:audit|mta check|cert (?:verify|renew|issue)|sasl list)", asked)
    return bool(finds or (failure.steps and "smtpcreds probe" in remedy))


def main() -> None:
    """Print what each row showed."""
    for family, rows in FAMILIES.items():
        with Lab() as lab:
            pair = Pair(lab, family)
            for failure in rows:
                show(family, failure, pair.witness(failure))
                pair.restore(pair.at(failure.at))


def show(family: str, failure: Failure, seen: Seen) -> None:
    """Print one row."""
    print(f"## {failure.name} ({family}, {failure.at})")
    print(f"log    {seen.log if failure.log else 'nothing'}")
    print(f"mail   {seen.delivery}")
    for code, finding in seen.findings.items():
        print(f"audit  {code} {finding['subject']}: {finding['reason']}\n       cure: {finding['cure']}")
    for name, step in seen.steps.items():
        print(f"probe  {name}: {step['detail']}\n       cause: {step['cause']}\n       cure: {step['cure']}")


if __name__ == "__main__":
    main()
