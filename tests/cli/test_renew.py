"""``cert renew``: what stays, what changes, what is due, and the way back when the mail server balks."""

import sys
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin, contents, issued_hub
from place import PLACE

from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.rows import State

TWO_THIRDS = "+244 days"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("renew") / "root")
    stage("cert", "issue", "attic", "--client", "--san", "attic.lan.polkatistas.org", "--days", "90")
    return stage.root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def hook(directory: Path, body: str) -> str:
    """Return a command that notes each run in ``log`` beside it."""
    script = directory / "hook"
    script.write_text(f"#!/bin/sh\ncd {directory}\n{body}\n")
    script.chmod(0o755)
    return str(script)


def states(stage: Admin, host: str = HUB) -> dict[str, State]:
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        return {row.serial: row.state for row in inventory.listing(host=host)}


def test_the_key_stays_and_so_does_the_former_certificate(stage: Admin) -> None:
    certificate, previous = stage.certs / "dmzmail-cert.pem", stage.certs / "dmzmail-cert.pem.previous"
    before, serial = contents(stage.certs), stage.serial()
    stage("cert", "renew", "dmzmail")
    after = contents(stage.certs)
    assert after["dmzmail-key.pem"] == before["dmzmail-key.pem"] == after["dmzmail-key.pem.previous"]
    assert after[previous.name] == before[certificate.name] != after[certificate.name]
    assert stage.public_key(certificate) == stage.public_key(previous)
    assert stage.serial() != serial
    stage.verify(certificate)
    stage.verify(previous)
    assert {path.name: path.stat().st_mode & 0o777 for path in stage.certs.glob("*.previous")} == {
        "dmzmail-key.pem.previous": 0o600,
        "dmzmail-cert.pem.previous": 0o600,
    }


def test_a_new_key_on_request(stage: Admin) -> None:
    before = contents(stage.certs)
    (row,) = stage.json("cert", "renew", "dmzmail", "--new-key")["certificates"]
    after = contents(stage.certs)
    assert after["dmzmail-key.pem"] != before["dmzmail-key.pem"] == after["dmzmail-key.pem.previous"]
    assert stage.is_pair()
    assert stage.is_pair(suffix=".previous")
    assert (row["new_key"], row["key_type"]) == (True, "P-256")
    stage("cert", "renew", "dmzmail", "--new-key", "--key-type", "p384")
    assert "P-384" in stage.openssl("x509", "-in", stage.certs / "dmzmail-cert.pem", "-noout", "-text")
    stage("cert", "renew", "dmzmail", "--new-key")
    assert "P-384" in stage.openssl("x509", "-in", stage.certs / "dmzmail-cert.pem", "-noout", "-text")


def test_names_role_and_lifetime_stay(stage: Admin) -> None:
    certificate = stage.certs / "attic-cert.pem"
    what = ("-noout", "-ext", "subjectAltName,extendedKeyUsage,keyUsage")
    before = stage.openssl("x509", "-in", certificate, *what)
    (row,) = stage.at("+40 days").json("cert", "renew", "attic")["certificates"]
    assert stage.openssl("x509", "-in", certificate, *what) == before
    assert "attic.lan" in before
    stage.openssl("x509", "-in", certificate, "-checkend", str(129 * 86400))
    stage.openssl("x509", "-in", certificate, "-checkend", str(131 * 86400), status=1)
    assert row["profile"] == "client"
    later = stage.at("+40 days")
    later("cert", "renew", "attic", "--days", "7")
    later.openssl("x509", "-in", certificate, "-checkend", str(8 * 86400), status=1)


@pytest.mark.parametrize("key", [(), ("--new-key",)])
def test_an_expired_or_missing_certificate_is_renewed_from_the_inventory(
    stage: Admin, key: tuple[str, ...]
) -> None:
    later = stage.at("+400 days")
    later.verify(stage.certs / "dmzmail-cert.pem", status=2)
    later("cert", "renew", "dmzmail", *key)
    later.verify(stage.certs / "dmzmail-cert.pem")
    (stage.certs / "attic-cert.pem").unlink()
    later("cert", "renew", "attic", *key)
    later.verify(stage.certs / "attic-cert.pem")
    assert stage.is_pair("attic")


def test_a_key_that_is_gone_is_not_replaced_silently(stage: Admin) -> None:
    (stage.certs / "dmzmail-key.pem").unlink()
    said = stage("cert", "renew", "dmzmail", status=66)
    assert "dmzmail-key.pem: is gone" in said
    assert f"smtpcreds cert renew {HUB} --new-key" in said
    stage("cert", "renew", "dmzmail", "--new-key")
    assert stage.is_pair()


