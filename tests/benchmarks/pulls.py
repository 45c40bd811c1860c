"""A pull that changes nothing, on a hub with thousands of client hosts that fetch their bundles."""

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from smtpcreds.ca.issue import CertificateOptions, issue, order
from smtpcreds.config import DEFAULT_PATH, Settings, Site
from smtpcreds.inventory.pulls import Pull
from smtpcreds.model import Root
from smtpcreds.transaction import transaction

from .measure import PROGRAM, Figure, cost, in_turn

DOMAIN = "polkatistas.org"


def fill(root: Path, count: int) -> float:
    """Let all hosts in, in one transaction; return its seconds."""
    settings = Settings()._replace(domain=DOMAIN, hub=f"dmzmail.{DOMAIN}")
    site = Site(Root(str(root)), settings, lambda: datetime.now(UTC), print, DEFAULT_PATH)
    hosts = [f"host{number}.{DOMAIN}" for number in range(count)]
    begun = time.perf_counter()
    with transaction(site) as work:
        issue(work, [order(site, host, CertificateOptions(directory=site.hosts)) for host in hosts])
        with work.inventory.transaction():
            for host in hosts:
                work.inventory.pulls.put(Pull(host, "sendmail-client", "", "smtpcreds", work.now))
    return time.perf_counter() - begun


def signed(root: Path) -> int:
    """Return how many certificates and CRLs there are."""
    with closing(sqlite3.connect(root / "var/lib/smtpcreds/inventory.sqlite3")) as database:
        query = "SELECT (SELECT count(*) FROM certificates) + (SELECT count(*) FROM crls)"
        return int(database.execute(query).fetchone()[0])


def figures(place: Path, count: int) -> Iterator[Figure]:
    """Measure one whole run of the forced command that has nothing new to hand out, nor signs anything."""
    root = place / "pulls"
    root.joinpath("etc/smtpcreds").mkdir(parents=True)
    text = f'domain = "{DOMAIN}"\nhub = "dmzmail.{DOMAIN}"\n'
    root.joinpath("etc/smtpcreds/smtpcreds.toml").write_text(text)
    start = (*PROGRAM, "--root", str(root))
    cost((*start, "setup", f"dmzmail.{DOMAIN}", "--no-passphrase"))
    fill(root, count)
    command = (*start, "bundle", f"host{count // 2}", "--serve")
    first = subprocess.run(command, input=b"have none\n", stdout=subprocess.PIPE, check=True).stdout
    have = f"have {sha256(first).hexdigest()}\n".encode()
    before = signed(root)
    yield in_turn(f"a pull that changes nothing, {count:,} hosts", lambda _: cost(command, stdin=have))
    if signed(root) != before:
        raise SystemExit("a pull that changes nothing has signed something")
