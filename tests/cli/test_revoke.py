"""``cert revoke``: the certificate that is meant, a CRL that says so, in every place."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from admin import HUB, Admin, contents, issued_hub


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("revoke") / "root")
    stage("cert", "issue", "attic", "--client", "--to", stage.root / "clients")
    return stage.root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def listed(stage: Admin) -> str:
    return stage.openssl("crl", "-in", stage.crl, "-noout", "-text").lower()


def test_a_revoked_host_is_refused_everywhere(stage: Admin) -> None:
    done = stage.json("cert", "revoke", "attic", "--reason", "superseded")
    (row,) = done["revoked"]
    assert (row["host"], done["reason"], done["crls"][0]["count"]) == (
        "attic.polkatistas.org",
        "superseded",
        1,
    )
    copies = [stage.certs / "crl.pem", stage.root / "clients/crl.pem"]
    assert done["crls"][0]["copies"] == list(map(str, copies))
    assert {path.read_bytes() for path in copies} == {stage.crl.read_bytes()}
    assert "certificate revoked" in stage.verify(stage.root / "clients/attic-cert.pem", status=2)
    stage.verify(stage.certs / "dmzmail-cert.pem")
    assert "superseded" in listed(stage)
    bundle = stage.certs / "cacert.pem"
    stage.openssl("crl", "-in", stage.crl, "-noout", "-CAfile", bundle)


def test_gnutls_reads_the_crl_too(stage: Admin) -> None:
    stage("cert", "revoke", "attic")
    check = ["certtool", "--verify-crl", "--load-ca-certificate", str(stage.certs / "cacert.pem")]
    done = subprocess.run([*check, "--infile", str(stage.crl)], capture_output=True, text=True)
    assert (done.returncode, "Verified" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_beginning_of_a_serial_number_or_fingerprint_will_do(stage: Admin) -> None:
    fingerprint = stage.openssl(
        "x509", "-in", stage.certs / "dmzmail-cert.pem", "-noout", "-fingerprint", "-sha256"
    ).partition("=")[2]
    serial = stage.field(stage.root / "clients/attic-cert.pem", "-serial")
    stage("cert", "revoke", fingerprint[:17])
    stage("cert", "revoke", serial[:8].upper())
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2)
    stage.verify(stage.root / "clients/attic-cert.pem", status=2)


@pytest.mark.parametrize("more", [(), ("--all",)])
def test_a_host_means_all_that_it_has(stage: Admin, more: tuple[str, ...]) -> None:
    """For a third of every year it has two: the superseded one is valid, too."""
    old = stage.serial()
    stage("cert", "renew", "dmzmail", "--new-key")
    done = stage("cert", "revoke", "dmzmail", *more)
    for serial in (old, stage.serial()):
        assert f"{HUB}: revoked {serial}, valid to " in done.out
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2)
    stage.verify(stage.certs / "dmzmail-cert.pem.previous", status=2)


@pytest.mark.parametrize("words", [("dmzmail", "--serial"), ("--serial",), ()])
def test_of_two_the_one_whose_number_is_given(stage: Admin, words: tuple[str, ...]) -> None:
    old = stage.serial()
    stage("cert", "renew", "dmzmail")
    stage("cert", "revoke", *words, old[:12])
    assert "nothing is due" in stage("cert", "renew", "--due")
    stage.verify(stage.certs / "dmzmail-cert.pem")
    stage.verify(stage.certs / "dmzmail-cert.pem.previous", status=2)
    stage("cert", "revoke", "dmzmail")
    stage.verify(stage.certs / "dmzmail-cert.pem", status=2)


def test_the_number_of_another_host_is_none_of_this_one(stage: Admin) -> None:
    number = stage.serial()
    said = stage("cert", "revoke", "attic", "--serial", number, status=66)
    assert f"{number}: no certificate matches" in said


# What the inventory does not know: a restored backup, or a lost one.


@pytest.fixture
def restored(template: Path, tmp_path: Path) -> tuple[Admin, Path]:
    """A hub whose state is older than a certificate that lies in a file."""
    stage = Admin(template).copy(tmp_path / "root")
    backup = tmp_path / "backup"
    shutil.copytree(stage.state, backup)
    stage("cert", "issue", "tuba", "--client", "--to", stage.root / "clients")
    shutil.rmtree(stage.state)
    shutil.copytree(backup, stage.state)
    assert "tuba" not in stage("cert", "list", "--all").out
    return stage, stage.root / "clients/tuba-cert.pem"


def test_a_file_that_this_authority_signed_is_enough(restored: tuple[Admin, Path]) -> None:
    stage, tuba = restored
    stage.verify(tuba)
    (row,) = stage.json("cert", "revoke", tuba, "--reason", "keyCompromise")["revoked"]
    assert (row["host"], row["serial"]) == ("tuba.polkatistas.org", stage.field(tuba, "-serial"))
    assert "certificate revoked" in stage.verify(tuba, status=2)
    (known,) = stage.json("cert", "list", "--all", "--host", "tuba")["certificates"]
    assert (known["state"], known["names"]) == ("revoked", ["tuba.polkatistas.org"])
    assert "is revoked since" in stage.refuses(65, "cert", "revoke", tuba)
    assert f"{tuba}: was revoked on" in stage("inventory", "check", status=1), "and nothing else is wrong"


def test_a_number_is_enough_if_it_is_meant(restored: tuple[Admin, Path]) -> None:
    stage, tuba = restored
    number = stage.field(tuba, "-serial")
    assert "--unknown" in stage.refuses(66, "cert", "revoke", "--serial", number)
    stage("cert", "revoke", "--serial", number, "--unknown")
    assert "certificate revoked" in stage.verify(tuba, status=2)
    for text in ("xyz", "0", "f" * 41):
        assert "is not a serial number" in stage.refuses(64, "cert", "revoke", "--serial", text, "--unknown")
    assert "goes with --serial" in stage.refuses(64, "cert", "revoke", "tuba", "--unknown")


def test_after_a_rollover_the_superseded_authority_revokes_what_it_signed(
    restored: tuple[Admin, Path],
) -> None:
    stage, tuba = restored
    stage("ca", "rollover")
    said = stage.json("cert", "revoke", tuba)
    assert "certificate revoked" in stage.verify(tuba, status=2)
    assert [crl["count"] for crl in said["crls"]] == [1]


def test_what_another_authority_signed_is_its_affair(stage: Admin, tmp_path: Path) -> None:
    other = issued_hub(tmp_path / "other/root")
    said = stage.refuses(65, "cert", "revoke", other.certs / "dmzmail-cert.pem")
    assert "was not signed by an authority whose key is here" in said


def test_a_leaked_key_takes_every_certificate_that_has_it(stage: Admin) -> None:
    stage("cert", "renew", "dmzmail")
    stage("cert", "revoke", stage.serial()[:10], "--reason", "KEYCOMPROMISE")
    stage.verify(stage.certs / "dmzmail-cert.pem.previous", status=2)
    assert listed(stage).count("key compromise") == 2
    stage.verify(stage.root / "clients/attic-cert.pem")


def test_twice_is_one_clear_line(stage: Admin) -> None:
    stage("cert", "revoke", "attic", "--reason", "superseded")
    crl = stage.crl.read_bytes()
    done = stage.run("cert", "revoke", "attic")
    (line,) = done.err.splitlines()
    assert done.status == 65
    assert "is revoked since" in line
    assert "(superseded)" in line
    assert stage.crl.read_bytes() == crl


@pytest.mark.parametrize(
    ("words", "status", "about"),
    [
        (("nobody",), 66, "no certificate matches"),
        (("ffff0000",), 66, "no certificate matches"),
        (("",), 66, "no certificate matches"),
        (("dmzmail", "--reason", "boredom"), 64, "known: unspecified, keyCompromise"),
    ],
)
def test_what_can_not_be_revoked(stage: Admin, words: tuple[str, ...], status: int, about: str) -> None:
    crl = stage.crl.read_bytes()
    assert about in stage("cert", "revoke", *words, status=status)
    assert stage.crl.read_bytes() == crl


def test_an_expired_one_is_refused_and_leaves_the_crl(stage: Admin) -> None:
    later = stage.at("+400 days")
    assert "expired on" in later("cert", "revoke", "attic", status=65)
    stage("cert", "revoke", "attic")
    assert later.json("ca", "crl")["count"] == 0, "RFC 5280 section 3.3"


def test_the_plan_changes_nothing(stage: Admin) -> None:
    before, crl = contents(stage.certs), stage.crl.read_bytes()
    said = stage("cert", "revoke", "dmzmail", "--dry-run")
    assert f"would revoke {stage.serial()} of {HUB}" in said
    assert (contents(stage.certs), stage.crl.read_bytes()) == (before, crl)
    stage("cert", "revoke", "dmzmail")


def test_the_current_pair_is_warned_of_and_can_be_issued_again(stage: Admin) -> None:
    said = stage("cert", "revoke", "dmzmail")
    assert f"is revoked and still in place; next: smtpcreds cert issue {HUB}" in said
    told = f"Sendmail: chroot {stage.root} systemctl try-reload-or-restart sendmail"
    assert f"next: let the mail server read it; {told}" in said
    stage("cert", "issue", "dmzmail")
    stage.verify(stage.certs / "dmzmail-cert.pem")
    assert "revoked (unspecified)" not in stage("cert", "renew", "dmzmail")


def test_a_host_without_valid_certificates_is_sent_to_issue(stage: Admin) -> None:
    stage("cert", "revoke", "dmzmail", "--reason", "superseded")
    said = stage("cert", "renew", "dmzmail", status=65)
    assert "was revoked (superseded)" in said
    assert f"smtpcreds cert issue {HUB}" in said


def test_places_that_are_gone_or_open_do_not_stop_it(stage: Admin) -> None:
    shutil.rmtree(stage.certs)
    (stage.root / "clients").chmod(0o777)
    said = stage("cert", "revoke", "attic")
    assert "clients: is writable by everybody; no CRL was installed" in said
    assert not stage.certs.exists()
    assert "superseded" not in listed(stage)
    (stage.root / "clients").chmod(0o700)
    stage("ca", "crl")
    assert (stage.root / "clients/crl.pem").read_bytes() == stage.crl.read_bytes()


def test_a_failing_command_does_not_take_a_revocation_back(stage: Admin) -> None:
    assert "failed with exit status 1" in stage("cert", "revoke", "attic", "--reload", "false", status=69)
    stage.verify(stage.root / "clients/attic-cert.pem", status=2)


def test_with_the_wrong_passphrase_nothing_is_revoked(tmp_path: Path) -> None:
    stage = Admin(tmp_path / "root")
    right, wrong = {"CA_SECRET": "squeezebox and more"}, {"CA_SECRET": "concertina"}
    source = ("--passphrase", "env:CA_SECRET")
    assert stage.run("ca", "init", *source, env=right).status == 0
    assert stage.run("cert", "issue", HUB, *source, env=right).status == 0
    done = stage.run("cert", "revoke", HUB, *source, env=wrong)
    assert (done.status, "does not open" in done.err) == (77, True)
    assert "0 revoked" in stage("ca", "crl", "--check")
    assert "nothing is due" in stage("cert", "renew", "--due")


def test_the_authority_itself_is_not_revoked(hub: Admin) -> None:
    """OpenSSL looks for a root in its own CRL, too, and would refuse all that it signed."""
    bundle = hub.certs / "cacert.pem"
    own = hub.json("cert", "show", bundle)["certificates"][0]["serial"]
    assert "is of polkatistas.org Mail CA itself" in hub.refuses(65, "cert", "revoke", bundle)
    assert "itself" in hub.refuses(65, "cert", "revoke", "--serial", own, "--unknown")
    hub.verify(hub.certs / "dmzmail-cert.pem")


def test_how_a_host_goes_on_by_its_password_is_said_with_the_command_that_ends_it(
    stage: Admin, tmp_path: Path
) -> None:
    hub = stage
    hub("setup", HUB)
    for host in ("barn", "cellar"):
        hub("bundle", host, "--output", tmp_path / f"{host}.tar")
    barn, cellar = "barn.polkatistas.org", "cellar.polkatistas.org"
    account = f"maildroid@{HUB}"
    said = hub("cert", "revoke", "barn").err
    way = f"smtpcreds sasl passwd maildroid, and bundles for {cellar}, which have it too"
    assert f"{barn}: can still relay by AUTH as {account}; to end that: {way}" in said
    hub("sasl", "rotate", "maildroid", "--client", "cellar")
    hub("sasl", "delete", "maildroid")
    said = hub("cert", "revoke", "cellar").err
    account = f"maildroid-2@{HUB}"
    assert f"{cellar}: can still relay by AUTH as {account}; to end that: smtpcreds sasl delete" in said
    assert "relaying by AUTH" not in hub("cert", "revoke", "dmzmail").err, "the hub relays by no password"


def test_the_printed_command_puts_a_new_pair_where_the_revoked_one_is(stage: Admin) -> None:
    """Not into the certificate directory, and for the same role and names."""
    place = stage.root / "two words"
    names = ("--san", "loft.polkatistas.org")
    stage("cert", "issue", "tuba", "--client", *names, "--to", place)
    said = stage("cert", "revoke", "tuba").err
    assert str(place / "tuba-cert.pem") in said
    command = shlex.split(said.partition("; next: ")[2].splitlines()[0])[1:]
    assert shlex.split(stage("cert", "renew", "tuba", status=65).partition("new one: ")[2])[1:] == command
    (found,) = [row for row in stage.run("--json", "audit").data["findings"] if "tuba" in row["subject"]]
    assert shlex.split(found["cure"])[1:] == command
    stage(*command)
    assert "CERT023" not in stage.run("audit").out
    (new,) = stage.json("cert", "list", "--host", "tuba")["certificates"]
    assert (new["profile"], len(new["names"])) == ("client", 2)


def test_in_json_it_is_the_same_command(stage: Admin) -> None:
    """Warnings of an answer have the root of the run, as those of standard error have."""
    words = stage.command("--json", "cert", "revoke", "dmzmail")
    ran = subprocess.run(words, capture_output=True, check=True)
    (warning,) = json.loads(ran.stdout)["warnings"]
    assert f" --root {stage.root} cert issue {HUB} --force" in warning
    assert json.loads(ran.stderr)["warning"] == warning
