"""The clock is a year ahead, a year behind, or jumps an hour at each look; then it is right again.

Debian: faketime.
"""

import json
import re
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from admin import Admin, Tree
from cli.writing import CASES, Case, prepared
from cryptography import x509
from cures import commands

from .after import Measure, again, ill_ended, measured, wrong
from .conftest import Record, chosen, named

CLOCKS = {
    "a year ahead": ("faketime", "+380 days"),
    "a year behind": ("faketime", "-380 days"),
    "an hour at each look": ("faketime", "-f", "+0 i3600"),
}
_CRL = re.compile(r"crl.*\.pem$")
_PAIR = re.compile(r"(?<!ca)(?<!root)-(?:cert|key)\.pem(?:\.previous)?$")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", re.DOTALL)
DUE_THEN = r"\.previous$|/reload-owed$|maildroid-\d"
"""The pair before a renewal, a reload and another secret, due at the other time or a cure of it."""
AN_ANSWER = 1
"""At the other time something else is due, and the answer of a verb is no."""
_NOT_NOW = re.compile(r"is not valid (?:before|yet)|expired on")
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
    faulty = record.each("smtpcreds", fault, case, [jump], partial(at, request, case), among=list(CLOCKS))
    assert faulty == []


def at(request: pytest.FixtureRequest, case: Case, jump: str) -> str:
    """Run a case at another time, and once more at the right one; return what is wrong then."""
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    shutil.copytree(admin.directory, start, symlinks=True)
    measure = measured(admin, words, start, lambda: admin.run(*words))
    stays = Measure(measure.ends, without_lists(measure.files), measure.records, DUE_THEN)
    usual = lists(admin)
    again(admin, start)
    ran = admin.behind(*CLOCKS[jump]).run(*words, env=_CLOCK)
    faulty = [] if ran.status in {measure.once.status, AN_ANSWER} else [ill_ended(ran, admin, measure)]
    follow_cures(admin)
    forget_put_away(admin)
    faulty += [wrong(admin, words, stays)]
    faulty += [f"not of this time: {told}" for told in of_another_time(admin)]
    trusted = names_in(admin, "ca-cert.pem") | names_in(admin, "old-*/ca-cert.pem")
    usual = {at: crl for at, crl in usual.items() if at[1] in trusted and "/smtpcreds/ca" not in f"{at[0]}"}
    faulty += list_faults(
        lists(admin), lists(Admin(start / admin.root.name)), usual, names_in(admin, "retired-*/ca-cert.pem")
    )
    return "; ".join(said for said in faulty if said)


def of_another_time(admin: Admin) -> list[tuple[str, str]]:
    """Return what ``status`` says is not valid yet or no more, and its cure."""
    ran = admin.run("--json", "status")
    due = json.loads(ran.out)["due"] if ran.status in {0, 1} else []
    return [(told["reason"], told["cure"]) for told in due if _NOT_NOW.search(told["reason"])]


def follow_cures(admin: Admin) -> None:
    """Type what ``status`` says for all that is not valid now, as it is printed; an audit says more."""
    for _, cure in of_another_time(admin):
        for words in commands(cure):
            ran = admin.run("--json", *words)
            told = json.loads(ran.out)["findings"] if words[0] == "audit" else []
            for more in {finding["cure"] for finding in told}:
                for again_ in commands(more):
                    admin.run(*again_)


def forget_put_away(admin: Admin) -> None:
    """Remove the authorities that were not valid yet, which a cure has replaced."""
    for path in admin.state.glob("ca/retired-*/ca-cert.pem"):
        if x509.load_pem_x509_certificate(path.read_bytes()).not_valid_before_utc > datetime.now(UTC):
            shutil.rmtree(path.parent)
            admin.run("ca", "crl")  # the list of the one that is gone is beside certificates


def names_in(admin: Admin, pattern: str) -> set[str]:
    """Return the subjects of the certificates in files of the authority's directory."""
    content = b"".join(path.read_bytes() for path in admin.state.glob(f"ca/{pattern}"))
    found = map(x509.load_pem_x509_certificate, _CERTIFICATE.findall(content))
    return {certificate.subject.rfc4514_string() for certificate in found}


def without_lists(files: Tree) -> Tree:
    """All but what may be made anew since it is due at the other time, or is not valid at this one.

    :func:`list_faults` looks at CRLs, :func:`.after.half_way` at pairs.
    """
    return {path: state for path, state in files.items() if not (_CRL.search(path) or _PAIR.search(path))}


Lists = dict[tuple[Path, str], x509.CertificateRevocationList]
"""CRLs by their directory below the root and their issuer; of several the one with the lowest number."""


def lists(admin: Admin) -> Lists:
    found: Lists = {}
    for path in sorted(admin.root.rglob("*")):
        if not (_CRL.search(path.name) and path.is_file()):
            continue
        for crl in map(x509.load_pem_x509_crl, _PEM.findall(path.read_bytes())):
            place = path.parent.relative_to(admin.root), crl.issuer.rfc4514_string()
            found[place] = min(crl, found.get(place, crl), key=number)
    return found


def list_faults(now: Lists, start: Lists, usual: Lists, retired: set[str]) -> list[str]:
    """Return the CRLs that are gone, know less, have a lower number or are not of this time.

    Args:
        now: after all.
        start: before.
        usual: after runs without a fault, which may have taken some away.
        retired: authorities that nobody trusts any more, whose last CRL stays what it is.
    """
    faulty = [f"no CRL of {issuer} in {place}" for place, issuer in sorted(usual.keys() - now.keys())]
    for (place, issuer), crl in now.items():
        old = start.get((place, issuer), crl)
        if number(crl) < number(old) or not serials(crl) >= serials(old):
            faulty.append(f"{place}: the CRL of {issuer} has less than before")
        end = crl.next_update_utc
        if issuer in retired:
            continue
        if end is None or not crl.last_update_utc <= datetime.now(UTC) < end:
            faulty.append(f"{place}: the CRL of {issuer} is not of this time")
    return faulty


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {revoked.serial_number for revoked in crl}
