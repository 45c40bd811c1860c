"""What the pages of the nouns show on lines of their own, typed in their order."""

import os
import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from admin import CERTS, Admin, peer
from manual_examples import page_lines

from .writing import SSH_KEY


@pytest.fixture
def attic(tmp_path: Path) -> Path:
    """The root directory of a host that a line names."""
    made = tmp_path / "the client host"
    made.mkdir()
    return made


def typed(hub: Admin, line: str) -> bytes:
    """Type a line that begins with our program; return what it hands to what is behind it."""
    return hub(*shlex.split(line.partition(" | ")[0])[1:]).octets


def behind(line: str, *before: str) -> list[str]:
    return shlex.split(line.partition(" | ")[2].removeprefix(" ".join(before)))


def test_a_bundle_is_unpacked_or_set_up_or_fetched(hub: Admin, attic: Path, tmp_path: Path) -> None:
    meant = {" -C /": f" -C '{attic}'", "/etc/ssh": f"{hub.root}/etc/ssh"}
    unpacked, set_up, fetched = page_lines("smtpcreds-bundle.1", meant)
    peer(*behind(unpacked, "ssh root@attic"), stdin=typed(hub.copy(tmp_path / "first"), unpacked))
    assert (attic / "etc/smtpcreds/README.bundle").exists()
    host = Admin(tmp_path / "set up")
    assert "ready" in host(*behind(set_up, "ssh root@attic")[1:], stdin=typed(hub, set_up))
    hub.write("pull-key.pub", SSH_KEY, 0o644)
    hub.path("/etc/ssh").mkdir()
    typed(hub, fetched)
    assert "--serve" in hub.path("/etc/ssh/smtpcreds_keys").read_text()


def test_a_backup_goes_through_age(hub: Admin, tmp_path: Path) -> None:
    key = peer("age-keygen", "-o", tmp_path / "key", status=None)
    recipient = re.search(r"age1\w+", (tmp_path / "key").read_text() + key)
    assert recipient
    (line,) = page_lines("smtpcreds-ca.1", {"age1...": recipient[0], "/mnt/usb": tmp_path})
    peer("sh", "-c", line.partition(" | ")[2], stdin=typed(hub, line))
    plain = peer("age", "-d", "-i", tmp_path / "key", tmp_path / "ca.age")
    assert "/ca-key.pem" in plain


def test_the_files_of_a_client_host_are_copied(hub: Admin, attic: Path) -> None:
    issue, render, copy = page_lines("smtpcreds-files.7", {" -C / ": f" -C '{attic}' "})
    typed(hub, issue)
    typed(hub, render)
    here, there = copy.split(" | ssh root@attic ")
    peer("sh", "-c", f"cd {hub.directory}; {here} | {there}")
    assert (attic / f"{CERTS}/attic-key.pem".lstrip("/")).exists()
    assert (attic / "etc/mail/default-auth-info").stat().st_mode & 0o777 == 0o600


def test_metrics_are_written_by_the_user_whose_directory_it_is(hub: Admin) -> None:
    with TemporaryDirectory() as place:
        os.chown(place, 65534, 65534)
        (line,) = page_lines("smtpcreds-status.1", {"=prometheus": "=65534", "D/": f"{place}/"})
        peer(*behind(line), stdin=typed(hub, line))
        written = Path(place, "smtpcreds.prom")
        assert "smtpcreds_due" in written.read_text()
        assert written.stat().st_uid == 65534
