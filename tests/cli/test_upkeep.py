"""``cert renew --due`` where ``sasl.rotate_every`` and ``ca.retire`` say that nobody types the rest."""

from pathlib import Path

import pytest
from admin import ACCOUNT, CONFIG, HUB, Admin

from .pulling import come_home, digest, fetched
from .writing import SSH_KEY

ATTIC, TUBA = "attic.polkatistas.org", "tuba.polkatistas.org"
SECOND = f"maildroid-2@{HUB}"
THIRD = f"maildroid-3@{HUB}"


@pytest.fixture
def key(hub: Admin) -> Path:
    hub.configure(f'{CONFIG}[ca]\nretire = "when-unused"\n[sasl]\nrotate_every = "90d"\n')
    return hub.write("key.pub", SSH_KEY, 0o644)


def accounts(hub: Admin) -> set[str]:
    return {row["account"] for row in hub.json("sasl", "list")["accounts"]}


def night(hub: Admin) -> dict[str, list[str]]:
    """Run the timer's command; return which accounts were replaced and ended, and which authorities went."""
    done = hub.run("cert", "renew", "--due", "--json").data
    assert done["not_done"] == []
    by_state: dict[str, list[str]] = {"open": [], "retired": []}
    for row in done["rotations"]:
        by_state[row["state"]].append(row["account"])
    begun, ended = by_state.values()
    return {"begun": begun, "ended": ended, "authorities": done["authorities_retired"]}


def test_a_secret_is_replaced_when_it_is_old_and_the_old_one_ends_when_all_have_the_new(
    hub: Admin, key: Path
) -> None:
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key)
        come_home(hub, host)
    assert night(hub.at("89 days"))["begun"] == []
    later = hub.at("91 days")
    assert night(later) == {"begun": [ACCOUNT], "ended": [], "authorities": []}
    come_home(later, "attic")
    assert night(later)["ended"] == [], "tuba has not come"
    assert f"the new one is not yet on {TUBA}" in later.run("status").out
    archive = fetched(later, "tuba")
    assert night(later)["ended"] == [], "tuba has not said that it has it in place"
    fetched(later, "tuba", digest(archive))
    assert night(later) == {"begun": [], "ended": [ACCOUNT], "authorities": []}
    assert accounts(hub) == {SECOND}
    assert night(hub.at("180 days"))["begun"] == []
    assert night(hub.at("183 days"))["begun"] == [SECOND]
    assert accounts(hub) == {SECOND, THIRD}


def test_who_is_shut_out_is_waited_for_no_more(hub: Admin, key: Path) -> None:
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key)
        come_home(hub, host)
    hub("sasl", "rotate", "maildroid")
    come_home(hub, "attic")
    assert night(hub)["ended"] == []
    hub("cert", "revoke", "tuba")
    assert night(hub)["ended"] == [ACCOUNT]


def test_a_host_that_was_given_its_bundle_by_hand_counts_by_that(hub: Admin, key: Path) -> None:
    hub("bundle", "tuba", "-o", hub.directory / "tuba.tar")
    hub("bundle", "attic", "--authorize", key)
    come_home(hub)
    hub("sasl", "rotate", "maildroid")
    come_home(hub)
    assert night(hub)["ended"] == []
    assert f"the new one is not yet on {TUBA}" in hub.run("status").out
    hub("bundle", "tuba", "-o", hub.directory / "again.tar", "--account", "maildroid-2", "--new-key")
    assert night(hub)["ended"] == [ACCOUNT]


