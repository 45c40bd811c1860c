"""What has to be so after a fault and the same command once more.

The measure is the same command without a fault, once and until it finds nothing more to do, on a copy of the
same start.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from admin import INVENTORY, SASLDB, STATE, Admin, Ran, Tree, snapshot
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from .copies import copy, empty

BUG = 70
_GOES_ON = re.compile(r"make its content the secret: --password (\S+)$", re.MULTILINE)
"""What the program says of the file of ``--keep`` that a run before has written."""
_FINDING = re.compile(r"^[A-Z]+\d+ +(?:warning|error) .*\n(?:.+\n)*?  cure: .", re.MULTILINE)
_RUNS = 4
_SWEPT = r"/\.[^/]+\.smtpcreds-#(?:/|$)"
"""A temporary file that could not be removed: the next run has to do it."""
_BOOKKEEPING = tuple(
    path.lstrip("/") for path in (INVENTORY, f"{STATE}/lock", f"{SASLDB}.lock", "lost+found")
)
_NUMBERS = re.compile(r"[0-9a-f]{8,}")

Shape = frozenset[tuple[object, ...]]
"""Names, modes and owners of files, and names of accounts; serial numbers and hashes are left out."""


class End(NamedTuple):
    """How a run without a fault ended, and what there is then."""

    status: int
    said: str
    shape: Shape
    check: int


class Measure(NamedTuple):
    """Each time that the command was run, and what it leaves alone: files, by path, and records of accounts.

    Files in whose names ``aside`` is found are looked at neither before nor after.
    """

    ends: tuple[End, ...]
    files: Tree
    records: dict[bytes, bytes]
    aside: str = ""

    @property
    def once(self) -> End:
        return self.ends[0]

    @property
    def statuses(self) -> set[int]:
        return {end.status for end in self.ends}

    @property
    def shapes(self) -> set[Shape]:
        return {end.shape for end in self.ends}


def again(admin: Admin, start: Path) -> None:
    """Bring everything back to the start, in a directory that stays the same one."""
    empty(admin.directory)
    copy(start, admin.directory)


def measured(admin: Admin, words: list[str], start: Path, run: Callable[[], Ran]) -> Measure:
    """Run the command in a first way, then until it changes nothing more, and keep what came of it.

    Args:
        admin: at the start.
        words: the command.
        start: a copy of where it begins.
        run: the first way.
    """
    ends = [_end(admin, run())]
    while len(ends) < _RUNS and (len(ends) == 1 or ends[-1].shape != ends[-2].shape):
        ends.append(_end(admin, admin.run(*words)))
    before, now = snapshot(start), snapshot(admin.directory)
    old, new = (at.records() for at in (Admin(start / admin.root.name), admin))
    return Measure(
        tuple(ends),
        {path: state for path, state in before.items() if now.get(path) == state and _counts(path)},
        {name: value for name, value in old.items() if new.get(name) == value},
    )


def _end(admin: Admin, ran: Ran) -> End:
    return End(ran.status, ran.err, shape(admin), checked(admin).status)


def _counts(path: str) -> bool:
    return not path.removeprefix("root/").startswith(_BOOKKEEPING)


def shape(admin: Admin) -> Shape:
    files = {
        (_NUMBERS.sub("#", path), *state[:3])
        for path, state in snapshot(admin.directory).items()
        if _counts(path)
    }
    return frozenset(files | {(name,) for name in admin.records()})


def checked(admin: Admin) -> Ran:
    """Ask ``inventory check``: inventory and disk agree, and the chain of events is whole."""
    return admin.run("inventory", "check")


def ill_ended(ran: Ran, admin: Admin, measure: Measure) -> str:
    """Return what is wrong with the end of a run that met a fault and lived, if something is.

    It says that it is done, and it is; or it ends with one message, its hint behind it, and nothing else but
    warnings and what it says without a fault; or, where it does what is due, with a finding that has a cure.
    """
    if ran.status == measure.once.status:
        return differs(admin, {measure.once.shape}, f"says done ({ran.status}), and is not", _SWEPT)
    if ran.status == 1 and _FINDING.search(ran.out):
        return ""
    if ran.status == BUG or ran.status < 64 or "Traceback" in ran.err:
        return f"status {ran.status}: {ran.err[-600:]}"
    usual = measure.once.said.splitlines()
    lines = [line for line in ran._complaints if not line.startswith("smtpcreds: warning: ")]
    message = [line for line in lines if line not in usual]
    is_one = len(message) in {1, 2} and re.match(r"smtpcreds: \S+.*[^.]$", message[0])
    if (
        not is_one
        or message != lines[-len(message) :]
        or not message[-1].startswith(("smtpcreds: ", "  hint: "))
    ):
        return f"status {ran.status}, and not one message: {ran.err}"
    return ""


def wrong(admin: Admin, words: list[str], measure: Measure) -> str:
    """Run the same command once more; return what is wrong after it, if something is."""
    ran = admin.run(*words)
    if (hint := _GOES_ON.search(ran.err)) and "--keep" in words:
        kept, clients = words.index("--keep"), admin.path(f"{STATE}/clients")
        before = {entry.name for entry in os.scandir(clients)}
        ran = admin.run(*words[:kept], *words[kept + 2 :], "--password", hint[1])
        for entry in [entry for entry in os.scandir(clients) if entry.name not in before]:
            shutil.rmtree(entry.path)  # without --keep it also writes the file for client hosts
    if ran.status not in measure.statuses:
        return f"the same command ends with {ran.status}, not {measure.statuses}: {ran.err}"
    return unfinished(admin, measure) or unsound(admin, measure) or lost(admin, measure)


def unfinished(admin: Admin, measure: Measure) -> str:
    """Return what a run without a fault makes or takes away and these runs did not, or what they left."""
    return differs(admin, measure.shapes, "not as after a run without a fault", measure.aside)


def differs(admin: Admin, shapes: set[Shape], said: str, aside: str = "") -> str:
    now = shape(admin)
    if aside:
        now, *shapes_ = (
            frozenset(one for one in each if not re.search(aside, str(one[0]))) for each in (now, *shapes)
        )
        shapes = set(shapes_)
    if now in shapes:
        return ""
    nearest = min(shapes, key=lambda one: len(one ^ now))
    return f"{said}: missing {sorted(nearest - now, key=str)}, too many {sorted(now - nearest, key=str)}"


def unsound(admin: Admin, measure: Measure) -> str:
    """Return what is half-way, or what ``inventory check`` finds that it does not without a fault."""
    ran = checked(admin)
    agrees = ran.status in {end.check for end in measure.ends}
    return half_way(admin) or ("" if agrees else f"inventory check: {ran}")


def half_way(admin: Admin) -> str:
    """Return what is half-way: a pending certificate, a pair that is none, accounts that can't be read."""
    if admin.path(INVENTORY).exists() and admin.query(
        "SELECT host FROM certificates WHERE state = 'pending'"
    ):
        return "a certificate is pending"
    for certificate in admin.certs.glob("*-cert.pem"):
        if not _is_pair(certificate, Path(f"{str(certificate).removesuffix('-cert.pem')}-key.pem")):
            return f"{certificate} and its key are no pair"
    ran = admin.run("sasl", "list")
    if ran.status not in {0, 66} or (ran.status == 66 and admin.database.exists()):
        return f"accounts can't be read: {ran.err}"
    return ""


def _is_pair(certificate: Path, key: Path) -> bool:
    try:
        ours = load_pem_private_key(key.read_bytes(), None).public_key()
        return ours == x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except (OSError, ValueError):
        return False


def lost(admin: Admin, measure: Measure) -> str:
    """Return what is gone or changed that an undisturbed run leaves alone."""
    now, accounts = snapshot(admin.directory), admin.records()
    files = [path for path, state in measure.files.items() if now.get(path) != state]
    records = [name for name, value in measure.records.items() if accounts.get(name) != value]
    return f"lost: {files} {records}" if files or records else ""
