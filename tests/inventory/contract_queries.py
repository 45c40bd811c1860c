"""The half of the contract that asks: finding, listing, what is current, in which order."""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import pytest

from smtpcreds.errors import ExistsError
from smtpcreds.inventory.inventory import Inventory
from smtpcreds.inventory.rows import AuthorityState, Event, State

from .facts import CERTS, DAY, HUB, NOW, add_authority, fingerprint, intent, issue, serials


class QueryContract:
    """Part of :class:`.contract.InventoryContract`."""

    def test_the_crl_can_leave_out_what_expired(self, inventory: Inventory) -> None:
        ca, other = add_authority(inventory), add_authority(inventory, "other")
        issue(inventory, intent(ca, "01", days=1), intent(ca, "02", days=9), intent(other, "03"))
        for authority, serial in ((ca, "01"), (ca, "02"), (other, "03")):
            inventory.revoke(authority, serial, NOW, "unspecified")
        assert [r.serial for r in inventory.revoked(ca, NOW + DAY)] == ["02"]
        assert [r.serial for r in inventory.revoked(ca)] == ["01", "02"]

    def test_rows_that_no_event_explains_are_told(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, *(intent(ca, f"0{n}", host=f"host{n}") for n in range(1, 8)))

        def did(what: str, number: int, more: str = "") -> None:
            inventory.event(Event(NOW, "anne", what, f"host{number}", f"serial 0{number}{more}"))

        for number in (1, 2, 3, 4, 6):
            did("cert issue", number)
        inventory.revoke(ca, "02", NOW, "superseded")
        did("cert revoke", 2, ", superseded")
        inventory.forget("host3", "retired")
        inventory.event(Event(NOW, "anne", "cert retire", "host3", "0 revoked, 0 files removed"))
        did("cert roll back", 4)
        inventory.revoke(ca, "06", NOW, "superseded")
        inventory.forget("host7", "retired")
        assert sorted(serials(inventory.unexplained())) == ["04", "05", "06"]
        did("cert issue", 4)
        did("cert issue", 5)
        did("cert revoke", 6, ", superseded")
        assert not serials(inventory.unexplained())
        inventory.forget("host1", "by somebody else")
        assert serials(inventory.unexplained()) == ["01"]
        assert not list(inventory.without_row())
        did("cert sign", 9)
        assert [event.subject for event in inventory.without_row()] == ["host9"]

    def test_rows_are_found_by_the_whole_fingerprint(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        wanted = [f"{number:04x}" for number in range(1, 700)]  # more than one question asks for
        issue(inventory, *(intent(ca, serial) for serial in wanted), intent(ca, "beef"))
        asked = [*map(fingerprint, wanted), fingerprint("beef")[:-1], "of none"]
        found = inventory.by_fingerprint(asked)
        assert {row.serial: print_ for print_, row in found.items()} == dict(
            zip(wanted, map(fingerprint, wanted), strict=True)
        )
        assert inventory.by_fingerprint([]) == {}

    def test_what_came_with_an_imported_authority_needs_no_events(self, inventory: Inventory) -> None:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        assert serials(inventory.unexplained()) == ["01"]
        inventory.event(Event(NOW, "anne", "ca import", inventory.authorities()[0].name, "easy-rsa"))
        assert not serials(inventory.unexplained())

    def test_events_of_a_kind_come_alone(self, inventory: Inventory) -> None:
        for what in ("cert issue", "cert revoke", "cert issue"):
            inventory.event(Event(NOW, "anne", what, HUB))
        assert [event.what for event in inventory.events(what="cert issue")] == ["cert issue"] * 2
        assert not list(inventory.events(what="cert issue", subject="other"))

    def test_of_many_deliveries_the_last_of_each_host_come(self, inventory: Inventory) -> None:
        def did(what: str, subject: str, detail: str) -> None:
            inventory.event(Event(NOW, "anne", what, subject, detail))

        for number in range(3):
            did("bundle", "host0", str(number))
            did("sasl passwd", "account", str(number))
        did("cert retire", "host0", "3")
        did("bundle", "host1", "4")
        did("cert issue", "host1", "5")
        found = [(event.what, event.detail) for event in inventory.deliveries()]
        secrets = [("sasl passwd", number) for number in "210"]
        last = [("bundle", "4"), ("cert retire", "3"), ("bundle", "2")]
        assert [event for event in found if event not in secrets] == last
        assert [event for event in found if event not in last] == secrets
        assert [event.detail for event in inventory.deliveries_to(["host0", "host2"])] == ["3", "2"]
        assert not list(inventory.deliveries_to([]))

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

    def test_events_come_newest_first(self, inventory: Inventory) -> None:
        deeds = [Event(NOW + n * DAY, "root", "cert issue", f"host{n % 2}", str(n)) for n in range(4)]
        for deed in deeds:
            inventory.event(deed)
        assert list(inventory.events()) == deeds[::-1]
        assert list(inventory.events(limit=1)) == [deeds[3]]
        assert list(inventory.events(subject="host0")) == [deeds[2], deeds[0]]
        assert list(inventory.events(since=NOW + 2 * DAY)) == [deeds[3], deeds[2]]
