"""State is loaded once a run: what is opened, listed, connected to and parsed is counted, not timed."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from admin import CERTS, SASLDB, STATE, TOP, Admin, environment

CODE = """
import json, sys
from collections import Counter
seen = Counter()
def hook(event, args):
    if event in {"open", "os.listdir", "sqlite3.connect"} and isinstance(args[0], str):
        seen[f"{event} {args[0]}"] += 1
sys.addaudithook(hook)
from smtpcreds.pki import encoding
load = encoding.load_der_x509_certificate
def counted(der, *more):
    seen[f"parse {hash(der)}"] += 1
    return load(der, *more)
encoding.load_der_x509_certificate = counted
from smtpcreds.__main__ import main
report = sys.argv.pop(1)
try:
    main()
finally:
    open(report, "w").write(json.dumps(seen))
"""


def counts(admin: Admin, *words: str) -> Counter[str]:
    """Run a command; return how often it did what, the root left out of paths."""
    report = admin.directory / "report"
    command = [sys.executable, "-c", CODE, str(report), *admin.arguments(*words)]
    subprocess.run(command, env=environment(), cwd=TOP, check=True, capture_output=True)
    found: Counter[str] = Counter(json.loads(report.read_text()))
    return Counter({name.replace(str(admin.root), ""): number for name, number in found.items()})


@pytest.mark.parametrize("words", [("cert", "issue", "attic"), ("cert", "renew", "dmzmail")], ids=" ".join)
def test_the_authority_is_read_once(hub: Admin, words: tuple[str, ...]) -> None:
    seen = counts(hub, *words)
    for path in (f"{STATE}/ca/ca-cert.pem", f"{STATE}/ca/ca-key.pem", f"{STATE}/lock"):
        assert seen[f"open {path}"] == 1, path
    assert seen[f"os.listdir {STATE}/ca"] <= 2, "one look for leftovers, one for superseded authorities"
    assert seen[f"os.listdir {CERTS}"] == 1
    connections = [number for name, number in seen.items() if name.startswith("sqlite3.connect ")]
    assert sum(connections) == 2, "a look whether the file is ours, and the run"


def test_the_mail_programs_files_cost_one_connection(hub: Admin) -> None:
    seen = counts(hub, "mta", "apply", "sendmail-hub")
    assert sum(number for name, number in seen.items() if name.startswith("sqlite3.connect ")) == 2
    assert seen[f"os.listdir {STATE}/ca"] <= 2


def test_an_account_needs_no_authority(hub: Admin) -> None:
    seen = counts(hub, "sasl", "add", "scanner")
    assert not [
        name for name in seen if "sqlite3" in name or f"{STATE}/ca" in name or f"{STATE}/lock" in name
    ]
    assert seen[f"open {SASLDB}.lock"] == 1


def test_no_certificate_is_parsed_twice(hub: Admin) -> None:
    seen = counts(hub, "cert", "issue", "attic")
    parsed = {number for name, number in seen.items() if name.startswith("parse ")}
    assert parsed == {1}
