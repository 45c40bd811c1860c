"""``ca passphrase``: every key changes, or none; OpenSSL opens them with the new one."""

from pathlib import Path

import pytest
from admin import STATE, Admin, peer, snapshot

CA = f"{STATE}/ca"
CHANGE = ("ca", "passphrase", "--passphrase", "env:OLD", "--new-passphrase", "env:NEW")


def opens(path: Path, passphrase: str) -> bool:
    said = peer(
        "openssl", "pkey", "-in", path, "-passin", "env:P", "-noout", env={"P": passphrase}, status=None
    )
    return not said


def keys(program: Admin) -> list[Path]:
    return sorted(path for path in program.path(CA).rglob("*-key.pem"))


@pytest.fixture
def three_keys(smtpcreds: Admin) -> Admin:
    """An issuing CA, the root above it, and an issuing CA that was replaced: three unencrypted keys."""
    smtpcreds("ca", "init", "--intermediate", "--no-passphrase")
    smtpcreds("ca", "rollover")
    assert len(keys(smtpcreds)) == 3
    return smtpcreds


def test_every_key_changes(three_keys: Admin) -> None:
    ran = three_keys("ca", "passphrase", "--new-passphrase", "env:NEW", "--json", env={"NEW": "first-of-all"})
    assert sorted(ran.data["keys"]) == [str(path) for path in keys(three_keys)]
    assert all(b"BEGIN ENCRYPTED" in path.read_bytes() for path in keys(three_keys))
    assert {path.stat().st_mode & 0o777 for path in keys(three_keys)} == {0o600}
    assert opens(keys(three_keys)[1], "first-of-all")


def test_the_new_one_opens_and_the_old_one_does_not(authority: Admin) -> None:
    key = authority.path(f"{CA}/ca-key.pem")
    authority("ca", "passphrase", "--new-passphrase", "env:NEW", env={"NEW": "first-of-all"})
    assert "is encrypted and no passphrase was given" in authority.refuses(77, "cert", "issue", "attic")
    said = authority.refuses(77, *CHANGE, env={"OLD": "wrong", "NEW": "second-to-none"})
    assert said == f"smtpcreds: {key}: the passphrase does not open this key"
    authority(*CHANGE, env={"OLD": "first-of-all", "NEW": "second-to-none"})
    assert opens(key, "second-to-none")
    assert not opens(key, "first-of-all")
    assert authority(
        "ca", "passphrase", "--remove", "--passphrase", "env:P", "--json", env={"P": "second-to-none"}
    ).data == {
        "keys": [str(key)],
        "encrypted": False,
        "warnings": [],
    }
    authority("cert", "issue", "attic")
    events = [row[0] for row in authority.query("SELECT what FROM events ORDER BY id")]
    assert events[1:] == ["ca passphrase", "ca passphrase", "ca passphrase removed", "cert issue"]


def test_one_key_of_another_passphrase_stops_all(three_keys: Admin) -> None:
    foreign, copy = keys(three_keys)[-1], three_keys.root.parent / "copy.pem"
    peer("openssl", "pkcs8", "-topk8", "-in", foreign, "-out", copy, "-passout", "env:P", env={"P": "other"})
    foreign.write_bytes(copy.read_bytes())
    said = three_keys.refuses(77, "ca", "passphrase", "--remove", "--passphrase", "env:P", env={"P": "mine"})
    assert said == f"smtpcreds: {foreign}: the passphrase does not open this key"


def test_words_that_do_not_fit(authority: Admin, tmp_path: Path) -> None:
    assert "--new-passphrase SOURCE" in authority.refuses(64, "ca", "passphrase")
    both = ("ca", "passphrase", "--remove", "--new-passphrase", "env:NEW")
    assert "--remove" in authority.refuses(64, *both)
    empty = authority.write("empty", "")
    said = authority.refuses(66, "ca", "passphrase", "--new-passphrase", f"file:{empty}")
    assert "is empty" in said
    assert "over 1023 octets" in authority.refuses(
        65, "ca", "passphrase", "--new-passphrase", "env:N", env={"N": "Ch1mp-zee" * 114}
    )
    assert Admin(tmp_path / "none").run("ca", "passphrase", "--remove").status == 66


def test_dry_run_names_all_that_is_written_and_asks_nobody(three_keys: Admin) -> None:
    before, asked = snapshot(three_keys.root), three_keys.root.parent / "asked"
    words = ("ca", "passphrase", "--dry-run")
    said = three_keys(*words, "--new-passphrase", f"cmd:touch {asked}").out.splitlines()
    assert said[0] == f"would replace {three_keys.path(CA)}  0700"
    written = {line.split()[2] for line in said if line.startswith("would write ")}
    assert written == {str(path) for path in three_keys.path(CA).rglob("*.pem")}
    assert written >= {str(path) for path in keys(three_keys)}
    assert said[-1].endswith("inventory.sqlite3  (events: 1 added)")
    assert "is needed where there is no terminal" in three_keys.refuses(64, *words)
    assert snapshot(three_keys.root) == before
    assert not asked.exists()


def test_the_configuration_is_mentioned_where_it_names_the_source(authority: Admin) -> None:
    authority.configure('[ca]\npassphrase = "env:P"\n')
    assert "ca.passphrase" in authority("ca", "passphrase", "--remove", env={"P": "x"}).warnings[0]


@pytest.mark.parametrize(
    ("call", "stride"), [("fsync", 4), ("renameat2", 1), ("renameat", 2), ("unlinkat", 3)]
)
def test_a_kill_leaves_all_keys_old_or_all_new(three_keys: Admin, call: str, stride: int) -> None:
    killed = 0
    before = {path.read_bytes() for path in keys(three_keys)}
    while True:
        inject = f"{call}:signal=KILL:when={1 + killed * stride}"
        if not three_keys.killed(inject, "ca", "passphrase", "--remove"):
            break
        killed += 1
        after = {path.read_bytes() for path in keys(three_keys)}
        assert after == before or not after & before
        before = after
    assert killed
    three_keys("cert", "issue", "attic")
    assert not list(three_keys.path(STATE).glob(".*smtpcreds-*"))
