"""A key here, a certificate from elsewhere: cert request and cert install."""

import os
import sys
from pathlib import Path

import pytest
from admin import DOMAIN, TOP, Admin
from admin import HUB as HOST
from manual_examples import page_lines

from smtpcreds.inventory.inventory import open_inventory

from .other_ca import (
    BOTH,
    CLIENT,
    NEW_KEY,
    SERVER,
    OtherCa,
    host_of_domain,
    is_pair,
    mode,
    openssl,
    other_ca,
    public_key,
    request_of,
    run,
    tree,
    verified,
)


@pytest.fixture
def host(tmp_path: Path) -> Admin:
    return host_of_domain(tmp_path / "host")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> OtherCa:
    return other_ca(tmp_path_factory.mktemp("other") / "ca")


@pytest.fixture(scope="module")
def hub_once(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    hub = host_of_domain(tmp_path_factory.mktemp("hub") / "host")
    hub("ca", "init", "--no-passphrase")
    hub("cert", "issue", "dmzmail", "attic")
    return hub


@pytest.fixture
def hub(hub_once: Admin, tmp_path: Path) -> Admin:
    """A host with an authority of its own and two pairs."""
    return hub_once.copy(tmp_path / "hub")


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    """A host whose request waits; only for commands that are refused."""
    waiting = host_of_domain(tmp_path_factory.mktemp("asked") / "host")
    waiting("cert", "request", "dmzmail")
    return waiting


def csr(host: Admin) -> Path:
    return host.certs / "dmzmail.csr"


def text_of(request: Path) -> str:
    return openssl("req", "-in", request, "-verify", "-noout", "-text")


def test_request(host: Admin) -> None:
    done = host(
        "cert", "request", "dmzmail", "--san", "mail", "--san", "192.0.2.25", "--san", f"*.{DOMAIN}"
    ).out
    key = host.certs / "dmzmail-key.pem"
    assert (mode(host.certs), mode(key), mode(csr(host))) == (0o700, 0o600, 0o600)
    assert public_key(key) == public_key(csr(host))
    said = text_of(csr(host))
    assert f"DNS:{HOST}, DNS:mail.{DOMAIN}, DNS:*.{DOMAIN}, IP Address:192.0.2.25" in said
    assert f"Subject: CN={HOST}" in said.replace("CN = ", "CN=")  # OpenSSL before 3.2 has blanks
    assert "prime256v1" in said
    assert "next: send the request to the CA; then: smtpcreds cert install FILE" in done


def test_the_same_request_again_changes_nothing_and_another_keeps_the_key(host: Admin) -> None:
    host("cert", "request", "dmzmail")
    before = tree(host.certs)
    again = host.json("cert", "request", HOST)
    assert tree(host.certs) == before
    assert (again["made_key"], again["changed"]) == (False, False)
    assert again["pem"] == csr(host).read_text()
    other = host.json("cert", "request", "dmzmail", "--san", "mail")
    assert (other["made_key"], other["changed"], other["names"]) == (False, True, [HOST, f"mail.{DOMAIN}"])
    key = str(host.certs / "dmzmail-key.pem")
    assert tree(host.certs)[key] == before[key]
    assert public_key(csr(host)) == public_key(Path(key))


def test_a_waiting_key_is_replaced_by_force_only(host: Admin) -> None:
    host("cert", "request", "dmzmail")
    old = public_key(csr(host))
    assert "is a P-256 key that is there already" in host.refuses(
        73, "cert", "request", "dmzmail", "--key-type", "rsa2048"
    )
    refused = host.refuses(73, "cert", "request", "dmzmail", "--new-key")
    assert "waits for the answer of another CA" in refused
    host("cert", "request", "dmzmail", "--key-type", "rsa2048", "--new-key", "--force")
    assert public_key(csr(host)) != old
    assert "2048 bit" in text_of(csr(host))


def test_dry_run_says_what_and_does_nothing(host: Admin) -> None:
    plan = host.json("--dry-run", "cert", "request", "dmzmail")["plan"]
    assert [(step["target"], step["mode"]) for step in plan if step["action"] == "write"] == [
        (f"{host.root}/var/lib/smtpcreds/lock", "0600"),
        (f"{host.root}/var/lib/smtpcreds/inventory.sqlite3", "0600"),
        (f"{host.certs}/dmzmail-key.pem", "0600"),
        (f"{host.certs}/dmzmail.csr", "0600"),
    ]
    assert (str(host.certs), "0700") in [(step["target"], step["mode"]) for step in plan]
    assert not host.certs.exists()
    assert not (host.root / "var").exists()


def test_a_damaged_key_is_not_replaced_by_a_new_one(host: Admin) -> None:
    host("cert", "request", "dmzmail")
    (host.certs / "dmzmail-key.pem").write_text("gone\n")
    assert "holds no private key" in host.refuses(65, "cert", "request", "dmzmail")


def test_a_request_does_not_touch_the_pair_in_use(hub: Admin, ca: OtherCa) -> None:
    host = hub
    pair = {path: path.read_bytes() for path in host.certs.glob("dmzmail-*.pem")}
    same = host.json("cert", "request", "dmzmail")
    assert same["made_key"] is False
    assert public_key(csr(host)) == public_key(host.certs / "dmzmail-cert.pem")
    host("cert", "request", "dmzmail", "--new-key")
    assert {path: path.read_bytes() for path in host.certs.glob("dmzmail-*.pem")} == pair
    waiting = host.certs / "dmzmail-key.pem.new"
    assert mode(waiting) == 0o600
    assert public_key(waiting) == public_key(csr(host)) != public_key(host.certs / "dmzmail-cert.pem")

    host("cert", "install", ca.answer(csr(host)), "--ca", ca.certificate)
    assert is_pair(host.certs)
    assert public_key(host.certs / "dmzmail-cert.pem") == public_key(csr(host))
    assert not waiting.exists()


def test_install_and_use(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    host("cert", "request", "attic")
    done = host("cert", "install", ca.answer(csr(host)), "--ca", ca.certificate).out
    assert f"{HOST}: relay certificate of CN=Other CA, valid to" in done
    assert "cacert.pem now also holds CN=Other CA" in done
    certificate = host.certs / "dmzmail-cert.pem"
    assert is_pair(host.certs)
    assert {mode(path) for path in host.certs.iterdir() if not path.is_symlink()} == {0o600}
    for purpose in ("sslserver", "sslclient"):
        assert ": OK" in verified(certificate, host.certs, purpose)
    gnutls = run(
        "certtool",
        "--verify",
        "--verify-hostname",
        HOST,
        "--load-ca-certificate",
        host.certs / "cacert.pem",
        "--infile",
        certificate,
    )
    assert gnutls.returncode == 0, gnutls.stdout
    (row,) = host.json("cert", "list")["certificates"]
    assert (row["host"], row["profile"], row["state"], row["days_left"]) == (HOST, "relay", "issued", 89)
    assert row["certificate"] == str(certificate)
    assert host.run("cert", "verify", "dmzmail").status == 0


def test_both_authorities_stay_in_the_bundle(hub: Admin, ca: OtherCa) -> None:
    host = hub
    host("cert", "request", "dmzmail")
    host("cert", "install", ca.answer(csr(host)), "--ca", ca.certificate)
    first = (host.certs / "cacert.pem").read_bytes()
    ours = (host.root / "var/lib/smtpcreds/ca/ca-cert.pem").read_bytes()
    assert first == ours + ca.certificate.read_bytes()
    host("cert", "issue", "cellar")
    host("cert", "issue", "attic", "--force")
    assert (host.certs / "cacert.pem").read_bytes() == first
    for stem in ("dmzmail", "attic", "cellar"):
        assert ": OK" in verified(host.certs / f"{stem}-cert.pem", host.certs)


def test_our_ca_joins_a_bundle_that_was_there_first(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    host("cert", "install", ca.answer(csr(host)), "--ca", ca.certificate)
    host("ca", "init", "--no-passphrase")
    host("cert", "issue", "attic")
    for stem in ("dmzmail", "attic"):
        assert ": OK" in verified(host.certs / f"{stem}-cert.pem", host.certs)


def test_an_intermediate_goes_into_both_files(host: Admin, tmp_path: Path) -> None:
    root = other_ca(tmp_path / "root", "Other Root")
    issuing = root.below("Other Issuing CA")
    host("cert", "request", "dmzmail")
    answer = issuing.answer(csr(host))
    assert "the certificate of the issuer (CN=Other Issuing CA) was not found" in host.refuses(
        65, "cert", "install", answer, "--ca", root.certificate
    )
    host("cert", "install", answer, "--chain", issuing.certificate, "--ca", root.certificate)
    installed = (host.certs / "dmzmail-cert.pem").read_bytes()
    assert installed == answer.read_bytes() + issuing.certificate.read_bytes()
    bundle = (host.certs / "cacert.pem").read_bytes()
    assert bundle == issuing.certificate.read_bytes() + root.certificate.read_bytes()
    assert ": OK" in verified(host.certs / "dmzmail-cert.pem", host.certs)


def test_an_answer_with_everything_in_one_file_in_any_order(host: Admin, tmp_path: Path) -> None:
    root = other_ca(tmp_path / "root", "Other Root")
    issuing = root.below("Other Issuing CA")
    host("cert", "request", "dmzmail")
    parts = (root.certificate, issuing.answer(csr(host)), issuing.certificate)
    together = tmp_path / "together.pem"
    together.write_bytes(b"Dear customer,\n" + b"\n".join(path.read_bytes() for path in parts))
    host("cert", "install", together)
    assert ": OK" in verified(host.certs / "dmzmail-cert.pem", host.certs)


def test_an_answer_in_der(host: Admin, ca: OtherCa, tmp_path: Path) -> None:
    host("cert", "request", "dmzmail")
    der = tmp_path / "answer.cer"
    openssl("x509", "-in", ca.answer(csr(host)), "-outform", "DER", "-out", der)
    host("cert", "install", der, "--ca", ca.certificate)
    assert is_pair(host.certs)


def test_only_what_leads_to_the_host_is_trusted(host: Admin, ca: OtherCa, tmp_path: Path) -> None:
    """As with the file of all public CAs."""
    host("cert", "request", "dmzmail")
    many = tmp_path / "many.pem"
    many.write_bytes(
        other_ca(tmp_path / "another", "Another CA").certificate.read_bytes() + ca.certificate.read_bytes()
    )
    host("cert", "install", ca.answer(csr(host)), "--ca", many)
    assert (host.certs / "cacert.pem").read_bytes() == ca.certificate.read_bytes()


@pytest.mark.parametrize(
    ("names", "usage", "reason"),
    [
        ((HOST,), SERVER, "is not for TLS clients (extendedKeyUsage)"),
        ((HOST,), CLIENT, "is not for TLS servers (extendedKeyUsage)"),
        ((HOST,), "emailProtection", "is not for TLS servers and TLS clients (extendedKeyUsage)"),
        (("other.polkatistas.org",), BOTH, f"is not for {HOST}; it holds other.polkatistas.org"),
    ],
)
def test_names_and_roles_must_fit(
    asked_once: Admin, ca: OtherCa, names: tuple[str, ...], usage: str, reason: str
) -> None:
    answer = ca.answer(csr(asked_once), names, usage)
    assert reason in asked_once.refuses(65, "cert", "install", answer, "--ca", ca.certificate)


def test_the_chain_must_close(asked_once: Admin, ca: OtherCa, tmp_path: Path) -> None:
    answer = ca.answer(csr(asked_once))
    refused = asked_once.refuses(65, "cert", "install", answer)
    assert "the certificate of the issuer (CN=Other CA) was not found" in refused
    assert "--ca FILE" in refused
    namesake = other_ca(tmp_path / "namesake")
    refused = asked_once.refuses(65, "cert", "install", answer, "--ca", namesake.certificate)
    assert "the signature is not by the key of CN=Other CA that is known here" in refused


def test_the_dates_must_fit(asked_once: Admin, ca: OtherCa) -> None:
    for clock, reason in (("100 days ago", "expired on"), ("2 days", "is not valid before")):
        answer = ca.answer(csr(asked_once), clock=clock)
        assert reason in asked_once.refuses(65, "cert", "install", answer, "--ca", ca.certificate)


def test_the_key_must_fit(asked_once: Admin, ca: OtherCa, tmp_path: Path) -> None:
    elsewhere = host_of_domain(tmp_path / "elsewhere")
    elsewhere("cert", "request", "dmzmail")
    answer = ca.answer(csr(elsewhere))
    words = ("cert", "install", answer, "--ca", ca.certificate)
    assert f"does not belong to any key in {asked_once.certs}" in asked_once.refuses(65, *words)
    assert "does not belong to the key of dmzmail" in asked_once.refuses(65, *words, "--host", "dmzmail")
    assert "there is no key to install it with" in asked_once.refuses(66, *words, "--host", "attic")


def test_an_answer_that_signs_itself_is_trusted_by_nobody(asked_once: Admin, tmp_path: Path) -> None:
    key, answer = asked_once.certs / "dmzmail-key.pem", tmp_path / "self.pem"
    subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    openssl("req", "-x509", "-key", key, "-out", answer, *subject)
    assert "is self-signed and not trusted" in asked_once.refuses(65, "cert", "install", answer)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_what_is_no_certificate(asked_once: Admin, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answer.pem"
    path.write_bytes(content)
    assert str(path) in asked_once.refuses(65, "cert", "install", path)
    asked_once.refuses(66, "cert", "install", tmp_path / "missing.pem")


def test_server_role_alone_when_told_so(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    answer = ca.answer(csr(host), usage=SERVER)
    host("cert", "install", answer, "--server", "--ca", ca.certificate)
    (row,) = host.json("cert", "list")["certificates"]
    assert row["profile"] == "server"


def test_another_directory(host: Admin, ca: OtherCa, tmp_path: Path) -> None:
    place = tmp_path / "attic"
    host("cert", "request", "attic", "--to", place)
    answer = ca.answer(place / "attic.csr", (f"attic.{DOMAIN}",))
    host("cert", "install", answer, "--to", place, "--ca", ca.certificate)
    assert is_pair(place, "attic")
    assert mode(place) == 0o700
    assert not host.certs.exists()


def test_the_next_certificate_replaces_the_one_before(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    for days in (10, 90):
        answer = ca.answer(csr(host), days=days)
        host("cert", "install", answer, "--ca", ca.certificate)
    assert (host.certs / "dmzmail-cert.pem").read_bytes() == answer.read_bytes()
    assert [row["days_left"] for row in host.json("cert", "list")["certificates"]] == [89]
    assert [row["days_left"] for row in host.json("cert", "list", "--all")["certificates"]] == [9, 89]


def test_installing_twice_changes_nothing(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    answer = ca.answer(csr(host))
    host("cert", "install", answer, "--ca", ca.certificate)
    before = tree(host.certs)
    assert host.json("cert", "install", answer)["trusted"] == []
    assert tree(host.certs) == before
    assert len(host.json("cert", "list", "--all")["certificates"]) == 1


def test_our_own_authority_on_another_host(host: Admin, tmp_path: Path) -> None:
    """The request travels to the CA's host, and the answer back."""
    client = host_of_domain(tmp_path / "client")
    host("ca", "init", "--intermediate", "--no-passphrase")
    client("cert", "request", "attic")
    answer = tmp_path / "attic.pem"
    host("cert", "sign", client.certs / "attic.csr", "--server", "--client", "--to", answer)
    parents = host.root / "var/lib/smtpcreds/ca/parents.pem"
    client("cert", "install", answer, "--ca", parents)
    assert is_pair(client.certs, "attic")
    assert ": OK" in verified(client.certs / "attic-cert.pem", client.certs)
    host("cert", "request", "dmzmail")
    host("cert", "sign", csr(host), "--server", "--client", "--to", tmp_path / "dmzmail.pem")
    host("cert", "install", tmp_path / "dmzmail.pem")
    rows = {row["host"]: row for row in host.json("cert", "list", "--all")["certificates"]}
    assert rows[HOST]["certificate"] == str(host.certs / "dmzmail-cert.pem")
    assert rows[f"attic.{DOMAIN}"]["certificate"] is None


def test_a_revoked_certificate_does_not_come_back(host: Admin, ca: OtherCa) -> None:
    host("cert", "request", "dmzmail")
    answer = ca.answer(csr(host))
    host("cert", "install", answer, "--ca", ca.certificate)
    with open_inventory(str(host.root / "var/lib/smtpcreds/inventory.sqlite3")) as inventory:
        (row,) = inventory.find(HOST)
        inventory.revoke(row.authority, row.serial, row.not_before, "superseded")
    assert "is revoked" in host.refuses(65, "cert", "install", answer)


def test_a_bundle_that_others_can_write_to_is_not_believed(hub: Admin, ca: OtherCa) -> None:
    host = hub
    bundle = host.certs / "cacert.pem"
    bundle.write_bytes(bundle.read_bytes() + ca.certificate.read_bytes())
    bundle.chmod(0o666)
    assert "others can write to it" in host.refuses(77, "cert", "issue", "cellar")
    bundle.chmod(0o644)
    host("cert", "issue", "cellar")
    assert mode(bundle) == 0o600
    assert ca.certificate.read_bytes() in bundle.read_bytes()


def test_a_link_in_the_place_of_the_certificate_is_refused(host: Admin, ca: OtherCa, tmp_path: Path) -> None:
    host("cert", "request", "dmzmail")
    os.symlink(tmp_path / "elsewhere", host.certs / "dmzmail-cert.pem")
    answer = ca.answer(csr(host))
    assert "is a symbolic link" in host.refuses(77, "cert", "install", answer, "--ca", ca.certificate)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("place", [1, 4])
def test_killed_at_a_rename_the_next_command_completes_it(hub: Admin, ca: OtherCa, place: int) -> None:
    """Renamed are bundle, its link, key and certificate; a kill comes before the rename of that number."""
    host = hub
    host("cert", "request", "dmzmail", "--new-key")
    answer = ca.answer(csr(host))
    words = ("cert", "install", answer, "--ca", ca.certificate)
    assert host.killed(f"renameat:signal=KILL:when={place}", *words)
    done = host.run("cert", "issue", "cellar")
    assert done.status == 0
    assert f"{HOST}: an interrupted run left its certificate unfinished; it is in place now" in done.err
    assert is_pair(host.certs)
    assert public_key(host.certs / "dmzmail-cert.pem") == public_key(answer)
    for stem in ("dmzmail", "attic"):
        assert ": OK" in verified(host.certs / f"{stem}-cert.pem", host.certs)
    assert host.run("cert", "verify", "dmzmail").status == 0
    assert not list(host.certs.glob("*.new"))
    assert not list(host.certs.glob(".*"))


def test_a_request_that_was_killed_between_its_files_goes_on_with_its_key(host: Admin) -> None:
    assert host.killed("renameat:signal=KILL:when=2", "cert", "request", "dmzmail")
    key = host.certs / "dmzmail-key.pem"
    assert key.exists()
    assert not csr(host).exists()
    made = key.read_bytes()
    host("cert", "request", "dmzmail")
    assert key.read_bytes() == made
    assert public_key(csr(host)) == public_key(key)


def test_the_peer_makes_another_key_each_time(tmp_path: Path) -> None:
    """The tests above would prove nothing if all keys were one."""
    for number in (1, 2):
        openssl(
            "req",
            "-new",
            *NEW_KEY,
            "-keyout",
            tmp_path / f"{number}.key",
            "-subj",
            "/CN=x",
            "-out",
            "/dev/null",
        )
    assert public_key(tmp_path / "1.key") != public_key(tmp_path / "2.key")


# A pair that another program made, as certbot does.


def lineage(directory: Path, ca: OtherCa, name: str = HOST) -> Path:
    """``live/NAME`` of certbot: symbolic links to the newest files of ``archive/NAME``."""
    live, archive = directory / "live" / name, directory / "archive" / name
    for place in (live, archive):
        place.mkdir(parents=True, exist_ok=True)
    number = len(list(archive.glob("privkey*"))) + 1
    request = request_of(directory, f"/CN={name}")
    key, chain = archive / f"privkey{number}.pem", archive / f"fullchain{number}.pem"
    request.with_suffix(".key").rename(key)
    key.chmod(0o600)
    ca.answer(request, (name,), SERVER).rename(chain)
    for link, target in (("privkey.pem", key), ("fullchain.pem", chain)):
        (live / link).unlink(missing_ok=True)
        (live / link).symlink_to(f"../../archive/{name}/{target.name}")
    return live


def test_certbots_pair_is_installed_and_follows_each_renewal(
    host: Admin, ca: OtherCa, tmp_path: Path
) -> None:
    host.configure()
    hook = host.write("hook", certbot_hook(host.root, ca.certificate), 0o755)
    for renewal in range(2):
        live = lineage(tmp_path / "letsencrypt", ca)
        done = run("sh", hook, RENEWED_LINEAGE=str(live))
        assert done.returncode == 0, done.stderr
        assert ("its public key changes" in done.stderr) == bool(renewal)
        assert is_pair(host.certs)
        assert public_key(host.certs / "dmzmail-cert.pem") == public_key(live / "fullchain.pem")
        assert mode(host.certs / "dmzmail-key.pem") == 0o600
        assert not list(host.certs.glob("*.new"))
        assert ": OK" in verified(host.certs / "dmzmail-cert.pem", host.certs)
    again = host("cert", "install", live / "fullchain.pem", "--key", live / "privkey.pem", "--server")
    assert again.warnings == []


def certbot_hook(root: Path, ca: Path) -> str:
    """The hook of the manual page, with this program and this authority."""
    page = (TOP / "man/smtpcreds-cert.1").read_text()
    hook = page.partition("#!/bin/sh\n")[2].partition(" &&\nsystemctl")[0].replace("\\e\n", "\\\n")
    program = f"{sys.executable} -m smtpcreds --root {root}"
    assert len(page_lines("smtpcreds-cert.1")) == hook.count("smtpcreds cert install") == 1
    return hook.replace("smtpcreds cert install", f"{program} cert install").replace(
        "/etc/ssl/certs/ca-certificates.crt", str(ca)
    )


def test_a_key_that_comes_along_must_be_its_own_and_private(host: Admin, ca: OtherCa, tmp_path: Path) -> None:
    one, two = (lineage(tmp_path / name, ca) for name in ("one", "two"))
    words = ("--server", "--ca", ca.certificate)
    said = host.refuses(65, "cert", "install", one / "fullchain.pem", "--key", two / "privkey.pem", *words)
    assert "privkey.pem" in said
    (one / "privkey.pem").resolve().chmod(0o644)
    host.refuses(77, "cert", "install", one / "fullchain.pem", "--key", one / "privkey.pem", *words)
    host("cert", "request", "dmzmail")
    host("cert", "install", ca.answer(csr(host)), "--ca", ca.certificate)
    host("cert", "request", "dmzmail", "--new-key")
    said = host.refuses(73, "cert", "install", two / "fullchain.pem", "--key", two / "privkey.pem", *words)
    assert "is a key that waits for its certificate, and would be lost" in said
