"""cert verify: each fault is found, by its name, and only that one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import DOMAIN, Admin
from admin import HUB as HOST

from .other_ca import host_of_domain, openssl, other_ca

CHECKS = ["files", "key", "dates", "names", "roles", "chain", "links", "revocation"]


@pytest.fixture(scope="module")
def hub_once(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    hub = host_of_domain(tmp_path_factory.mktemp("hub") / "host")
    hub("ca", "init", "--no-passphrase")
    hub("cert", "issue", "dmzmail", "--days", "60")
    hub("cert", "issue", "attic", "--client")
    return hub


@pytest.fixture
def hub(hub_once: Admin, tmp_path: Path) -> Admin:
    return hub_once.copy(tmp_path / "hub")


def faults(hub: Admin, *words: str | Path) -> dict[str, str]:
    """Return what is wrong, by the name of the check; the exit status says whether anything is."""
    done = hub.run("--json", "cert", "verify", *words)
    assert done.status in {0, 1}, done.err

    said = done.data
    wrong = {check["check"]: check["detail"] for check in said["checks"] if not check["ok"]}
    assert said["ok"] is (not wrong)
    assert done.status == bool(wrong)
    return wrong


def test_what_works(hub: Admin) -> None:
    lines = hub("cert", "verify", "dmzmail").out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in CHECKS]
    assert faults(hub, "attic") == {}
    assert faults(hub, hub.certs / "attic-cert.pem") == {}


def loose_key(hub: Admin) -> None:
    (hub.certs / "dmzmail-key.pem").chmod(0o640)


def loose_certificate(hub: Admin) -> None:
    (hub.certs / "dmzmail-cert.pem").chmod(0o664)


def open_directory(hub: Admin) -> None:
    hub.certs.chmod(0o777)


def foreign_owner(hub: Admin) -> None:
    os.chown(hub.certs / "dmzmail-cert.pem", 1234, 1234)


def other_key(hub: Admin) -> None:
    path = hub.certs / "dmzmail-key.pem"
    path.write_bytes((hub.certs / "attic-key.pem").read_bytes())


def no_key(hub: Admin) -> None:
    (hub.certs / "dmzmail-key.pem").unlink()


def other_bundle(hub: Admin) -> None:
    path = hub.certs / "cacert.pem"
    path.write_bytes(other_ca(hub.root.parent / "other").certificate.read_bytes())
    for link in hub.certs.glob("*.0"):
        link.unlink()
    name = openssl("x509", "-in", path, "-noout", "-subject_hash").strip()
    (hub.certs / f"{name}.0").symlink_to("cacert.pem")


def no_bundle(hub: Admin) -> None:
    (hub.certs / "cacert.pem").unlink()


def no_link(hub: Admin) -> None:
    next(hub.certs.glob("*.0")).unlink()


def no_crl(hub: Admin) -> None:
    (hub.certs / "crl.pem").unlink()


def empty_crl(hub: Admin) -> None:
    (hub.certs / "crl.pem").write_text("")


def revoked(hub: Admin) -> None:
    crl(hub, "dmzmail")


def crl(hub: Admin, stem: str) -> None:
    """Let openssl make the CA's next CRL, with one certificate on it."""
    place = hub.root / "openssl"
    place.mkdir()
    serial = (
        openssl("x509", "-in", hub.certs / f"{stem}-cert.pem", "-noout", "-serial").strip().partition("=")[2]
    )
    row = ("R", "350101000000Z", "260101000000Z,keyCompromise", serial, "unknown", f"/CN={stem}")
    (place / "index.txt").write_text("\t".join(row) + "\n")
    (place / "crlnumber").write_text("77\n")
    (place / "cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={place}/index.txt\ncrlnumber={place}/crlnumber\n"
        "default_md=sha256\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n"
    )
    ca = hub.root / "var/lib/smtpcreds/ca"
    openssl(
        "ca",
        "-gencrl",
        "-config",
        place / "cnf",
        "-crldays",
        "30",
        "-cert",
        ca / "ca-cert.pem",
        "-keyfile",
        ca / "ca-key.pem",
        "-out",
        hub.certs / "crl.pem",
    )


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (loose_key, {"files": "mode 0640", "key": "mode 0640"}),
        (loose_certificate, {"files": "mode 0664"}),
        (open_directory, dict.fromkeys(("files", "key", "links", "revocation"), "writable by everybody")),
        (foreign_owner, {"files": "belongs to"}),
        (other_key, {"key": "is not the key of"}),
        (no_key, {"files": "No such file", "key": "No such file"}),
        (other_bundle, {"chain": f"the certificate of the issuer (CN={DOMAIN} Mail CA) was not found"}),
        (no_bundle, {"chain": "was not found"}),
        (no_link, {"links": "does not lead to cacert.pem"}),
        (no_crl, {"revocation": "crl.pem: is missing, so revocations have no effect"}),
        (empty_crl, {"revocation": "is empty"}),
        (revoked, {"revocation": "was revoked on 2026-01-01 (keyCompromise)"}),
    ],
)
def test_each_fault(hub: Admin, harm: Callable[[Admin], None], found: dict[str, str]) -> None:
    harm(hub)
    wrong = faults(hub, "dmzmail")
    assert wrong.keys() == found.keys()
    for name, reason in found.items():
        assert reason in wrong[name]
    hub.certs.chmod(0o700)


