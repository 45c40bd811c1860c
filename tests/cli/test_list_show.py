"""cert list and cert show: what an administrator reads."""

import subprocess
import sys
from pathlib import Path

import pytest
from admin import DOMAIN, Admin
from admin import HUB as HOST

from smtpcreds.cli.framework import parse_duration
from smtpcreds.errors import UsageError

from .other_ca import OtherCa, host_of_domain, openssl, other_ca

ATTIC = f"attic.{DOMAIN}"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    """A hub with certificates of several ages; nothing here changes it."""
    hub = host_of_domain(tmp_path_factory.mktemp("hub") / "host")
    hub("ca", "init", "--no-passphrase")
    hub("cert", "issue", "dmzmail", "--days", "300")
    hub("cert", "issue", "attic", "--client", "--days", "20")
    hub("cert", "issue", "cellar", "--days", "2")
    hub("cert", "issue", "cellar", "--days", "40", "--force")
    return hub


def hosts(hub: Admin, *words: str) -> list[str]:
    return [row["host"].partition(".")[0] for row in hub.json("cert", "list", *words)["certificates"]]


def fingerprint(path: Path) -> str:
    return openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256").partition("=")[2].strip()


def test_the_list_is_of_those_in_use_the_next_to_end_first(hub: Admin) -> None:
    assert hosts(hub) == ["attic", "cellar", "dmzmail"]
    assert hosts(hub, "--all") == ["cellar", "attic", "cellar", "dmzmail"]
    assert hosts(hub, "--host", "cellar", "--all") == ["cellar", "cellar"]
    assert hosts(hub, "--host", HOST) == ["dmzmail"]


@pytest.mark.parametrize(
    ("span", "found"),
    [("12h", []), ("19d", []), ("20d", ["attic"]), ("4w", ["attic"]), ("40d", ["attic", "cellar"])],
)
def test_those_that_end_soon(hub: Admin, span: str, found: list[str]) -> None:
    assert hosts(hub, "--expires-within", span) == found


def test_one_line_each(hub: Admin) -> None:
    serial = openssl("x509", "-in", hub.certs / "attic-cert.pem", "-noout", "-serial").partition("=")[2]
    end = openssl("x509", "-in", hub.certs / "attic-cert.pem", "-noout", "-enddate", "-dateopt", "iso_8601")
    first, *others = hub("cert", "list").out.splitlines()
    date = end.partition("=")[2].split()[0]
    assert first.split() == [ATTIC, "client", "19", "d", date, serial.lower()[:12], "issued"]
    assert len(others) == 2
    assert hub("cert", "list", "--expires-within", "1d").out == "no certificates\n"


def test_json_has_every_field(hub: Admin) -> None:
    row = hub.json("cert", "list", "--host", "dmzmail")["certificates"][0]
    certificate = hub.certs / "dmzmail-cert.pem"
    assert row["fingerprint"] == fingerprint(certificate).replace(":", "").lower()
    assert (row["names"], row["profile"], row["state"]) == ([HOST], "relay", "issued")
    assert (row["days_left"], row["certificate"]) == (299, str(certificate))
    assert row["not_after"].endswith("Z")


def test_an_expired_one_stays_in_sight(hub: Admin) -> None:
    later = hub.at("30 days")
    lines = later("cert", "list", "--expires-within", "1d").out.splitlines()
    assert [line.split()[0] for line in lines] == [ATTIC]
    assert lines[0].split()[2:4] == ["-11", "d"]
    assert lines[0].endswith("expired")
    long_after = hub.at("120 days")
    assert hosts(long_after) == ["cellar", "dmzmail"]


@pytest.mark.parametrize("span", ["30", "d", "3m", "1y", "-3d", "30 days", "99999999d"])
def test_spans_that_are_none(hub: Admin, span: str) -> None:
    assert "is not a duration" in hub.refuses(64, "cert", "list", f"--expires-within={span}")


