"""What real verifiers say of certificates through rollover, revocation and retirement, given all CRLs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from admin import HUB, Admin, peer

from smtpcreds.pki.crl import read_crl
from smtpcreds.pki.encoding import blocks, encode_der, parse_certificates

PEERS = Path(__file__).parent / "pki"
Verdicts = dict[str, bool]


def openssl(certs: Path, chains: Sequence[Path]) -> Verdicts:
    how = ("openssl", "verify", "-x509_strict", "-crl_check_all", "-no-CApath")
    trust = ("-CAfile", certs / "cacert.pem", "-CRLfile", certs / "all-crls.pem")
    return {path.stem: _accepts(*how, *trust, "-untrusted", path, path) for path in chains}


def gnutls(certs: Path, chains: Sequence[Path]) -> Verdicts:
    trust = ("--load-ca-certificate", certs / "cacert.pem", "--load-crl", certs / "all-crls.pem")
    return {path.stem: _accepts("certtool", "--verify", *trust, "--infile", path) for path in chains}


def nss(certs: Path, chains: Sequence[Path]) -> Verdicts:
    base = certs.parent / f"nss-{len(list(certs.parent.iterdir()))}"
    base.mkdir()
    where = ("-d", f"sql:{base}")
    peer("certutil", "-N", *where, "--empty-password")
    authorities = parse_certificates((certs / "cacert.pem").read_bytes(), "cacert.pem").certificates
    given = [
        ca for path in chains for ca in parse_certificates(path.read_bytes(), str(path)).certificates[1:]
    ]
    for number, ca in enumerate(dict.fromkeys((*authorities, *given))):
        trust = "CT,C,C" if ca.subject == ca.issuer else ",,"
        peer("certutil", "-A", *where, "-n", f"ca{number}", "-t", trust, stdin=encode_der(ca))
    for number, block in enumerate(blocks((certs / "all-crls.pem").read_bytes())):
        crl = base / f"{number}.crl"
        crl.write_bytes(block.decode() or b"")
        peer("crlutil", "-I", *where, "-t", "1", "-i", crl)
    said = {}
    for path in chains:
        leaf = parse_certificates(path.read_bytes(), str(path)).certificates[0]
        peer("certutil", "-A", *where, "-n", path.stem, "-t", ",,", stdin=encode_der(leaf))
        said[path.stem] = _accepts("certutil", "-V", *where, "-e", "-u", "C", "-n", path.stem)
    return said


def java(certs: Path, chains: Sequence[Path]) -> Verdicts:
    return _table(peer("java", PEERS / "Revoked.java", certs / "cacert.pem", certs / "all-crls.pem", *chains))


def go(certs: Path, chains: Sequence[Path]) -> Verdicts:
    cache = {"GOCACHE": str(certs.parent / "go-cache"), "GOFLAGS": "-mod=mod"}
    words: tuple[str | Path, ...] = (
        "go",
        "run",
        PEERS / "revoked.go",
        certs / "cacert.pem",
        certs / "all-crls.pem",
        *chains,
    )
    return _table(peer(*words, env=cache))


def _accepts(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, timeout=600, check=False).returncode == 0


def _table(answer: str) -> Verdicts:
    rows = (line.split("\t") for line in answer.splitlines())
    return {Path(path).stem: said == "OK" for path, said in rows}


VERIFIERS = (openssl, gnutls, nss, java, go)


class Life:
    """Chains as their hosts show them, kept when they are issued; and the directory that trusts or not."""

    def __init__(self, tmp_path: Path, *authority: str) -> None:
        self.admin = Admin(tmp_path / "root")
        self.admin.configure()
        self.admin("ca", "init", "--no-passphrase", *authority)
        self.admin("cert", "issue", "dmzmail")
        self.chains: list[Path] = []
        self.directory = tmp_path

    def issues(self, *names: str) -> None:
        self.admin("cert", "issue", *names)
        for name in names:
            chain = self.directory / f"{name}.pem"
            chain.write_bytes((self.admin.certs / f"{name}-cert.pem").read_bytes())
            self.chains.append(chain)

    def all_accept(self, expected: set[str]) -> None:
        """Every verifier accepts these and no other."""
        for verifier in VERIFIERS:
            said = verifier(self.admin.certs, self.chains)
            assert {name for name, accepts in said.items() if accepts} == expected, verifier
            assert set(said) == {path.stem for path in self.chains}, verifier


@pytest.mark.parametrize("authority", [(), ("--intermediate",)], ids=["root", "intermediate"])
def test_every_verifier_accepts_what_is_valid_and_nothing_that_is_not(
    tmp_path: Path, authority: tuple[str, ...]
) -> None:
    life = Life(tmp_path, *authority)
    admin = life.admin
    life.issues("attic", "bad")
    admin("cert", "revoke", "bad", "--reason", "keyCompromise")
    life.all_accept({"attic"})
    admin("ca", "rollover")
    life.issues("tuba", "sour")
    admin("cert", "revoke", "sour")
    life.all_accept({"attic", "tuba"})
    admin("cert", "renew", "dmzmail", "attic")
    admin("ca", "rollover", "--retire-old")
    life.all_accept({"tuba"})


def test_the_root_answers_for_its_issuing_cas_until_its_end(tmp_path: Path) -> None:
    life = Life(tmp_path, "--intermediate")
    admin = life.admin
    ca = admin.state / "ca"
    root = parse_certificates((ca / "parents.pem").read_bytes(), "parents.pem").certificates[0]
    first = read_crl((ca / "root-crl.pem").read_bytes(), "root-crl.pem", root)
    assert (first.number, first.count) == (1, 0)
    assert first.next_update == root.not_valid_after_utc
    admin("ca", "rollover")
    admin("cert", "renew", "dmzmail")
    key = tmp_path / "root.pem"
    admin("ca", "export", "--root-key", "--to", key, "--remove")

    said = admin.refuses(66, "ca", "rollover", "--retire-old")
    end = f"{root.not_valid_after_utc:%Y-%m-%d}"
    assert f"polkatistas.org Mail CA: is accepted until {end} with its chain, unless" in said
    assert "--root-key FILE; or --force" in said
    ran = admin("ca", "rollover", "--retire-old", "--force")
    assert any(f"is accepted until {end}" in warning for warning in ran.warnings)
    assert len(list(admin.certs.glob("crl-*.pem"))) == 2, (
        "the last CRL of the retired one stays, and the root's"
    )
    assert admin("inventory", "check").out.startswith("inventory and disk agree\n")

    done = admin.json("ca", "rollover", "--retire-old", "--root-key", key)
    assert (done["retired"], done["revoked"]) == ([], ["polkatistas.org Mail CA"])
    second = read_crl((ca / "root-crl.pem").read_bytes(), "root-crl.pem", root)
    assert (second.number, second.count) == (2, 1)
    admin("ca", "crl", "--root-key", key)
    third = read_crl((ca / "root-crl.pem").read_bytes(), "root-crl.pem", root)
    assert (third.number, third.count) == (3, 1)
    assert HUB in admin("cert", "list").out


def test_a_root_without_a_crl_gets_one_or_is_named(tmp_path: Path) -> None:
    """As after an import."""
    life = Life(tmp_path, "--intermediate")
    admin, crl = life.admin, life.admin.state / "ca/root-crl.pem"
    key = tmp_path / "root.pem"
    crl.unlink()
    assert "has no CRL" in admin("inventory", "check", status=1).out
    admin("ca", "crl")
    assert crl.exists()
    crl.unlink()
    next(admin.certs.glob("crl-*.pem")).unlink()  # else it would be taken from there
    admin("ca", "export", "--root-key", "--to", key, "--remove")
    warned = admin("ca", "crl").warnings
    assert any("crl --root-key FILE" in warning for warning in warned), warned
    admin("ca", "crl", "--root-key", key)
    assert crl.exists()
    single = Admin(tmp_path / "single")
    single("ca", "init", "--no-passphrase", "--name", "Polka")
    assert "is not needed" in single.refuses(64, "ca", "crl", "--root-key", key)
