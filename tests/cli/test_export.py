"""cert export: read by those it is made for."""

import stat
import subprocess
from pathlib import Path

import pytest
from admin import DOMAIN, Admin
from admin import HUB as HOST

from .other_ca import host_of_domain, mode, openssl, public_key, run

PASSWORD = "Rosamunde.of-the~hills"


@pytest.fixture(scope="module")
def hub_once(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    hub = host_of_domain(tmp_path_factory.mktemp("hub") / "host")
    hub("ca", "init", "--intermediate", "--no-passphrase")
    hub("cert", "issue", "dmzmail", "attic")
    return hub


@pytest.fixture
def hub(hub_once: Admin, tmp_path: Path) -> Admin:
    return hub_once.copy(tmp_path / "hub")


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    return f"file:{path}"


def exported(hub: Admin, target: Path, *words: str) -> Path:
    said = hub.json("cert", "export", "dmzmail", *words, "--to", str(target))
    assert said["file"] == str(target)
    assert mode(target) == 0o600
    return target


def certificates(text: str) -> int:
    return text.count("-----BEGIN CERTIFICATE-----")


def test_pem_is_what_is_installed(hub_once: Admin) -> None:
    installed = (hub_once.certs / "dmzmail-cert.pem").read_text()
    assert hub_once("cert", "export", "dmzmail").out == installed
    assert hub_once("--quiet", "cert", "export", "dmzmail").out == installed
    assert hub_once.json("cert", "export", "dmzmail")["pem"] == installed
    assert certificates(installed) == 2


def test_pem_with_the_key_first(hub: Admin, tmp_path: Path) -> None:
    target = exported(hub, tmp_path / "all.pem", "--with-key")
    key = (hub.certs / "dmzmail-key.pem").read_bytes()
    assert target.read_bytes() == key + (hub.certs / "dmzmail-cert.pem").read_bytes()


def test_pem_with_an_encrypted_key(hub: Admin, tmp_path: Path, password: str) -> None:
    target = exported(hub, tmp_path / "all.pem", "--with-key", "--password", password)
    assert target.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    opened = openssl("pkey", "-in", target, "-passin", password, "-pubout")
    assert opened == public_key(hub.certs / "dmzmail-cert.pem")


def test_der(hub: Admin, tmp_path: Path) -> None:
    target = exported(hub, tmp_path / "host.cer", "--format", "der")
    pem = openssl("x509", "-inform", "DER", "-in", target)
    assert (hub.certs / "dmzmail-cert.pem").read_text().startswith(pem)
    words = hub.command("cert", "export", "dmzmail", "--format", "der")
    done = subprocess.run([str(word) for word in words], capture_output=True, check=True)
    assert done.stdout == target.read_bytes()


@pytest.fixture(scope="module")
def bundles(hub_once: Admin, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("p12")
    forms = ("p12", "p12-compat")
    for form in forms:
        words = ("cert", "export", "dmzmail", "--format", form, "--to", directory / form)
        hub_once(*words, "--password", "env:EXPORT", env={"EXPORT": PASSWORD})
    return {form: directory / form for form in forms}


@pytest.mark.parametrize(("form", "legacy"), [("p12", []), ("p12-compat", ["-legacy"])])
def test_pkcs12_for_openssl(hub_once: Admin, bundles: dict[str, Path], form: str, legacy: list[str]) -> None:
    text = openssl("pkcs12", "-in", bundles[form], *legacy, "-passin", f"pass:{PASSWORD}", "-noenc")
    assert certificates(text) == 3
    assert f"friendlyName: {HOST}" in text
    key = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=text, capture_output=True, text=True, check=True
    )
    assert key.stdout == public_key(hub_once.certs / "dmzmail-cert.pem")
    wrong = run("openssl", "pkcs12", "-in", bundles[form], *legacy, "-passin", "pass:wrong", "-noenc")
    assert "invalid password" in wrong.stderr


@pytest.mark.parametrize("form", ["p12", "p12-compat"])
def test_pkcs12_for_gnutls_java_and_nss(bundles: dict[str, Path], form: str, tmp_path: Path) -> None:
    gnutls = run("certtool", "--p12-info", "--inder", "--infile", bundles[form], "--password", PASSWORD)
    assert gnutls.stdout.count("BEGIN CERTIFICATE") == 3
    assert "PRIVATE KEY-----" in gnutls.stdout
    java = run(
        "keytool", "-list", "-v", "-storetype", "PKCS12", "-keystore", bundles[form], "-storepass", PASSWORD
    )
    assert "Entry type: PrivateKeyEntry" in java.stdout
    assert "Certificate chain length: 3" in java.stdout
    nss = f"sql:{tmp_path}"
    assert run("certutil", "-N", "-d", nss, "--empty-password").returncode == 0
    done = run("pk12util", "-i", bundles[form], "-d", nss, "-W", PASSWORD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert HOST in run("certutil", "-K", "-d", nss).stdout


def test_an_export_with_the_key_is_recorded(hub: Admin, tmp_path: Path) -> None:
    from smtpcreds.inventory.inventory import open_inventory

    exported(hub, tmp_path / "with.pem", "--with-key")
    exported(hub, tmp_path / "without.pem")
    with open_inventory(str(hub.root / "var/lib/smtpcreds/inventory.sqlite3"), read_only=True) as inventory:
        events = [event for event in inventory.events() if str(tmp_path) in event.detail]
    (event,) = events
    assert (event.what, event.subject) == ("cert export", HOST)
    assert event.detail == f"key as pem to {tmp_path}/with.pem"


def test_a_key_goes_to_standard_output_only_where_nobody_reads_it(hub: Admin, tmp_path: Path) -> None:
    words = hub.command("cert", "export", "dmzmail", "--with-key")
    piped = subprocess.run(words, capture_output=True, text=True, check=True)
    assert piped.stdout.startswith("-----BEGIN PRIVATE KEY-----")
    assert piped.stderr == ""
    path = tmp_path / "open"
    for allowed, status in ((0o644, 77), (0o600, 0)):
        path.touch()
        path.chmod(allowed)
        with path.open("w") as file:
            done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, check=False)
        assert done.returncode == status
        assert bool(path.read_text()) is (status == 0)
    assert "a secret is not printed as JSON" in hub.refuses(
        64, "--json", "cert", "export", "dmzmail", "--with-key"
    )


def test_what_does_not_fit_together(hub_once: Admin, tmp_path: Path, password: str) -> None:
    """Without a terminal, nobody can be asked for a password."""
    for words, reason in {
        ("--format", "p12"): "this form needs one",
        ("--format", "p12", "--password", "generate:"): "a generated one would be unknown to everybody",
        ("--password", password): "has no key to protect",
        ("--format", "der", "--with-key"): "der holds a certificate and nothing else",
        ("--format", "pfx"): "'pfx' is not one of",
        ("--format", "p12", "--password", PASSWORD): "unknown; use ",
    }.items():
        refused = hub_once.refuses(64, "cert", "export", "dmzmail", *words, "--to", tmp_path / "x")
        assert reason in refused
        assert PASSWORD not in refused
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("secret", ["pass\u00f6rd", "two\nlines"])
def test_passwords_that_programs_disagree_on(hub_once: Admin, tmp_path: Path, secret: str) -> None:
    words = (
        "cert",
        "export",
        "dmzmail",
        "--format",
        "p12",
        "--to",
        tmp_path / "x",
        "--password",
        "env:EXPORT",
    )
    refused = hub_once.refuses(65, *words, env={"EXPORT": secret})
    assert secret not in refused
    assert not (tmp_path / "x").exists()


def test_a_file_that_is_there_stays_unless_forced(hub: Admin, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("mine")
    target.chmod(0o644)
    hub.refuses(73, "cert", "export", "dmzmail", "--with-key", "--to", target)
    assert target.read_text() == "mine"
    exported(hub, target, "--with-key", "--force")


def test_the_key_must_be_here_and_belong(hub: Admin, tmp_path: Path) -> None:
    key = hub.certs / "dmzmail-key.pem"
    key.write_bytes((hub.certs / "attic-key.pem").read_bytes())
    words = ("cert", "export", "dmzmail", "--with-key", "--to", tmp_path / "x")
    assert "is not the key of" in hub.refuses(65, *words)
    key.unlink()
    assert "its key is not in" in hub.refuses(66, *words)
    assert not (tmp_path / "x").exists()


def test_an_older_certificate_by_its_serial(hub: Admin) -> None:
    before = (hub.certs / "attic-cert.pem").read_text()
    serial = (
        openssl("x509", "-in", hub.certs / "attic-cert.pem", "-noout", "-serial").strip().partition("=")[2]
    )
    hub("cert", "issue", "attic", "--force")
    assert hub("cert", "export", serial).out == before
    assert hub("cert", "export", f"attic.{DOMAIN}").out != before


def test_dry_run(hub_once: Admin, tmp_path: Path) -> None:
    words = ("cert", "export", "dmzmail", "--with-key", "--to", tmp_path / "x")
    step, row = hub_once.json("--dry-run", *words)["plan"]
    assert (row["action"], row["note"]) == ("record in", "events: 1 added")
    assert (step["action"], step["target"], step["mode"]) == ("write", str(tmp_path / "x"), "0600")
    assert not (tmp_path / "x").exists()
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
