"""Real keyrings: GNOME's over D-Bus, and keyrings.alt's plain text.

Debian: gnome-keyring, dbus, python3-keyrings.alt.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from desktop import session
from place import IMPORTS, PLACE

ROOT = Path(__file__).parent.parent.parent
ALT = Path("/usr/lib/python3/dist-packages")
PRELUDE = """
import sys
from smtpcreds.errors import SmtpcredsError
from smtpcreds.secret import Secret
from smtpcreds.sources import Context, parse_source, resolve, store_in_keyring
def show(action):
    try:
        answer = action()
        print("kept" if answer is None else answer.reveal())
    except SmtpcredsError as error:
        print(error.exit_status, error, error.hint)
def read(text):
    show(lambda: resolve(parse_source(text), Context("password")))
def store(service, name, value):
    show(lambda: store_in_keyring(service, name, Secret(value)))
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**environment, **IMPORTS, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}


def run(code: str, home: dict[str, str], *wrapper: str) -> list[str]:
    command = [*wrapper, sys.executable, "-c", PRELUDE + code]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=home, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def in_session(code: str, home: dict[str, str]) -> list[str]:
    return run(code, home, *session())


def with_alt(home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment in which keyrings.alt, and nothing else of Debian's Python, is importable."""
    path = tmp_path / "alt"
    path.mkdir()
    for found in (ALT / "keyrings", *ALT.glob("keyrings.alt-*")):
        (path / found.name).symlink_to(found)
    assert len(list(path.iterdir())) == 2
    return {**home, "PYTHONPATH": f"{PLACE}:{path}"}


def test_gnome_keyring(home: dict[str, str]) -> None:
    code = """
store("smtpcreds", "ca/key", "ge heim ä")
read("keyring:smtpcreds/ca/key")
read("keyring:smtpcreds/an other")
store("smtpcreds", "bytes", b"\\xff")
"""
    kept, value, missing, octets = in_session(code, home)
    assert kept == "kept"
    assert value == repr("ge heim ä".encode())
    assert missing.startswith("66 keyring:smtpcreds/an other: there is no such entry")
    assert "keyring set smtpcreds 'an other'" in missing
    assert octets.startswith("65 keyring:smtpcreds/bytes: a keyring holds text")


def test_no_keyring_at_all(home: dict[str, str]) -> None:
    for line in run('read("keyring:smtpcreds/ca"); store("smtpcreds", "ca", "x")', home):
        assert line.startswith("69 keyring:smtpcreds/ca: no keyring here protects its entries")
        assert "keyring.backends.fail.Keyring" in line


@pytest.mark.parametrize("backend", ["keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"])
def test_backends_that_keep_nothing_are_refused(home: dict[str, str], backend: str) -> None:
    home = {**home, "PYTHON_KEYRING_BACKEND": backend}
    for line in run('read("keyring:smtpcreds/ca"); store("smtpcreds", "ca", "x")', home):
        assert line.startswith("69 ")
        assert backend in line


def test_plain_text_is_refused(home: dict[str, str], tmp_path: Path) -> None:
    home = {**with_alt(home, tmp_path), "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}
    answers = run('store("smtpcreds", "ca", "geheim"); read("keyring:smtpcreds/ca")', home)
    assert len(answers) == 2
    assert all(line.startswith("69 ") and "PlaintextKeyring" in line for line in answers)
    assert not list(tmp_path.rglob("keyring_pass.cfg"))


def test_plain_text_inside_a_chain_is_passed_over(home: dict[str, str], tmp_path: Path) -> None:
    code = """
import keyring
from keyrings.alt.file import PlaintextKeyring
chain = keyring.get_keyring()
print(type(chain).__name__, any(isinstance(backend, PlaintextKeyring) for backend in chain.backends))
PlaintextKeyring().set_password("smtpcreds", "plain", "seen by everyone")
store("smtpcreds", "ca", "geheim")
read("keyring:smtpcreds/ca")
read("keyring:smtpcreds/plain")
"""
    chain, kept, value, plain = in_session(code, with_alt(home, tmp_path))
    assert chain == "ChainerBackend True"
    assert (kept, value) == ("kept", "b'geheim'")
    assert plain.startswith("66 ")


def test_broken_bus_is_one_line(home: dict[str, str]) -> None:
    home = {
        **home,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus",
    }
    (line,) = run('read("keyring:smtpcreds/ca")', home)
    assert line.startswith("69 keyring:smtpcreds/ca: the keyring failed: ")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[backend]\ndefault-keyring=nosuch.Keyring\n", "No module named 'nosuch'"),
        ("[backend]\ndefault-keyring=keyring.backends.Nosuch\n", "Nosuch"),
        ("garbage", "File contains no section headers"),
    ],
)
def test_wrong_settings_are_one_line(home: dict[str, str], tmp_path: Path, settings: str, said: str) -> None:
    file = tmp_path / ".config/python_keyring/keyringrc.cfg"
    file.parent.mkdir(parents=True)
    file.write_text(settings)
    for line in run('read("keyring:smtpcreds/ca"); store("smtpcreds", "ca", "x")', home):
        assert line.startswith("69 keyring:smtpcreds/ca: the keyring failed: ")
        assert said in line
