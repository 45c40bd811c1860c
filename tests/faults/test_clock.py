"""The clock is a year ahead, a year behind, or jumps an hour at each look; then it is right again.

Debian: faketime.
"""

import json
import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import Admin, Tree, environment
from cli.writing import CASES, Case, prepared
from cryptography import x509

from .after import Measure, again, ill_ended, measured, wrong
from .conftest import Record, chosen, named

CLOCKS = {
    "a year ahead": ("faketime", "+380 days"),
    "a year behind": ("faketime", "-380 days"),
    "an hour at each look": ("faketime", "-f", "+0 i3600"),
}
_CRL = re.compile(r"crl.*\.pem$")
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", re.DOTALL)
_CLOCK = {"DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize(
    ("case", "fault"),
    chosen([(case, "clock") for case in CASES if "token" not in case.scene]),
    ids=named,
)
@pytest.mark.parametrize("jump", CLOCKS)
def test_the_right_time_brings_it_in_order(
    case: Case, fault: str, jump: str, request: pytest.FixtureRequest, record: Record
) -> None:
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    shutil.copytree(admin.directory, start, symlinks=True)
    measure = measured(admin, words, start, lambda: admin.run(*words))
    again(admin, start)
    ran = admin.behind(*CLOCKS[jump]).run(*words, env=_CLOCK)
    faulty = [] if ran.status == measure.once.status else [ill_ended(ran, admin, measure)]
    follow_cures(admin)
    faulty += [wrong(admin, words, Measure(*measure[:2], without_lists(measure.files), measure.records))]
    faulty += [f"not of this time: {told}" for told in not_yet(admin)] + list_faults(admin, start)
    faulty = [f"{jump}: {said}" for said in faulty if said]
    record("smtpcreds", fault, 1, faulty)
    assert faulty == []


def not_yet(admin: Admin) -> list[tuple[str, str]]:
    """Return what ``status`` says is not valid yet, and its cure."""
    due = json.loads(admin.run("--json", "status").out)["due"]
    return [(told["reason"], told["cure"]) for told in due if "is not valid before" in told["reason"]]


def follow_cures(admin: Admin) -> None:
    """Type what ``status`` says for all that is not valid yet, as it is printed."""
    for _, cure in not_yet(admin):
        subprocess.run(shlex.split(cure), env=environment(), cwd=admin.directory, capture_output=True)


def without_lists(files: Tree) -> Tree:
    """All but CRLs, which may be signed anew at the other time; :func:`list_faults` looks at them."""
    return {path: state for path, state in files.items() if not _CRL.search(path)}


def list_faults(admin: Admin, start: Path) -> list[str]:
    """Return the CRLs of the start that are no more, know less, have a lower number or are not of this time."""
    faulty = []
    for path in filter(_is_list, start.rglob("*")):
        now = crls(admin.directory / path.relative_to(start))
        for issuer, old in crls(path).items():
            new = now.get(issuer)
            if new is None or number(new) < number(old) or not serials(new) >= serials(old):
                faulty.append(f"{path.name}: {issuer} has less than before")
            elif not new.last_update_utc <= datetime.now(UTC) < new.next_update_utc:
                faulty.append(f"{path.name}: {issuer} is not of this time")
    return faulty


def _is_list(path: Path) -> bool:
    return bool(_CRL.search(path.name)) and path.is_file() and not path.is_symlink()


def crls(path: Path) -> dict[str, x509.CertificateRevocationList]:
    """Return the CRLs of a file, by issuer."""
    blocks = _PEM.findall(path.read_bytes()) if path.exists() else []
    found = map(x509.load_pem_x509_crl, blocks)
    return {crl.issuer.rfc4514_string(): crl for crl in found}


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {revoked.serial_number for revoked in crl}
