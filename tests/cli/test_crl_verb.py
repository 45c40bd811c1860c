"""``ca crl``, and the CRL that every command which signs keeps young."""

from pathlib import Path

import pytest
from admin import HUB, Admin, issued_hub

from smtpcreds.ca.layout import reading, warn_of_crls
from smtpcreds.config import Settings, Site
from smtpcreds.model import Root


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued_hub(tmp_path_factory.mktemp("crl") / "root").root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def number(stage: Admin, path: Path, form: str = "PEM") -> int:
    said = stage.openssl("crl", "-in", path, "-inform", form, "-noout", "-crlnumber")
    return int(said.partition("=")[2].strip(), 16)


def test_numbers_rise_and_copies_follow(stage: Admin, tmp_path: Path) -> None:
    first = number(stage, stage.crl)
    copy = tmp_path / "public.crl"
    done = stage.json("ca", "crl", "--to", copy, "--der")
    assert done["number"] == number(stage, copy, "DER") == number(stage, stage.certs / "crl.pem") == first + 1
    assert (copy.stat().st_mode & 0o777, done["count"], done["copy"]) == (0o644, 0, str(copy))
    assert stage.crl.stat().st_mode & 0o777 == 0o600
    stage("ca", "crl", "--to", copy)
    assert number(stage, copy) == first + 2
    (link,) = stage.certs.glob("*.r0")
    assert link.name == stage.openssl("crl", "-in", stage.crl, "-noout", "-hash").split()[0] + ".r0"


@pytest.mark.parametrize("form", [(), ("--der",)])
def test_a_copy_takes_the_place_of_no_other_file(stage: Admin, form: tuple[str, ...]) -> None:
    for path in (stage.state / "ca/ca-key.pem", stage.path("/etc/smtpcreds/smtpcreds.toml")):
        said = stage.refuses(73, "ca", "crl", "--to", path, *form)
        assert f"{path}: is no CRL and was not changed" in said


def test_days_say_how_long(stage: Admin) -> None:
    stage("ca", "crl", "--days", "90")
    stage.at("+89 days").verify(stage.certs / "dmzmail-cert.pem")
    assert "CRL has expired" in stage.at("+91 days").verify(stage.certs / "dmzmail-cert.pem", status=2)


@pytest.mark.parametrize(
    ("words", "status"), [(("--days", "0"), 64), (("--der",), 64), (("--to", "/dev/null"), 77)]
)
def test_words_that_do_not_fit(stage: Admin, words: tuple[str, ...], status: int) -> None:
    stage("ca", "crl", *words, status=status)


def test_check_answers_with_its_status(stage: Admin) -> None:
    assert "valid to" in stage("ca", "crl", "--check")
    assert "time for a new one" in stage.at("+21 days")("ca", "crl", "--check", status=1)
    stage.at("+40 days")("ca", "crl", "--check", status=1)
    stage.at("+40 days")("ca", "crl")
    stage.at("+40 days")("ca", "crl", "--check")


def test_a_plan_signs_nothing(stage: Admin) -> None:
    before = stage.crl.read_bytes()
    said = stage("ca", "crl", "-n")
    assert f"would write {stage.crl}  0600" in said
    assert f"would write {stage.certs}/crl.pem  0600" in said
    assert stage.crl.read_bytes() == before


def test_commands_that_sign_refresh_it_once_a_day(stage: Admin) -> None:
    before = number(stage, stage.crl)
    stage("cert", "issue", "attic")
    assert number(stage, stage.crl) == before
    stage.at("+2 days")("cert", "issue", "cellar")
    assert number(stage, stage.certs / "crl.pem") == before + 1
    stage.at("+4 days")("cert", "renew", "dmzmail")
    assert number(stage, stage.certs / "crl.pem") == before + 2


def test_a_list_from_the_future_is_replaced_when_the_clock_is_right_again(stage: Admin) -> None:
    stage.at("+60 days")("ca", "crl")
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2)
    stage("ca", "crl", "--check", status=1)
    assert "smtpcreds ca crl --force" in stage.refuses(65, "cert", "renew", "--due")
    stage("ca", "crl", "--force")
    stage("cert", "issue", "tuba")
    stage.verify(stage.certs / "dmzmail-cert.pem")


def test_an_older_list_put_back_from_a_backup_is_noticed(stage: Admin) -> None:
    backup = stage.crl.read_bytes()
    stage("cert", "revoke", "dmzmail")
    stage.crl.write_bytes(backup)
    stage("ca", "crl", "--check", status=1)
    stage("cert", "issue", "attic")
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2)


def test_without_an_authority_there_is_none(tmp_path: Path) -> None:
    stage = Admin(tmp_path / "root")
    for words in ((), ("--check",)):
        assert "smtpcreds ca init" in stage("ca", "crl", *words, status=66)


@pytest.mark.parametrize(("days", "about"), [(1, None), (19, None), (21, "expires on"), (31, "expired on")])
def test_whoever_looks_is_warned_long_before_it_expires(stage: Admin, days: int, about: str | None) -> None:
    from datetime import UTC, datetime, timedelta

    said: list[str] = []
    now = datetime.now(UTC) + timedelta(days=days)
    site = Site(Root(str(stage.root)), Settings(hub=HUB), lambda: now, said.append)
    with reading(site) as inventory:
        warn_of_crls(site, inventory)
    assert [about in line for line in said if about] == [True] * len(said)
    assert bool(said) is bool(about)
