"""A pull that changes nothing, on a hub with thousands of client hosts that fetch their bundles.

Run: ``python tests/benchmarks/bench_pull.py [HOSTS]``. Prints the seconds of one whole run of the forced
command, the start of Python included, and how many certificates and CRLs the runs signed: none.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from smtpcreds.ca.issue import CertificateOptions, issue, order
from smtpcreds.config import DEFAULT_PATH, Settings, Site
from smtpcreds.inventory.pulls import Pull
from smtpcreds.model import Root
from smtpcreds.transaction import transaction

DOMAIN = "polkatistas.org"
ROUNDS = 15
COMMAND = (sys.executable, "-m", "smtpcreds")


def run(root: Path, *words: str, said: bytes = b"") -> bytes:
    command = (*COMMAND, "--root", str(root), *words)
    return subprocess.run(command, input=said, stdout=subprocess.PIPE, check=True).stdout


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


def cpu() -> float:
    """Return the seconds of processor time of all runs so far."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def signed(root: Path) -> str:
    return run(root, "--json", "ca", "show").decode().partition('"counts"')[2][:200]


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 3_000
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        root.joinpath("etc/smtpcreds").mkdir(parents=True)
        text = f'domain = "{DOMAIN}"\nhub = "dmzmail.{DOMAIN}"\n'
        root.joinpath("etc/smtpcreds/smtpcreds.toml").write_text(text)
        run(root, "setup", f"dmzmail.{DOMAIN}", "--no-passphrase")
        print(f"{count} hosts let in: {fill(root, count):.1f} s")
        host = f"host{count // 2}"
        have = sha256(run(root, "bundle", host, "--serve", said=b"have none\n")).hexdigest()
        before, spent = signed(root), []
        used = cpu()
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            assert run(root, "bundle", host, "--serve", said=f"have {have}\n".encode()) == b"current\n"
            spent.append(time.perf_counter() - begun)
        assert signed(root) == before
        each, shown = (cpu() - used) / (ROUNDS + 1), f"median {median(spent):.3f} s, best {min(spent):.3f} s"
        print(f"a pull that changes nothing: {shown}, CPU {each:.3f} s")


if __name__ == "__main__":
    main()
