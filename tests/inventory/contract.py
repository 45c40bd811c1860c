"""What every inventory must do; a test class of an implementation inherits this and gives it a fixture."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from smtpcreds.errors import DataError, ExistsError, InexpressibleError, MissingInputError
from smtpcreds.inventory import (
    AuthorityState,
    Certificate,
    Crl,
    Event,
    Inventory,
    Signed,
    State,
)

from .facts import CERTS, DAY, HUB, NOW, add_authority, fingerprint, intent, issue, serials, sign


class InventoryContract:
    """Subclasses give a fixture ``inventory``: empty, open for writing."""

    def test_an_intent_becomes_an_issued_certificate(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        planned = intent(ca, "0abc")
        inventory.intend([planned])
        expected = Certificate(
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

    def test_the_crl_can_leave_out_what_expired(self, inventory: Inventory) -> None:
        ca, other = add_authority(inventory), add_authority(inventory, "other")
        issue(inventory, intent(ca, "01", days=1), intent(ca, "02", days=9), intent(other, "03"))
        for authority, serial in ((ca, "01"), (ca, "02"), (other, "03")):
            inventory.revoke(authority, serial, NOW, "unspecified")
        assert [r.serial for r in inventory.revoked(ca, NOW + DAY)] == ["02"]
        assert [r.serial for r in inventory.revoked(ca)] == ["01", "02"]

    def test_prefixes_return_every_candidate(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "abcd01"), intent(ca, "abcd02"), intent(ca, "abce01"))
        assert sorted(serials(inventory.find("abcd"))) == ["abcd01", "abcd02"]
        assert serials(inventory.find("AB:CE:0")) == ["abce01"]
        assert serials(inventory.find(fingerprint("abcd02")[:12].upper())) == ["abcd02"]
        assert inventory.find("abc") == []
        assert inventory.find("") == []

    def test_a_complete_number_or_host_outranks_prefixes(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "1000"), intent(ca, "100001"), intent(ca, "01"), intent(ca, "0102"))
        assert serials(inventory.find("1000")) == ["1000"]
        assert serials(inventory.find("01")) == ["01"]
        issue(inventory, intent(ca, "cafe01", host="elsewhere"), intent(ca, "02", host="cafe"))
        assert serials(inventory.find("cafe")) == ["02"]
        assert serials(inventory.find(fingerprint("1000"))) == ["1000"]

    def test_a_host_lists_the_newest_issued_one_first(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"), intent(ca, "02", begins=NOW + DAY))
        issue(inventory, intent(ca, "03", begins=NOW + 2 * DAY), intent(ca, "04", host="other"))
        inventory.revoke(ca, "03", NOW, "superseded")
        assert serials(inventory.find(" DMZmail.Polkatistas.org. ")) == ["02", "01", "03"]

    def test_unicode_hosts_are_found_by_either_form(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(
            inventory, intent(ca, "01", host="xn--mnchen-3ya.example"), intent(ca, "02", host="*.example.org")
        )
        issue(inventory, intent(ca, "03", host="mail_old.example"))
        assert serials(inventory.find("München.example")) == ["01"]
        assert serials(inventory.find("xn--mnchen-3ya.example")) == ["01"]
        assert serials(inventory.find("*.Example.org")) == ["02"]
        assert serials(inventory.find("mail_old.example")) == ["03"]

    def test_the_current_one_is_the_newest_that_is_valid(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        elsewhere = replace(intent(ca, "03", begins=NOW + 2 * DAY), directory="/srv/certs")
        issue(inventory, intent(ca, "01"), intent(ca, "02", begins=NOW + DAY, days=30), elsewhere)
        inventory.intend([intent(ca, "04", begins=NOW + 3 * DAY)])

        def current(at: datetime, directory: str | None = None) -> str | None:
            row = inventory.current(HUB, at, directory)
            return row.serial if row else None

        assert current(NOW + 4 * DAY) == "03"
        assert current(NOW + 4 * DAY, CERTS) == "02"
        assert current(NOW + 31 * DAY, CERTS) == "01"
        assert current(NOW + 365 * DAY, CERTS) is None
        inventory.revoke(ca, "03", NOW, "superseded")
        assert current(NOW + 4 * DAY) == "02"
        assert inventory.current("nowhere", NOW) is None

    def test_of_two_from_the_same_second_the_later_one_is_current(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "02"), intent(ca, "01"))
        row = inventory.current(HUB, NOW)
        assert row is not None
        assert row.serial == "01"
        assert serials(inventory.listing(latest=True)) == ["01"]

    def test_the_listing_goes_by_expiry(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01", days=30), intent(ca, "02", host="b", days=10))
        issue(inventory, intent(ca, "03", host="c", days=20))
        inventory.intend([intent(ca, "04", host="d", days=5)])
        inventory.revoke(ca, "03", NOW, "superseded")
        assert serials(inventory.listing()) == ["04", "02", "03", "01"]
        assert serials(inventory.listing(limit=2)) == ["04", "02"]
        assert serials(inventory.listing(expires_before=NOW + 10 * DAY)) == ["04", "02"]
        assert serials(inventory.listing(expires_after=NOW + 10 * DAY)) == ["03", "01"]
        assert serials(inventory.listing(host="c")) == ["03"]
        assert serials(inventory.listing(host="c", state=State.ISSUED)) == []
        for state, expected in ((State.PENDING, "04"), (State.REVOKED, "03")):
            assert serials(inventory.listing(state=state)) == [expected]
        assert serials(inventory.listing(state=State.ISSUED)) == ["02", "01"]
        assert serials(inventory.listing(state=State.DISCARDED)) == []

    def test_latest_leaves_out_what_was_replaced_in_its_place(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        elsewhere = replace(intent(ca, "03", begins=NOW + 2 * DAY), directory="/srv/certs")
        issue(inventory, intent(ca, "01"), intent(ca, "02", begins=NOW + DAY), elsewhere)
        assert serials(inventory.listing(latest=True)) == ["02", "03"]
        assert serials(inventory.listing(latest=True, expires_before=NOW + 365 * DAY)) == []
        inventory.intend([intent(ca, "04", begins=NOW + 3 * DAY)])
        assert serials(inventory.listing(latest=True)) == ["02", "03"]
        inventory.revoke(ca, "02", NOW, "superseded")
        assert serials(inventory.listing(latest=True)) == ["01", "03"]

    def test_hostile_text_is_only_text(self, inventory: Inventory) -> None:
        ca = add_authority(inventory, "Ünïcode ☃ CA'); DROP TABLE certificates; --")
        hostile = "x' or '1'='1"
        wild = replace(intent(ca, "01", host=hostile), names=("a'b", 'c"d', "%", "Grüße.example"))
        issue(inventory, wild, intent(ca, "02"))
        (row,) = inventory.find(hostile.upper())
        assert row.names == wild.names
        for word in ("' OR 1=1 --", "%", "_", "*", "0%", "abc_", "?", "; DROP TABLE certificates"):
            assert inventory.find(word) == []
        assert serials(inventory.listing(host=hostile)) == ["01"]
        inventory.event(Event(NOW, "wörker'", "cert issue", hostile, "☃\n\t"))
        assert next(inventory.events(subject=hostile)).detail == "☃\n\t"
        assert inventory.authorities()[0].name.endswith("--")

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

    def test_authorities_come_newest_first_and_retired_ones_last(self, inventory: Inventory) -> None:
        for days, name in enumerate(("one", "two", "three")):
            inventory.add_authority(name, ski="00", der=name.encode(), created=NOW + days * DAY)
        first = inventory.authorities()[0]
        assert (first.name, first.der, first.state) == ("three", b"three", AuthorityState.CURRENT)
        assert first.fingerprint == sha256(b"three").hexdigest()
        inventory.retire_authority(first.id)
        assert [item.name for item in inventory.authorities()] == ["two", "one", "three"]
        assert inventory.authorities()[2].state is AuthorityState.RETIRED
        with pytest.raises(ExistsError):
            add_authority(inventory, "one")

    def test_crl_numbers_are_given_once_per_authority(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        imported = inventory.add_authority("old", ski="ff", der=b"old", created=NOW, crl_number=41).id
        assert [inventory.next_crl_number(ca) for _ in range(3)] == [1, 2, 3]
        assert inventory.next_crl_number(imported) == 42
        assert inventory.latest_crl(ca) is None
        newest = Crl(ca, 3, NOW, NOW + 30 * DAY, "00ff")
        inventory.record_crl(newest)
        inventory.record_crl(replace(newest, number=2))
        assert inventory.latest_crl(ca) == newest
        assert inventory.latest_crl(imported) is None
        with pytest.raises(ExistsError):
            inventory.record_crl(newest)
        with pytest.raises(MissingInputError):
            inventory.record_crl(replace(newest, authority=99))

    def test_events_come_newest_first(self, inventory: Inventory) -> None:
        deeds = [Event(NOW + n * DAY, "root", "cert issue", f"host{n % 2}", str(n)) for n in range(4)]
        for deed in deeds:
            inventory.event(deed)
        assert list(inventory.events()) == deeds[::-1]
        assert list(inventory.events(limit=1)) == [deeds[3]]
        assert list(inventory.events(subject="host0")) == [deeds[2], deeds[0]]
        assert list(inventory.events(since=NOW + 2 * DAY)) == [deeds[3], deeds[2]]

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
