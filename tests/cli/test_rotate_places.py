"""Where a successor's secret goes. Debian: libsasl2-modules-db, gnome-keyring, dbus."""

from pathlib import Path
from shlex import split

import pytest
from desktop import session

from .rotate_scene import NEW, STORED, Hub, rotating_hub, secret_in


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return rotating_hub(tmp_path)


def test_a_named_place_is_the_only_one(hub: Hub) -> None:
    hub.add("--hashed")
    info = hub.directory / "attic info"
    done = hub.data("rotate", "maildroid", "--auth-info", info)
    assert (done["file"], done["secret"]) == (str(info), [str(info)])
    assert hub.opened(secret_in(info)) == {"SCRAM-SHA-256"}
    assert not hub.client().exists()
    assert f"next: copy {info} to" in hub.sasl("rotations")
    assert hub.data("rotations")["rotations"][0]["secret"] == [str(info)]
    hub.sasl("rotate", "maildroid", "--retire")
    assert hub.opened(secret_in(info)) == {"SCRAM-SHA-256"}


@pytest.mark.parametrize("words", [(), ("--hashed",)])
def test_what_is_said_of_a_kept_secret_works(hub: Hub, words: tuple[str, ...]) -> None:
    hub.add(*words)
    place = hub.directory / "the secret"
    said = hub.sasl("rotate", "maildroid", "--keep", f"file:{place}", "--client", "attic")
    assert not hub.client().exists()
    command, _, hosts = said.partition("next: ")[2].splitlines()[0].partition("    ")
    assert hosts == "for attic.polkatistas.org"
    assert command in hub.sasl("rotations")
    target = hub.directory / "info"
    hub.sasl(*(str(target) if word == "FILE" else word for word in split(command)[2:]))
    assert secret_in(target) + b"\n" == place.read_bytes()
    assert hub.opened(secret_in(target)) == STORED[words][1]
    said = hub.sasl("rotate", "maildroid", "--abandon")
    assert f"file:{place}: has the secret of {NEW}, which no longer works" in said
    assert place.exists()


def test_several_places(hub: Hub) -> None:
    hub.add("--hashed")
    said = hub.sasl("rotate", "maildroid", "--keep", "file:two", "--auth-info", "one")
    assert said.count("\n      or smtpcreds sasl auth-info ") == 1
    names = [
        Path(place.removeprefix("file:")).name for place in hub.data("rotations")["rotations"][0]["secret"]
    ]
    assert names == ["two", "one"]


@pytest.mark.parametrize("option", ["--keep=file:taken", "--auth-info=taken"])
def test_a_file_in_the_way_is_left_alone(hub: Hub, option: str) -> None:
    hub.add("--hashed")
    hub.write("taken", b"something else")
    for words in (("-n",), ()):
        assert "was not changed" in hub.sasl("rotate", "maildroid", option, *words, status=73)
    assert (hub.directory / "taken").read_bytes() == b"something else"
    assert not (hub.root / "var").exists()


def test_a_place_that_fails_leaves_nothing_half_way(hub: Hub) -> None:
    hub.add("--hashed")
    no_keyring = ("env", "PYTHON_KEYRING_BACKEND=keyring.backends.fail.Keyring")
    done = hub.behind(*no_keyring).run("sasl", "rotate", "maildroid", "--keep", "keyring:relays/maildroid-2")
    assert (done.status, done.out, "no keyring here" in done.err) == (69, "", True)
    assert hub.held() == {}
    assert hub.states() == ["abandoned"]
    assert "interrupted" not in hub.sasl("rotate", "maildroid")


def test_a_chosen_secret(hub: Hub) -> None:
    hub.add("--hashed")
    chosen = hub.write("chosen", b"another old polka record")
    hub.sasl("rotate", "maildroid", "--password", f"file:{chosen}")
    assert hub.opened(b"another old polka record") == {"SCRAM-SHA-256"}
    assert secret_in(hub.client()) == b"another old polka record"


def test_a_chosen_secret_that_is_refused(hub: Hub) -> None:
    hub.add("--hashed")
    hub.write("weak", b"polka\x07")
    hub.sasl("rotate", "maildroid", "--password", "file:weak", status=65)
    assert hub.held() == {}
    assert not (hub.root / "var").exists()


KEYRING = """
sc() { "$@" || echo "status $?"; }
sc "$@" passwd maildroid --keep keyring:relays/maildroid
for name in maildroid maildroid-2; do
    sc "$@" rotate maildroid --keep keyring:relays/$name
done
sc "$@" auth-info maildroid-2 --to info --password keyring:relays/maildroid-2
"""


def test_kept_in_the_keyring(hub: Hub) -> None:
    """The old account's entry is not replaced: its secret works still."""
    hub.add("--hashed")
    (hub.directory / "runtime").mkdir(mode=0o700)
    settings = (f"HOME={hub.directory}", f"XDG_RUNTIME_DIR={hub.directory}/runtime")
    done = hub.behind("env", *settings, *session(KEYRING))("sasl")
    assert "status 73" in done.out
    assert (
        "next: smtpcreds sasl auth-info maildroid-2 --to FILE --password keyring:relays/maildroid-2"
        in done.out
    )
    assert not hub.client().exists()
    assert hub.opened(secret_in(hub.directory / "info")) == {"SCRAM-SHA-256"}
