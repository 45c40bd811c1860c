"""Hashes made by ``mkpasswd`` (Debian: whois, which uses libxcrypt) and by OpenSSL."""

import os
import subprocess
import sys
from pathlib import Path

from smtpcreds.passwords import hash_kind, is_login_account, login_password_of
from smtpcreds.secret import Secret

ROOT = Path(__file__).parent.parent.parent
AS_NOBODY = """
import ctypes, os, sys
from smtpcreds.passwords import login_password_of
from smtpcreds.secret import Secret
if os.geteuid() == 0:
    os.setuid(65534)
try:
    open(sys.argv[1])
except OSError as error:
    print(type(error).__name__, login_password_of(Secret("geheim"), sys.argv[1]))
"""
METHODS = {"yescrypt", "gost-yescrypt", "bcrypt", "sha512crypt", "sha256crypt", "md5crypt", "descrypt"}


def hashed(password: str, *command: str) -> str:
    done = subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=True)
    return done.stdout.strip()


def shadow(tmp_path: Path, *entries: tuple[str, str]) -> Path:
    path = tmp_path / "shadow"
    path.write_text("".join(f"{name}:{value}:19000:0:99999:7:::\n" for name, value in entries))
    return path


def test_every_method_of_the_host(tmp_path: Path) -> None:
    """Since whois 5.6 their names have ``_`` where they had ``-``, and there is SM3's."""
    told = subprocess.run(("mkpasswd", "-m", "help"), capture_output=True, text=True, check=True).stdout
    methods = [line.split()[0] for line in told.splitlines()[1:]]
    assert {name.replace("_", "-") for name in methods} >= METHODS
    for method in methods:
        value = hashed("geheim", "mkpasswd", "-s", "-m", method)
        path = shadow(tmp_path, ("daemon", "*"), ("anna", value))
        assert login_password_of(Secret("geheim"), path) == "anna", method
        assert login_password_of(Secret("Geheim"), path) is None, method
        assert hash_kind(value.encode()) or not value.startswith("$"), value


def test_hash_by_openssl_of_a_non_ascii_password(tmp_path: Path) -> None:
    path = shadow(tmp_path, ("berta", hashed("pässwörd", "openssl", "passwd", "-6", "-stdin")))
    assert login_password_of(Secret("pässwörd"), path) == "berta"


def test_all_logins_are_tried(tmp_path: Path) -> None:
    entries = [
        (name, hashed(name * 2, "mkpasswd", "-s", "-m", "sha512crypt")) for name in ("anna", "berta", "carl")
    ]
    path = shadow(tmp_path, *entries)
    assert [login_password_of(Secret(name * 2), path) for name, _ in entries] == ["anna", "berta", "carl"]


def test_locked_empty_and_strange_entries_open_nothing(tmp_path: Path) -> None:
    value = hashed("geheim", "mkpasswd", "-s", "-m", "sha512crypt")
    strange = ["", "*", "!", "!!", "*LK*", "x", f"!{value}", f"*{value}", "$nosuch$x$y", "$6$", "geheim"]
    path = shadow(tmp_path, *((f"user{number}", value) for number, value in enumerate(strange)))
    path.write_text(path.read_text() + "\nno fields\n::\n")
    assert login_password_of(Secret("geheim"), path) is None
    assert login_password_of(Secret(""), path) is None


def test_nul_does_not_cut_the_secret(tmp_path: Path) -> None:
    path = shadow(tmp_path, ("anna", hashed("geheim", "mkpasswd", "-s", "-m", "sha512crypt")))
    assert login_password_of(Secret(b"geheim\0x"), path) is None


def test_missing_shadow_tells_nothing(tmp_path: Path) -> None:
    assert login_password_of(Secret("geheim"), tmp_path / "nowhere") is None


def test_a_fifo_in_its_place_tells_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shadow")
    assert login_password_of(Secret("geheim"), tmp_path / "shadow") is None


def test_unreadable_shadow_tells_nothing(tmp_path: Path) -> None:
    path = shadow(tmp_path, ("anna", hashed("geheim", "mkpasswd", "-s", "-m", "sha512crypt")))
    path.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, path], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "PermissionError None\n"


def test_login_names() -> None:
    assert is_login_account("root")
    assert not is_login_account("maildroid-that-nobody-is")
    assert not is_login_account("")
