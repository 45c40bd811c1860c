import os
import subprocess
import sys
from pathlib import Path

import pytest

from smtpcreds.errors import DataError, DeniedError, MissingInputError, UnsafePathError, WriteError
from smtpcreds.sources import MAX_SECRET, Context, parse_source, resolve

ROOT = Path(__file__).parent.parent.parent
AS_NOBODY = """
import os, sys
from smtpcreds.errors import SmtpcredsError
from smtpcreds.sources import Context, parse_source, resolve
os.setuid(65534)
try:
    resolve(parse_source("file:" + sys.argv[1]), Context("passphrase"))
except SmtpcredsError as error:
    print(error.exit_status, error)
"""
CONTEXT = Context("passphrase of the CA key", may_be_empty=True)


def private(path: Path, content: bytes = b"geheim\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def read(text: str) -> bytes:
    return resolve(parse_source(text), CONTEXT).reveal()


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_private_file(tmp_path: Path, mode: int) -> None:
    assert read(f"file:{private(tmp_path / 'a:b c', mode=mode)}") == b"geheim"


def test_symbolic_link_is_followed_and_its_target_checked(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(private(tmp_path / "file"))
    assert read(f"file:{link}") == b"geheim"
    (tmp_path / "file").chmod(0o644)
    with pytest.raises(UnsafePathError):
        read(f"file:{link}")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o601])
def test_modes_that_let_others_in_are_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "file", mode=mode)
    with pytest.raises(UnsafePathError, match=f"mode {mode:04o}") as caught:
        read(f"file:{path}")
    assert caught.value.hint == f"chmod 600 {path}"


def test_foreign_owner_is_refused(tmp_path: Path) -> None:
    path = private(tmp_path / "file")
    os.chown(path, 4711, -1)
    with pytest.raises(UnsafePathError, match="user 4711"):
        read(f"file:{path}")


def test_things_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("fifo", "."):
        with pytest.raises(UnsafePathError, match="not a regular file"):
            read(f"file:{tmp_path / name}")
    with pytest.raises(UnsafePathError, match="not a regular file"):
        read("file:/dev/zero")


@pytest.mark.parametrize("name", ["nowhere", "file/below", "dangling"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    private(tmp_path / "file")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(MissingInputError, match="no such file"):
        read(f"file:{tmp_path / name}")


def test_link_loop(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DeniedError, match="symbolic links"):
        read(f"file:{tmp_path / 'loop'}")


def test_unreadable_file(tmp_path: Path) -> None:
    path = private(tmp_path / "file")
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, path], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == f"77 {path}: can't be opened: Permission denied\n"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", MissingInputError),
        (b"\n", MissingInputError),
        (b"a\0b", DataError),
        (b"x" * (MAX_SECRET + 1), DataError),
    ],
)
def test_content_that_is_no_secret(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    path = private(tmp_path / "file", content)
    with pytest.raises(error) as caught:
        read(f"file:{path}")
    assert getattr(caught.value, "subject", "") == str(path)


def test_kernel_refuses_the_read() -> None:
    # Owned by root, mode 0600, a regular file, and reading it at offset 0 fails with EIO.
    with pytest.raises(WriteError, match="Input/output error"):
        read("file:/proc/self/mem")


class TestCredential:
    def test_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        private(tmp_path / "ca-passphrase", mode=0o440)  # as systemd leaves it, with an ACL for User=
        assert read("credential:ca-passphrase") == b"geheim"

    def test_not_a_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        with pytest.raises(MissingInputError, match="CREDENTIALS_DIRECTORY") as caught:
            read("credential:ca")
        assert "LoadCredential=ca:" in str(caught.value.hint)

    def test_no_such_credential(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        with pytest.raises(MissingInputError, match="no such file"):
            read("credential:ca")

    def test_directory_in_its_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        (tmp_path / "ca").mkdir()
        with pytest.raises(UnsafePathError):
            read("credential:ca")
