"""cert sign: names and key of a stranger's request, everything else ours."""

import subprocess
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, Admin

from .other_ca import NEW_KEY, host_of_domain, mode, openssl, public_key, request_of, run, verified

LAB = f"lab.{DOMAIN}"
SAN = ("-addext", f"subjectAltName=DNS:{LAB},DNS:www.{LAB},IP:192.0.2.7")
ALL = ("--san", LAB, "--san", f"www.{LAB}", "--san", "192.0.2.7")
GREEDY = ("-addext", f"subjectAltName=DNS:{HUB},DNS:*.{DOMAIN},DNS:{LAB},IP:192.0.2.7")


@pytest.fixture(scope="module")
def hub_once(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    hub = host_of_domain(tmp_path_factory.mktemp("hub") / "host")
    hub("ca", "init", "--intermediate", "--addresses", "--no-passphrase")
    return hub


@pytest.fixture
def hub(hub_once: Admin, tmp_path: Path) -> Admin:
    return hub_once.copy(tmp_path / "hub")


def text_of(pem: str) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-text"], input=pem, capture_output=True, text=True, check=True
    )
    return done.stdout.replace("CN = ", "CN=")  # OpenSSL before 3.2 has blanks


def test_the_answer_holds_names_and_key_of_the_request(hub: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", *SAN)
    answer = tmp_path / "lab.pem"
    done = hub("cert", "sign", request, *ALL, "--server", "--client", "--to", answer).out
    assert f"{LAB}: relay certificate, P-256, valid to" in done
    assert mode(answer) == 0o600
    assert public_key(answer) == public_key(request)
    hub("cert", "issue", "dmzmail")
    for purpose in ("sslserver", "sslclient"):
        assert ": OK" in verified(answer, hub.certs, purpose)
    gnutls = run(
        "certtool",
        "--verify",
        "--verify-hostname",
        LAB,
        "--load-ca-certificate",
        hub.certs / "cacert.pem",
        "--infile",
        answer,
    )
    assert gnutls.returncode == 0, gnutls.stdout
    said = text_of(answer.read_text())
    assert f"DNS:{LAB}, DNS:www.{LAB}, IP Address:192.0.2.7" in said
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in said
    (row,) = hub.json("cert", "list", "--host", "lab")["certificates"]
    assert (row["state"], row["certificate"], row["names"]) == (
        "issued",
        None,
        [LAB, f"www.{LAB}", "192.0.2.7"],
    )


def test_standard_output_holds_certificate_and_intermediate_and_nothing_else(
    hub: Admin, tmp_path: Path
) -> None:
    request = request_of(tmp_path, f"/CN={LAB}")
    done = hub.run("--quiet", "cert", "sign", request, "--server")
    assert done.err == ""
    assert done.out.count("BEGIN CERTIFICATE") == 2
    assert done.out.endswith((hub.root / "var/lib/smtpcreds/ca/ca-cert.pem").read_text())
    said = text_of(done.out)
    assert "TLS Web Server Authentication\n" in said
    assert f"DNS:{LAB}\n" in said


def test_der_and_json(hub: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", "-outform", "DER")
    said = hub.json("cert", "sign", request, "--days", "7", "--client")
    assert (said["host"], said["profile"], said["file"], said["ignored"]) == (LAB, "client", None, [])
    assert f"CN={LAB}" in text_of(said["pem"])
    (row,) = hub.json("cert", "list", "--expires-within", "8d")["certificates"]
    assert row["serial"] == said["serial"]


def test_what_else_is_asked_for_is_told_and_left_out(hub: Admin, tmp_path: Path) -> None:
    request = request_of(
        tmp_path,
        "/O=Evil/CN=lab/emailAddress=a@b.example",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=keyCertSign",
        "-addext",
        "extendedKeyUsage=codeSigning",
        "-addext",
        f"subjectAltName=DNS:{LAB},email:a@b.example",
    )
    done = hub.run("cert", "sign", request)
    assert done.status == 0
    for item in (
        "subject attribute O",
        "extension BasicConstraints",
        "extension KeyUsage",
        "extension ExtendedKeyUsage",
        "subjectAltName RFC822Name",
        "common name lab",
    ):
        assert f"ignored: {item}" in done.err
    said = text_of(done.out)
    assert "CA:FALSE" in said
    assert f"Subject: CN={LAB}\n" in said
    for word in ("Evil", "a@b", "Code Signing", "Certificate Sign"):
        assert word not in said


def test_only_some_of_the_names(hub: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", *SAN)
    done = hub.run("cert", "sign", request, "--san", LAB)
    assert f"DNS:{LAB}\n" in text_of(done.out)
    assert f"ignored: name www.{LAB}" in done.err
    refused = hub.refuses(65, "cert", "sign", request, "--san", "other.polkatistas.org")
    assert f"does not ask for other.polkatistas.org; it asks for {LAB}, www.{LAB}, 192.0.2.7" in refused


@pytest.mark.parametrize("role", [(), ("--server",)])
def test_nobody_gets_the_name_of_another_host_a_wildcard_or_an_address(
    hub: Admin, tmp_path: Path, role: tuple[str, ...]
) -> None:
    """A pair for the hub's name would be given every account's password."""
    hub.configure()
    request = request_of(tmp_path, f"/CN={LAB}", *GREEDY)
    for issued in ((), ("cert", "issue", "dmzmail")):
        if issued:
            hub(*issued)
        ran = hub.run("--json", "cert", "sign", request, *role)
        assert (ran.data["names"], ran.data["profile"]) == ([LAB], role[0][2:] if role else "client")
        assert f"DNS:{LAB}\n" in text_of(ran.data["pem"])
        assert ran.data["ignored"][:2] == [f"wildcard *.{DOMAIN}", "address 192.0.2.7"]
        assert len(ran.data["ignored"]) == 3
        assert all(any(item in said for said in ran.warnings) for item in ran.data["ignored"])


def test_names_that_are_repeated_are_certified(hub: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", *GREEDY)
    said = hub.json("cert", "sign", request, "--san", f"*.{DOMAIN}", "--san", LAB, "--san", "192.0.2.7")
    assert said["names"] == [LAB, f"*.{DOMAIN}", "192.0.2.7"]
    assert f"Subject: CN={LAB}\n" in text_of(said["pem"])


def test_a_short_name_of_san_gets_the_domain(hub: Admin, tmp_path: Path) -> None:
    done = hub("cert", "sign", request_of(tmp_path, f"/CN={LAB}", *SAN), "--san", "lab", "--json")
    assert done.data["names"] == [LAB]


def test_a_new_key_takes_a_certified_name_only_if_it_is_repeated(hub: Admin, tmp_path: Path) -> None:
    first, second = (request_of(tmp_path, f"/CN={LAB}") for _ in range(2))
    serial = hub.json("cert", "sign", first)["serial"]
    hub("cert", "sign", first, "--days", "30")
    said = hub.refuses(65, "cert", "sign", second)
    assert f"{LAB}: has a live certificate with another key" in said
    assert f"hint: if it is to be certified for this key: --san {LAB}" in said
    hub("cert", "sign", second, "--san", LAB)
    hub("cert", "sign", second)
    assert serial != hub.json("cert", "show", LAB)["certificates"][0]["serial"]


def test_a_revoked_or_expired_certificate_keeps_no_name(hub: Admin, tmp_path: Path) -> None:
    first, second = (request_of(tmp_path, f"/CN={LAB}") for _ in range(2))
    hub("cert", "revoke", hub.json("cert", "sign", first)["serial"])
    hub("cert", "sign", second, "--days", "3")
    hub.at("+4 days")("cert", "sign", first)


def test_the_names_are_told_beside_the_certificate(hub: Admin, tmp_path: Path) -> None:
    ran = hub("cert", "sign", request_of(tmp_path, f"/CN={LAB}"))
    assert f"  for {LAB}\n" in ran.err


def test_a_request_that_was_changed_is_refused(hub: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", "-outform", "DER")
    request.write_bytes(request.read_bytes().replace(b"lab.", b"bal."))
    assert "possession of the key is not proven" in hub.refuses(65, "cert", "sign", request)


@pytest.mark.parametrize(
    ("subject", "extra", "reason"),
    [
        ("/CN=lab", (), "lab is outside what the CA may certify (polkatistas.org)"),
        ("/CN=mail.example.net", (), "mail.example.net is outside what the CA may certify"),
        ("/CN=bad..name", (), "has an empty label"),
        ("/O=Nobody", (), "names no host: neither a common name nor a subjectAltName"),
        (
            "/",
            ("-addext", f"subjectAltName=DNS:*.{DOMAIN}"),
            "names no single host, only wildcards or addresses",
        ),
        (
            "/",
            ("-addext", "subjectAltName=IP:192.0.2.7"),
            "names no single host, only wildcards or addresses",
        ),
    ],
)
def test_bad_names(
    hub_once: Admin, tmp_path: Path, subject: str, extra: tuple[str, ...], reason: str
) -> None:
    assert reason in hub_once.refuses(65, "cert", "sign", request_of(tmp_path, subject, *extra))


def test_a_short_name_is_not_completed(hub_once: Admin, tmp_path: Path) -> None:
    done = hub_once.run("cert", "sign", request_of(tmp_path, "/CN=lab"))
    assert "lab has no domain; it is certified as it is" in done.err


def test_a_weak_key(hub_once: Admin, tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}", key=("-newkey", "rsa:1024", "-noenc"))
    assert "has a key that can't be certified" in hub_once.refuses(65, "cert", "sign", request)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (("-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-noenc"), "for PSS alone"),
        ((*NEW_KEY, "-pkeyopt", "ec_param_enc:explicit"), "explicit curve parameters"),
    ],
)
def test_a_key_that_its_certificate_would_not_fit(
    hub_once: Admin, tmp_path: Path, key: tuple[str, ...], reason: str
) -> None:
    assert reason in hub_once.refuses(65, "cert", "sign", request_of(tmp_path, f"/CN={LAB}", key=key))


def test_what_is_no_request(hub_once: Admin, tmp_path: Path) -> None:
    key = tmp_path / "some.key"
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    assert "holds PRIVATE KEY, not a certificate request" in hub_once.refuses(65, "cert", "sign", key)
    hub_once.refuses(66, "cert", "sign", tmp_path / "missing.csr")


def test_a_file_that_is_there_stays_unless_forced(hub: Admin, tmp_path: Path) -> None:
    request, answer = request_of(tmp_path, f"/CN={LAB}"), tmp_path / "lab.pem"
    answer.write_text("mine")
    hub.refuses(73, "cert", "sign", request, "--to", answer)
    assert answer.read_text() == "mine"
    hub.refuses(66, "cert", "sign", request, "--to", tmp_path / "missing/lab.pem")
    hub("cert", "sign", request, "--to", answer, "--force")
    assert mode(answer) == 0o600
    assert hub.json("cert", "list", "--all")["certificates"][0]["state"] == "issued"


def test_dry_run_signs_nothing(hub: Admin, tmp_path: Path) -> None:
    request, answer = request_of(tmp_path, f"/CN={LAB}"), tmp_path / "lab.pem"
    plan = hub.json("--dry-run", "cert", "sign", request, "--to", answer)["plan"]
    *files, row = [(step["action"], step["target"]) for step in plan]
    assert files == [("sign", LAB), ("write", str(answer))]
    assert row == ("record in", str(hub.root / "var/lib/smtpcreds/inventory.sqlite3"))
    assert plan[-1]["note"] == "certificates: 1 added, 2 changed; events: 1 added"
    assert not answer.exists()
    assert hub.json("cert", "list", "--all")["certificates"] == []


def test_without_an_authority(tmp_path: Path) -> None:
    request = request_of(tmp_path, f"/CN={LAB}")
    assert "there is no authority yet" in host_of_domain(tmp_path / "host").refuses(
        66, "cert", "sign", request
    )


def test_killed_before_the_answer_is_written_it_can_still_be_had(hub: Admin, tmp_path: Path) -> None:
    """It was signed, so it is in the inventory, where it can be exported and revoked."""
    request, answer = request_of(tmp_path, f"/CN={LAB}"), tmp_path / "lab.pem"
    assert hub.killed("renameat:signal=KILL:when=1", "cert", "sign", request, "--to", answer)
    assert not answer.exists()
    hub("cert", "issue", "dmzmail")
    assert public_key_of(hub("cert", "export", "lab").out) == public_key(request)


@pytest.mark.parametrize(
    "words",
    [
        ("cert", "sign", "REQUEST", "--to"),
        ("cert", "export", "dmzmail", "--with-key", "--to"),
        ("ca", "export", "--key", "--to"),
        ("ca", "export", "--to"),
    ],
)
def test_what_a_killed_run_left_beside_its_target_goes_with_the_same_command(
    hub: Admin, tmp_path: Path, words: tuple[str, ...]
) -> None:
    hub("cert", "issue", "dmzmail")
    request = request_of(tmp_path, f"/CN={LAB}")
    there = sorted(tmp_path.iterdir())
    command = [request if word == "REQUEST" else word for word in words] + [tmp_path / "target.pem"]
    assert hub.killed("renameat:signal=KILL:when=1", *command)
    left = sorted(set(tmp_path.iterdir()).difference(there))
    assert len(left) == 1
    assert left[0].name.startswith(".target.pem.smtpcreds-")
    hub(*command)
    assert sorted(set(tmp_path.iterdir()).difference(there)) == [tmp_path / "target.pem"]


def public_key_of(pem: str) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-pubkey"], input=pem, capture_output=True, text=True, check=True
    )
    return done.stdout.replace("CN = ", "CN=")  # OpenSSL before 3.2 has blanks