def test_spans() -> None:
    assert [parse_duration(text).total_seconds() for text in ("12h", "30d", "4W")] == [
        43200,
        2592000,
        2419200,
    ]
    with pytest.raises(UsageError):
        parse_duration("30\u0664d")


def test_a_span_beyond_all_time(hub: Admin) -> None:
    assert len(hosts(hub, "--expires-within", "99999w")) == 3
    assert "is not a duration" in hub.refuses(64, "cert", "list", "--expires-within", "999999w")


def test_no_inventory(tmp_path: Path) -> None:
    assert "there is no inventory yet" in host_of_domain(tmp_path / "host").refuses(66, "cert", "list")


def test_a_reader_that_goes_away_is_no_error(hub: Admin) -> None:
    words = hub.command("cert", "list")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


def test_listing_needs_no_cryptography(hub: Admin) -> None:
    words = (sys.executable, "-X", "importtime", "-m", "smtpcreds", "--root", str(hub.root), "cert", "list")
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "sqlite3" in done.stderr
    assert "cryptography" not in done.stderr


def facts(text: str) -> dict[str, str]:
    """Read the lines of cert show; the word of the first column to the rest."""
    found = {}
    name = ""
    for line in text.splitlines()[1:]:
        name = line[2:15].strip() or f"{name}+"
        found[name] = line[15:]
    return found


def test_show_a_host(hub: Admin) -> None:
    certificate = hub.certs / "dmzmail-cert.pem"
    text = hub("cert", "show", "dmzmail").out
    said = facts(text)
    assert text.splitlines()[0] == HOST
    assert said["names"] == HOST
    assert (said["role"], said["key"], said["chain"]) == ("server and client", "P-256", f"{DOMAIN} Mail CA")
    assert said["valid"].endswith("UTC, 299 days left")
    assert said["state"] == f"issued as relay certificate of {HOST}"
    assert said["certificate"] == "SHA-256 " + fingerprint(certificate).replace(":", "").lower()
    assert said["file"] == str(certificate)
    assert said["sendmail"] == f"CertIssuer:/CN={DOMAIN}+20Mail+20CA"
    assert said["sendmail+"] == f"CertSubject:/CN={HOST}"
    spki = openssl("x509", "-in", certificate, "-noout", "-pubkey")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=spki.encode(), capture_output=True, check=True
    ).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256"], input=der, capture_output=True, check=True).stdout
    assert said["public key"] == "SHA-256 " + digest.decode().split()[-1]


def test_show_by_serial_and_fingerprint_and_their_beginnings(hub: Admin) -> None:
    certificate = hub.certs / "attic-cert.pem"
    serial = openssl("x509", "-in", certificate, "-noout", "-serial").partition("=")[2].strip()
    for which in (
        serial,
        serial[:10],
        fingerprint(certificate),
        fingerprint(certificate)[:20].lower(),
        "attic",
        ATTIC,
    ):
        (found,) = hub.json("cert", "show", which)["certificates"]
        assert (found["host"], found["roles"], found["serial"]) == (ATTIC, ["client"], serial.lower())


def test_show_of_a_renewed_host_is_the_newest_and_the_older_one_has_its_serial(hub: Admin) -> None:
    older, newer = hub.json("cert", "list", "--host", "cellar", "--all")["certificates"]
    assert hub.json("cert", "show", "cellar")["certificates"][0]["serial"] == newer["serial"]
    (found,) = hub.json("cert", "show", older["serial"])["certificates"]
    assert (found["state"], found["file"]) == ("issued", None)


