"""An issuing CA two or more CAs below its root: each of them has a CRL that OpenSSL's full check asks for."""

from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin, peer

CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca_cert]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = it
[it]
database = {home}/index.txt
crlnumber = {home}/crlnumber
default_md = sha256
"""


class Above:
    """A root and a policy CA, run by somebody else with openssl."""

    def __init__(self, home: Path) -> None:
        home.mkdir()
        self.home = home
        (home / "cnf").write_text(CONFIG.format(home=home))
        (home / "index.txt").touch()
        (home / "crlnumber").write_text("01")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", home / "cnf")
        signed = ("-days", "3000", "-extfile", home / "cnf", "-extensions", "ca_cert")
        for name, issuer in (("root", ""), ("policy", "root"), ("issuing", "policy")):
            subject = ("-subj", f"/CN=Far {name}", "-keyout", home / f"{name}.key")
            if issuer:
                peer("openssl", "req", *key, *subject, "-out", home / f"{name}.csr")
                by = ("-CA", home / f"{issuer}.pem", "-CAkey", home / f"{issuer}.key", "-CAcreateserial")
                peer(
                    "openssl",
                    "x509",
                    "-req",
                    "-in",
                    home / f"{name}.csr",
                    *by,
                    *signed,
                    "-out",
                    self.file(name),
                )
            else:
                ours = ("-days", "3000", "-extensions", "ca_cert", "-out", self.file(name))
                peer("openssl", "req", "-x509", *key, *subject, *ours)

    def file(self, name: str) -> Path:
        return self.home / f"{name}.pem"

    def crl(self, name: str, days: int = 30, revoked: str = "") -> Path:
        """Sign a CRL."""
        by = ("-config", self.home / "cnf", "-cert", self.file(name), "-keyfile", self.home / f"{name}.key")
        if revoked:
            peer("openssl", "ca", *by, "-revoke", self.file(revoked))
        path = self.home / f"{name}-crl.pem"
        peer("openssl", "ca", "-gencrl", *by, "-crldays", str(days), "-out", path)
        return path


@pytest.fixture
def above(tmp_path: Path) -> Above:
    return Above(tmp_path / "above")


@pytest.fixture
def admin(smtpcreds: Admin, above: Above) -> Admin:
    smtpcreds.configure(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n')
    chain = above.home / "chain.pem"
    chain.write_text(above.file("policy").read_text() + above.file("root").read_text())
    named = ("--key", above.home / "issuing.key", "--cert", above.file("issuing"), "--chain", chain)
    smtpcreds("ca", "import", *named, "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail", "attic")
    return smtpcreds


def judged(admin: Admin, host: str, status: int = 0) -> str:
    lists = admin.certs / "all-crls.pem"
    words = ("-crl_check_all", "-CAfile", admin.certs / "cacert.pem", "-CRLfile", lists)
    return peer("openssl", "verify", *words, admin.certs / f"{host}-cert.pem", status=status)


def test_every_crl_along_the_chain_is_handed_on(admin: Admin, above: Above) -> None:
    said = admin("inventory", "check", status=1).out
    for name in ("root", "policy"):
        assert f"Far {name}: has no CRL" in said
    warned = admin("ca", "crl").warnings
    assert any(
        "Far root: has no CRL here" in warning and "ca crl --take FILE" in warning for warning in warned
    )
    assert "unable to get certificate CRL" in judged(admin, "dmzmail", status=2)

    ran = admin("ca", "crl", "--take", above.crl("root"), "--take", above.crl("policy"))
    assert ran.warnings == []
    judged(admin, "dmzmail")
    assert len(list(admin.certs.glob("*.r0"))) == 3
    admin("cert", "revoke", "attic")
    assert "revoked" in judged(admin, "attic", status=2)
    judged(admin, "dmzmail")
    assert "has no CRL" not in admin.run("inventory", "check").out
    findings = admin.run("--json", "audit").data["findings"]
    assert {item["code"] for item in findings if item["code"].startswith("CERT")} == {"CERT023"}  # attic


def test_one_that_ends_is_named_in_time(admin: Admin, above: Above) -> None:
    admin("ca", "crl", "--days", "100", "--take", above.crl("root"), "--take", above.crl("policy", days=90))
    later = admin.at("+40 days")
    ended = later.run("audit").out
    assert "crl-" in ended
    assert "expired" in ended or "ended" in ended, ended


def test_they_stay_through_a_rollover(admin: Admin, above: Above) -> None:
    admin("ca", "crl", "--take", above.crl("root"), "--take", above.crl("policy"))
    admin("ca", "rollover", "--root-key", above.home / "policy.key")
    admin("cert", "renew", "dmzmail")
    judged(admin, "dmzmail")
    admin("cert", "renew", "--old-authority")
    admin("ca", "rollover", "--retire-old", "--root-key", above.home / "policy.key")
    judged(admin, "dmzmail")


def test_a_revocation_above_counts(admin: Admin, above: Above) -> None:
    admin("ca", "crl", "--take", above.crl("root", revoked="policy"), "--take", above.crl("policy"))
    assert "revoked" in judged(admin, "dmzmail", status=2)


def test_what_is_not_of_a_ca_above_is_refused(admin: Admin, above: Above, tmp_path: Path) -> None:
    first = above.crl("root").read_bytes()
    admin("ca", "crl", "--take", above.crl("root"), "--take", above.crl("policy"))
    (tmp_path / "older.pem").write_bytes(first)
    assert "is older than the CRL of Far root" in admin.refuses(
        65, "ca", "crl", "--take", tmp_path / "older.pem"
    )
    assert "the CAs above ours are: Far policy, Far root" in admin.refuses(
        65, "ca", "crl", "--take", admin.crl
    )
    assert admin.at("+40 days").run("ca", "crl", "--take", above.crl("root")).status == 65
