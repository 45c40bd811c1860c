"""What a refusal names as the way out is one, also on a client host, which has no authority of its own."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin, peer

HOST = "attic.polkatistas.org"
AT_HUB = (
    f"on the hub: smtpcreds bundle {HOST} --new-key --force; "
    "then here: smtpcreds setup --client BUNDLE --force"
)


@pytest.fixture
def attic(hub: Admin, tmp_path: Path) -> Admin:
    """A client host that got its files by ``tar``."""
    hub("bundle", "attic", "--crl", "-o", tmp_path / "attic.tar")
    program = Admin(tmp_path / "attic")
    program.write("/etc/hostname", f"{HOST}\n", 0o644)
    subprocess.run(["tar", "-xpf", tmp_path / "attic.tar", "-C", program.root], check=True)
    client = program.path("/etc/smtpcreds/client.toml")
    shutil.copy(client, program.path("/etc/smtpcreds/smtpcreds.toml"))
    return program


@pytest.mark.parametrize("name", ["crl.pem", "cacert.pem", "all-crls.pem"])
def test_what_all_hosts_share_comes_back_by_a_new_crl(hub: Admin, name: str) -> None:
    (hub.certs / name).unlink()
    refused = hub.refuses(66, "mta", "apply", "sendmail-hub")
    assert "hint: " in refused
    assert refused.rstrip().endswith("ca crl")
    hub("ca", "crl")
    hub("mta", "apply", "sendmail-hub")


def test_audit_does_not_take_a_link_away_whose_crl_can_be_had(hub: Admin) -> None:
    (hub.certs / "crl.pem").unlink()
    cures = {f["cure"] for f in hub.run("--json", "audit").data["findings"] if f["code"] == "CERT020"}
    assert [cure for cure in cures if cure.endswith("ca crl")] == [*cures] != []
    hub("ca", "crl")
    assert "CERT020" not in hub.run("audit").out


@pytest.mark.parametrize("words", [("cert", "renew", "--due"), ("cert", "issue", "other"), ("ca", "crl")])
def test_no_second_authority_on_a_client_host(attic: Admin, words: tuple[str, ...]) -> None:
    refused = attic.refuses(66, *words)
    assert "the certificates of this host come from its hub" in refused
    assert AT_HUB in refused
    assert "ca init" not in refused


def test_nor_where_the_bundle_was_set_up(hub: Admin, tmp_path: Path) -> None:
    hub("bundle", "attic", "-o", tmp_path / "attic.tar")
    attic = Admin(tmp_path / "attic")
    attic.write("/etc/hostname", f"{HOST}\n", 0o644)
    attic("setup", "--client", tmp_path / "attic.tar")
    for words in (("inventory", "check"), ("cert", "renew", "--due"), ("cert", "renew", "attic")):
        refused = attic.refuses(66, *words)
        assert AT_HUB in refused
        assert "ca init" not in refused
    later, bundle = attic.at("+300 days"), tmp_path / "later.tar"
    late = later.run("status")
    assert AT_HUB in late.out
    assert "cert request" not in late.out
    hub.at("+300 days")("bundle", "attic", "--new-key", "-o", bundle)
    later("setup", "--client", bundle, "--force")
    assert "nothing is due" in later("status")


def test_a_missing_crl_of_a_client_host_comes_without_another_key(
    hub: Admin, attic: Admin, tmp_path: Path
) -> None:
    (attic.certs / "crl.pem").unlink()
    ran = attic.run("mta", "check", "sendmail-client")
    typed(hub, attic, ran.out, tmp_path / "again.tar")
    assert (attic.certs / "crl.pem").exists()


def typed(hub: Admin, attic: Admin, said: str, bundle: Path) -> str:
    """Type the way out that a client host is told, there and on its hub; return what the hub says."""
    found = re.search(r"on the hub: smtpcreds (.*); then here: smtpcreds (.*)", said)
    assert found
    at_hub, here = found.groups()
    made = hub(*at_hub.split(), "-o", bundle).out
    attic(*here.replace("BUNDLE", str(bundle)).split())
    return made


@pytest.mark.parametrize("program", ["postfix-client", "msmtp"])
def test_the_next_bundle_is_for_what_the_last_one_was(hub: Admin, tmp_path: Path, program: str) -> None:
    attic, bundle = Admin(tmp_path / "attic"), tmp_path / "attic.tar"
    attic.write("/etc/hostname", f"{HOST}\n", 0o644)
    for host in (hub, attic):
        host.write("/etc/group", "mail:x:8:\n", 0o644)
    hub("sasl", "add", "scanner")
    told = ("--port", "587", *(("--with", "hash") if program == "postfix-client" else ("--crl",)))
    hub("bundle", "attic", "--mta", program, "--account", "scanner", *told, "-o", bundle)
    attic("setup", "--client", bundle)
    settings = attic.path("/etc/smtpcreds/smtpcreds.toml").read_text()
    said = attic.refuses(66, "cert", "renew", "--due")
    made = typed(hub, attic, said, bundle)
    assert f"{HOST}: {program}, certificate" in made
    assert f" setup --client {bundle.name} --edit --run --force\n" in made
    assert attic.path("/etc/smtpcreds/smtpcreds.toml").read_text() == settings
    (attic.certs / "cacert.pem").unlink()
    (lost,) = {row["cure"] for row in attic.run("--json", "audit", "--only", "CERT003").data["findings"]}
    assert f"{HOST}: {program}, certificate" in typed(hub, attic, lost, bundle)
    hub("sasl", "passwd", "scanner")
    (row,) = hub.run("--json", "audit", "--only", "SASL024").data["findings"]
    words = row["cure"].partition("; then ")[0].split()[1:]
    hub(*words, "-o", bundle)
    attic("setup", "--client", bundle, "--force")
    assert attic.path("/etc/smtpcreds/smtpcreds.toml").read_text() == settings
    assert "nothing found" in hub("audit", "--only", "SASL024").out
    hub("bundle", "attic", "--account", "maildroid", "--new-key", "-o", bundle, "--force")
    attic("setup", "--client", bundle, "--force")
    assert "scanner" not in attic.path("/etc/smtpcreds/smtpcreds.toml").read_text()


def test_a_host_that_tar_filled_has_a_status(attic: Admin) -> None:
    assert HOST in attic("status").out
    assert AT_HUB in attic.at("+300 days").run("status").out


def test_a_certificate_that_others_may_read_is_adopted(hub: Admin) -> None:
    certificate = hub.certs / "dmzmail-cert.pem"
    before = certificate.read_bytes()
    certificate.chmod(0o644)
    assert hub("setup", HUB).out.startswith(f"{HUB}: was ready")
    assert "BAD" not in hub("cert", "verify", "dmzmail").out
    hub("cert", "renew", "dmzmail")
    assert certificate.read_bytes() != before
    certificate.chmod(0o664)
    assert "others can change it" in hub.refuses(77, "cert", "renew", "dmzmail")


def readme(hub: Admin, path: Path, program: str) -> str:
    crl = ("--crl",) if program in ("msmtp", "nullmailer", "sendmail") else ()
    hub("bundle", "attic", "--mta", program, "-o", path, "--force", "--new-key", *crl)
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        member = archive.extractfile("etc/smtpcreds/README.bundle")
        assert member
        return member.read().decode()


def test_the_readme_names_the_files_and_modes_of_its_program(hub: Admin, tmp_path: Path) -> None:
    hub.write("/etc/group", "mail:x:8:\n", 0o644)
    text = readme(hub, tmp_path / "a.tar", "msmtp")
    assert "the secret is in /etc/msmtprc,\nmode 0640, which root and the group mail can read." in text
    assert "adduser USER mail    # for each user who is to send" in text
    assert f"install -o root -g root -m 0644 {CERTS}/all-crls.pem /etc/ssl/smtpcreds/crl.pem" in text
    other = readme(hub, tmp_path / "a.tar", "sendmail")
    assert "the secret is in /etc/mail/default-auth-info,\nmode 0600, which root alone can read." in other
    assert "adduser" not in other
    assert "install -o" not in other


def test_a_mechanism_that_cyrus_sasl_does_not_have(hub: Admin) -> None:
    assert "is not a mechanism of Cyrus SASL 2" in hub.refuses(
        64, "sasl", "conf", "--mechanism", "KERBEROS_V4"
    )
    assert "mech_list: GSSAPI" in hub("sasl", "conf", "--mechanism", "GSSAPI").out


def test_the_remains_of_nobodys_account_are_no_secrets(hub: Admin) -> None:
    """As Debian's sasl2-bin makes its database; what was somebody's is still found."""
    path = hub.root / "etc/sasldb2"
    path.unlink()
    peer("saslpasswd2", "-f", path, "-c", "-p", "no:such:user", stdin=b"!")
    peer("saslpasswd2", "-f", path, "-d", "no:such:user")
    path.chmod(0o600)
    assert b"no:such:user" in path.read_bytes()
    assert "SASL012" not in hub.run("audit").out
    peer("saslpasswd2", "-f", path, "-c", "-p", "somebody", stdin=b"secret-of-somebody")
    peer("saslpasswd2", "-f", path, "-d", "somebody")
    assert "SASL012" in hub.run("audit").out


@pytest.mark.parametrize("half", ["key", "cert"])
def test_half_a_pair_is_replaced_by_the_command_that_mta_check_prints(hub: Admin, half: str) -> None:
    (hub.certs / f"dmzmail-{half}.pem").unlink()
    said = hub.refuses(66, "mta", "apply", "sendmail-hub")
    assert said.rstrip().endswith(f"cert issue {HUB} --force")
    hub("cert", "issue", HUB, "--force")
    hub("mta", "apply", "sendmail-hub")


def test_a_bundle_of_ours_that_is_gone_comes_back_by_a_new_crl_alone(hub: Admin) -> None:
    before = (hub.certs / "dmzmail-cert.pem").read_bytes()
    (hub.certs / "cacert.pem").unlink()
    cures = {row["cure"] for row in hub.run("--json", "audit").data["findings"]}
    assert [cure for cure in cures if cure.endswith(" ca crl")] == [*cures]
    hub("ca", "crl")
    assert "nothing found" in hub("audit").out
    assert (hub.certs / "dmzmail-cert.pem").read_bytes() == before


def test_credentials_of_an_account_that_is_gone_go_by_the_command_that_setup_prints(hub: Admin) -> None:
    hub.path("/etc/sasldb2").unlink()
    said = hub.refuses(73, "setup", HUB)
    command, then = re.search(r"made: (rm .*) && smtpcreds.* (setup .*)", said).groups()  # type: ignore[union-attr]
    subprocess.run(["sh", "-c", command], check=True)
    hub(*then.split())
    assert "nothing found" in hub("audit").out


def test_a_key_of_the_authority_that_is_gone_comes_back_as_the_hint_says(hub: Admin, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("gravel lantern 47 ocelot thimble")
    secret.chmod(0o600)
    saved = (str(tmp_path / "saved.age"), "--passphrase", f"file:{secret}")
    hub("ca", "backup", *saved)
    hub.path("/var/lib/smtpcreds/ca/ca-key.pem").unlink()
    said = hub.refuses(65, "cert", "issue", "attic")
    words = re.search(r"backup: smtpcreds.* (ca restore) BACKUP (--force)", said)
    assert words
    hub("ca", "restore", *saved, words[2])
    hub("cert", "issue", "attic")