def test_what_fits_several_is_an_error_that_lists_them(hub: Admin, tmp_path: Path) -> None:
    """Serial numbers are random, so a shared beginning is made: another CA gives one number twice."""
    host = host_of_domain(tmp_path / "host")
    number = 0xABCDEF0123456780
    for stem, last in (("attic", 1), ("cellar", 2)):
        host("cert", "request", stem)
        ca = other_ca(tmp_path / f"ca{last}", f"CA {last}")
        install_with_serial(host, ca, stem, number + last)
    refused = host.refuses(65, "cert", "show", "abcdef0123")
    assert "abcdef0123: fits 2 certificates: " in refused
    for name in ("attic", "cellar"):
        assert f"abcdef012345 {name}.{DOMAIN}, " in refused
    assert host.json("cert", "show", "abcdef0123456781")["certificates"][0]["host"] == ATTIC


def install_with_serial(host: Admin, ca: OtherCa, stem: str, serial: int) -> None:
    request, answer, extensions = (ca.directory / name for name in ("r.csr", "answer.pem", "extensions"))
    request.write_bytes((host.certs / f"{stem}.csr").read_bytes())
    extensions.write_text(f"subjectAltName=DNS:{stem}.{DOMAIN}\n")
    openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        ca.certificate,
        "-CAkey",
        ca.key,
        "-out",
        answer,
        "-extfile",
        extensions,
        "-set_serial",
        hex(serial),
    )
    host("cert", "install", answer, "--ca", ca.certificate)


def test_show_files(hub: Admin, tmp_path: Path) -> None:
    der = tmp_path / "some.cer"
    openssl("x509", "-in", hub.certs / "attic-cert.pem", "-outform", "DER", "-out", der)
    (found,) = hub.json("cert", "show", der)["certificates"]
    assert (found["host"], found["file"], found["state"]) == (ATTIC, str(der), "issued")
    stranger = other_ca(tmp_path / "other")
    (found,) = hub.json("cert", "show", stranger.certificate)["certificates"]
    assert (found["host"], found["state"], found["is_ca"]) == (None, "unknown", True)
    assert found["chain_fault"] == "is self-signed and not trusted"
    said = hub("cert", "show", hub.certs / "cacert.pem").out
    assert facts(said)["role"] == f"certificate authority, only for {DOMAIN}"
    assert facts(said)["chain"] == "is a trusted root"
    assert facts(said)["sendmail"] == f"CertIssuer:/CN={DOMAIN}+20Mail+20CA"


def test_show_every_certificate_of_a_file(hub: Admin, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join((hub.certs / f"{stem}-cert.pem").read_bytes() for stem in ("attic", "dmzmail")))
    assert [view["title"] for view in hub.json("cert", "show", both)["certificates"]] == [ATTIC, HOST]


def test_show_of_a_host_without_an_inventory(hub: Admin, tmp_path: Path) -> None:
    """A client host, to which the pair was copied."""
    client = host_of_domain(tmp_path / "client")
    client.certs.mkdir(parents=True, mode=0o700)
    for name in ("attic-cert.pem", "cacert.pem"):
        (client.certs / name).write_bytes((hub.certs / name).read_bytes())
        (client.certs / name).chmod(0o600)
    (found,) = client.json("cert", "show", "attic")["certificates"]
    assert (found["title"], found["chain"], found["state"]) == (ATTIC, [f"{DOMAIN} Mail CA"], "unknown")


def test_show_never_shows_a_key(hub: Admin) -> None:
    """Not even when it is asked to."""
    key = hub.certs / "attic-key.pem"
    assert "holds no certificate" in hub.refuses(65, "cert", "show", key)
    secret = openssl("pkey", "-in", key, "-noout", "-text").partition("priv:")[2].partition("pub:")[0]
    octets = "".join(secret.split())
    for words in (
        ("cert", "show", "attic"),
        ("--json", "cert", "show", "attic"),
        ("-v", "cert", "show", "attic"),
    ):
        done = hub.run(*words)
        said = (done.out + done.err).lower()
        assert "private" not in said
        assert octets.replace(":", "")[:16] not in said.replace(":", "")


def test_show_nothing(hub: Admin) -> None:
    assert "is not a host, serial number or fingerprint" in hub.refuses(66, "cert", "show", "nosuch")
    hub.refuses(66, "cert", "show", "./nosuch.pem")