def test_an_unknown_host_is_told_who_is_known(stage: Admin) -> None:
    said = stage("cert", "renew", "dmzmial", status=66)
    assert f"dmzmial.polkatistas.org: is not in the inventory; known: {HUB}" in said


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ((), "--due"),
        (("dmzmail", "--due"), "--due"),
        (("dmzmail", "--key-type", "p384"), "--new-key"),
        (("dmzmail", "--new-key", "--key-type", "p385"), "p385"),
        (("dmzmail", "--days", "0"), "--days"),
        (("dmzmail", "--reload", "'open"), "quot"),
    ],
)
def test_words_that_do_not_fit(stage: Admin, words: tuple[str, ...], about: str) -> None:
    before = contents(stage.certs)
    assert about in stage("cert", "renew", *words, status=64)
    assert contents(stage.certs) == before


def test_what_others_put_there_is_left_alone(stage: Admin, tmp_path: Path) -> None:
    new = ("-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-days", "10")
    stage.openssl("req", *new, "-keyout", tmp_path / "key", "-out", tmp_path / "cert")
    for kind in ("key", "cert"):
        target = stage.certs / f"dmzmail-{kind}.pem"
        target.write_bytes((tmp_path / kind).read_bytes())
        said = stage("cert", "renew", "dmzmail", "--new-key", status=73)
        assert f"{target}: is not" in said
        assert "was not changed" in said
        assert target.read_bytes() == (tmp_path / kind).read_bytes()
        stage("cert", "issue", "dmzmail", "--force")


def test_a_leaked_key_is_not_kept(stage: Admin) -> None:
    stage("cert", "renew", "dmzmail", "--new-key")
    stage("cert", "revoke", stage.serial(), "--reason", "keyCompromise")
    said = stage("cert", "renew", "dmzmail", status=65)
    assert "revoked for keyCompromise" in said
    assert "--new-key" in said
    stage("cert", "renew", "dmzmail", "--new-key")
    stage.verify(stage.certs / "dmzmail-cert.pem")


def test_with_an_intermediate_the_chain_is_written_again(tmp_path: Path) -> None:
    stage = Admin(tmp_path / "root")
    stage("ca", "init", "--no-passphrase", "--intermediate", "--permit", "polkatistas.org")
    stage("cert", "issue", HUB)
    certificate = stage.certs / f"{HUB}-cert.pem"
    stage("cert", "renew", HUB)
    stage("cert", "renew", HUB, "--new-key")
    assert certificate.read_text().count("BEGIN CERTIFICATE") == 2
    bundle = stage.certs / "cacert.pem"
    stage.openssl("verify", "-x509_strict", "-CAfile", bundle, "-untrusted", certificate, certificate)


def test_due_is_past_two_thirds(stage: Admin) -> None:
    before = contents(stage.certs)
    assert "nothing to do" in stage("cert", "renew", "--due", "--dry-run")
    assert "nothing is due" in stage("cert", "renew", "--due")
    planned = stage.at(TWO_THIRDS)("cert", "renew", "--due", "--dry-run", status=1)
    assert "dmzmail-cert.pem  0600" in planned
    assert contents(stage.certs) == before
    done = stage.at(TWO_THIRDS).json("cert", "renew", "--due")
    assert {row["host"] for row in done["certificates"]} == {HUB, "attic.polkatistas.org"}
    assert done["crl"]["number"] > 1
    assert "nothing to do" in stage.at(TWO_THIRDS)("cert", "renew", "--due", "-n")
    stage.at(TWO_THIRDS).verify(stage.certs / "dmzmail-cert.pem")


def test_what_was_replaced_or_revoked_is_not_due(stage: Admin) -> None:
    stage("cert", "revoke", "attic")
    stage.at("+200 days")("cert", "renew", "dmzmail")
    done = stage.at(TWO_THIRDS).json("cert", "renew", "--due", status=1)
    assert done["certificates"] == done["failed"] == []
    assert done["crl"]
    assert "CERT023" in {one["code"] for one in done["findings"]}, "it is revoked and still in place"


def test_the_crl_is_due_by_itself(stage: Admin) -> None:
    before = contents(stage.certs)
    done = stage.at("+21 days").json("cert", "renew", "--due")
    assert done["certificates"] == []
    assert stage.at("+35 days").openssl("crl", "-in", stage.certs / "crl.pem", "-noout", "-nextupdate")
    changed = {name for name, content in contents(stage.certs).items() if before[name] != content}
    assert changed == {"crl.pem", "all-crls.pem"}
    stage.at("+40 days").verify(stage.certs / "dmzmail-cert.pem")


def test_a_lost_copy_of_the_crl_comes_back_without_the_key(stage: Admin) -> None:
    (stage.certs / "crl.pem").write_text("")
    (stage.state / "ca/ca-key.pem").chmod(0)
    stage("cert", "renew", "--due", "--dry-run", status=1)
    done = stage.json("cert", "renew", "--due")
    assert done["crl_copied_to"] == [str(stage.certs)]
    stage.verify(stage.certs / "dmzmail-cert.pem")


