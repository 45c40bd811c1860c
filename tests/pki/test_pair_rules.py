"""Rules for one certificate and its key, and for one period: what they say, and from when on."""

from datetime import timedelta

import pytest

from smtpcreds.errors import DataError
from smtpcreds.pki.crl import Crl, build_crl, is_crl_of, not_revoked, read_crl, to_pem, verify_unlisted
from smtpcreds.pki.dates import REFUSED, Period, crl_fault, is_due
from smtpcreds.pki.pair_rules import certificate_of, date_fault, key_fault, name_fault, role_fault
from smtpcreds.pki.profiles import Purpose
from smtpcreds.pki.revocation import Reason, Revoked

from .x509_scene import DAY, NOW, Pair, authority, leaf

SECOND = timedelta(seconds=1)
MONTH = Period(NOW, NOW + 30 * DAY)
CA = authority()
MADE = leaf(CA)


@pytest.mark.parametrize(
    ("after", "fault", "remark"),
    [
        (-SECOND, "is not valid before 20", None),
        (timedelta(), None, None),
        (20 * DAY - SECOND, None, None),
        (20 * DAY, None, "expires on 20"),
        (30 * DAY, None, "expires on 20"),
        (30 * DAY + SECOND, "expired on 20", "expires on 20"),
    ],
)
def test_a_period_and_its_borders(after: timedelta, fault: str | None, remark: str | None) -> None:
    now = NOW + after
    assert (MONTH.fault(now) or "None").startswith(str(fault))
    assert (MONTH.remark(now) or "None").startswith(str(remark))
    assert MONTH.is_due(now) == (fault is not None or remark is not None)
    assert is_due(MONTH.begin, NOW + 30 * DAY, now) == (remark is not None)
    assert (crl_fault(MONTH, now) or REFUSED).endswith(REFUSED)


def test_a_list_that_says_no_end_never_ends() -> None:
    endless = Period(NOW, None)
    assert not endless.is_due(NOW + 9999 * DAY)
    assert endless.rest(NOW) == "valid without end"


def test_a_key_belongs_to_one_certificate() -> None:
    other = leaf(CA, kind="p384")
    assert key_fault(MADE.certificate, MADE.key, "x") is None
    assert key_fault(MADE.certificate, other.key, "x-cert.pem") == "is not the key of x-cert.pem"
    both = [MADE.certificate, other.certificate]
    assert certificate_of(other.key, both, "k", "c") is other.certificate
    with pytest.raises(DataError) as caught:
        certificate_of(other.key, both[:1], "k", "c", "do this")
    assert (caught.value.subject, caught.value.reason, caught.value.hint) == (
        "k",
        "is not the key of c",
        "do this",
    )
    with pytest.raises(DataError, match="k: is not the key of c"):
        certificate_of(other.key, [], "k", "c")


def test_names() -> None:
    host = "dmzmail.polkatistas.org"
    assert name_fault(MADE.certificate, ["x.example", host]) is None
    assert name_fault(MADE.certificate, []) is None
    assert name_fault(MADE.certificate, ["a.example", "b.example"]) == (
        f"is not for a.example or b.example; it holds {host}"
    )
    wild = leaf(CA, "*.polkatistas.org").certificate
    assert name_fault(wild, ["*.polkatistas.org"]) is None
    assert name_fault(wild, [host]) is None


def test_roles_and_dates() -> None:
    assert role_fault(MADE.certificate, (Purpose.SERVER, Purpose.CLIENT)) is None
    assert role_fault(CA.certificate, (Purpose.SERVER,)) == "may not sign TLS handshakes (keyUsage)"
    assert role_fault(CA.certificate, ()) is None
    assert (date_fault(MADE.certificate, NOW + 91 * DAY) or "").startswith("expired on")


def listing(ca: Pair, *revoked: Revoked) -> Crl:
    return read_crl(to_pem(build_crl(ca.certificate, ca.key, 1, revoked, NOW, 30 * DAY)), "crl", None)


def test_the_list_of_the_issuer_is_asked_and_no_other() -> None:
    other, made, issuer = authority(name="Other CA"), MADE.certificate, CA.certificate
    revoked = Revoked(made.serial_number, NOW, Reason.KEY_COMPROMISE)
    ours, theirs = listing(CA), listing(other, revoked)
    assert (is_crl_of(ours, issuer), is_crl_of(theirs, issuer)) == (True, False)
    assert verify_unlisted(made, issuer, [("theirs", theirs)], NOW) is None
    assert verify_unlisted(made, issuer, [("theirs", theirs), ("ours", ours)], NOW) is ours
    with pytest.raises(DataError, match=r"was revoked on \d{4}-\d\d-\d\d \(keyCompromise\)"):
        verify_unlisted(made, issuer, [("ours", listing(CA, revoked))], NOW)
    with pytest.raises(DataError, match=f"ours: expired on .*, {REFUSED}"):
        verify_unlisted(made, issuer, [("ours", ours)], NOW + 31 * DAY)
    assert not_revoked([None, NOW + DAY, NOW]) == f"not revoked; CRL valid to {NOW:%Y-%m-%d}"
    assert not_revoked([]) == "not revoked"
