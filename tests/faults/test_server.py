"""Two admin hosts with one inventory in PostgreSQL; the server dies while the first is in the middle.

Debian: strace, postgresql.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin
from kills import Point
from postgres_cluster import Cluster, cluster

from .after import BUG, checked
from .conftest import ASKED, Record
from .faults import spread

VERBS = {
    "cert issue attic": {0, 73},
    "cert renew dmzmail": {0},
    "cert revoke dmzmail": {0, 65},
    "ca crl": {0},
    "sasl add scanner": {0, 73},
    "ca rollover": {0, 77},
}
"""With what a run may end that follows: done, or it says that it was done before."""
_FINE = re.compile(r"^inventory and disk agree$|^head: |-cert.pem: is revoked")
"""What ``inventory check`` says where all is well, and where a revoked certificate was not replaced yet."""
SHARED = ("cert list", "sasl list", "inventory events")


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def admins(server: Cluster, tmp_path: Path) -> tuple[Admin, Admin]:
    url = server.url(server.database())
    first, second = (Admin(tmp_path / which / "root") for which in ("one", "two"))
    for admin in (first, second):
        admin.configure(
            f'domain = "{DOMAIN}"\nhub = "{HUB}"\ninventory = "{url}"\n[sasl]\ndatabase = "{url}"\n'
        )
    first("ca", "init", "--no-passphrase")
    first("cert", "issue", "dmzmail")
    shutil.copytree(first.root, second.root, dirs_exist_ok=True)
    return first, second


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
def test_the_same_command_goes_on(
    words: str, server: Cluster, admins: tuple[Admin, Admin], record: Record
) -> None:
    first, second = admins
    found = spread([Point("sendto", number) for number in range(3, 40)], ASKED.sample or 6)
    reached, faulty = 0, []
    for point in found:
        process = stopped_at(first, point.number, words.split())
        number = child(process)
        if number:
            reached += 1
            server.restart()
            os.kill(number, signal.SIGCONT)
        _, told = process.communicate(timeout=600)
        if process.returncode == BUG or b"Traceback" in told:
            faulty.append(f"{point.number}: {told.decode()}")
        faulty += goes_on(first, second, words)
    record("smtpcreds", "server killed", reached, faulty)
    assert faulty == []


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
