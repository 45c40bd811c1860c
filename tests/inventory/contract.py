"""What every inventory must do; a test class of an implementation inherits this and gives it a fixture."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from smtpcreds.errors import DataError, ExistsError, InexpressibleError, MissingInputError
from smtpcreds.inventory.inventory import Inventory
from smtpcreds.inventory.rows import CertificateRow, CrlRow, Event, Signed, State

from .contract_queries import QueryContract
from .contract_rotations import RotationContract
from .facts import CERTS, DAY, HUB, NOW, add_authority, fingerprint, intent, issue, serials, sign


class InventoryContract(QueryContract, RotationContract):
    """Subclasses give a fixture ``inventory``: empty, open for writing."""

    def test_an_intent_becomes_an_issued_certificate(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        planned = intent(ca, "0abc")
        inventory.intend([planned])
        expected = CertificateRow(
            authority=ca,
            serial="0abc",
            host=HUB,
            profile="relay",
            names=(HUB, "10.0.0.1"),
            not_before=NOW,
            not_after=NOW + 365 * DAY,
            created=NOW,
            directory=CERTS,
            state=State.PENDING,
        )
        assert inventory.pending() == [expected]
        sign(inventory, ca, "0abc")
        signed = replace(expected, fingerprint=fingerprint("0abc"), key_id="c0ffee")
        assert inventory.pending() == [signed]
        inventory.issued(ca, ["0abc"])
        assert inventory.pending() == []
        assert inventory.find("0abc") == [replace(signed, state=State.ISSUED)]
        assert inventory.der(ca, "0abc") == b"\x0a\xbc"

    def test_a_batch_of_intents_is_all_or_nothing(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        inventory.intend([intent(ca, "02")])
        with pytest.raises(ExistsError):
            inventory.intend([intent(ca, "01"), intent(ca, "02"), intent(ca, "03")])
        assert serials(inventory.pending()) == ["02"]

    def test_a_batch_of_outcomes_is_all_or_nothing(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        inventory.intend([intent(ca, "01"), intent(ca, "02")])
        with pytest.raises(MissingInputError, match="03"):
            inventory.signed(ca, [Signed("01", "k", b"one"), Signed("03", "k", b"three")])
        assert [row.fingerprint for row in inventory.pending()] == [None, None]
        sign(inventory, ca, "01")
        with pytest.raises(DataError, match="02: is pending, not signed"):
            inventory.issued(ca, ["01", "02"])
        assert serials(inventory.pending()) == ["01", "02"]

    def test_two_authorities_may_use_the_same_serial_number(self, inventory: Inventory) -> None:
        first, second = add_authority(inventory, "one"), add_authority(inventory, "two")
        issue(inventory, intent(first, "01"))
        inventory.intend([intent(second, "01")])
        inventory.revoke(first, "01", NOW, "superseded")
        assert {row.authority: row.state for row in inventory.find("01")} == {
            first: State.REVOKED,
            second: State.PENDING,
        }

    def test_an_authority_that_is_not_there_is_named(self, inventory: Inventory) -> None:
        with pytest.raises(MissingInputError, match="no such authority"):
            inventory.intend([intent(7, "01")])
        with pytest.raises(MissingInputError, match="authority 7"):
            inventory.next_crl_number(7)
        with pytest.raises(MissingInputError, match="authority 7"):
            inventory.retire_authority(7)

    def test_steps_out_of_order_are_refused(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        with pytest.raises(DataError, match="01: is issued"):
            sign(inventory, ca, "01")
        with pytest.raises(DataError, match="01: is issued"):
            inventory.issued(ca, ["01"])
        with pytest.raises(DataError, match="01: is issued"):
            inventory.discard(ca, "01", "late")
        inventory.intend([intent(ca, "02")])
        sign(inventory, ca, "02")
        with pytest.raises(DataError, match="02: is pending, signed"):
            sign(inventory, ca, "02")
        with pytest.raises(MissingInputError, match="99"):
            inventory.discard(ca, "99", "never was")

    def test_what_was_discarded_says_why_and_keeps_its_serial_number(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        inventory.intend([intent(ca, "01")])
        inventory.discard(ca, "01", "interrupted")
        (row,) = inventory.find("01")
        assert (row.state, row.reason) == (State.DISCARDED, "interrupted")
        with pytest.raises(ExistsError):
            inventory.intend([intent(ca, "01")])

    def test_a_host_is_forgotten_with_all_that_is_issued_to_it(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"), intent(ca, "02"), intent(ca, "03", host="mx.polkatistas.org"))
        inventory.revoke(ca, "02", NOW, "cessationOfOperation")
        inventory.forget(HUB, "host retired")
        assert [row.serial for row in inventory.listing(latest=True)] == ["03"]
        assert [(row.serial, row.reason) for row in inventory.listing(state=State.DISCARDED)] == [
            ("01", "host retired")
        ]
        assert [row.serial for row in inventory.revoked(ca)] == ["02"]

    def test_whatever_was_signed_can_be_revoked_once(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        inventory.intend([intent(ca, "02"), intent(ca, "03"), intent(ca, "04")])
        sign(inventory, ca, "02")
        sign(inventory, ca, "03")
        inventory.discard(ca, "03", "reload failed")
        for serial in ("01", "02", "03"):
            inventory.revoke(ca, serial, NOW, "keyCompromise")
        with pytest.raises(DataError, match="04: is pending, not signed"):
            inventory.revoke(ca, "04", NOW, "keyCompromise")
        with pytest.raises(DataError, match="01: is revoked"):
            inventory.revoke(ca, "01", NOW + DAY, "superseded")
        assert [(r.serial, r.at, r.reason) for r in inventory.revoked(ca)] == [
            (serial, NOW, "keyCompromise") for serial in ("01", "02", "03")
        ]

    def test_what_has_no_form_in_a_column_is_refused(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        for fault in (
            replace(intent(ca, "01"), names=("a\nb",)),
            replace(intent(ca, "01"), names=("",)),
            replace(intent(ca, "01"), directory="/srv/\udcff"),
        ):
            with pytest.raises(InexpressibleError):
                inventory.intend([intent(ca, "02"), fault])
        with pytest.raises(InexpressibleError):
            inventory.add_authority("x", ski="a", der=b"x", created=NOW, crl_number=2**63)
        for serial in ("", "0A"):
            with pytest.raises(DataError):
                inventory.intend([intent(ca, serial)])
        with pytest.raises(ValueError, match="zone"):
            inventory.intend([replace(intent(ca, "01"), created=datetime(2026, 1, 1))])  # noqa: DTZ001
        assert inventory.pending() == []

    def test_adopting_twice_adds_once(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        old = inventory.find("01")[0]
        revoked = replace(
            old, serial="03", state=State.REVOKED, revoked_at=NOW, reason="superseded", key_id=None
        )
        found = [(old, b"another"), (replace(old, serial="02"), b"two"), (revoked, None)]
        assert inventory.adopt(found) == 2
        assert inventory.adopt(found) == 0
        assert inventory.find("01") == [old]
        assert inventory.der(ca, "02") == b"two"
        assert inventory.find("02")[0].fingerprint == sha256(b"two").hexdigest()
        assert inventory.find("03") == [replace(revoked, fingerprint=None)]
        with pytest.raises(MissingInputError):
            inventory.der(ca, "03")
        assert [r.serial for r in inventory.revoked(ca)] == ["03"]

    def test_an_adopted_certificate_without_its_der_can_be_revoked(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        inventory.adopt([(replace(inventory.find("01")[0], serial="05"), None)])
        inventory.revoke(ca, "05", NOW, "keyCompromise")
        assert [r.serial for r in inventory.revoked(ca)] == ["05"]

    def test_places_are_the_directories_of_all_pairs(self, inventory: Inventory) -> None:
        ca, other = add_authority(inventory), add_authority(inventory, "other")
        places = ("etc/mail/certs/a", "etc/mail/certs/b", "/srv/relay one/a", "/a", "a", "")
        rows = [replace(intent(ca, f"0{n}"), directory=place) for n, place in enumerate(places)]
        issue(inventory, *rows, replace(intent(other, "0a"), directory="/else/where/a"))
        inventory.revoke(ca, "02", NOW, "superseded")
        assert inventory.places(ca) == ["", "/", "/srv/relay one", "etc/mail/certs"]
        assert inventory.places(other) == ["/else/where"]

    def test_crl_numbers_are_given_once_per_authority(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        imported = inventory.add_authority("old", ski="ff", der=b"old", created=NOW, crl_number=41).id
        assert inventory.last_crl_number(ca) == 0
        assert [inventory.next_crl_number(ca) for _ in range(3)] == [1, 2, 3]
        assert inventory.last_crl_number(ca) == 3
        assert inventory.next_crl_number(imported) == 42
        for number, after in ((40, 43), (50, 51)):
            inventory.use_crl_number(imported, number)
            assert inventory.next_crl_number(imported) == after
        assert inventory.latest_crl(ca) is None
        newest = CrlRow(ca, 3, NOW, NOW + 30 * DAY, "00ff")
        inventory.record_crl(newest)
        inventory.record_crl(replace(newest, number=2))
        assert inventory.latest_crl(ca) == newest
        assert inventory.latest_crl(imported) is None
        with pytest.raises(ExistsError):
            inventory.record_crl(newest)
        with pytest.raises(MissingInputError):
            inventory.record_crl(replace(newest, authority=99))

    def test_a_transaction_is_undone_as_a_whole(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)

        def interrupted() -> None:
            with inventory.transaction():
                issue(inventory, intent(ca, "01"))
                inventory.event(Event(NOW, "root", "cert issue", HUB))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert (list(inventory.listing()), list(inventory.events())) == ([], [])
        with inventory.transaction():
            issue(inventory, intent(ca, "01"))
        assert serials(inventory.listing()) == ["01"]

    def test_an_inner_transaction_is_undone_alone(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        with inventory.transaction():
            inventory.intend([intent(ca, "01")])
            with pytest.raises(ExistsError):
                inventory.intend([intent(ca, "02"), intent(ca, "01")])
            inventory.intend([intent(ca, "03")])
        assert serials(inventory.pending()) == ["01", "03"]

    def test_an_error_of_the_caller_passes_unchanged(self, inventory: Inventory) -> None:
        with pytest.raises(OverflowError), inventory.transaction():
            raise OverflowError("the caller's own")

    def test_times_keep_their_second_across_zones_and_centuries(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        east = datetime.fromisoformat("2026-03-01T01:59:59.999999+14:00")
        for_ever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        inventory.intend([replace(intent(ca, "01"), not_before=east, not_after=for_ever)])
        (row,) = inventory.pending()
        assert (row.not_before, row.not_after) == (east.replace(microsecond=0), for_ever)
        assert row.not_before.tzinfo is UTC

    def test_integrity_holds(self, inventory: Inventory) -> None:
        issue(inventory, intent(add_authority(inventory), "01"))
        inventory.verify_integrity()
