"""What has to be so after a fault and the same command once more."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from admin import INVENTORY, SASLDB, STATE, Admin, Ran, Tree, snapshot
from cli.writing import Case

DONE = {0, 1}
ALREADY = {65, 66, 67, 73}
"""What a run says that finds itself done."""
LOCKED = {77}
"""What a second ``ca passphrase`` or ``ca rollover`` says."""
BUG = 70
_BOOKKEEPING = tuple(
    path.lstrip("/") for path in (INVENTORY, f"{STATE}/lock", f"{SASLDB}.lock", "lost+found")
)


class Kept(NamedTuple):
    """What an undisturbed run leaves alone: files, by path below the directory, and records of accounts."""

    files: Tree
    records: dict[bytes, bytes]


def expected(case: Case) -> set[int]:
    """Return the statuses with which the same command may end that follows."""
    return DONE | ALREADY | (LOCKED if case.verb in {"ca passphrase", "ca rollover"} else set())


def again(admin: Admin, start: Path) -> None:
    """Bring everything back to the start, in a directory that stays the same one."""
    for entry in os.scandir(admin.directory):
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
    shutil.copytree(start, admin.directory, symlinks=True, dirs_exist_ok=True)


def kept(admin: Admin, start: Path) -> Kept:
    """Compare the start with what an undisturbed run has made of it."""
    before, now = snapshot(start), snapshot(admin.directory)
    old, new = (at.records() for at in (Admin(start / admin.root.name), admin))
    return Kept(
        {path: state for path, state in before.items() if now.get(path) == state and _counts(path)},
        {name: value for name, value in old.items() if new.get(name) == value},
    )


def _counts(path: str) -> bool:
    return not path.removeprefix("root/").startswith(_BOOKKEEPING)


def ill_ended(ran: Ran) -> str:
    """Return what is wrong with the end of a run that met a fault, if something is."""
    if ran.status == BUG or "Traceback" in ran.err:
        return f"status {ran.status}: {ran.err[-600:]}"
    if ran.status not in DONE and not any(line.startswith("smtpcreds: ") for line in ran.err.splitlines()):
        return f"status {ran.status}, and not a word: {ran.err}"
    return ""


def wrong(admin: Admin, case: Case, words: list[str], stays: Kept) -> str:
    """Run the same command once more; return what is wrong after it, if something is."""
    ran = admin.run(*words)
    if ran.status not in expected(case):
        return f"the same command ends with {ran.status}: {ran.err}"
    if left := list(admin.directory.rglob("*.smtpcreds-*")):
        return f"left behind: {left}"
    return unsound(admin) or lost(admin, stays)


def unsound(admin: Admin) -> str:
    """Return what is half-way: a pending certificate, a pair that is none, accounts that can't be read."""
    if admin.path(INVENTORY).exists() and admin.query(
        "SELECT host FROM certificates WHERE state = 'pending'"
    ):
        return "a certificate is pending"
    for certificate in admin.certs.glob("*-cert.pem"):
        if not admin.is_pair(certificate.name.removesuffix("-cert.pem")):
            return f"{certificate} and its key are no pair"
    ran = admin.run("sasl", "list")
    return "" if ran.status in {0, 66} else f"accounts can't be read: {ran.err}"


def lost(admin: Admin, stays: Kept) -> str:
    """Return what is gone or changed that an undisturbed run leaves alone."""
    now = snapshot(admin.directory)
    files = [path for path, state in stays.files.items() if now.get(path) != state]
    records = [name for name, value in stays.records.items() if admin.records().get(name) != value]
    return f"lost: {files} {records}" if files or records else ""