def test_a_date_is_waited_for_and_then_not_the_hosts(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    come_home(hub)
    hub("sasl", "rotate", "maildroid", "--after", "10d")
    assert night(hub.at("9 days"))["ended"] == []
    assert night(hub.at("11 days"))["ended"] == [ACCOUNT]


def test_an_authority_goes_when_no_host_needs_it(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    come_home(hub)
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    assert night(hub)["authorities"] == []
    assert f"with certificates of the old one: {ATTIC}" in hub.run("status").out
    come_home(hub)
    assert night(hub)["authorities"] == ["polkatistas.org Mail CA"]
    assert hub.json("ca", "show")["retired"]
    assert night(hub)["authorities"] == []


def test_the_hub_changes_when_all_client_hosts_trust_the_new_authority(hub: Admin, key: Path) -> None:
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key)
        come_home(hub, host)
    hub("ca", "rollover")
    come_home(hub, "attic")
    done = hub.json("cert", "renew", "--due")
    assert (done["renewed_early"], done["authorities_retired"]) == ([], []), "tuba knows the old one alone"
    come_home(hub, "tuba")
    done = hub.json("cert", "renew", "--due", "--reload", "true")
    assert (done["renewed_early"], done["authorities_retired"]) == ([HUB], []), "one reload a run"
    assert night(hub)["authorities"] == ["polkatistas.org Mail CA"]
    assert "nothing is due" in hub("status")


def test_a_host_that_was_set_up_by_hand_is_waited_for(hub: Admin, key: Path) -> None:
    hub("bundle", "tuba", "-o", hub.directory / "tuba.tar")
    hub("ca", "rollover")
    assert hub.json("cert", "renew", "--due")["renewed_early"] == []
    hub("bundle", "tuba", "--new-key", "--force", "-o", hub.directory / "tuba.tar")
    assert hub.json("cert", "renew", "--due")["renewed_early"] == [HUB]


@pytest.mark.parametrize("options", [(), ("--intermediate",)])
def test_an_authority_has_a_successor_before_it_ends(smtpcreds: Admin, options: tuple[str, ...]) -> None:
    smtpcreds.configure(f'{CONFIG}[ca]\nrollover = "when-due"\nretire = "when-unused"\n')
    source = smtpcreds.secret("passphrase")
    smtpcreds("ca", "init", "--days", "900", "--passphrase", source, *options)
    smtpcreds("cert", "issue", HUB, "--passphrase", source)
    due = ("cert", "renew", "--due", "--passphrase", source)
    assert smtpcreds.at("500 days").json(*due)["authority_made"] is None
    later = smtpcreds.at("600 days")
    done = later.json(*due)
    assert done["authority_made"] == "polkatistas.org Mail CA G2"
    assert later.json(*due)["renewed_early"] == [HUB]
    assert later.json(*due)["authorities_retired"] == ["polkatistas.org Mail CA"]
    assert later.json(*due)["authority_made"] is None


def test_an_inventory_that_was_lost_does_not_know_who_uses_the_old_authority(hub: Admin) -> None:
    """The hosts of the old one would have been cut off, by the timer, or by the step that status named."""
    hub.configure(f'{CONFIG}[ca]\nretire = "when-unused"\n')
    hub("cert", "issue", "attic")
    later = hub.at("10 days")
    later("ca", "rollover")
    for path in hub.path("/var/lib/smtpcreds").glob("inventory.sqlite3*"):
        path.unlink()
    later("ca", "crl")
    later("cert", "issue", HUB, "--force")
    assert later.json("cert", "renew", "--due")["authorities_retired"] == []
    said = later.refuses(77, "ca", "rollover", "--retire-old")
    assert "is older than the inventory, which does not know what hosts still use it" in said
    step = (
        "smtpcreds cert issue HOST --force, or bundle HOST; then: smtpcreds ca rollover --retire-old --force"
    )
    assert step in said
    assert step in later("status").out
    later("cert", "issue", "attic", "--force")
    later("ca", "rollover", "--retire-old", "--force")
    assert "in progress" not in later("status").out


def test_nothing_of_this_is_done_unasked(hub: Admin, key: Path) -> None:
    hub.configure()
    hub("bundle", "attic", "--authorize", key)
    come_home(hub)
    hub("sasl", "rotate", "maildroid")
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    come_home(hub)
    assert night(hub.at("200 days")) == {"begun": [], "ended": [], "authorities": []}
    assert accounts(hub) == {ACCOUNT, SECOND}


def test_a_dry_run_says_it_and_does_nothing(unattended: Admin) -> None:
    ran = unattended.run("cert", "renew", "--due", "--dry-run")
    assert ran.status == 1
    assert ACCOUNT in ran
    assert accounts(unattended) == {ACCOUNT, SECOND}
    assert night(unattended) == {
        "begun": [],
        "ended": [ACCOUNT],
        "authorities": [],
    }
    assert night(unattended)["authorities"] == ["polkatistas.org Mail CA"]
