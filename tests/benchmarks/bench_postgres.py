"""Accounts in bulk into PostgreSQL and out of it, beside psql's own ``\\copy`` on the same server in one run.

Run: ``PYTHONPATH=.:tests python tests/benchmarks/bench_postgres.py``. It needs Debian's postgresql. What
counts are the ratios: to psql, and of a hundred thousand accounts to ten thousand.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from postgres_cluster import Cluster, cluster

REALM = "dmzmail.polkatistas.org"
COUNTS = (10_000, 100_000)


def seconds(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return the median duration of three; what is done before each does not count."""

    def once() -> float:
        before()
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return median(once() for _ in range(3))


def program(root: Path, *words: str) -> None:
    """Run the whole program."""
    command = (sys.executable, "-m", "smtpcreds", "--root", str(root), "sasl", *words)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def measure(server: Cluster, root: Path, count: int) -> dict[str, float]:
    """Return seconds by what was done."""
    name = server.emptied()
    url, file, copied, new = server.url(name), root / "accounts.csv", root / "copied", root / "new"
    file.touch(0o600)
    file.write_text("".join(f"user{n:08d},generated-secret-{n:08d},{REALM}\n" for n in range(count)))
    rows = (f"user{n:08d}\t{REALM}\tuserPassword\tgenerated-secret-{n:08d}\n" for n in range(count))
    copied.write_text("".join(rows))

    def copy() -> None:
        server.psql(name, f"\\copy smtpcreds_sasl FROM '{copied}'")

    def import_() -> None:
        program(root, "import", str(file), "--no-header", "--database", url)

    def leave() -> None:
        program(root, "convert", "--database", url, "--to", "bdb", str(new))

    def enter() -> None:
        program(root, "convert", "--database", str(new), url)

    def empty() -> None:
        server.psql(name, "TRUNCATE smtpcreds_sasl")

    import_()
    return {
        "psql": seconds(copy, empty),
        "import": seconds(import_, empty),
        "convert from": seconds(leave, lambda: new.unlink(missing_ok=True)),
        "convert to": seconds(enter, empty),
    }


def main() -> None:
    """Print the table."""
    with cluster() as server, tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        small, large = (measure(server, Path(directory), count) for count in COUNTS)
    print(f"{'':14}{COUNTS[0]:>10}{COUNTS[1]:>10}   grows by   to psql")
    for name, took in large.items():
        growth, ratio = took / small[name], took / large["psql"]
        print(f"{name:14}{small[name]:9.2f}s{took:9.2f}s{growth:11.1f}{ratio:10.1f}")


if __name__ == "__main__":
    main()
