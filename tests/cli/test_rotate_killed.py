"""Replacements of accounts that a kill interrupts. Debian: libsasl2-modules-db, strace."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from shlex import split
from typing import Any

import pytest
from admin import HUB, SECRET

from smtpcreds.accounts import database, rotation
from smtpcreds.accounts.rotation import abandon, begin, request, retire
from smtpcreds.cli import run
from smtpcreds.cli.session import Session
from smtpcreds.inventory.rotations import Rotations
from smtpcreds.model import Account
from smtpcreds.transaction import Transaction, transaction

from .bulk_scene import key
from .rotate_scene import NEW, OLD, Hub, rotating_hub, secret_in


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return rotating_hub(tmp_path)


def interrupt(hub: Hub, call: str, *words: object, nth: int = 1) -> None:
    assert hub.killed(f"{call}:signal=KILL:when={nth}", "sasl", "rotate", "maildroid", *map(str, words))


def test_killed_before_the_account_is_made(hub: Hub) -> None:
    """The secret that was delivered opens nothing, and is deleted or named."""
    hub.add("--hashed")
    place = hub.directory / "place"
    for nth, words, path in (
        (1, (), None),
        (2, (), hub.client()),
        (1, ("--keep", f"file:{place}"), place),
    ):
        interrupt(hub, "renameat", *words, nth=nth)
        assert path is None or path.exists()
        assert hub.held() == {}
        assert ": begun today" in hub.sasl("rotations")
        said = hub.sasl("rotate", "--due")
        assert "had made no successor, so it was abandoned" in said
        assert (f"; if file:{place} has a secret, it does not work" in said) is (path == place)
        assert not hub.client().parent.exists()
    assert hub.states() == ["abandoned"] * 3
    hub.sasl("rotate", "maildroid", "--password", f"file:{place}")
    assert hub.opened(place.read_bytes()[:-1]) == {"SCRAM-SHA-256"}


def die_before_the_event(hub: Hub, *words: object) -> None:
    """As a kill does: the account is made, and the inventory says ``begun``."""

    def die(*_: object) -> None:
        raise SystemError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "record", die)
        assert run(hub.arguments("sasl", "rotate", "maildroid", *map(str, words))) == 70
    assert (hub.states(), bool(hub.held())) == (["begun"], True)


def test_killed_after_the_account_was_made(hub: Hub) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    said = hub.sasl("rotate", "maildroid")
    assert f"its successor {NEW} unfinished; it is in place now" in said
    assert f"next: copy {hub.client()} to" in said
    assert hub.opened(secret_in(hub.client())) == {"SCRAM-SHA-256"}


def test_killed_with_a_place_of_its_own(hub: Hub) -> None:
    hub.add("--hashed")
    place = hub.directory / "place"
    die_before_the_event(hub, "--keep", f"file:{place}")
    assert f"it is in place now, its secret in file:{place}" in hub.sasl("rotate", "maildroid")
    assert hub.opened(place.read_bytes()[:-1]) == {"SCRAM-SHA-256"}


def test_a_chosen_secret_is_not_taken_for_the_one_of_a_killed_run(hub: Hub) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    chosen = hub.write("chosen", b"another old polka record")
    said = hub.sasl("rotate", "maildroid", "--password", f"file:{chosen}", status=73)
    assert f"is being replaced by {NEW}" in said


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "cut off": lambda path: path.write_text("maildroid-2\n"),
    "another account's": lambda path: path.write_text("attic\nattic\nanother secret\nhub\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_secret_that_nobody_has_is_replaced_by_the_command_that_is_said(hub: Hub, damage: str) -> None:
    hub.add("--hashed")
    die_before_the_event(hub)
    DAMAGES[damage](hub.client())
    warning = next(line for line in hub.sasl("rotate", "--due").splitlines() if "another one: " in line)
    assert f"{NEW}: is stored without clear text, and {hub.client()} has not its secret" in warning
    assert "sasl passwd maildroid-2 --auth-info FILE" in hub.sasl("rotations")
    hub.sasl(*split(warning.partition("another one: ")[2])[2:])
    assert hub.opened(secret_in(hub.client())) == {"SCRAM-SHA-256"}
    assert f"next: copy {hub.client()} to" in hub.sasl("rotations")


def test_killed_while_the_old_account_was_retired(hub: Hub) -> None:
    hub.add("--hashed")
    hub.sasl("rotate", "maildroid")
    secret = secret_in(hub.client())
    interrupt(hub, "renameat", "--retire")
    assert hub.states() == ["retiring"]
    assert hub.opened(secret) == {"SCRAM-SHA-256"} == hub.opened(SECRET, "maildroid")
    assert "it is deleted now" in hub.sasl("rotate", "--due")
    assert not hub.client().parent.exists()
    assert hub.opened(secret) == {"SCRAM-SHA-256"}
    assert hub.opened(SECRET, "maildroid") == set()


BOTH = {"maildroid", "maildroid-2"}
OUTCOMES = {
    "begin": ((set(), {"maildroid"}), ({"open"}, BOTH)),
    "retire": (({"open"}, BOTH), (set(), {"maildroid-2"})),
    "abandon": (({"open"}, BOTH), (set(), {"maildroid"})),
}
"""Of each step: states of rotations and names of accounts, before it and after it."""


class Crash(BaseException):
    """Ends a run as a kill does: nothing catches it."""


class Crashing:
    """Lets a run end before or after the n-th call of those that change something."""

    DEEDS = (
        (Rotations, ("begin", "advance")),
        (rotation, ("write", "withdraw")),
        (rotation, ("_remove",)),
        (database, ("apply_with",)),
        (Transaction, ("record",)),
    )

    def __init__(self, patch: pytest.MonkeyPatch, when: int, *, after: bool) -> None:
        self.rest, self.after = when, after
        for owner, names in self.DEEDS:
            for name in names:
                patch.setattr(owner, name, self.wrapped(getattr(owner, name)))

    def wrapped(self, deed: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: object) -> object:
            self.rest -= 1
            if self.rest < 0 and not self.after:
                raise Crash
            result = deed(*words)
            if self.rest < 0:
                raise Crash
            return result

        return call


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("step", OUTCOMES)
def test_a_crash_anywhere_is_completed_or_given_up_by_the_next_run(hub: Hub, step: str, hashed: bool) -> None:
    """While both accounts are there, the file for client hosts has the successor's secret."""
    hub.add(*(["--hashed"] if hashed else []))
    warnings: list[str] = []
    site = replace(Session(root=str(hub.root)).site(), warn=warnings.append)
    wanted = request(site, Account("maildroid", HUB), None)
    deeds: dict[str, Callable[..., object]] = {"begin": begin, "retire": retire, "abandon": abandon}
    deed = deeds[step]
    if step != "begin":
        with transaction(site) as work:
            begin(work, wanted)
    shutil.copytree(hub.root, hub.directory / "start")
    seen = []
    for when, after in product(range(10), (False, True)):
        shutil.rmtree(hub.root)
        shutil.copytree(hub.directory / "start", hub.root)
        with pytest.MonkeyPatch.context() as patch:
            Crashing(patch, when, after=after)
            try:
                with transaction(site) as work:
                    deed(work, wanted)
            except Crash:
                pass
            else:
                break
        warnings.clear()
        with transaction(site) as work:
            rotation.recover(work)
        names = {name.partition(b"\0")[0].decode() for name in hub.records()}
        outcome = set(hub.states()) - {"retired", "abandoned"}, names
        assert outcome in OUTCOMES[step], (when, after)
        assert hub.client().exists() is (names == BOTH if hashed else "maildroid-2" in names)
        assert not hub.client().exists() or "SCRAM-SHA-256" in hub.opened(secret_in(hub.client()))
        assert not list((hub.root / "var").rglob(".*.smtpcreds-*"))
        seen.append((OUTCOMES[step].index(outcome), any("interrupted run" in text for text in warnings)))
    assert len(seen) == {"begin": 10, "retire": 14 if hashed else 12, "abandon": 12}[step]
    assert set(seen) >= {(0, step == "begin"), (1, True), (1, False)}
    assert [which for which, _ in seen] == sorted(which for which, _ in seen)


