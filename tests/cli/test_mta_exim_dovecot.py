"""``smtpcreds mta`` for Exim and Dovecot: what is added by hand is checked, users and rights are known."""

import os
from pathlib import Path

import pytest
from admin import HUB, Admin, issued_hub

CLIENT = ("exim-client", "--host", "attic")
USERS = {"Debian-exim": 122, "dovecot": 123}
SECRETS = "etc/exim4/smtpcreds/passwd.client"
CONFIGURATION = """\
domainlist local_domains = @
begin acl
begin routers
.include /etc/exim4/smtpcreds/client-router.conf
dnslookup:
  driver = dnslookup
begin transports
.include /etc/exim4/smtpcreds/client-transport.conf
begin authenticators
.include /etc/exim4/smtpcreds/client-auth.conf
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("mta") / "root")
    stage("sasl", "add", "maildroid")
    stage("cert", "issue", "attic")
    for name, form in (("passwd", "{0}:x:{1}:{1}::/:/bin/false\n"), ("group", "{0}:x:{1}:\n")):
        (stage.root / "etc" / name).write_text("".join(form.format(*user) for user in USERS.items()))
    return stage.root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def owner(path: Path) -> tuple[str, int]:
    found = path.stat()
    return f"{found.st_mode & 0o777:o}", found.st_gid


def test_files_belong_to_whom_exim_and_dovecot_run_as(stage: Admin) -> None:
    stage("mta", "apply", *CLIENT)
    stage("mta", "apply", "dovecot-hub")
    for name in (SECRETS, "etc/exim4/smtpcreds/key.pem"):
        assert owner(stage.root / name) == ("640", USERS["Debian-exim"])
    assert owner(stage.root / "etc/dovecot/smtpcreds-users") == ("640", USERS["dovecot"])
    (stage.root / "etc/group").write_text("")
    assert "knows no Debian-exim" in stage("mta", "apply", *CLIENT, "--plaintext", status=69)


def test_a_client_host_without_database_takes_what_is_installed(stage: Admin) -> None:
    stage("mta", "apply", *CLIENT)
    (stage.root / "etc/sasldb2").unlink()
    assert not stage.json("mta", "apply", *CLIENT)["changed"]
    (stage.root / SECRETS).unlink()
    assert "on the hub: smtpcreds sasl add maildroid" in stage("mta", "apply", *CLIENT, status=67)


def test_no_secret_is_shown_and_no_verifier(stage: Admin) -> None:
    secret = stage("sasl", "show", "maildroid", "--reveal").strip()
    told = stage("mta", "render", *CLIENT) + stage("mta", "render", "dovecot-hub", "--with", "clear")
    told += stage("mta", "diff", *CLIENT, status=1) + stage("mta", "diff", "dovecot-hub", status=1)
    assert "<secret>" in told
    assert all(text not in told for text in (secret, "PRIVATE KEY", "{PLAIN.b64}", "{SCRAM-SHA-256}"))


def test_check_finds_lines_at_the_wrong_place_and_what_is_beside_them(stage: Admin) -> None:
    options = (*CLIENT, "--with", "hand-written")
    stage("mta", "apply", *options)
    conf = stage.root / "etc/exim4/exim4.conf"
    conf.write_text(CONFIGURATION)
    assert "ok" in stage("mta", "check", *options)

    route = ".include /etc/exim4/smtpcreds/client-router.conf\n"
    conf.write_text(CONFIGURATION.replace(route, "") + route)
    assert "above the router for the mail of other hosts: " in stage("mta", "check", *options, status=1)
    conf.write_text(
        CONFIGURATION.replace("begin transports", f"{route}begin transports").replace(route, "", 1)
    )
    assert "lacks a line" in stage("mta", "check", *options, status=1)
    conf.write_text(CONFIGURATION + "cram_md5:\n  driver = cram_md5\n")
    told = stage("mta", "check", *options, status=1)
    assert "has the authenticator cram_md5: which Exim does not accept beside that of smtpcreds" in told


def test_check_follows_who_may_read_the_accounts(stage: Admin) -> None:
    stage("mta", "apply", "exim-hub")
    database = stage.root / "etc/sasldb2"
    closed = f"{database} is closed to Debian-exim"
    assert closed in stage("mta", "check", "exim-hub", status=1)
    os.chown(database, 0, 45)
    database.chmod(0o640)
    assert closed in stage("mta", "check", "exim-hub", status=1)
    with (stage.root / "etc/group").open("a") as file:
        file.write("sasl:x:45:postfix,Debian-exim\n")
    assert closed not in stage("mta", "check", "exim-hub", status=1)
    (stage.root / "etc").chmod(0o700)
    assert f"{stage.root}/etc is closed to Debian-exim" in stage("mta", "check", "exim-hub", status=1)


def fingerprint(stage: Admin) -> str:
    command = ("x509", "-in", stage.certs / "attic-cert.pem", "-noout", "-fingerprint", "-sha256")
    return stage.openssl(*command).partition("=")[2].strip().replace(":", "").lower()


def test_who_may_relay_ends_with_the_certificate(stage: Admin) -> None:
    options = ("exim-hub", "--relay-host", "attic")
    clients = stage.root / "etc/exim4/smtpcreds/clients"
    stage("mta", "apply", *options)
    assert f"{fingerprint(stage)}: attic.polkatistas.org\n" in clients.read_text()
    former = fingerprint(stage)
    stage("cert", "renew", "attic")
    stage("mta", "apply", *options)
    assert clients.read_text().count(": attic") == 2, "until the new certificate has been carried there"
    stage("cert", "issue", "attic", "--force")
    stage("mta", "apply", *options)
    assert clients.read_text().count(": attic") == 1
    assert former not in clients.read_text(), "its key was replaced"
    assert f"{fingerprint(stage)}: attic.polkatistas.org\n" in clients.read_text()
    stage("cert", "revoke", "attic", "--all")
    stage("mta", "apply", *options)
    assert "attic" not in clients.read_text()
    assert "smtpcreds cert issue tuba" in stage("mta", "apply", "exim-hub", "--relay-host", "tuba", status=66)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("exim-hub", "--with", "split", "--with", "hand-written"), "choose one"),
        (("exim-hub", "--access", "Try_TLS:old NO"), "is for Sendmail"),
        ((*CLIENT, "--mechanism", "SCRAM-SHA-256"), "SCRAM-SHA-256: is not a mechanism of exim-client"),
        (("dovecot-hub", "--saslauthd"), "Dovecot asks PAM by itself"),
        (("exim-hub", "--with", "dovecot", "--saslauthd"), "asks Dovecot; Dovecot asks PAM by itself"),
        (("exim-hub", "--with", "dovecot", "--keytab", "/x"), "--with dovecot asks Dovecot\n"),
        (("dovecot-hub", "--with", "sha512-crypt"), "give --plaintext"),
    ],
)
def test_what_does_not_fit_together_is_refused(stage: Admin, words: tuple[str, ...], told: str) -> None:
    assert told in stage("mta", "apply", *words, status=64)


def test_sasl_conf_for_exim_is_readable_by_it(stage: Admin) -> None:
    with (stage.root / "etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write('[sasl]\ndatabase = "postgresql://db.polkatistas.org/mail"\n')
    path, password = stage.root / "exim.conf", stage.root / "password"
    password.write_text("geheim\n")
    password.chmod(0o600)
    words = ("sasl", "conf", "--program", "exim", "--role-password", f"file:{password}", "--to", path)
    stage(*words)
    assert owner(path) == ("640", USERS["Debian-exim"])
    assert HUB not in path.read_text()


def offered(stage: Admin, *words: str) -> list[str]:
    """Return what Exim offers that asks Dovecot."""
    text = stage("mta", "render", "exim-hub", "--with", "dovecot", *words)
    return [line.split()[-1] for line in text.splitlines() if line.strip().startswith("public_name = ")]


def test_exim_offers_what_dovecot_serves_and_no_more(stage: Admin) -> None:
    """It takes any AUTH and answers 435 where Dovecot lacks the mechanism; msmtp and Exim then stop."""
    assert offered(stage) == ["SCRAM-SHA-256"]
    assert offered(stage, "--mechanism", "CRAM-MD5") == ["CRAM-MD5"], "a Dovecot of the administrator's may"
    stage("mta", "apply", "dovecot-hub", "--with", "exim")
    assert offered(stage, "--plaintext") == ["SCRAM-SHA-256"]
    stage("mta", "apply", "dovecot-hub", "--with", "exim", "--plaintext")
    assert offered(stage, "--plaintext", "--external") == ["EXTERNAL", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    assert "none of which" in stage.refuses(
        64, "mta", "render", "exim-hub", "--with", "dovecot", "--mechanism", "CRAM-MD5"
    )
    stage("mta", "apply", "dovecot-hub", "--with", "exim", "--with", "clear")
    assert offered(stage) == ["SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5"]
