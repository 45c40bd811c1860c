"""Two hubs with one inventory in a real PostgreSQL: a client host may come to either for its bundle."""

import re
import shutil
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin
from postgres_cluster import Cluster

from .pulling import come_home, digest, fetched
from .test_shared_inventory import configured
from .writing import SSH_KEY

HOST = f"attic.{DOMAIN}"
COUNTS = "SELECT (SELECT count(*) FROM smtpcreds.certificates), (SELECT count(*) FROM smtpcreds.crls)"


def copied(first: Admin, second: Admin, *names: str) -> None:
    """Bring directories of the one hub's state to the other."""
    for name in names:
        shutil.rmtree(second.state / name, ignore_errors=True)
        shutil.copytree(first.state / name, second.state / name, symlinks=True)


@pytest.fixture
def hubs(tmp_path: Path, url: str) -> tuple[Admin, Admin]:
    """The first makes the authority, and lets a host in; the second gets a copy of both."""
    first, second = (configured(tmp_path / which, url) for which in ("hub1", "hub2"))
    first("setup", HUB, "--no-passphrase")
    second.state.mkdir(parents=True, mode=0o700)
    key = first.write("key.pub", SSH_KEY, 0o644)
    first("bundle", "attic", "--authorize", key)
    copied(first, second, "ca", "hosts")
    return first, second


def test_either_hands_out_the_same_and_signs_nothing_for_it(
    postgres: Cluster, name: str, hubs: tuple[Admin, Admin]
) -> None:
    first, second = hubs
    before = postgres.run(name, COUNTS)
    archive = fetched(first)
    assert fetched(second) == archive
    for hub in (second, first, second):
        assert fetched(hub, have=digest(archive)) == b"current\n"
        (row,) = first.json("status")["clients"]
        assert row == second.json("status")["clients"][0]
        assert (row["host"], row["confirmed"]) == (HOST, True)
    assert postgres.run(name, COUNTS) == before


def test_what_one_has_renewed_the_other_hands_out(
    postgres: Cluster, name: str, hubs: tuple[Admin, Admin]
) -> None:
    archive = fetched(hubs[0])
    later = [hub.at("250 days") for hub in hubs]
    ran = later[1].run("bundle", "attic", "--serve", stdin=f"have {digest(archive)}\n".encode())
    assert ran.err == "", ran.err
    renewed = ran.octets
    assert renewed not in {archive, b"current\n"}
    before = postgres.run(name, COUNTS)
    for hub in (later[0], later[1], later[0]):
        assert fetched(hub, have=digest(renewed)) == b"current\n"
        assert fetched(hub, have=digest(archive)) == renewed
    assert postgres.run(name, COUNTS) == before
    rows = [row for row in later[0].json("cert", "list")["certificates"] if row["host"] == HOST]
    assert len(rows) == 1, "the former one is replaced, whoever signed it"
    for hub in later:
        assert HOST not in hub.run("cert", "renew", "--due").err


def test_a_crl_that_one_has_signed_is_that_of_both(
    postgres: Cluster, name: str, hubs: tuple[Admin, Admin]
) -> None:
    first, second = hubs
    first("cert", "issue", "tuba")
    archive = fetched(second)
    second("cert", "revoke", "tuba", "--reason", "keyCompromise")
    newer = fetched(first, have=digest(archive))
    assert newer != b"current\n"
    assert fetched(second, have=digest(newer)) == b"current\n"
    assert (first.state / "ca/crl.pem").read_bytes() == (second.state / "ca/crl.pem").read_bytes()
    before = postgres.run(name, COUNTS)
    told = first.directory / "told"
    first.run("cert", "renew", "--due", "--reload", f"touch {told}")
    assert told.exists(), "the mail server reads what came from the other hub"
    assert postgres.run(name, COUNTS) == before
    published = (first.state / "ca/crl.pem").read_bytes()
    assert (first.certs / "crl.pem").read_bytes() == (first.state / "hosts/crl.pem").read_bytes() == published
    serial = first.serial("tuba").lstrip("0")
    assert serial.lower() in first.openssl("crl", "-in", first.certs / "crl.pem", "-noout", "-text").lower()


def test_a_crl_that_somebody_put_into_the_database_is_not_believed(
    postgres: Cluster, name: str, hubs: tuple[Admin, Admin], tmp_path: Path
) -> None:
    first, second = hubs
    fetched(second)
    other = Admin(tmp_path / "other")
    other("ca", "init", "--no-passphrase", "--permit", DOMAIN)
    der = other.openssl("crl", "-in", other.crl, "-outform", "DER", "-out", tmp_path / "crl.der")
    der = (tmp_path / "crl.der").read_bytes().hex()
    first("ca", "crl")
    kept = (second.state / "ca/crl.pem").read_bytes()
    postgres.run(name, f"UPDATE smtpcreds.crls SET der = '\\x{der}' WHERE der IS NOT NULL")
    ran = second.run("bundle", "attic", "--serve", stdin=b"have none\n")
    assert (ran.status, ran.octets) == (65, b""), ran
    assert "in the inventory" in ran.err
    assert (second.state / "ca/crl.pem").read_bytes() == kept


def test_a_hub_without_the_key_says_where_it_is(hubs: tuple[Admin, Admin]) -> None:
    first, second = hubs
    archive = fetched(second)
    first("cert", "renew", "attic", "--new-key")
    said = second.refuses(66, "bundle", "attic", "--serve")
    assert "is not the key of attic.polkatistas.org that another hub has made" in said
    assert re.search(r"hint: copy \S+/hosts from that hub, or share it", said)
    copied(first, second, "hosts")
    assert fetched(second) == fetched(first) != archive
    shutil.rmtree(second.state / "hosts")
    second.refuses(66, "bundle", "attic", "--serve")


def test_a_revoked_host_gets_nothing_from_either(hubs: tuple[Admin, Admin]) -> None:
    first, second = hubs
    come_home(second)
    first("cert", "revoke", "attic")
    for hub in hubs:
        assert "was revoked on" in hub.refuses(77, "bundle", "attic", "--serve")


def test_a_secret_is_retired_when_the_hosts_of_both_have_the_next(hubs: tuple[Admin, Admin]) -> None:
    first, second = hubs
    come_home(first)
    second("sasl", "rotate", "maildroid")
    for hub in hubs:
        assert f"the new one is not yet on {HOST}" in hub.run("status").out
    come_home(first)
    assert "is not yet on" not in second.run("status").out
    second("sasl", "rotate", "maildroid", "--retire")
    come_home(first)
