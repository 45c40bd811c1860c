"""Figures of the record files, as ratios to the real programs on the same files in the same run.

Run from the repository: ``python -m tests.benchmarks.bench_sasldb [--million]``.
It needs Debian's db5.3-util and sasl2-bin.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from smtpcreds.model import Account
from smtpcreds.sasldb import records
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store

NEW = Account("maildroid", "dmzmail.polkatistas.org")


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """Return the median duration."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return median(once() for _ in range(times))


def accounts(count: int) -> dict[bytes, bytes]:
    """Return records of the usual size."""
    key = records.pack(Account("user%08d", NEW.realm), records.USER_PASSWORD)
    return {key % number: b"generated-secret-%08d" % number for number in range(count)}


def run(*command: str, stdin: bytes = b"") -> None:
    """Run a peer."""
    subprocess.run(command, input=stdin, stdout=subprocess.DEVNULL, check=True)


def load_with_db_load(path: Path, found: dict[bytes, bytes]) -> float:
    """Return how long db5.3_load takes; the text is made beforehand."""
    lines = "".join(f" {key.hex()}\n {value.hex()}\n" for key, value in found.items())
    text = path.with_suffix(".txt")
    text.write_text(f"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n{lines}DATA=END\n")

    def load() -> None:
        path.unlink(missing_ok=True)
        run("db5.3_load", "-f", str(text), str(path))

    return seconds(load, 3)


def show(what: str, ours: float, peer: float, name: str) -> None:
    """Print one line of the table."""
    print(f"{what:44} {ours:9.4f} s   {name:24} {peer:9.4f} s   ratio {ours / peer:7.4f}")


def program(*words: str) -> None:
    """Run the whole program under a scratch root, compiled as an installed one is."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    run(sys.executable, "-m", "smtpcreds", "--root", str(Path(words[-1]).parent), *words)


def whole_program(directory: Path) -> None:
    """The verbs as they are typed; what the same verb takes on an empty database is start-up."""
    full, numbers = directory / "full", iter(range(1000))
    open_store(str(full), new=Format.BDB).apply(lambda _: accounts(10_000))

    def add(path: Path) -> None:
        program("sasl", "add", f"new{next(numbers)}", "--realm", NEW.realm, "--database", str(path))

    peer = seconds(lambda: run("saslpasswd2", "-f", str(full), "-p", "-u", "r", "x", stdin=b"secret"), 9)
    add(full)  # after saslpasswd2, the first write is a whole one
    ours, start = seconds(lambda: add(full), 9), seconds(lambda: add(directory / "empty"), 9)
    show("sasl add into 10,000, whole program", ours, peer, "saslpasswd2")
    show("  less its start on a small database", ours - start, peer, "saslpasswd2")
    many = directory / "many"
    found = accounts(100_000)
    open_store(str(many), new=Format.BDB).apply(lambda _: found)
    lister = seconds(lambda: run("sasldblistusers2", "-f", str(many)))
    listing = seconds(lambda: program("sasl", "list", "--database", str(many)))
    show("sasl list of 100,000, whole program", listing, lister, "sasldblistusers2")
    table = directory / "many.csv"
    table.touch(0o600)
    table.write_text("".join(f"user{n:08d},generated-secret-{n:08d}\n" for n in range(100_000)))
    loader, new = load_with_db_load(directory / "loaded-many", found), directory / "imported"

    def fill() -> None:
        new.unlink(missing_ok=True)
        words = ("sasl", "import", str(table), "--no-header", "--realm", NEW.realm)
        program(*words, "--database", str(new))

    importing = seconds(fill, 3)
    show("sasl import of 100,000, whole program", importing, loader, "db5.3_load")
    show("  against one by one", importing, peer * 100_000, "saslpasswd2, extrapolated")


def add_one(directory: Path) -> None:
    """One account into ten thousand."""
    path = directory / "ten-thousand"
    store = open_store(str(path), new=Format.BDB)
    store.apply(lambda _: accounts(10_000))
    saslpasswd = ("saslpasswd2", "-f", str(path), "-p", "-u", NEW.realm, "x")
    peer = seconds(lambda: run(*saslpasswd, stdin=b"secret"), 15)
    start = seconds(lambda: run(sys.executable, "-c", "pass"), 15)
    number = iter(range(1000))

    def add() -> None:
        values = {records.USER_PASSWORD: b"secret%d" % next(number)}
        store.apply(lambda found: records.replacement(found, NEW, values))

    def spaced() -> float:
        """Time one change; two within a tick of the clock would wait for the next."""
        time.sleep(0.03)
        return seconds(add, 1)

    ours = median(spaced() for _ in range(15))
    show("one account into 10,000", ours, peer, "saslpasswd2")
    show("  with Python's start on our side", ours + start, peer, "saslpasswd2")
    show("  with Python's start on both sides", ours + start, peer + start, "saslpasswd2 + Python")


def bulk(directory: Path, count: int) -> None:
    """Import and list many accounts, in each format."""
    found = accounts(count)
    loader = load_with_db_load(directory / "loaded", found)
    empty = directory / "one-by-one"
    one = seconds(lambda: run("saslpasswd2", "-f", str(empty), "-p", "-u", "r", "x", stdin=b"secret"), 15)
    for kind in Format:
        path = directory / f"{kind}-{count}"
        store = open_store(str(path), new=kind)

        def fill(path: Path = path, kind: Format = kind) -> None:
            path.unlink(missing_ok=True)
            open_store(str(path), new=kind).apply(lambda _: found)

        ours = seconds(fill, 3)
        show(f"import {count:,} ({kind})", ours, loader, "db5.3_load")
        show("  against one by one", ours, one * count, "saslpasswd2, extrapolated")
        read = seconds(lambda store=store: records.by_account(store.load()), 3)  # type: ignore[misc]
        lister = seconds(lambda: run("sasldblistusers2", "-f", str(directory / "loaded")), 3)
        show(f"list {count:,} ({kind})", read, lister, "sasldblistusers2")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        add_one(directory)
        whole_program(directory)
        for count in (10_000, 100_000, *([1_000_000] if "--million" in sys.argv else [])):
            bulk(directory, count)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"peak memory so far: {peak} MiB")


if __name__ == "__main__":
    main()
