"""``ca import``: authorities that easy-rsa, openssl ca and mkcert made here, and keys by themselves."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import CERTS, HUB, STATE, Admin, peer, without_random

CA = f"{STATE}/ca"
EASY_RSA = Path("/usr/share/easy-rsa")
CA_PL = "/usr/lib/ssl/misc/CA.pl"
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
CA_EXTENSIONS = (
    *("-addext", "basicConstraints=critical,CA:TRUE"),
    *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
)
Made = Callable[..., Path]


@pytest.fixture(scope="module")
def easy_rsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pki/`` of easy-rsa with an encrypted RSA key; one of three certificates is revoked."""
    place = tmp_path_factory.mktemp("easy-rsa")
    env = {"EASYRSA_BATCH": "1", "EASYRSA_PKI": str(place / "pki")}
    env |= {"EASYRSA_PASSIN": "env:PASS", "EASYRSA_PASSOUT": "env:PASS", "PASS": "old hills"}

    def easyrsa(*words: str) -> None:
        peer("sh", "-c", f'cd {EASY_RSA} && exec ./easyrsa "$@"', "easyrsa", *words, env=env)

    easyrsa("init-pki")
    easyrsa("--req-cn=Polkatistas CA", "build-ca")
    for host in ("dmzmail", "attic", "gone"):
        easyrsa("build-serverClient-full", f"{host}.polkatistas.org", "nopass")
    easyrsa("revoke", "gone.polkatistas.org", "keyCompromise")
    return place / "pki"


@pytest.fixture(scope="module")
def demo_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``demoCA`` of CA.pl with an unencrypted P-256 key and a CRL of number 7; one certificate is revoked."""
    place = tmp_path_factory.mktemp("CA.pl")
    subject = "/C=ES/ST=Polka/O=Polkatistas"

    def at_home(*words: str, stdin: bytes = b"") -> None:
        peer("sh", "-c", f'cd {place} && exec "$@"', "sh", *words, stdin=stdin)

    new = " ".join((*EC, "-nodes", "-subj", f"{subject}/CN=Demo"))
    at_home("perl", CA_PL, "-newca", "-extra-req", new, stdin=b"\n")
    for host in ("one", "two"):
        new = " ".join((*EC, "-subj", f"{subject}/CN={host}.polkatistas.org"))
        at_home("perl", CA_PL, "-newreq-nodes", "-extra-req", new)
        at_home("perl", CA_PL, "-sign", stdin=b"y\ny\n")
        (place / "newcert.pem").rename(place / f"{host}.pem")
    at_home("openssl", "ca", "-revoke", "one.pem", "-crl_reason", "superseded")
    (place / "demoCA/crlnumber").write_text("07\n")
    at_home("openssl", "ca", "-gencrl", "-out", "demoCA/crl/crl.pem")
    return place


@pytest.fixture
def pair(tmp_path: Path) -> Made:
    """Make a CA's key and certificate with ``openssl req``: ``x.key`` and ``x.crt`` in a directory."""

    def make(*more: str, kind: tuple[str, ...] = EC, clock: tuple[str, ...] = (), name: str = "Pair") -> Path:
        place = tmp_path / "pair"
        place.mkdir()
        files = ("-keyout", str(place / "x.key"), "-out", str(place / "x.crt"))
        config = ("-config", "/dev/null", "-utf8", "-nodes", "-subj", f"/CN={name}")
        peer(*clock, "openssl", "req", "-x509", *kind, "-days", "3650", *config, *files, *more)
        return place

    return make


def verified(program: Admin, certificate: Path, status: int = 0) -> str:
    how = ("-CApath", program.path(CERTS), "-no-CAfile", "-crl_check")
    return peer("openssl", "verify", *how, certificate, status=status)


def crl(program: Admin) -> str:
    return peer("openssl", "crl", "-in", program.path(f"{CA}/crl.pem"), "-noout", "-text")