def test_a_step_that_the_next_run_completes_is_done(hub: Hub) -> None:
    hub.add()
    for words, state in (((), "begun"), (("--retire",), "retiring")):
        interrupt(hub, "renameat", *words)
        assert f": {state} today" in hub.sasl("rotations")
        said = hub.sasl("rotate", "maildroid", *words, "--dry-run")
        assert f"{OLD}: an interrupted run" in said
        assert "rotations: " in said
        assert f": {state} today" in hub.sasl("rotations")
        assert f"{OLD}: an interrupted run" in hub.sasl("rotate", "maildroid", *words)
        assert hub.client().exists()
    assert hub.records().keys() == {key("maildroid-2")}


PLACES: dict[tuple[str, ...], int] = {
    (): 23,
    ("--auth-info", "{here}/info"): 29,
    ("--keep", "file:{here}/place"): 31,
}
"""Where the secret goes, and of how many kill points one is tried."""


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_killed_anywhere_the_same_command_goes_on(hub: Hub, tmp_path: Path, place: tuple[str, ...]) -> None:
    """A half-made inventory is none, and what was delivered is no obstacle."""
    hub.add("--hashed")
    words = ("sasl", "rotate", "maildroid", *(word.format(here=hub.directory) for word in place))
    start = hub.copy(tmp_path / "start/root")
    given = {"--auth-info": hub.directory / "info", "--keep": hub.directory / "place"}
    for point in hub.kill_points(*words)[:: PLACES[place]]:
        shutil.rmtree(hub.root)
        for path in given.values():
            path.unlink(missing_ok=True)
        start.copy(hub.root)
        assert hub.killed_at(point, *words), point
        if [row["state"] for row in hub.data("rotations")["rotations"]] != ["open"]:
            again(hub, *words)
        path = given[place[0]] if place else hub.client()
        secret = path.read_bytes()[:-1] if "--keep" in place else secret_in(path)
        assert hub.opened(secret) == {"SCRAM-SHA-256"}, point
        assert hub.states()[-1] == "open", point
        assert not list(tmp_path.rglob(".*.smtpcreds-*")), point


def again(hub: Hub, *words: str) -> None:
    """Type the same; where the secret lies in its file already, take that."""
    ran = hub.run(*words)
    if "--keep" in words and ran.status == 73:
        assert f"--password {words[-1]}" in ran.err
        ran = hub(*words[:3], "--password", words[-1])
    assert ran.status == 0, ran
