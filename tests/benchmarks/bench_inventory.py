"""The inventory at a thousand and at a million certificates, and beside OpenSSL's index.txt.

Run: ``python tests/benchmarks/bench_inventory.py [ROWS]``. Needs about 2 GB in the temporary directory and
some minutes. Prints seconds and, what counts, ratios within this run.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import CertificateRow, State, serial_text

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = 1_000
EXPIRING = 25
"""Certificates that expire within the window, at either size."""
BATCH = 10_000
MULTIPLIER = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276B


def serial(number: int) -> str:
    return serial_text((number + 1) * MULTIPLIER % 2**159)


def certificate(authority: int, number: int) -> CertificateRow:
    ends = timedelta(days=10, seconds=number) if number < EXPIRING else timedelta(days=100, seconds=number)
    host = f"host{number}.polkatistas.org"
    return CertificateRow(
        authority,
        serial(number),
        host,
        "relay",
        (host,),
        NOW - timedelta(days=1),
        NOW + ends,
        NOW,
        "/etc/mail/certs",
        State.ISSUED,
        key_id=f"{number:064x}",
    )


def fill(inventory: Inventory, rows: int) -> None:
    ca = inventory.add_authority("CA", ski="00", der=b"ca", created=NOW).id
    pairs = ((certificate(ca, number), number.to_bytes(4) + os.urandom(596)) for number in range(rows))
    while inventory.adopt(islice(pairs, BATCH)):
        pass


def spent(deed: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of one call."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        deed()
        times.append(time.perf_counter() - begin)
    return median(times)


def questions(path: Path, rows: int) -> Iterator[tuple[str, float]]:
    with open_inventory(path, read_only=True) as inventory:
        numbers = iter(range(0, rows, max(1, rows // 999)))
        yield "by serial", spent(lambda: inventory.find(serial(next(numbers))), 500)
        numbers = iter(range(0, rows, max(1, rows // 999)))
        yield "by host", spent(lambda: inventory.current(f"host{next(numbers)}.polkatistas.org", NOW), 500)
        window = NOW + timedelta(days=30)
        yield "expiring in 30 days", spent(lambda: list(inventory.listing(expires_before=window)), 100)
        yield (
            "latest, expiring",
            spent(lambda: list(inventory.listing(expires_before=window, latest=True)), 100),
        )
        yield "pending", spent(inventory.pending, 100)
    with open_inventory(path) as inventory:
        numbers = iter(range(100, rows))
        yield (
            "durable revocation",
            spent(lambda: inventory.revoke(1, serial(next(numbers)), NOW, "superseded"), 100),
        )


def index_txt(path: Path, rows: int) -> None:
    with path.open("w") as file:
        for number in range(rows):
            subject = f"/CN=host{number}.polkatistas.org"
            file.write(f"V\t360601000000Z\t\t{serial(number).upper()}\tunknown\t{subject}\n")


def grep(path: Path, wanted: str) -> str | None:
    with path.open() as file:
        return next((line for line in file if wanted in line), None)


def main() -> None:
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        answers = {}
        for rows in (SMALL, large):
            path = Path(directory) / str(rows)
            with open_inventory(path) as inventory:
                begin = time.perf_counter()
                fill(inventory, rows)
                print(f"filled {rows:>9,}: {rows / (time.perf_counter() - begin):>10,.0f} rows a second")
            answers[rows] = dict(questions(path, rows))
        print(f"{'':24}{SMALL:>12,}{large:>12,}   ratio")
        for name, small in answers[SMALL].items():
            big = answers[large][name]
            print(f"{name:24}{small * 1e6:>9.0f} us{big * 1e6:>9.0f} us{big / small:>8.2f}")
        index = Path(directory) / "index.txt"
        index_txt(index, large)
        peer = spent(lambda: grep(index, serial(large // 2).upper()), 5)
        print(f"by serial, index.txt read to the middle / ours: {peer / answers[large]['by serial']:,.0f}")
        path = Path(directory) / str(large)
        with open_inventory(path) as inventory:
            with inventory.transaction():
                for number in range(200, large):
                    inventory.revoke(1, serial(number), NOW, "superseded")
            begin = time.perf_counter()
            entries = sum(1 for _ in inventory.revoked(1))
            print(f"entries of a CRL: {entries:,} in {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
