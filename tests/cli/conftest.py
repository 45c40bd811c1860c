"""Scratch roots: an empty one, one with an authority, one with a whole hub; the latter are made once."""

import shutil
from pathlib import Path

import pytest
import softhsm
from admin import CONFIG, HUB, PASSPHRASE, STATE, Admin
from softhsm import PIN, Token

from smtpcreds.pki.keys import decode_key, encode_key
from smtpcreds.secret import Secret

from .pulling import come_home
from .writing import SSH_KEY


@pytest.fixture
def smtpcreds(tmp_path: Path) -> Admin:
    """The program under an empty root whose configuration names the domain and the hub."""
    program = Admin(tmp_path / "root")
    program.configure()
    return program


@pytest.fixture
def bare(tmp_path: Path) -> Admin:
    """The program under a root that does not exist yet."""
    return Admin(tmp_path / "root")


@pytest.fixture(scope="session")
def authority_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Admin(tmp_path_factory.mktemp("authority") / "root")
    program.configure()
    program("ca", "init", "--no-passphrase")
    return program.root


@pytest.fixture(scope="session")
def locked_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Admin(tmp_path_factory.mktemp("locked") / "root")
    program.configure()
    path = program.write("passphrase", f"{PASSPHRASE}\n")
    assert program("ca", "init", "--passphrase", f"file:{path}").err == ""
    key, secret = program.state / "ca/ca-key.pem", Secret(PASSPHRASE.encode())
    few = encode_key(decode_key(key.read_bytes(), secret, "key"), secret, rounds=2048)  # opened faster
    key.write_bytes(few)
    return program.root


@pytest.fixture(scope="session")
def hub_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Admin(tmp_path_factory.mktemp("hub") / "root")
    program("setup", HUB, "--no-passphrase")
    return program.root


@pytest.fixture
def authority(authority_tree: Path, tmp_path: Path) -> Admin:
    """A copy of a root with an authority."""
    return Admin(authority_tree).copy(tmp_path / "root")


@pytest.fixture
def locked(locked_tree: Path, tmp_path: Path) -> Admin:
    """A copy of a root with an authority whose key is encrypted."""
    return Admin(locked_tree).copy(tmp_path / "root")


@pytest.fixture
def hub(hub_tree: Path, tmp_path: Path) -> Admin:
    """A copy of a root after ``setup``."""
    return Admin(hub_tree).copy(tmp_path / "root")


@pytest.fixture
def rooted(smtpcreds: Admin) -> Admin:
    """A root with an issuing authority below a root, and a host."""
    smtpcreds("ca", "init", "--intermediate", "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    return smtpcreds


@pytest.fixture
def restored(hub: Admin) -> Admin:
    """A hub whose state directory is of before its last revocation."""
    backup = hub.directory / "backup"
    shutil.copytree(hub.state, backup)
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic")
    shutil.rmtree(hub.state)
    shutil.move(backup, hub.state)
    return hub


@pytest.fixture
def given(smtpcreds: Admin, tmp_path: Path) -> Admin:
    """A root without an authority, and one of another program beside it."""
    other = Admin(tmp_path / "other")
    other.configure()
    other("ca", "init", "--no-passphrase")
    (tmp_path / "given").mkdir()
    for name in ("cert", "key"):
        smtpcreds.write(f"given/{name}", other.path(f"{STATE}/ca/ca-{name}.pem").read_bytes())
    return smtpcreds


@pytest.fixture
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """An empty PKCS #11 token, away from all that is copied and compared."""
    return softhsm.make(tmp_path_factory.mktemp("hsm"))


@pytest.fixture
def with_token(smtpcreds: Admin, token: Token) -> Admin:
    """A root without an authority, a token beside it, and where its PIN is in the configuration."""
    admin = token.for_(smtpcreds)
    admin.configure(f'{CONFIG}[ca]\npin = "{admin.secret("pin", PIN.encode())}"\n')
    return admin


@pytest.fixture
def tokened(with_token: Admin, token: Token) -> Admin:
    """The same with an authority whose key is in the token."""
    with_token("ca", "init", "--token", token.uri)
    return with_token


@pytest.fixture
def unattended(hub: Admin) -> Admin:
    """A hub that ends by itself what nobody needs; its one client host has the new secret and authority."""
    hub.configure(f'{CONFIG}[ca]\nretire = "when-unused"\n[sasl]\nrotate_every = "90d"\n')
    hub("bundle", "attic", "--authorize", hub.write("key.pub", SSH_KEY, 0o644))
    hub("sasl", "rotate", "maildroid")
    hub("ca", "rollover")
    come_home(hub)
    return hub


@pytest.fixture
def key(hub: Admin) -> str:
    """The source of the archive's passphrase."""
    return hub.secret("key")


@pytest.fixture
def saved(hub: Admin, key: str) -> Path:
    """A backup of the hub."""
    path = hub.directory / "saved.age"
    hub("ca", "backup", path, "--passphrase", key)
    return path


@pytest.fixture
def clear(hub: Admin) -> Path:
    """The same in the clear, which spares the second that scrypt takes."""
    return hub.write("clear.tar", hub("ca", "backup", "-").octets)


@pytest.fixture
def other(tmp_path: Path) -> Admin:
    """Another machine, where nothing is."""
    (tmp_path / "other").mkdir()
    return Admin(tmp_path / "other/root")
