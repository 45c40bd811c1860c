"""As quick among a million as among a thousand: no query that people wait for reads a whole table.

SQLite chooses without statistics here (nothing runs ANALYZE), so the plan is the same at every size.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import State

from .facts import CERTS, DAY, HUB, NOW, add_authority, intent, issue


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Inventory]:
    with open_inventory(tmp_path / "inventory.sqlite3") as opened:
        issue(opened, intent(add_authority(opened), "0a01"), intent(1, "0a02"))
        opened.intend([intent(1, "0a03"), intent(1, "0a04")])
        yield opened


def plans(inventory: Inventory, deed: Callable[[], object]) -> list[str]:
    """Return the steps of every statement that the deed runs, as SQLite plans them."""
    said: list[str] = []
    connection = inventory._database._connection
    connection.set_trace_callback(said.append)
    deed()
    connection.set_trace_callback(None)
    verbs = ("SELECT", "UPDATE", "INSERT")
    statements = [text for text in said if text.strip().startswith(verbs)]
    assert statements
    return [row[3] for text in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]


DEEDS: dict[str, Callable[[Inventory], object]] = {
    "by serial": lambda i: i.find("0a01"),
    "by host": lambda i: i.find(HUB),
    "der": lambda i: i.der(1, "0a01"),
    "current": lambda i: i.current(HUB, NOW),
    "current in a directory": lambda i: i.current(HUB, NOW, CERTS),
    "expiring": lambda i: list(i.listing(expires_after=NOW, expires_before=NOW + 30 * DAY)),
    "expiring, issued": lambda i: list(i.listing(expires_before=NOW + 30 * DAY, state=State.ISSUED)),
    "expiring, latest": lambda i: list(i.listing(expires_before=NOW + 400 * DAY, latest=True)),
    "listing of a host": lambda i: list(i.listing(host=HUB)),
    "pending": lambda i: i.pending(),
    "intend": lambda i: i.intend([intent(1, "0a05")]),
    "revoke": lambda i: i.revoke(1, "0a01", NOW, "superseded"),
    "discard": lambda i: i.discard(1, "0a03", "interrupted"),
    "forget": lambda i: i.forget(HUB, "retired"),
    "revoked": lambda i: list(i.revoked(1)),
    "revoked, unexpired": lambda i: list(i.revoked(1, NOW)),
    "crl number": lambda i: i.next_crl_number(1),
    "places": lambda i: i.places(1),
    "last crl number": lambda i: i.last_crl_number(1),
    "latest crl": lambda i: i.latest_crl(1),
    "deliveries": lambda i: list(i.deliveries()),
    "deliveries to hosts": lambda i: list(i.deliveries_to([HUB, "attic"])),
    "events of a subject": lambda i: list(i.events(subject=HUB)),
    "events of a kind": lambda i: list(i.events(what="cert revoke")),
    "the last event of a kind": lambda i: list(i.events(subject=HUB, what="mta apply", limit=1)),
}


@pytest.mark.parametrize("name", DEEDS)
def test_an_index_leads_to_the_rows(inventory: Inventory, name: str) -> None:
    steps = plans(inventory, lambda: DEEDS[name](inventory))
    scans = [step for step in steps if step.startswith("SCAN") and " INDEX certificates_pending" not in step]
    assert scans == [], steps


@pytest.mark.parametrize("name", ["expiring", "expiring, latest", "revoked", "pending", "current"])
def test_streams_come_in_the_order_of_their_index(inventory: Inventory, name: str) -> None:
    steps = plans(inventory, lambda: DEEDS[name](inventory))
    assert not [step for step in steps if "TEMP B-TREE" in step], steps


def test_a_crl_is_read_from_its_index_alone(inventory: Inventory) -> None:
    (step,) = plans(inventory, lambda: list(inventory.revoked(1)))
    assert step == "SEARCH certificates USING COVERING INDEX certificates_revoked (authority=?)"


def test_the_check_can_fail(inventory: Inventory) -> None:
    connection = inventory._database._connection
    plan = plans(
        inventory, lambda: list(connection.execute("SELECT * FROM certificates WHERE profile = 'x'"))
    )
    assert plan == ["SCAN certificates"]