def test_easy_rsa_goes_on_with_its_certificates_and_revocations(smtpcreds: Admin, easy_rsa: Path) -> None:
    source = ("--passphrase", "env:PASS")
    smtpcreds.env = {"PASS": "old hills"}
    said = smtpcreds("ca", "import", easy_rsa, *source, "--json").data
    assert (said["from"], said["certificates"], said["revoked"]) == ("easy-rsa", 3, 1)
    assert (said["encrypted"], said["key_type"]) == (True, "RSA 2048")
    public = ("openssl", "pkey", "-passin", "env:PASS", "-pubout", "-in")
    ours = peer(*public, smtpcreds.path(f"{CA}/ca-key.pem"), env={"PASS": "old hills"})
    assert ours == peer(*public, easy_rsa / "private/ca.key", env={"PASS": "old hills"})
    assert re.search(r"Revoked Certificates:(?s:.*)Key Compromise", crl(smtpcreds))
    smtpcreds("cert", "issue", "cellar", *source)
    verified(smtpcreds, smtpcreds.path(f"{CERTS}/cellar-cert.pem"))
    verified(smtpcreds, easy_rsa / "issued/attic.polkatistas.org.crt")
    smtpcreds("cert", "revoke", "attic", "--reason", "superseded", *source)
    assert "revoked" in verified(smtpcreds, easy_rsa / "issued/attic.polkatistas.org.crt", status=2)
    gone = next((easy_rsa / "revoked/certs_by_serial").glob("*.crt"))
    assert "revoked" in verified(smtpcreds, gone, status=2)
    verified(smtpcreds, easy_rsa / "issued/dmzmail.polkatistas.org.crt")
    rows = smtpcreds.query("SELECT host, profile, state FROM certificates ORDER BY host")
    assert rows == [
        ("attic.polkatistas.org", "relay", "revoked"),
        ("cellar.polkatistas.org", "relay", "issued"),
        ("dmzmail.polkatistas.org", "relay", "issued"),
        ("gone.polkatistas.org", "relay", "revoked"),
    ]
    assert smtpcreds("inventory", "check").out.startswith("inventory and disk agree\n")


def test_openssl_ca_goes_on_counting_its_crls(smtpcreds: Admin, demo_ca: Path) -> None:
    ran = smtpcreds("ca", "import", demo_ca, "--no-passphrase", "--json")
    assert (ran.data["from"], ran.data["certificates"], ran.data["revoked"]) == ("OpenSSL CA.pl", 2, 1)
    assert ran.data["crl_number"] == 8, "CRL 7 is out there"
    assert "Superseded" in crl(smtpcreds)
    smtpcreds("cert", "issue", "dmzmail")
    verified(smtpcreds, smtpcreds.path(f"{CERTS}/dmzmail-cert.pem"))
    verified(smtpcreds, demo_ca / "two.pem")
    assert "revoked" in verified(smtpcreds, demo_ca / "one.pem", status=2)
    smtpcreds("cert", "revoke", "two")
    assert "revoked" in verified(smtpcreds, demo_ca / "two.pem", status=2)
    serial = peer("openssl", "x509", "-in", demo_ca / "demoCA/cacert.pem", "-noout", "-serial")
    assert serial.partition("=")[2].strip() not in crl(smtpcreds), (
        "its own certificate is none that it issued"
    )