def test_one_failure_does_not_stop_the_others(stage: Admin) -> None:
    (stage.certs / "attic-key.pem").unlink()
    serial, later = stage.serial(), stage.at(TWO_THIRDS)
    planned = later("cert", "renew", "--due", "-n", status=1)
    assert "would leave attic.polkatistas.org" in planned
    assert "attic-key.pem: is gone" in later("cert", "renew", "--due", status=66)
    assert stage.serial() != serial
    later("cert", "renew", "dmzmail", "attic", status=66)
    (stage.certs / "attic-cert.pem").unlink()
    assert "nothing is due" in later("cert", "renew", "--due"), "expired and gone, so nobody waits for it"


def test_without_a_terminal_an_encrypted_key_is_one_line(tmp_path: Path) -> None:
    stage = Admin(tmp_path / "root")
    secret = {"CA_SECRET": "squeezebox and more"}
    source = ("--passphrase", "env:CA_SECRET")
    assert stage.run("ca", "init", *source, env=secret).status == 0
    assert stage.run("cert", "issue", HUB, *source, env=secret).status == 0
    stage("cert", "renew", "--due")
    before = contents(stage.certs)
    done = stage.at(TWO_THIRDS).run("cert", "renew", "--due")
    assert (done.status, done.out) == (77, "")
    first, *more = done.err.splitlines()
    assert "is encrypted and no passphrase was given" in first
    assert [line[:7] for line in more] == ["  hint:"]
    assert contents(stage.certs) == before
    output = ("--reload", hook(tmp_path, "env > environment"))
    done = stage.at(TWO_THIRDS).run("cert", "renew", "--due", *source, *output, env=secret)
    assert done.status == 0, done.err
    seen = (tmp_path / "environment").read_text()
    assert "PATH=" in seen
    assert "squeezebox" not in seen


def test_the_command_runs_when_all_is_in_place_and_only_then(stage: Admin, tmp_path: Path) -> None:
    command = hook(
        tmp_path, f"cat {stage.certs}/*-cert.pem {stage.certs}/crl.pem > seen; echo heard; echo x >> log"
    )
    stage("cert", "renew", "--due", "--reload", command)
    assert not (tmp_path / "log").exists()
    done = stage.at(TWO_THIRDS).run("cert", "renew", "--due", "--reload", command, "--json")
    assert done.status == 0, done.err
    assert "heard" not in done.out
    assert "heard" in done.err
    files = [*sorted(stage.certs.glob("*-cert.pem")), stage.certs / "crl.pem"]
    assert (tmp_path / "seen").read_bytes() == b"".join(path.read_bytes() for path in files)
    assert (tmp_path / "log").read_text() == "x\n"


@pytest.mark.parametrize("key", [(), ("--new-key",)])
def test_when_the_command_fails_everything_is_as_before(
    stage: Admin, tmp_path: Path, key: tuple[str, ...]
) -> None:
    pairs = ("dmzmail-key.pem", "dmzmail-cert.pem", "attic-key.pem", "attic-cert.pem")
    before, serial = contents(stage.certs), stage.serial()
    command = hook(tmp_path, f"cat {stage.certs}/dmzmail-cert.pem >> log; exit 3")
    done = stage.run("cert", "renew", "dmzmail", "attic", *key, "--reload", command)
    assert done.status == 69
    (line,) = done.err.splitlines()
    assert "exit status 3" in line
    assert f"the former pair of {HUB}, attic.polkatistas.org is back in place" in line
    after = contents(stage.certs)
    assert {name: after[name] for name in pairs} == {name: before[name] for name in pairs}
    heard = (tmp_path / "log").read_bytes()
    previous = (stage.certs / "dmzmail-cert.pem").read_bytes()
    assert heard.endswith(previous), "the mail server was told of the former pair"
    assert len(heard) > len(previous)
    assert sorted(states(stage).values()) == [State.DISCARDED, State.ISSUED]
    assert states(stage)[serial] is State.ISSUED
    assert stage.at(TWO_THIRDS)("cert", "renew", "--due", "-n", status=1).count("would write") > 3
    stage("cert", "renew", "dmzmail", "--reload", "true")
    stage.verify(stage.certs / "dmzmail-cert.pem")
    assert stage.serial() != serial


def test_what_was_not_there_is_not_there_after_a_failure(stage: Admin) -> None:
    (stage.certs / "dmzmail-cert.pem").unlink()
    stage("cert", "renew", "dmzmail", "--reload", "false", status=69)
    assert not (stage.certs / "dmzmail-cert.pem").exists()
    stage("cert", "renew", "dmzmail")
    assert stage.is_pair()


