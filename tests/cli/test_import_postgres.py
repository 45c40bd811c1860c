"""``sasl import`` and ``export`` on accounts in PostgreSQL. Debian: postgresql."""

import re
from pathlib import Path

import pytest
from admin import HUB, Admin
from postgres_cluster import Cluster

from smtpcreds.passwords import derive_scram
from smtpcreds.sasldb.opening import open_store
from smtpcreds.secret import Secret

from .bulk_scene import bulk_hub, key

EVERYTHING = {
    key("maildroid"): b"Ch1mp? ,03fuzz fl0ppi",
    key("attic", "other.example"): b"a\"b\\c'd",
    key("attic", "other.example", "cmusaslsecretOTP"): b"md5\t0499\tse1234\t0123\t0",
    key("hashed", HUB, "authPassword"): derive_scram(Secret("hashed-secret")).cyrus(),
    key('käse kuchen, "x"'): "ümlaut-secret ☃".encode(),
}
BINARY = b'{"user": "binary", "properties": {"cmusaslsecretPLAIN": "czNjcmV0/w=="}}\n'
GOOD = b'{"user": "good", "password": "fine-s3cret"}\n'


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return bulk_hub(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_imports_to_the_same_table(
    admin: Admin, postgres: Cluster, name: str, url: str, kind: str
) -> None:
    open_store(url).apply(lambda _: EVERYTHING)
    admin("sasl", "export", "--database", url, "--as", kind, "--reveal", "--to", "all")
    postgres.run(name, "DROP TABLE smtpcreds_sasl")
    done = admin("--json", "sasl", "import", "all", "--database", url, "--allow-odd-names").data
    assert (done["database"], len(done["added"]), done["refused"]) == (url, 4, [])
    assert postgres.accounts(name) == EVERYTHING


def test_a_table_is_imported_like_a_database_file(admin: Admin, url: str) -> None:
    assert "holds no accounts yet" in admin.run("sasl", "import", url).err
    open_store(url).apply(lambda _: EVERYTHING)
    before = admin("sasl", "import", url, "-n").out
    assert f"would add hashed@{HUB}  ({admin.database})" in before.splitlines()
    admin("sasl", "import", url, "--as", "sasldb")
    assert admin.records() == EVERYTHING
    wrong = admin.run("sasl", "import", url, "--as", "csv")
    assert (wrong.status, "--as: says csv, and the source is PostgreSQL" in wrong.err) == (64, True)
    secret = admin.run("sasl", "import", "postgresql://u:pw5ecret@db/mail")
    assert (secret.status, "carries a password" in secret.err, "pw5ecret" in secret.err) == (64, True, False)


def test_conflicts(admin: Admin, postgres: Cluster, name: str, url: str) -> None:
    otp = key("maildroid", HUB, "cmusaslsecretOTP")
    old = {key("maildroid"): b"old", otp: b"otp", key("attic"): b"same"}
    open_store(url).apply(lambda _: old)
    words = ("sasl", "import", admin.write("new", b"new,fr3sh\nmaildroid,changed\nattic,same\n"))
    failed = admin.run(*words, "--database", url)
    assert (failed.status, f"maildroid@{HUB} exists with other content" in failed.err) == (65, True)
    assert postgres.accounts(name) == old
    done = admin("--json", *words, "--database", url, "--on-conflict", "replace").data
    counts = {group: len(done[group]) for group in ("added", "replaced", "skipped")}
    assert counts == {"added": 1, "replaced": 1, "skipped": 1}
    new = {key("new"): b"fr3sh", key("maildroid"): b"changed", key("attic"): b"same"}
    assert postgres.accounts(name) == new


def test_what_the_table_can_t_hold_is_refused_by_line(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    words = ("sasl", "import", admin.write("some", BINARY + GOOD), "--database", url)
    reason = f"some: line 1: binary@{HUB}: its cmusaslsecretPLAIN is binary"
    before = len(postgres.log)
    for more in ((), ("-n",)):
        refused = admin.run(*words, *more)
        assert (refused.status, reason in refused.err) == (65, True)
    assert postgres.run(name, "SELECT to_regclass('smtpcreds_sasl')") == [(None,)]
    done = admin(*words, "--skip-bad")
    assert f"warning: {admin.directory}/{reason}" in done.err
    assert postgres.accounts(name) == {key("good"): b"fine-s3cret"}
    assert "s3cret" not in done.err + done.out + postgres.log[before:]


def test_what_lmdb_can_t_hold_is_refused_by_line(admin: Admin) -> None:
    settings = admin.root / "etc/smtpcreds/smtpcreds.toml"
    settings.write_text(settings.read_text() + '[sasl]\nformat = "lmdb"\n')
    user, realm = "u" * 250, "r" * 248 + ".x"
    refused = admin.run("sasl", "import", "-", stdin=f"{user},s3cret,{realm}\n".encode())
    assert refused.status == 65
    assert f"line 1: {user}@{realm}: has a key of 514 octets, too long for lmdb" in refused.err


def test_ten_thousand_come_in_with_as_many_statements_as_two(
    admin: Admin, postgres: Cluster, name: str, url: str
) -> None:
    counts = []
    for number in (2, 10_000):
        postgres.emptied()
        admin.write("many", b"".join(b"user%d,secret-%d\n" % (n, n) for n in range(number)))
        before = len(postgres.log)
        admin("sasl", "import", "many", "--no-header", "--database", url)
        log = postgres.log[before:]
        counts.append(len(re.findall(r"(?:statement|execute [^:]*):", log)))
        assert len(postgres.accounts(name)) == number
    assert counts[0] == counts[1] < 40
    assert "secret-9999" not in log


def test_a_password_in_a_url_is_never_shown(admin: Admin) -> None:
    url = "postgresql://u:pw5ecret@db/mail"
    for words in (("list",), ("add", "x", "--format", "bdb"), ("import", "-", "--no-header"), ("export",)):
        done = admin.run("sasl", *words, "--database", url, stdin=b"maildroid,secret\n")
        assert (done.status, "carries a password" in done.err, "pw5ecret" in done.err) == (64, True, False)
