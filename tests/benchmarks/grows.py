"""What grows: batches, databases and lists of revoked certificates, beside what does the same."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count as counting
from pathlib import Path

from smtpcreds.pki.crl import build_crl, to_pem

from . import bench_crl, bench_issue
from .measure import PROGRAM, Cost, Figure, cost, in_turn
from .waits import DOMAIN, authority


def figures(place: Path, certificates: int, accounts: int, revoked: int) -> Iterator[Figure]:
    """Measure batches of certificates, accounts in files, and a CRL."""
    root = authority(place / "batch")
    numbers = counting()
    yield in_turn(
        "100 certificates in one batch",
        lambda _: _batch(root, f"a{next(numbers)}x", 100),
        "certtool, one by one",
        lambda number: _seconds(bench_issue.certtool(_made(place / f"certtool{number}"), 100)),
        rounds=3,
        goal=0.25,
    )
    yield in_turn(
        f"{certificates:,} certificates in one batch",
        lambda number: _batch(root, f"b{number}x", certificates, "--jobs", "1"),
        "keys and signatures alone, in memory",
        lambda _: _seconds(bench_issue.arithmetic(certificates)),
        rounds=1,
        goal=2.5,
    )
    yield in_turn(
        f"{certificates:,} certificates, --jobs 2",
        lambda number: _batch(root, f"c{number}x", certificates, "--jobs", "2"),
        "keys and signatures alone, in memory",
        lambda _: _seconds(bench_issue.arithmetic(certificates)),
        rounds=1,
        goal=1.43,
    )
    yield from _accounts(place, accounts)
    yield _crl(place, revoked)


def millions(place: Path, number: int) -> Iterator[Figure]:
    """Measure as many accounts, and a CRL of as many entries: once each, for they take minutes."""
    yield from _accounts(_made(place / "millions"), number, rounds=1)
    yield _crl(place / "millions", number)


def _made(place: Path) -> Path:
    place.mkdir()
    return place


def _seconds(wall: float) -> Cost:
    return Cost(wall, wall, 0)


def _batch(root: Path, prefix: str, number: int, *more: str) -> Cost:
    hosts = root / f"{prefix}.csv"
    hosts.write_text("".join(f"{prefix}{one}.{DOMAIN}\n" for one in range(number)))
    return cost((*PROGRAM, "--root", str(root), "cert", "issue", "--from", str(hosts), "-q", *more))


def _accounts(place: Path, number: int, rounds: int = 3) -> Iterator[Figure]:
    table, ours, theirs = place / "accounts.csv", place / "ours", place / "theirs"
    table.touch(0o600)
    lines = (f"user{n:08d}@{DOMAIN},Generated-{n * 7919:08x}-secret\n" for n in range(number))
    table.write_text("user,password\n" + "".join(lines))

    def fresh(path: Path, *command: str) -> Cost:
        path.unlink(missing_ok=True)
        return cost((*command, str(path)))

    load: Callable[[int], Cost] = lambda _: fresh(theirs, "db5.3_load", "-f", str(dump))  # noqa: E731
    dump, filling = place / "accounts.dump", (*PROGRAM, "sasl", "import", str(table), "--database")
    fresh(ours, *filling)
    dump.write_bytes(subprocess.run(("db5.3_dump", ours), check=True, capture_output=True).stdout)
    what = f"sasl import of {number:,}"
    yield in_turn(what, lambda _: fresh(ours, *filling), "db5.3_load", load, rounds=rounds, goal=2.5)
    listing = (*PROGRAM, "sasl", "list", "--database", str(ours))
    yield in_turn(
        f"sasl list of {number:,}",
        lambda _: cost(listing),
        "sasldblistusers2",
        lambda _: cost(("sasldblistusers2", "-f", str(ours))),
        rounds=rounds + 2,
        goal=2.5,
    )


def _crl(place: Path, number: int) -> Figure:
    # first: a child's most is at least what its parent has when it is started (getrusage(2), vfork)
    memory = cost((sys.executable, "-c", _CRL_ALONE.format(number=number))).memory
    key, ca = bench_crl.issuer()
    revoked = [*bench_crl.revocations(number)]
    theirs = bench_crl.openssl(_made(place / "openssl"), key, ca, revoked)
    ours, _ = bench_crl.timed(lambda: to_pem(build_crl(ca, key, 1, revoked, bench_crl.NOW, bench_crl.YEAR)))
    peer = Cost(theirs.wall, theirs.processor, 0)
    return Figure(f"CRL of {number:,}", Cost(ours.wall, ours.processor, memory), "openssl ca", peer)


_CRL_ALONE = """
from smtpcreds.pki.crl import build_crl, to_pem
from tests.benchmarks import bench_crl
key, ca = bench_crl.issuer()
to_pem(build_crl(ca, key, 1, bench_crl.revocations({number}), bench_crl.NOW, bench_crl.YEAR))
"""
"""In a process of its own, whose memory is that of the new CRL: its entries come one by one, as elsewhere."""
