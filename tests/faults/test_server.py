"""Two admin hosts with one inventory in PostgreSQL; the server dies while the first is in the middle.

Debian: strace, postgresql.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin
from kills import Point
from postgres_cluster import OWNER, Cluster, cluster

from .after import BUG, checked
from .conftest import ASKED, Record

VERBS = {
    "cert issue attic": {0, 73},
    "cert renew dmzmail": {0},
    "cert revoke dmzmail": {0, 65},
    "ca crl": {0},
    "sasl add scanner": {0, 73},
    "ca rollover": {0, 77},
    "cert issue dmzmail --force": {0},
    "sasl passwd maildroid": {0},
    "sasl rotate maildroid": {0, 73},
    "sasl delete maildroid": {0, 67},
}
"""With what a run may end that follows: done, or it says that it was done before."""
_FINE = re.compile(
    r"^inventory and disk agree$|^head: |-cert\.pem: was revoked on|^  cure: \S+ cert issue .* --force$"
)
"""What ``inventory check`` says where all is well, and where a revoked certificate was not replaced yet."""
_GREETINGS = 2
SHARED = ("cert list", "sasl list", "inventory events")


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


class Scene:
    """Two admin hosts and what they share, as it is at first for every point."""

    def __init__(self, server: Cluster, place: Path) -> None:
        self._server, self._start, self._database = server, place / "start", server.database()
        url = server.url(self._database)
        self.first, self.second = (Admin(place / which / "root") for which in ("one", "two"))
        self.first.configure(
            f'domain = "{DOMAIN}"\nhub = "{HUB}"\ninventory = "{url}"\n[sasl]\ndatabase = "{url}"\n'
        )
        self.first("ca", "init", "--no-passphrase")
        self.first("cert", "issue", "dmzmail")
        self.first("sasl", "add", "maildroid")
        shutil.copytree(self.first.root, self._start, symlinks=True)
        server.run("postgres", f"CREATE DATABASE start TEMPLATE {self._database} OWNER {OWNER}")

    def restore(self) -> None:
        """Have databases and files as they were at first."""
        name = self._database
        self._server.run("postgres", f"DROP DATABASE {name} WITH (FORCE)")
        self._server.run("postgres", f"CREATE DATABASE {name} TEMPLATE start OWNER {OWNER}")
        self._server.run("postgres", "CHECKPOINT")  # or sequences of a copy go back when the server dies
        for admin in (self.first, self.second):
            shutil.rmtree(admin.directory, ignore_errors=True)
            shutil.copytree(self._start, admin.root, symlinks=True)


@pytest.fixture
def scene(server: Cluster, tmp_path: Path) -> Scene:
    return Scene(server, tmp_path)


def stopped_at(admin: Admin, number: int, words: list[str]) -> "subprocess.Popen[bytes]":
    """Start a run that stops at what it sends to the server so manieth."""
    inject = f"sendto:signal=STOP:when={number}"
    strace = ("strace", "-qq", "-o", "/dev/null", "-e", "trace=sendto", "-e", f"inject={inject}")
    command = admin.behind(*strace).command(*words)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=admin.directory)


def child(process: "subprocess.Popen[bytes]") -> int:
    """Return the traced process once it stands still; 0 if it has ended.

    strace holds it for a moment at each call, too: it stands still if it does so at each of ten looks.
    """
    looks = 0
    while process.poll() is None:
        time.sleep(0.02)
        for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            stands = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "tT"
            looks = looks + 1 if stands else 0
            if looks == 10:
                return int(number)
    return 0


@pytest.mark.parametrize(
    "words",
    [verb for verb in VERBS if verb.startswith(ASKED.verb)][:: max(1, ASKED.every // 2)]
    if ASKED.fault in ("", "server killed")
    else [],
)
def test_the_same_command_goes_on(words: str, server: Cluster, scene: Scene, record: Record) -> None:
    def at(point: Point) -> str | None:
        scene.restore()
        process = stopped_at(scene.first, point.number, words.split())
        number = child(process)
        if number:
            server.restart()
            os.kill(number, signal.SIGCONT)
        _, told = process.communicate(timeout=600)
        is_traced = process.returncode == BUG or b"Traceback" in told
        faulty = [*([told.decode()] if is_traced else []), *goes_on(scene.first, scene.second, words)]
        return "; ".join(faulty) if number or faulty else None

    scene.restore()
    faulty = record.each("smtpcreds", "server killed", words, messages(scene.first, words), at)
    assert faulty == []


def messages(admin: Admin, words: str) -> list[Point]:
    """Return what a run sends to the server, but for how it begins to speak with it."""
    with tempfile.NamedTemporaryFile("r") as log:
        strace = ("strace", "-qq", "-o", log.name, "-e", "trace=sendto")
        admin.behind(*strace)(*words.split())
        return [Point("sendto", number) for number, _ in enumerate(log, 1)][_GREETINGS:]


def goes_on(first: Admin, second: Admin, words: str) -> list[str]:
    """The same command ends well at the host, the other one sees the same, and none is pending."""
    ran = first.run(*words.split())
    faulty = [] if ran.status in VERBS[words] else [f"the same command ends with {ran.status}: {ran.err}"]
    one, two = seen(first), seen(second)
    if one != two:
        faulty.append(f"the hosts see different things: {list(unified_diff(one, two))}")
    if '"state": "pending"' in "".join(one):
        faulty.append("a certificate is pending")
    faulty += [f"inventory check: {line}" for line in checked(first).splitlines() if not _FINE.search(line)]
    return faulty


def seen(admin: Admin) -> list[str]:
    """Return all that a host tells of certificates, accounts and events.

    Only where a certificate lies is left out: it lies on one of the hosts.
    """
    told = "".join(admin("--json", *words.split()).out for words in SHARED)
    return [line for line in told.splitlines() if not line.lstrip().startswith('"certificate": ')]
