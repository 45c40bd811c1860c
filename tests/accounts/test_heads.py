"""What an import makes of the files that administrators have; libsasl2 says who can log in afterwards.

Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db, dovecot-core, db5.3-util, lmdb-utils.
"""

import re
from itertools import permutations
from pathlib import Path

import pytest
import sasl_oracle
from admin import HUB, Admin

from .heads import HEADS, Head


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    program = Admin(tmp_path / "root")
    program.configure()
    return program


def lets_in(admin: Admin, login: str, secret: str) -> bool:
    """Tell whether libsasl2 lets the secret in, by the name that a client host would be given."""
    return sasl_oracle.authenticate(admin.database, "PLAIN", login, HUB, secret.encode())


def guesses(head: Head) -> set[tuple[str, str]]:
    """Return what a guesser tries who knows how such files begin: words of the first lines."""
    text = head.text if isinstance(head.text, str) else head.text.decode("latin-1")
    words = re.findall(r"\w[\w .-]*\w", text[:300])[:9]
    return {pair for pair in permutations(words, 2) if pair not in head.accounts.items()}


@pytest.mark.parametrize("name", HEADS)
def test_what_becomes_of_a_file(admin: Admin, name: str) -> None:
    head = HEADS[name]
    path = admin.write("file", head.text)
    ran = admin.run("sasl", "import", path, *head.words)
    if head.refused:
        assert (ran.status, ran.out, admin.database.exists()) == (65, "", False), ran
        assert head.refused in ran.err
        assert "hint: " in ran.err
        assert not any(secret in ran.err for secret in ("S3cret", *head.accounts.values()))
        return
    assert ran.status == 0, ran
    assert head.form in ran.err
    keys = {f"{login}@{HUB}" if "@" not in login else login for login in head.accounts}
    assert {"@".join(key.decode().split("\0")[:2]) for key in admin.records()} == keys
    for login, secret in head.accounts.items():
        assert lets_in(admin, login, secret), login
    assert not any(lets_in(admin, login, secret) for login, secret in guesses(head))
