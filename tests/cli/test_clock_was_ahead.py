"""The clock was ahead when something was made below a root, and is right now.

Debian: faketime, openssl.
"""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import Admin
from cryptography import x509
from cures import commands


@pytest.fixture
def rolled(rooted: Admin) -> Admin:
    """A hub below a root, whose present authority is not valid for a year."""
    _ahead(rooted, "ca", "rollover")
    return rooted


def test_an_authority_that_was_not_valid_yet_is_revoked_and_no_list_of_its_time_is_left(
    rolled: Admin,
) -> None:
    early = x509.load_pem_x509_certificate((rolled.state / "ca/ca-cert.pem").read_bytes())
    _follow(rolled)
    root_crl = x509.load_pem_x509_crl((rolled.state / "ca/root-crl.pem").read_bytes())
    assert [entry.serial_number for entry in root_crl] == [early.serial_number]
    assert _of_another_time(rolled) == []
    assert rolled.run("audit").status == 0


def test_without_the_key_of_the_root_the_old_authority_goes_on(rolled: Admin, tmp_path: Path) -> None:
    key = (rolled.state / "ca/root-key.pem").rename(tmp_path / "root-key.pem")
    rolled("ca", "crl", "--force")
    certs = rolled.certs
    trusted = ("-CAfile", str(certs / "cacert.pem"), "-crl_check", "-CRLfile")
    lists = [path for path in certs.glob("crl-*.pem") if b"X509 CRL" in path.read_bytes()]
    (ours,) = [path for path in lists if _issuer(path) == _issuer_of(certs / "dmzmail-cert.pem")]
    subprocess.run(["openssl", "verify", *trusted, ours, certs / "dmzmail-cert.pem"], check=True)
    refused = rolled.run("ca", "rollover", "--clock-was-ahead")
    assert refused.status == 66
    assert "--root-key FILE" in refused.err
    rolled("ca", "rollover", "--clock-was-ahead", "--root-key", str(key))
    assert rolled.run("audit").status == 0


def test_where_the_key_of_the_root_is_lost_a_new_root_ends_it(rolled: Admin) -> None:
    (rolled.state / "ca/root-key.pem").unlink()
    refused = rolled.refuses(66, "ca", "rollover", "--clock-was-ahead")
    assert "--new-root" in refused
    rolled("ca", "rollover", "--clock-was-ahead", "--new-root")
    _follow(rolled)
    assert _of_another_time(rolled) == []
    assert rolled.run("audit", "--only", "CERT014").status == 0


def test_a_retired_authority_that_is_not_valid_yet_gets_a_last_list_of_today(
    rolled: Admin,
) -> None:
    """As runs left it that did not sign it when they retired the authority."""
    (rolled.state / "ca/root-key.pem").unlink()
    early = rolled.crl.read_bytes()
    rolled("ca", "rollover", "--clock-was-ahead", "--new-root")
    (kept,) = rolled.state.glob("ca/retired-*/crl.pem")
    kept.write_bytes(early)
    assert rolled.run("audit", "--only", "CERT014").status == 1
    ran = rolled("ca", "crl", "--force")
    assert "ends as it is" not in ran.err
    assert not _begins_later(kept)
    assert rolled.run("audit", "--only", "CERT014").status == 0


@pytest.mark.parametrize("is_away", [False, True], ids=["its key here", "its key away"])
def test_what_a_retirement_signed_is_signed_anew(rooted: Admin, tmp_path: Path, *, is_away: bool) -> None:
    rooted("ca", "rollover")
    _ahead(rooted, "ca", "rollover", "--retire-old", "--force")
    key = rooted.state / "ca/root-key.pem"
    with_key: tuple[str, ...] = ()
    if is_away:
        key = key.rename(tmp_path / "root-key.pem")
        with_key = ("--root-key", str(key))
    told = {finding["cure"] for finding in json.loads(rooted.run("--json", "audit").out)["findings"]}
    force = [cure for cure in told if "ca crl --force" in cure]
    assert force
    assert any("--root-key FILE" in cure for cure in force) == is_away
    rooted("ca", "crl", "--force", *with_key)
    assert _of_another_time(rooted) == []
    assert rooted.run("audit", "--only", "CERT014").status == 0


def _ahead(admin: Admin, *words: str) -> None:
    ran = admin.behind("faketime", "+380 days").run(*words, env={"DONT_FAKE_MONOTONIC": "1"})
    assert ran.status == 0, ran


def _follow(admin: Admin) -> None:
    """Type what ``status`` says is due, until nothing is."""
    for _ in range(3):
        due = json.loads(admin.run("--json", "status").out)["due"]
        for words in [words for told in due for words in commands(told["cure"])]:
            admin.run(*words)
    assert due == []


def _of_another_time(admin: Admin) -> list[str]:
    kept = [*admin.state.glob("ca/*crl.pem"), *admin.state.glob("ca/*/crl.pem")]
    found = [*admin.certs.glob("crl*.pem"), *kept]
    lists = {str(path): x509.load_pem_x509_crl(path.read_bytes()) for path in found}
    assert len(lists) > 5
    return [path for path, crl in lists.items() if crl.last_update_utc > datetime.now(UTC)]


def _begins_later(path: Path) -> bool:
    return x509.load_pem_x509_crl(path.read_bytes()).last_update_utc > datetime.now(UTC)


def _issuer(path: Path) -> x509.Name:
    return x509.load_pem_x509_crl(path.read_bytes()).issuer


def _issuer_of(path: Path) -> x509.Name:
    return x509.load_pem_x509_certificate(path.read_bytes()).issuer
