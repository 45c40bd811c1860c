"""``ca show`` and ``ca export``: what is told of the authority, and what leaves it."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from admin import CERTS, HUB, NO_MORE, STATE, Admin, peer

CA = f"{STATE}/ca"
TWO_KEYS = ("ca", "init", "--intermediate", "--permit", "polkatistas.org")
PASSPHRASE = ("--passphrase", "env:PASS")


def made(place: Path, *words: str, env: Mapping[str, str] = NO_MORE) -> Path:
    program = Admin(place / "root")
    program.configure()
    program(*words, env=env)
    return program.root


@pytest.fixture(scope="module")
def plain_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("plain"), *TWO_KEYS, "--no-passphrase")


@pytest.fixture(scope="module")
def encrypted_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("encrypted"), *TWO_KEYS, *PASSPHRASE, env={"PASS": "over the hills"})


@pytest.fixture
def two_tier(plain_tree: Path, tmp_path: Path) -> Admin:
    """A root and an issuing CA below it, their keys unencrypted."""
    peer("cp", "-a", plain_tree, tmp_path)
    return Admin(tmp_path / "root")


@pytest.fixture
def encrypted(encrypted_tree: Path, tmp_path: Path) -> Admin:
    """The same, encrypted; opening or encrypting a key takes half a second."""
    peer("cp", "-a", encrypted_tree, tmp_path)
    return Admin(tmp_path / "root", env={"PASS": "over the hills"})


def test_show_tells_everything_without_a_passphrase(encrypted: Admin) -> None:
    seen = encrypted("ca", "show", "--json").data
    ca = encrypted.path(f"{CA}/ca-cert.pem")
    sha256 = peer("openssl", "x509", "-in", ca, "-noout", "-fingerprint", "-sha256").partition("=")[2]
    assert seen["fingerprint"] == sha256.strip().replace(":", "").lower()
    assert (seen["name"], seen["permitted_domains"], seen["path_length"]) == (
        "polkatistas.org Mail CA",
        ["polkatistas.org"],
        0,
    )
    assert (seen["encrypted"], seen["key"]) == (True, str(encrypted.path(f"{CA}/ca-key.pem")))
    assert seen["root_key"] == str(encrypted.path(f"{CA}/root-key.pem"))
    assert [ca["name"] for ca in seen["above"]] == ["polkatistas.org Mail CA Root"]
    assert (seen["crl_number"], seen["days_left"]) == (1, 3649)
    text = encrypted("ca", "show").out
    assert "PRIVATE KEY" not in text
    assert "CertIssuer:/CN=polkatistas.org+20Mail+20CA" in text


def test_show_counts_what_was_issued(hub: Admin) -> None:
    hub("cert", "issue", "attic", "cellar")
    hub("cert", "revoke", "attic")
    seen = hub("ca", "show", "--json").data
    assert seen["certificates"] == {"issued": 2, "revoked": 1}
    assert seen["encrypted"] is False
    later = hub.at("400 days")
    assert later("ca", "show", "--json").data["certificates"] == {"expired": 2, "revoked": 1}


def test_show_of_nothing(smtpcreds: Admin) -> None:
    assert "smtpcreds ca init" in smtpcreds.refuses(66, "ca", "show")


def test_export_gives_clients_what_verifies_the_hub(hub: Admin, tmp_path: Path) -> None:
    bundle = tmp_path / "client-cacert.pem"
    hub("ca", "export", "--to", bundle)
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o644
    assert bundle.read_text() == hub("ca", "export").out
    certificate = hub.path(f"{CERTS}/dmzmail-cert.pem")
    peer(
        "openssl", "verify", "-CAfile", bundle, "-purpose", "sslserver", "-verify_hostname", HUB, certificate
    )
    before = bundle.read_bytes()
    assert "exists and is never overwritten" in hub.refuses(73, "ca", "export", "--to", bundle)
    assert bundle.read_bytes() == before


def test_a_backup_of_the_key_opens_with_the_same_passphrase(encrypted: Admin, tmp_path: Path) -> None:
    copy = tmp_path / "backup.pem"
    encrypted("ca", "export", "--key", "--to", copy, *PASSPHRASE)
    assert copy.read_bytes() == encrypted.path(f"{CA}/ca-key.pem").read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_the_root_key_goes_offline_under_its_own_passphrase(encrypted: Admin, tmp_path: Path) -> None:
    offline = tmp_path / "usb"
    offline.mkdir(0o700)
    ran = encrypted(
        *("ca", "export", "--root-key", "--to", offline / "root.pem", "--remove", "--json"),
        *(*PASSPHRASE, "--new-passphrase", "env:OTHER"),
        env={"OTHER": "far away"},
    )
    assert ran.data["removed"] == str(encrypted.path(f"{CA}/root-key.pem"))
    assert not encrypted.path(f"{CA}/root-key.pem").exists()
    public = peer(
        "openssl", "pkey", "-in", offline / "root.pem", "-passin", "env:P", "-pubout", env={"P": "far away"}
    )
    assert public == peer("openssl", "x509", "-in", encrypted.path(f"{CA}/parents.pem"), "-noout", "-pubkey")
    assert encrypted("ca", "show", "--json").data["root_key"] is None
    assert "root key     offline" in encrypted("ca", "show").out
    said = encrypted.refuses(66, "ca", "export", "--root-key", "--to", tmp_path / "again", *PASSPHRASE)
    assert "the root key is offline already" in said


def test_issuing_goes_on_without_the_root_key(two_tier: Admin, tmp_path: Path) -> None:
    ran = two_tier("ca", "export", "--root-key", "--to", tmp_path / "root.pem", "--remove")
    assert ran.warnings == [f"{tmp_path}/root.pem: this private key is not encrypted"]
    assert not two_tier.path(f"{CA}/root-key.pem").exists()
    two_tier("cert", "issue", "dmzmail")
    verify_both_roles(two_tier)


def verify_both_roles(program: Admin) -> None:
    """OpenSSL with the bundle, as Sendmail has it; GnuTLS with the root alone and the chain of the file."""
    certificate, bundle = (program.path(f"{CERTS}/{name}.pem") for name in ("dmzmail-cert", "cacert"))
    root = program.path(f"{CA}/parents.pem")
    for role, usage in {"sslserver": "1.3.6.1.5.5.7.3.1", "sslclient": "1.3.6.1.5.5.7.3.2"}.items():
        strict = ("openssl", "verify", "-x509_strict", "-purpose", role)
        peer(*strict, "-CAfile", bundle, certificate)
        peer(*strict, "-CApath", program.path(CERTS), "-no-CAfile", "-crl_check", certificate)
        peer(
            *("certtool", "--verify", f"--verify-purpose={usage}", f"--verify-hostname={HUB}"),
            *("--load-ca-certificate", root, "--infile", certificate),
        )


def test_both_certificates_of_two_tiers_are_constrained(two_tier: Admin) -> None:
    for name in ("ca-cert", "parents"):
        path = two_tier.path(f"{CA}/{name}.pem")
        text = peer("openssl", "x509", "-in", path, "-noout", "-ext", "nameConstraints,basicConstraints")
        assert "DNS:polkatistas.org" in text
        assert "CA:TRUE, pathlen:" + {"ca-cert": "0", "parents": "1"}[name] in text
    two_tier.refuses(65, "cert", "issue", "mx.example.net")


def test_a_wrong_passphrase_leaves_the_root_key_where_it_is(encrypted: Admin, tmp_path: Path) -> None:
    words = ("ca", "export", "--root-key", "--to", tmp_path / "root.pem", "--remove")
    said = encrypted.refuses(77, *words, "--passphrase", "env:WRONG", env={"WRONG": "under the hills"})
    assert said.count("\n") == 0
    assert not (tmp_path / "root.pem").exists()


def test_a_root_key_that_is_another_one_is_not_removed(two_tier: Admin, tmp_path: Path) -> None:
    key = two_tier.path(f"{CA}/root-key.pem")
    peer("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    key.chmod(0o600)
    said = two_tier.refuses(65, "ca", "export", "--root-key", "--to", tmp_path / "root.pem", "--remove")
    assert "is not the key of polkatistas.org Mail CA Root; nothing was removed" in said
    assert not (tmp_path / "root.pem").exists()


def test_a_copy_that_can_not_be_written_removes_nothing(two_tier: Admin, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    words = ("ca", "export", "--root-key", "--remove", "--to")
    assert "writable by everybody" in two_tier.refuses(77, *words, open_to_all / "root.pem")
    assert "no such directory" in two_tier.refuses(66, *words, tmp_path / "nowhere/root.pem")
    assert os.listdir(open_to_all) == []


@pytest.mark.parametrize("calls", ["fsync", "renameat", "unlinkat"])
def test_a_kill_never_loses_the_root_key(two_tier: Admin, tmp_path: Path, calls: str) -> None:
    words = ("ca", "export", "--root-key", "--remove", "--to", tmp_path / "root.pem")
    kept = [two_tier.path(f"{CA}/root-key.pem"), tmp_path / "root.pem"]
    for number in (1, 2):
        two_tier.killed(f"{calls}:signal=KILL:when={number}", *words)
        assert any(path.exists() and b"END PRIVATE KEY" in path.read_bytes() for path in kept), number
        if not kept[0].exists():
            break
        kept[1].unlink(missing_ok=True)


def test_words_that_do_not_fit(hub: Admin, tmp_path: Path) -> None:
    assert "give --to FILE" in hub.refuses(64, "ca", "export", "--key")
    assert "has to stay" in hub.refuses(64, "ca", "export", "--key", "--to", tmp_path / "k", "--remove")
    assert "export it with --key" in hub.refuses(66, "ca", "export", "--root-key", "--to", tmp_path / "k")
    said = hub.refuses(64, "ca", "export", "--to", tmp_path / "k", "--new-passphrase", "env:X")
    assert "certificates are no secret" in said