def test_mkcert_may_sign_no_crls_but_goes_on(smtpcreds: Admin, tmp_path: Path) -> None:
    yesterday = ("faketime", "1 day ago")
    peer(
        *yesterday,
        *("mkcert", "-cert-file", tmp_path / "x.pem", "-key-file", tmp_path / "x-key.pem", "x.example.org"),
        env={"CAROOT": str(tmp_path / "mkcert"), "HOME": str(tmp_path), "TRUST_STORES": "none"},
    )
    key = tmp_path / "mkcert/rootCA-key.pem"
    key.chmod(0o644)
    ran = smtpcreds("ca", "import", tmp_path / "mkcert")
    assert ran.warnings[0] == f"{key}: has mode 0644, so others may have read this CA key"
    assert any("may not sign CRLs" in warning for warning in ran.warnings)
    assert "is not encrypted" in ran.warnings[-1]
    assert smtpcreds.mode(f"{CA}/ca-key.pem") == 0o600
    assert key.exists(), "what was imported stays where it was"
    smtpcreds("cert", "issue", "dmzmail")
    certificate = smtpcreds.path(f"{CERTS}/dmzmail-cert.pem")
    peer("openssl", "verify", "-CApath", smtpcreds.path(CERTS), "-no-CAfile", certificate)
    assert "may not sign CRLs" in smtpcreds.refuses(65, "cert", "revoke", "dmzmail")
    assert "may not sign CRLs" in smtpcreds.refuses(65, "ca", "crl")
    assert "may not sign CRLs" in smtpcreds.refuses(65, "ca", "crl", "--check")
    assert smtpcreds("inventory", "check").out.startswith("inventory and disk agree\n")
    tomorrow = smtpcreds.at("1 day")
    tomorrow("ca", "rollover", "--name", "Successor", "--key-type", "p256")
    tomorrow("cert", "renew", "dmzmail")
    how = ("-CApath", smtpcreds.path(CERTS), "-no-CAfile", "-crl_check")
    peer("faketime", "1 day", "openssl", "verify", *how, certificate)
    tomorrow("ca", "rollover", "--retire-old")
    assert tomorrow("inventory", "check").out.startswith("inventory and disk agree\n")


