"""What every inventory must do for replacements of accounts."""

from dataclasses import replace

import pytest

from smtpcreds.errors import DataError, ExistsError, InexpressibleError
from smtpcreds.inventory.inventory import Inventory
from smtpcreds.inventory.rotations import Rotation, RotationState
from smtpcreds.model import Account

from .facts import DAY, HUB, NOW

OLD, NEW = Account("maildroid", HUB), Account("maildroid-2", HUB)
PLANNED = Rotation(OLD, NEW, "etc/sasldb2", ("attic.polkatistas.org", "cellar.polkatistas.org"), NOW)
RETIRED = (RotationState.OPEN, RotationState.RETIRING, RotationState.RETIRED)
ABANDONED = (RotationState.OPEN, RotationState.ABANDONING, RotationState.ABANDONED)
GIVEN_UP = (RotationState.ABANDONED,)
PATHS = ((), RETIRED[:1], RETIRED[:2], RETIRED, ABANDONED[:2], ABANDONED, GIVEN_UP)
"""Every way from BEGUN."""


class RotationContract:
    """Subclasses give a fixture ``inventory``: empty, open for writing."""

    def test_a_rotation_is_remembered(self, inventory: Inventory) -> None:
        places = ("/srv/attic info", "keyring:relays/maildroid-2")
        planned = replace(PLANNED, retire_after=NOW + DAY, places=places)
        row = inventory.rotations.begin(planned)
        assert row == replace(planned, id=row.id)
        assert row.id > 0
        assert inventory.rotations.unfinished() == [row] == inventory.rotations.history()

    @pytest.mark.parametrize("way", [RETIRED, ABANDONED, GIVEN_UP])
    def test_it_goes_to_an_end(self, inventory: Inventory, way: tuple[RotationState, ...]) -> None:
        row = inventory.rotations.begin(PLANNED)
        for days, state in enumerate(way, 1):
            assert inventory.rotations.unfinished()[0].ended is None
            inventory.rotations.advance(row.id, state, NOW + days * DAY)
        assert inventory.rotations.unfinished() == []
        assert inventory.rotations.history() == [replace(row, state=way[-1], ended=NOW + len(way) * DAY)]

    @pytest.mark.parametrize("way", PATHS, ids=lambda way: way[-1].value if way else "begun")
    def test_no_other_step_is_taken(self, inventory: Inventory, way: tuple[RotationState, ...]) -> None:
        row = inventory.rotations.begin(PLANNED)
        for state in way:
            inventory.rotations.advance(row.id, state, NOW)
        longer = [other for other in PATHS if len(other) > len(way) and other[: len(way)] == way]
        onward = {other[len(way)] for other in longer}
        before = inventory.rotations.history()
        for other in set(RotationState) - onward - {RotationState.BEGUN}:
            with pytest.raises(DataError, match="is not in the state"):
                inventory.rotations.advance(row.id, other, NOW)
        with pytest.raises(DataError):
            inventory.rotations.advance(row.id + 1, RotationState.OPEN, NOW)
        assert inventory.rotations.history() == before

    def test_an_account_has_one_successor_at_a_time(self, inventory: Inventory) -> None:
        row = inventory.rotations.begin(PLANNED)
        other = Account("other", HUB)
        for again in (replace(PLANNED, successor=other), replace(PLANNED, account=other), PLANNED):
            with pytest.raises(ExistsError):
                inventory.rotations.begin(again)
        elsewhere = replace(PLANNED, sasldb="/srv/sasldb2")
        realm = replace(PLANNED, account=Account("maildroid", "r"), successor=Account("maildroid-2", "r"))
        for different in (elsewhere, realm):
            inventory.rotations.begin(different)
        inventory.rotations.advance(row.id, RotationState.ABANDONED, NOW)
        again = inventory.rotations.begin(PLANNED)
        assert inventory.rotations.history()[0].id == again.id != row.id

    def test_its_date_may_be_moved_while_it_is_open(self, inventory: Inventory) -> None:
        row = inventory.rotations.begin(PLANNED)
        with pytest.raises(DataError):
            inventory.rotations.postpone(row.id, NOW + DAY)
        inventory.rotations.advance(row.id, RotationState.OPEN, NOW)
        for days in (1, 2):
            inventory.rotations.postpone(row.id, NOW + days * DAY)
        assert inventory.rotations.unfinished()[0].retire_after == NOW + 2 * DAY

    def test_what_has_no_form_in_a_rotation_is_refused(self, inventory: Inventory) -> None:
        faults = (replace(PLANNED, clients=("a\nb",)), replace(PLANNED, clients=("",)))
        others = (replace(PLANNED, sasldb="\udcff"), replace(PLANNED, places=("/a\nb",)))
        for fault in (*faults, *others):
            with pytest.raises(InexpressibleError):
                inventory.rotations.begin(fault)
        with pytest.raises(DataError):
            inventory.rotations.begin(replace(PLANNED, successor=OLD))
        assert inventory.rotations.history() == []

    def test_a_rotation_joins_the_transaction_it_is_in(self, inventory: Inventory) -> None:
        def fail() -> None:
            with inventory.transaction():
                inventory.rotations.begin(PLANNED)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert inventory.rotations.history() == []
