"""A trust directory that can't be read or changed: the run does not say that it succeeded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import Admin, peer

RETIRE = ("ca", "rollover", "--retire-old", "--force")


@pytest.fixture
def elsewhere(hub: Admin) -> Path:
    place = hub.directory / "elsewhere"
    place.mkdir(0o700)
    hub("cert", "issue", "attic", "--to", place)
    return place


@pytest.fixture
def read_only(elsewhere: Path) -> Iterator[Path]:
    peer("mount", "--bind", elsewhere, elsewhere)
    peer("mount", "-o", "remount,bind,ro", elsewhere)
    yield elsewhere
    peer("umount", elsewhere, status=None)


def trusted(directory: Path) -> int:
    return (directory / "cacert.pem").read_text().count("BEGIN")


def test_an_authority_that_is_trusted_somewhere_still_is_not_retired(hub: Admin, elsewhere: Path) -> None:
    hub("ca", "rollover")
    elsewhere.chmod(0o777)
    said = hub(*RETIRE, status=77).problem
    assert "is writable by everybody; polkatistas.org Mail CA is trusted there still" in said
    assert (trusted(hub.certs), trusted(elsewhere)) == (1, 2)
    elsewhere.chmod(0o700)
    hub(*RETIRE)
    assert (trusted(hub.certs), trusted(elsewhere)) == (1, 1)
    assert "cacert.pem" not in hub("inventory", "check", status=1)


@pytest.mark.parametrize("words", [("ca", "rollover"), ("ca", "crl"), ("cert", "revoke", "dmzmail")])
def test_a_directory_on_a_file_system_that_is_read_only(
    hub: Admin, read_only: Path, words: tuple[str, ...]
) -> None:
    assert "read-only file system" in hub(*words, status=77).lower()
    peer("umount", read_only)
    assert hub.run(*words).status in {0, 77}
    bundle, crl = (read_only / name for name in ("cacert.pem", "crl.pem"))
    assert bundle.read_bytes() == (hub.certs / bundle.name).read_bytes()
    assert crl.read_bytes() == hub.crl.read_bytes()
