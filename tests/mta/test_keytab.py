"""A keytab is read as MIT's klist reads it."""

from pathlib import Path

import pytest
from keytabs import keytab, listed, with_hole

from smtpcreds.errors import DamagedFileError
from smtpcreds.mta.keytab import principals

SMTP, IMAP = "smtp/dmzmail.polkatistas.org", "imap/dmzmail.polkatistas.org"


@pytest.mark.parametrize(
    "content",
    [keytab(SMTP), keytab(IMAP, SMTP, "attic"), with_hole(keytab(SMTP, IMAP))],
    ids=["one", "three", "hole"],
)
def test_it_holds_what_klist_shows(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keytab"
    path.write_bytes(content)
    assert principals(content, str(path)) == tuple(dict.fromkeys(listed(path)))


@pytest.mark.parametrize("content", [b"", b"\x05", b"\x05\x01" + keytab(SMTP)[2:], b"-----BEGIN KEY-----\n"])
def test_what_is_none(content: bytes) -> None:
    with pytest.raises(DamagedFileError, match="is no keytab"):
        principals(content, "x")


def test_one_that_ends_too_early() -> None:
    whole = keytab(SMTP)
    with pytest.raises(DamagedFileError, match="ends too early"):
        principals(whole[:20], "x")
