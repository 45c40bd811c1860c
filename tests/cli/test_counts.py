"""State is loaded once a run: what is opened, listed, connected to and parsed is counted, not timed."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from admin import CERTS, STATE, Admin, environment

from .pulling import digest, fetched
from .writing import SSH_KEY

CODE = """
import json, os, sys
from collections import Counter
seen = Counter()
def hook(event, args):
    if event == "open" and isinstance(args[0], str) and not args[2] & os.O_PATH:
        seen[f"open {os.path.basename(args[0])}"] += 1  # names may be relative to descriptors
    elif event in {"os.listdir", "sqlite3.connect"} and isinstance(args[0], str):
        seen[f"{event} {args[0]}"] += 1
sys.addaudithook(hook)
from smtpcreds.pki import encoding
load = encoding.load_der_x509_certificate
def counted(der, *more):
    seen[f"parse {hash(der)}"] += 1
    return load(der, *more)
encoding.load_der_x509_certificate = counted
from smtpcreds.__main__ import run as main
report = sys.argv.pop(1)
try:
    main()
finally:
    open(report, "w").write(json.dumps(seen))
"""


PROVED = """
import sys
from smtpcreds.pki import chains, crl, encoding
seen, verified, verifies = [], [], chains._verifies
chains._verifies = lambda *pair: verified.append(1) or verifies(*pair)
for name in ("find", "is_revoked", "among"):
    method = getattr(crl.Crl, name)
    def counted(self, asked, method=method, name=name):
        seen.append(name)
        return method(self, asked)
    setattr(crl.Crl, name, counted)
from smtpcreds.__main__ import run as main
report = sys.argv.pop(1)
try:
    main()
finally:
    decoded = encoding._decode.cache_info().misses
    open(report, "w").write(f"{len(verified)} {len(chains._proofs)} {decoded} {len(seen)}")
"""


SIGNED = """
import sys
from smtpcreds.pki import issue
signed, count = issue._signed, []
issue._signed = lambda *args: count.append(1) or signed(*args)
from smtpcreds.__main__ import run as main
report = sys.argv.pop(1)
try:
    main()
finally:
    open(report, "w").write(str(len(count)))
"""


WALKED = """
import sys
from smtpcreds.audit import accounts, sasl_conf, sendmail_service
walked = []
for room in (accounts, sasl_conf, sendmail_service):
    def counted(records, in_order=room.in_order):
        walked.append(1)
        return in_order(records)
    room.in_order = counted
from smtpcreds.__main__ import run as main
report = sys.argv.pop(1)
try:
    main()
finally:
    open(report, "w").write(str(len(walked)))