def test_an_authority_without_crls_works_without_them(smtpcreds: Admin, pair: Made) -> None:
    """No program is told of a CRL that can't be, and nobody is told of it twice."""
    made = pair("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    smtpcreds.configure()
    smtpcreds.write("/etc/group", "Debian-exim:x:123:\nmail:x:8:\npostfix:x:124:\n", 0o644)
    smtpcreds.write("/etc/passwd", "Debian-exim:x:123:123::/:/bin/false\n", 0o644)
    smtpcreds("ca", "import", made, "--no-passphrase")
    smtpcreds("setup", HUB)
    verdict = smtpcreds("cert", "verify", "dmzmail")
    assert "Pair may sign no CRLs" in verdict.out
    for again in ((), ("--new-key",)):
        bundled = smtpcreds("bundle", "attic", "-o", smtpcreds.directory / "attic.tar", "--force", *again)
        assert "cert revoke" not in bundled.out
    for program in ("sendmail-hub", "exim-hub", "postfix-hub"):
        assert smtpcreds("mta", "apply", program, "--plaintext").warnings == []
        assert "crl.pem" not in smtpcreds("mta", "check", program, status=1).out
    for program in ("sendmail", "exim", "postfix", "msmtp", "nullmailer", "curl", "dma"):
        ran = smtpcreds("bundle", "attic", "--mta", program, "--new-key", "--force", "--json")
        assert (ran.data["crl_next_update"], ran.warnings) == (None, [])
        assert not [member for member in ran.data["members"] if "crl" in member]
        unpacked = peer("tar", "-xOf", smtpcreds.directory / "attic.tar")
        secret = smtpcreds("sasl", "show", "maildroid", "--reveal").out.strip()
        told = without_random(unpacked, secret)
        said = re.findall(r"crl\.pem|\bCRL\b|crlfile|tls_crl|list of revoked", told)
        assert said == [], program
    for words in (("status",), ("inventory", "check"), ("cert", "renew", "--due")):
        assert smtpcreds.run(*words).warnings == []
    assert not re.search("CERT|CRL", smtpcreds.run("audit"))
    smtpcreds("ca", "rollover")
    smtpcreds("cert", "renew", "dmzmail")
    smtpcreds("cert", "verify", "dmzmail")


def test_below_an_authority_for_one_role_the_other_is_warned_of(smtpcreds: Admin, pair: Made) -> None:
    said = smtpcreds(
        "ca", "import", pair(*CA_EXTENSIONS, "-addext", "extendedKeyUsage=serverAuth"), "--no-passphrase"
    )
    assert "Pair: TLS clients can't use what it signs" in said.warnings[0]


def test_an_intermediate_needs_the_certificates_above_it(
    smtpcreds: Admin, pair: Made, tmp_path: Path
) -> None:
    root = pair(*CA_EXTENSIONS, name="Root")
    step = tmp_path / "step"
    (step / "certs").mkdir(parents=True)
    (step / "secrets").mkdir(mode=0o700)
    key, request = step / "secrets/intermediate_ca_key", tmp_path / "int.csr"
    peer(
        "openssl",
        "req",
        "-new",
        *EC,
        "-nodes",
        "-config",
        "/dev/null",
        "-subj",
        "/CN=Issuing",
        "-keyout",
        key,
        "-out",
        request,
    )
    extensions = smtpcreds.write(
        "ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign,cRLSign"
    )
    certificate = step / "certs/intermediate_ca.crt"
    peer(
        *("openssl", "x509", "-req", "-in", request, "-CA", root / "x.crt", "-CAkey", root / "x.key"),
        *("-days", "1000", "-extfile", extensions, "-out", certificate),
    )
    said = smtpcreds.refuses(65, "ca", "import", step)
    assert "the certificate of the issuer (CN=Root) was not found" in said
    assert "--chain FILE" in said
    (step / "certs/root_ca.crt").write_bytes((root / "x.crt").read_bytes())
    assert smtpcreds("ca", "import", step, "--json").data["from"] == "step"
    smtpcreds("cert", "issue", "dmzmail")
    verified(smtpcreds, smtpcreds.path(f"{CERTS}/dmzmail-cert.pem"))
    peer(
        "openssl",
        "verify",
        "-CAfile",
        root / "x.crt",
        "-untrusted",
        certificate,
        smtpcreds.path(f"{CERTS}/dmzmail-cert.pem"),
    )


@pytest.mark.parametrize(
    ("more", "change", "reason"),
    [
        (("-addext", "basicConstraints=critical,CA:FALSE"), {}, "is not a CA certificate"),
        (
            ("-addext", "basicConstraints=CA:TRUE", "-addext", "keyUsage=cRLSign"),
            {},
            "keyUsage lacks keyCertSign",
        ),
        (CA_EXTENSIONS, {"clock": ("faketime", "2010-01-01")}, "expired on"),
        (CA_EXTENSIONS, {"kind": ("-newkey", "rsa:1024")}, "is an RSA key of 1024 bits"),
        (
            CA_EXTENSIONS,
            {"kind": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")},
            "is on the curve secp256k1",
        ),
        (
            CA_EXTENSIONS,
            {"kind": ("-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048")},
            "is an RSA key for PSS alone",
        ),
        (
            CA_EXTENSIONS,
            {"kind": (*EC, "-pkeyopt", "ec_param_enc:explicit")},
            "as with explicit curve parameters",
        ),
        ((*CA_EXTENSIONS, "-addext", "extendedKeyUsage=codeSigning"), {}, "is not for TLS servers"),
        (
            (*CA_EXTENSIONS, "-addext", "extendedKeyUsage=anyExtendedKeyUsage"),
            {},
            "OpenSSL says: unsuitable certificate purpose",
        ),
    ],
)
def test_what_mail_programs_would_refuse_is_refused(
    smtpcreds: Admin, pair: Made, more: tuple[str, ...], change: dict[str, tuple[str, ...]], reason: str
) -> None:
    place = pair(*more, **change)
    said = smtpcreds.refuses(65, "ca", "import", "--key", place / "x.key", "--cert", place / "x.crt")
    assert reason in said


def test_a_foreign_key_and_files_that_are_none(smtpcreds: Admin, pair: Made, tmp_path: Path) -> None:
    place = pair(*CA_EXTENSIONS)
    other = tmp_path / "other.key"
    peer("openssl", "genpkey", "-algorithm", "ed25519", "-out", other)
    both = ("--cert", place / "x.crt", "--key")
    assert f"is not the key of {place}/x.crt" in smtpcreds.refuses(65, "ca", "import", *both, other)
    assert "holds no private key" in smtpcreds.refuses(65, "ca", "import", *both, place / "x.crt")
    assert "No such file" in smtpcreds.refuses(66, "ca", "import", *both, place / "y.key")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "--key FILE --cert FILE" in smtpcreds.refuses(65, "ca", "import", empty)
    assert "No such file" in smtpcreds.refuses(66, "ca", "import", tmp_path / "nowhere")
    assert "--cert FILE" in smtpcreds.refuses(64, "ca", "import", "--key", place / "x.key")
    (place / "x.key").unlink()
    (place / "ca.crt").write_bytes((place / "x.crt").read_bytes())
    (place / "index.txt").write_text("")
    assert "name it with --key FILE" in smtpcreds.refuses(66, "ca", "import", place)


def test_an_authority_that_is_there_stays(authority: Admin, pair: Made) -> None:
    place = pair(*CA_EXTENSIONS)
    said = authority.refuses(73, "ca", "import", "--key", place / "x.key", "--cert", place / "x.crt")
    assert "holds an authority and is never overwritten" in said


def test_a_name_that_sendmail_can_not_match_is_a_warning(smtpcreds: Admin, pair: Made) -> None:
    place = pair(*CA_EXTENSIONS, name="Autorità di Polka è qui")
    ran = smtpcreds("ca", "import", place, "--no-passphrase")
    assert ran.warnings[0].startswith("Autorità di Polka è qui: its DN is not ASCII")
    assert ran.warnings[0].endswith("relaying by CertIssuer will not work with it")
    smtpcreds("cert", "issue", "dmzmail")
    verified(smtpcreds, smtpcreds.path(f"{CERTS}/dmzmail-cert.pem"))


def test_the_passphrase_changes_on_the_way_in(smtpcreds: Admin, pair: Made) -> None:
    place = pair(*CA_EXTENSIONS)
    old = ("-traditional", "-aes128", "-passout", "env:OLD")
    peer(
        "openssl",
        "ec",
        "-in",
        place / "x.key",
        "-out",
        place / "x.pem",
        *old[1:],
        env={"OLD": "one and only"},
    )
    (place / "x.pem").rename(place / "x.key")
    words = ("ca", "import", place, "--import-passphrase", "env:OLD", "--passphrase", "env:NEW")
    assert smtpcreds.refuses(77, *words, env={"OLD": "two", "NEW": "x"}).count("\n") == 0
    smtpcreds(*words, env={"OLD": "one and only", "NEW": "three of them"})
    assert "BEGIN ENCRYPTED PRIVATE KEY" in smtpcreds.path(f"{CA}/ca-key.pem").read_text()
    peer(
        "openssl",
        "pkey",
        "-in",
        smtpcreds.path(f"{CA}/ca-key.pem"),
        "-passin",
        "env:NEW",
        "-noout",
        env={"NEW": "three of them"},
    )


def test_a_ledger_with_one_serial_twice_is_not_guessed_at(
    smtpcreds: Admin, demo_ca: Path, tmp_path: Path
) -> None:
    peer("cp", "-a", demo_ca / "demoCA", tmp_path)
    index = tmp_path / "demoCA/index.txt"
    lines = index.read_text().splitlines()
    index.write_text("\n".join([*lines, lines[-1]]) + "\n")
    said = smtpcreds.refuses(65, "ca", "import", tmp_path / "demoCA")
    assert f"{index}:{len(lines) + 1}" in said
    assert "is there twice" in said


@pytest.mark.parametrize(
    "point", ["fsync:when=1", "fsync:when=3", "fsync:when=5", "fsync:when=8", "renameat:when=4"]
)
def test_a_killed_import_is_done_again(smtpcreds: Admin, demo_ca: Path, point: str) -> None:
    call, _, when = point.partition(":")
    assert smtpcreds.killed(f"{call}:signal=KILL:{when}", "ca", "import", demo_ca, "--no-passphrase")
    if not smtpcreds.path(CA).exists():
        smtpcreds("ca", "import", demo_ca, "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    assert "Superseded" in crl(smtpcreds)
    assert int(re.findall(r"CRL Number: \n *(\d+)", crl(smtpcreds))[0]) >= 8
    assert smtpcreds("inventory", "check").out.startswith("inventory and disk agree\n")