def test_a_command_that_is_not_there_stops_all_at_once(stage: Admin) -> None:
    before = contents(stage.certs)
    assert "no such program" in stage(
        "cert", "renew", "dmzmail", "--reload", "systemctl-of-old reload x", status=69
    )
    assert contents(stage.certs) == before


def test_a_place_that_can_not_be_used_concerns_its_own_hosts(stage: Admin) -> None:
    stage("cert", "issue", "cellar", "--to", stage.root / "clients")
    (stage.root / "clients/cacert.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    serial = stage.serial()
    said = stage.at(TWO_THIRDS)("cert", "renew", "--due", status=65)
    assert "clients/cacert.pem: holds a cut-off certificate" in said
    assert stage.serial() != serial
    later = stage.at(TWO_THIRDS)
    later("cert", "renew", "cellar", status=65)
    (stage.root / "clients/cacert.pem").unlink()
    later("cert", "renew", "cellar")
    later.verify(stage.root / "clients/cellar-cert.pem")


def test_what_another_ca_certified_is_left_to_it(stage: Admin, tmp_path: Path) -> None:
    stage("cert", "request", "barn")
    new = ("-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Other CA", "-days", "900")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    stage.openssl("req", *new, *usage, "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.pem")
    ca = (
        "-CA",
        tmp_path / "ca.pem",
        "-CAkey",
        tmp_path / "ca.key",
        "-days",
        "300",
        "-copy_extensions",
        "copy",
    )
    stage.openssl("x509", "-req", "-in", stage.certs / "barn.csr", *ca, "-out", tmp_path / "barn.pem")
    stage("cert", "install", tmp_path / "barn.pem", "--chain", tmp_path / "ca.pem")
    said = stage("cert", "renew", "barn", status=65)
    assert "is certified by another CA" in said
    warned = stage.at("+290 days")("cert", "renew", "--due")
    assert "barn.polkatistas.org: to be renewed by the CA that signed it" in warned
    before = (stage.certs / "barn-cert.pem").read_bytes()
    stage.at("+290 days")("cert", "renew", "dmzmail")
    assert (stage.certs / "barn-cert.pem").read_bytes() == before
    stage.openssl("verify", "-CAfile", stage.certs / "cacert.pem", stage.certs / "barn-cert.pem")


def test_a_command_of_ours_is_told_at_once_that_it_would_wait_for_itself(stage: Admin) -> None:
    serial = stage.serial()
    ours = f"env PYTHONPATH={PLACE} {sys.executable} -m smtpcreds --root {stage.root} ca crl"
    done = stage.run("cert", "renew", "dmzmail", "--reload", ours)
    assert done.status == 69
    assert "run this one after it, not as its --reload" in done.err
    assert f"the former pair of {HUB} is back in place" in done.err
    assert stage.serial() == serial


def names_of(hub: Admin, certificate: Path) -> str:
    said = hub.openssl("x509", "-in", certificate, "-noout", "-ext", "subjectAltName")
    return said.splitlines()[1].strip()


def test_names_come_and_go_and_the_key_stays(tmp_path: Path) -> None:
    """A new key would break the TLSA record that names the old one."""
    hub = issued_hub(tmp_path / "root")
    certificate, before = hub.certs / "dmzmail-cert.pem", hub.public_key(hub.certs / "dmzmail-cert.pem")
    hub("cert", "renew", "dmzmail", "--san", "mail", "--san", f"*.{DOMAIN}")
    assert names_of(hub, certificate) == f"DNS:{HUB}, DNS:mail.{DOMAIN}, DNS:*.{DOMAIN}"
    hub("cert", "renew", "dmzmail")
    hub("cert", "renew", "dmzmail", "--drop-san", f"*.{DOMAIN}")
    assert names_of(hub, certificate) == f"DNS:{HUB}, DNS:mail.{DOMAIN}"
    assert hub.public_key(certificate) == before
    assert "is no name of its certificate" in hub.refuses(65, "cert", "renew", "dmzmail", "--drop-san", "x")
    assert "is the host itself" in hub.refuses(65, "cert", "renew", "dmzmail", "--drop-san", "dmzmail")
    for hosts in (("--due",), ("dmzmail", "attic")):
        assert "go with one host" in hub.refuses(64, "cert", "renew", *hosts, "--san", "mail")
    said = hub.refuses(65, "cert", "renew", "dmzmail", "--san", "mail.example.net")
    assert "is outside what the CA may certify" in said


def test_issue_says_that_the_public_key_changes(tmp_path: Path) -> None:
    hub = issued_hub(tmp_path / "root")
    (warned,) = hub("cert", "issue", "dmzmail", "--force").warnings
    assert warned.startswith(f"{HUB}: its public key changes, and TLSA records")
    assert f"cert renew {HUB}" in warned
    assert hub("cert", "issue", "attic").warnings == []
