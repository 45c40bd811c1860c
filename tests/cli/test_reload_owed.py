"""A run that was killed before it told the mail server: the next one with --reload does."""

from pathlib import Path

import pytest
from admin import KILLED, Admin

DIES = "sh -c 'kill -KILL $PPID; sleep 1'"
"""A reload during which smtpcreds is killed."""


@pytest.fixture
def mark(hub: Admin) -> Path:
    return hub.directory / "mark"


@pytest.mark.parametrize(
    "words",
    [("cert", "renew", "dmzmail"), ("cert", "renew", "dmzmail", "--new-key"), ("ca", "crl")],
    ids=" ".join,
)
def test_the_next_run_makes_up_for_it(hub: Admin, mark: Path, words: tuple[str, ...]) -> None:
    assert hub.run(*words, "--reload", DIES).status in KILLED
    serial = hub.serial()
    assert "would run touch" in hub("-n", "cert", "renew", "--due", "--reload", f"touch {mark}", status=1)
    hub("cert", "renew", "--due", "--reload", f"touch {mark}")
    assert mark.exists()
    assert (hub.serial(), hub.is_pair()) == (serial, True)
    mark.unlink()
    assert "nothing is due" in hub("cert", "renew", "--due", "--reload", f"touch {mark}")
    assert not mark.exists(), "nothing is owed any more"


@pytest.mark.parametrize("verb", ["revoke", "retire"])
def test_what_can_be_done_once_only_is_completed_by_the_same_command(
    hub: Admin, mark: Path, verb: str
) -> None:
    hub("cert", "issue", "attic")
    words = ("cert", verb, "attic")
    assert hub.run(*words, "--reload", DIES).status in KILLED
    hub(*words, "--reload", f"touch {mark}")
    assert mark.exists()
    assert not (hub.state / "reload-owed").exists()
    hub.refuses(65, *words, "--reload", f"touch {mark}")


def test_a_revocation_whose_list_was_not_written_is_completed_by_the_same_command(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    words = ("cert", "revoke", "attic")
    assert hub.killed("renameat:signal=KILL:when=1", *words)
    assert "0 revoked" in hub.run("ca", "crl", "--check").out
    assert "1 revoked" in hub(*words).out
    assert "revoked" in hub.verify(hub.certs / "attic-cert.pem", status=2)
    hub.refuses(65, *words)


def test_a_reload_that_fails_stays_owed(hub: Admin, mark: Path) -> None:
    hub("ca", "crl", "--reload", "false", status=69)
    hub("cert", "renew", "--due", "--reload", f"touch {mark}")
    assert mark.exists()


def test_a_renewal_killed_between_its_renames_is_completed_by_the_same_command(hub: Admin) -> None:
    words = ("cert", "renew", "dmzmail", "--new-key")
    assert hub.killed("renameat:signal=KILL:when=4", *words)
    assert not hub.is_pair()
    hub(*words)
    assert hub.is_pair()


def test_a_switch_of_keys_is_completed_by_the_same_command(hub: Admin, mark: Path) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "1")
    later = hub.at("+3 seconds")
    assert later.run("tlsa", "switch", "dmzmail", "--reload", DIES).status, "killed"
    assert (hub.state / "reload-owed").exists()
    later("tlsa", "switch", "dmzmail", "--reload", f"touch {mark}")
    assert mark.exists()
    assert not (hub.state / "reload-owed").exists()
    later("tlsa", "retire", "dmzmail", "--at-once")


def test_plan_says_that_nobody_told_the_server(hub: Admin, mark: Path) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "1")
    later = hub.at("+3 seconds")
    assert later.run("tlsa", "switch", "dmzmail", "--reload", DIES).status, "killed"
    assert (hub.state / "reload-owed").exists()
    later("cert", "issue", "attic")
    assert "the mail server was not told" in later("tlsa", "plan", "dmzmail")
    later("tlsa", "switch", "dmzmail", "--reload", f"touch {mark}")
    assert mark.exists()
    assert "did not tell" not in later("tlsa", "plan", "dmzmail")