def test_the_crl_of_another_certificate_does_no_harm(hub: Admin) -> None:
    crl(hub, "attic")
    assert faults(hub, "dmzmail") == {}
    assert faults(hub, "attic").keys() == {"revocation"}


def test_times(hub: Admin) -> None:
    """An expired CRL stops all certificates of its CA, so it is a fault of each."""
    assert faults(hub.at("35 days"), "dmzmail").keys() == {"revocation"}
    wrong = faults(hub.at("61 days"), "dmzmail")
    assert wrong.keys() == {"dates", "revocation"}
    assert "expired on" in wrong["dates"]
    wrong = faults(hub.at("2 days ago"), "attic")
    assert "is not valid before" in wrong["dates"]


def test_roles_and_names_as_asked(hub: Admin) -> None:
    certificate = hub.certs / "attic-cert.pem"
    assert faults(hub, certificate, "--server")["roles"].endswith("is not for TLS servers (extendedKeyUsage)")
    wrong = faults(hub, certificate, "--host", "dmzmail")
    assert wrong == {"names": f"attic.{DOMAIN}: is not for {HOST}; it holds attic.{DOMAIN}"}


def test_a_pair_that_was_swapped_with_that_of_another_host(hub: Admin) -> None:
    for kind in ("key", "cert"):
        (hub.certs / f"dmzmail-{kind}.pem").write_bytes((hub.certs / f"attic-{kind}.pem").read_bytes())
    assert faults(hub, "dmzmail").keys() == {"names"}


def test_a_client_host_without_state(hub: Admin, tmp_path: Path) -> None:
    """Its directory was made elsewhere with --to, and copied."""
    hub("cert", "issue", "lab", "--to", tmp_path / "lab")
    client = host_of_domain(tmp_path / "client")
    client.certs.parent.mkdir(parents=True)
    (tmp_path / "lab").rename(client.certs)
    assert faults(client, "lab") == {}
    (client.certs / "cacert.pem").unlink()
    assert faults(client, "lab").keys() == {"chain"}


def test_an_intermediate(tmp_path: Path) -> None:
    hub = host_of_domain(tmp_path / "host")
    hub("ca", "init", "--intermediate", "--no-passphrase")
    hub("cert", "issue", "dmzmail")
    assert faults(hub, "dmzmail") == {}
    lines = {line.split()[1]: line for line in hub("cert", "verify", "dmzmail").out.splitlines()}
    assert lines["chain"].endswith(f"{DOMAIN} Mail CA < {DOMAIN} Mail CA Root")


def test_only_a_certificate(hub: Admin, tmp_path: Path) -> None:
    path = tmp_path / "some.pem"
    path.write_bytes((hub.certs / "attic-cert.pem").read_bytes())
    lines = hub("cert", "verify", path).out.splitlines()
    assert [line.split()[1] for line in lines] == CHECKS[2:]


def test_nothing_to_verify(hub_once: Admin, tmp_path: Path) -> None:
    assert "has no certificate in" in hub_once.refuses(66, "cert", "verify", "nosuch")
    said = hub_once.refuses(66, "cert", "verify", "/nonexistent/$(id)")
    assert said.endswith("  hint: smtpcreds cert list"), "a path is no name of a host to issue for"
    damaged = tmp_path / "damaged.pem"
    damaged.write_text("-----BEGIN CERTIFICATE-----\n")
    assert "holds a cut-off certificate" in hub_once.refuses(65, "cert", "verify", damaged)


def test_a_directory_named_like_a_host_is_no_certificate(hub: Admin) -> None:
    (hub.directory / "tuba").mkdir()
    for verb in ("verify", "show"):
        assert "hint: smtpcreds cert " in hub.refuses(66, "cert", verb, "tuba")