"""


def counts(admin: Admin, *words: str, stdin: bytes = b"") -> Counter[str]:
    """Run a command; return how often it did what, the root left out of paths."""
    report = admin.directory / "report"
    command = [sys.executable, "-c", CODE, str(report), *admin.arguments(*words)]
    subprocess.run(command, env=environment(), check=True, capture_output=True, input=stdin)
    found: Counter[str] = Counter(json.loads(report.read_text()))
    return Counter({name.replace(str(admin.root), ""): number for name, number in found.items()})


def proofs(admin: Admin, *words: str) -> list[int]:
    """Run a command; return how many signatures it verified, and remembers, how many certificates it decoded,
    and how often it searched a CRL."""
    report = admin.directory / "proved"
    command = [sys.executable, "-c", PROVED, str(report), *admin.arguments(*words)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    return [int(number) for number in report.read_text().split()]


@pytest.mark.parametrize("words", [("cert", "issue", "attic"), ("cert", "renew", "dmzmail")], ids=" ".join)
def test_the_authority_is_read_once(hub: Admin, words: tuple[str, ...]) -> None:
    seen = counts(hub, *words)
    for name in ("ca-cert.pem", "ca-key.pem", "lock"):
        assert seen[f"open {name}"] == 1, name
    assert seen[f"os.listdir {STATE}/ca"] <= 2, "one look for leftovers, one for superseded authorities"
    assert seen[f"os.listdir {CERTS}"] <= 2, "one look for leftovers, one for CRLs that were published"
    connections = [number for name, number in seen.items() if name.startswith("sqlite3.connect ")]
    assert sum(connections) == 2, "a look whether the file is ours, and the run"


def test_the_mail_programs_files_cost_a_preview_and_a_run(hub: Admin) -> None:
    seen = counts(hub, "mta", "apply", "sendmail-hub")
    assert sum(number for name, number in seen.items() if name.startswith("sqlite3.connect ")) == 5
    assert seen[f"os.listdir {STATE}/ca"] <= 4


def test_a_pull_that_changes_nothing_signs_nothing_and_costs_the_same_among_many(hub: Admin) -> None:
    key = hub.write("key.pub", SSH_KEY, 0o644)
    hub("bundle", "attic", "--authorize", key)
    said = f"have {digest(fetched(hub))}\n".encode()
    among_one = counts(hub, "bundle", "attic", "--serve", stdin=said)
    assert "open ca-key.pem" not in among_one, "without that key nothing is signed"
    for number in range(10):
        hub("bundle", f"host{number}", "--authorize", key)
        fetched(hub, f"host{number}")
    among_many = counts(hub, "bundle", "attic", "--serve", stdin=said)
    assert sum(among_many.values()) == sum(among_one.values())


def test_an_account_needs_no_authority(hub: Admin) -> None:
    seen = counts(hub, "sasl", "add", "scanner")
    assert not [name for name in seen if "sqlite3" in name or f"{STATE}/ca" in name]
    assert not {"open ca-cert.pem", "open ca-key.pem", "open lock"} & seen.keys()
    assert seen["open sasldb2.lock"] == 1
    assert 1 <= seen["open sasldb2"] <= 3, "its format, its records, and the change"


def test_no_certificate_is_parsed_twice(hub: Admin) -> None:
    seen = counts(hub, "cert", "issue", "attic")
    parsed = {number for name, number in seen.items() if name.startswith("parse ")}
    assert parsed == {1}


def signatures(admin: Admin, *words: str) -> int:
    """Run a command; return how many certificates it signed."""
    report = admin.directory / "signed"
    command = [sys.executable, "-c", SIGNED, str(report), *admin.arguments(*words)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    return int(report.read_text())


def test_a_dry_run_of_many_signs_once(hub: Admin) -> None:
    hosts = [f"host{number}" for number in range(60)]
    changes = hub.json("-n", "cert", "issue", *hosts)["plan"]
    assert len([change for change in changes if change["target"].endswith("-cert.pem")]) == len(hosts)
    assert signatures(hub, "-n", "cert", "issue", *hosts) == 1
    assert signatures(hub, "cert", "issue", *hosts) == len(hosts)


@pytest.mark.parametrize("words", [("audit",), ("status",), ("cert", "renew", "--due")], ids=" ".join)
def test_who_looks_at_everything_opens_the_inventory_once(hub: Admin, words: tuple[str, ...]) -> None:
    seen = counts(hub, *words)
    opened = sum(number for name, number in seen.items() if name.startswith("sqlite3.connect ")) // 2
    assert opened <= 2 - ("audit" in words), "each time a look whether the file is ours"


def test_hosts_that_relay_by_certificate_are_looked_up_in_one_inventory(hub: Admin) -> None:
    def connections(*hosts: str) -> int:
        told = [word for host in hosts for word in ("--relay-host", host)]
        seen = counts(hub, "mta", "render", "sendmail-hub", *told)
        return sum(number for name, number in seen.items() if name.startswith("sqlite3.connect "))

    hosts = [f"host{number}" for number in range(9)]
    hub("cert", "issue", *hosts)
    assert connections(*hosts) == connections(hosts[0])


def test_an_audit_walks_over_the_accounts_once_however_much_it_finds(hub: Admin) -> None:
    """Each of these is in no realm that a server here looks in, and may be there twice."""
    report = hub.directory / "walked"

    def walks() -> int:
        command = [sys.executable, "-c", WALKED, str(report), *hub.arguments("audit", "--only", "SASL001")]
        found = subprocess.run(command, env=environment(), capture_output=True, text=True).stdout
        assert "is not in the realm" in found
        return int(report.read_text())

    hub("sasl", "add", "scanner", "--realm", "other.example")
    few = walks()
    for name in ("printer", "camera"):
        hub("sasl", "add", name, "--realm", "other.example")
    assert walks() == few <= 3


PUBLIC = "/etc/ssl/certs/ca-certificates.crt"


def test_a_certificate_is_tried_against_those_alone_that_have_its_issuer_s_name(authority: Admin) -> None:
    """A host trusts a hundred and forty CAs; and each CRL is searched once for all hosts, not for each."""
    bundle = authority.root / PUBLIC[1:]
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(Path(PUBLIC).read_bytes())
    authority("cert", "issue", *(f"host{number}" for number in range(20)))
    authority("cert", "revoke", "host1")
    authority("cert", "issue", "host1", "--force")
    few = proofs(authority, "audit")
    authority("cert", "issue", *(f"more{number}" for number in range(12)))
    more = proofs(authority, "audit")
    assert [there - here for here, there in zip(few, more, strict=True)] == [12, 12, 12, 0]


def test_the_check_of_the_inventory_decodes_no_certificate_for_its_row_and_for_its_file(hub: Admin) -> None:
    hub("cert", "issue", "attic", "barn")
    verified, *few = proofs(hub, "inventory", "check")
    hub("cert", "issue", *(f"more{number}" for number in range(5)))
    assert proofs(hub, "inventory", "check") == [verified + 5, *few], (
        "nor is any kept: there may be a million"
    )


@pytest.mark.parametrize("verb", ["inventory check", "audit", "status"])
def test_each_file_is_opened_once_and_asked_for_its_status_twice(hub: Admin, verb: str) -> None:
    """A walk for each would open every component of its path."""

    def calls() -> tuple[int, int]:
        _, log = hub.traced(verb.split(), {})
        return log.count("openat("), len(re.findall(r"\b(?:newfstatat|fstat|lstat|stat|statx)\(", log))

    hub("cert", "issue", "attic", "barn")
    calls()  # what the first run of a process loads
    few, more = calls(), [f"host{number}" for number in range(10)]
    hub("cert", "issue", *more)
    opened, asked = (there - here for here, there in zip(few, calls(), strict=True))
    assert opened == 2 * len(more)
    assert asked <= 4 * len(more)
