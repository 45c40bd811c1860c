"""A program that can't log in with an account as it is stored is refused, with the way out."""

from pathlib import Path

import pytest
from admin import Admin, issued_hub

CAN = {"sendmail-client", "postfix-client", "msmtp"}
"""Log in by SCRAM-SHA-256."""
CANNOT = {
    "curl": "DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN",
    "swaks": "CRAM-MD5, PLAIN, LOGIN",
    "dma": "CRAM-MD5, LOGIN",
    "exim-client": "CRAM-MD5, PLAIN, LOGIN",
    "nullmailer": "PLAIN, LOGIN",
    "opensmtpd-client": "PLAIN, LOGIN",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = issued_hub(tmp_path_factory.mktemp("hashed") / "root")
    hub.secret("kept", b"S3cret.of.the.scanner")
    for name, how in (("scanner", ()), ("old", ("--scram", "SCRAM-SHA-1"))):
        hub("sasl", "add", name, "--hashed", *how, "--password", f"file:{hub.directory}/kept")
    hub("cert", "issue", "attic")
    return hub.root


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Admin:
    hub = Admin(template).copy(tmp_path / "root")
    hub.secret("kept", b"S3cret.of.the.scanner")
    return hub


def of(hub: Admin, account: str) -> tuple[str, ...]:
    return ("--account", account, "--password", f"file:{hub.directory}/kept")


@pytest.mark.parametrize("name", CANNOT)
def test_what_can_not_log_in_is_refused(hub: Admin, name: str) -> None:
    told = hub.refuses(65, "mta", "apply", name, "--host", "attic", *of(hub, "scanner"))
    assert f"can be served by SCRAM-SHA-256 only, and {name} logs in by {CANNOT[name]}" in told
    assert "smtpcreds sasl passwd scanner --clear" in told
    bundle = ("bundle", "attic", "--mta", name, "--new-key", "-o", "attic.tar")
    assert "can be served by SCRAM-SHA-256 only" in hub.refuses(65, *bundle, *of(hub, "scanner"))


@pytest.mark.parametrize("name", CANNOT)
def test_where_no_secret_helps_none_is_asked_for(hub: Admin, name: str) -> None:
    """The hint was --password SOURCE, and who gave it was refused after that."""
    apply = ("mta", "apply", name, "--host", "attic")
    bundle = ("bundle", "attic", "--mta", name, "--new-key", "-o", "attic.tar")
    for words in (apply, bundle):
        told = hub.refuses(65, *words, "--account", "scanner")
        assert "can be served by SCRAM-SHA-256 only" in told
        assert "--password" not in told


@pytest.mark.parametrize("name", sorted(CAN))
def test_who_can_is_told_to_give_the_secret(hub: Admin, name: str) -> None:
    told = hub.refuses(65, "mta", "apply", name, "--host", "attic", "--account", "scanner")
    assert "say where it is kept with --password SOURCE" in told


@pytest.mark.parametrize("name", sorted(CAN))
def test_its_bundle_sets_a_client_host_up(hub: Admin, tmp_path: Path, name: str) -> None:
    bundle, client = tmp_path / "attic.tar", Admin(tmp_path / "client")
    for file in ("passwd", "group"):
        client.write(f"/etc/{file}", Path(f"/etc/{file}").read_text(), 0o644)
    hub("bundle", "attic", "--mta", name, "--new-key", "-o", bundle, *of(hub, "scanner"))
    client("setup", "--client", bundle)
    assert 'mechanisms = ["SCRAM-SHA-256"]' in client.path("/etc/smtpcreds/smtpcreds.toml").read_text()
    assert client("mta", "diff", name, "--host", "attic") == ""


@pytest.mark.parametrize("name", sorted(CAN))
def test_who_can_tries_nothing_else(hub: Admin, name: str) -> None:
    shown = hub("mta", "render", name, "--host", "attic", *of(hub, "scanner")).lower()
    assert "scram-sha-256" in shown
    assert "cram-md5" not in shown.replace("scram", "")


def test_msmtp_takes_the_mechanism_of_the_account(hub: Admin) -> None:
    told = hub.refuses(65, "mta", "render", "msmtp", "--host", "attic", *of(hub, "old"))
    assert "can be served by SCRAM-SHA-1 only, and what is to be tried is SCRAM-SHA-256, DIGEST" in told
    assert "hint: --mechanism SCRAM-SHA-1, or smtpcreds sasl passwd old --clear" in told
    words = (
        "mta",
        "render",
        "msmtp",
        "--host",
        "attic",
        "--mechanism",
        "SCRAM-SHA-1",
        "--mechanism",
        "PLAIN",
    )
    assert "auth scram-sha-1" in hub(*words, *of(hub, "old"))


def test_the_way_out_is_one(hub: Admin) -> None:
    hub("sasl", "passwd", "scanner", "--clear", "--password", f"file:{hub.directory}/kept")
    hub("mta", "render", "curl", "--host", "attic", "--account", "scanner")


def test_msmtp_leaves_scram_for_the_last(hub: Admin) -> None:
    """libgsasl 2.2 fails it with servers that offer no channel binding, when msmtp is 1.8.26 or later."""
    hub("sasl", "add", "maildroid")
    words = ("mta", "render", "msmtp", "--host", "attic")
    assert "auth digest-md5" in hub(*words)
    assert "auth cram-md5" in hub(*words, "--mechanism", "SCRAM-SHA-256", "--mechanism", "CRAM-MD5")
    assert "auth scram-sha-256" in hub(*words, "--mechanism", "SCRAM-SHA-256")


@pytest.mark.parametrize("head", ["", "dovecot_config_version = 2.4.0\n"], ids=["2.3", "2.4"])
def test_dovecot_that_offers_what_no_hashed_account_is_served_by_is_told(hub: Admin, head: str) -> None:
    hub.write("/etc/group", "dovecot:x:12345:\n", 0o644)
    hub.write("/etc/dovecot/dovecot.conf", f"{head}!include local.conf\n", 0o644)
    hub("mta", "apply", "dovecot-hub", "--with", "clear", "--plaintext", "--edit")
    [found] = hub.json("audit", "--only", "SASL020")["findings"]
    assert found["reason"] == "offers DIGEST-MD5 CRAM-MD5, by which no account of its passdbs can be served"
    names = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
    cure = "mta apply dovecot-hub " + " ".join(f"--mechanism {name}" for name in names)
    assert found["cure"].endswith(cure)
    hub(*cure.split())
    assert hub.json("audit", "--only", "SASL020")["findings"] == []
    assert "auth_mechanisms = scram-sha-256 plain login\n" in said(hub)

    hub("sasl", "add", "maildroid")
    hub("mta", "apply", "dovecot-hub", "--mechanism", "CRAM-MD5", "--plaintext")
    assert hub.json("audit", "--only", "SASL020")["findings"] == []


def said(hub: Admin) -> str:
    return hub.path("/etc/dovecot/smtpcreds-auth.conf").read_text()


def test_what_is_typed_for_client_hosts_of_an_account_that_loses_its_clear_text(hub: Admin) -> None:
    """The commands were refused: curl can't log in by SCRAM, and nobody can read the secret back."""

    def behind() -> dict[str, str]:
        found = hub.run("--json", "audit", "--only", "SASL024").data["findings"]
        return {f["subject"].partition(".")[0]: f["cure"].partition("; then ")[0] for f in found}

    hub("sasl", "add", "maildroid")
    for name in ("curl", "postfix-client"):
        hub("bundle", name, "--mta", name, "-o", f"{name}.tar")
    source = f"file:{hub.directory}/kept"
    ran = hub("sasl", "passwd", "maildroid", "--hashed", "--password", source)
    told = behind()
    assert all(command in ran.out for command in told.values())
    hub(*told["postfix-client"].replace("SOURCE", source).split()[1:])
    assert [*behind()] == ["curl"]
    for command in told["curl"].split(" && "):
        hub(*command.split()[1:])
    (left,) = behind().values()  # that of the other host, since there is another secret
    hub(*left.split()[1:])
    assert behind() == {}
