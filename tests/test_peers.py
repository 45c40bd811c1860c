"""The table of README that sets smtpcreds beside its peers: each cell is what Debian's program does here."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from admin import SMTPCREDS, TOP, environment

HOST = "attic.polkatistas.org"
PASSPHRASE = "old hills"
SECRET = b"S3cret.that.goes"
NOT_ITS_TASK = ""
CA_PL = "perl /usr/lib/ssl/misc/CA.pl"
SUBJECT = "-subj /C=ES/ST=Polka/O=Polkatistas"
OURS = " ".join(SMTPCREDS)


@dataclass(frozen=True)
class Peer:
    """One column.

    Attributes:
        name: its head.
        authority: commands that make an authority; "" where certificates are not its task.
        issue: those that make a certificate.
        revoke: those that revoke it, and make a CRL; "" where there is no way.
        key: the authority's private key, and likewise its certificate, the host's, the CRL.
        add: the commands that add and delete an account in ``sasldb2``; "" where accounts are not its task.
        delete: see there.
        encrypted: makes the key as ``authority`` does by itself, where an option there leaves it open.
    """

    name: str
    authority: str = ""
    issue: str = ""
    revoke: str = ""
    key: str = ""
    ca: str = ""
    certificate: str = ""
    crl: str = ""
    add: str = ""
    delete: str = ""
    encrypted: str = ""


PEERS = (
    Peer(
        "smtpcreds",
        f"{OURS} --root . ca init --permit polkatistas.org --passphrase env:PASS",
        f"{OURS} --root . cert issue {HOST} --passphrase env:PASS",
        f"{OURS} --root . cert revoke {HOST} --passphrase env:PASS",
        "var/lib/smtpcreds/ca/ca-key.pem",
        "var/lib/smtpcreds/ca/ca-cert.pem",
        f"etc/mail/certs/{HOST}-cert.pem",
        "var/lib/smtpcreds/ca/crl.pem",
        f"{OURS} --root . sasl add gone@hub --database sasldb2 --password stdin:",
        f"{OURS} --root . sasl delete gone@hub --database sasldb2",
    ),
    Peer(
        "openssl, CA.pl",
        f"echo | {CA_PL} -newca -extra-req '-nodes {SUBJECT}/CN=CA'",
        f"{CA_PL} -newreq-nodes -extra-req '{SUBJECT}/CN={HOST}' && yes | {CA_PL} -sign",
        "openssl ca -revoke newcert.pem && openssl ca -gencrl -out demoCA/crl/crl.pem",
        "demoCA/private/cakey.pem",
        "demoCA/cacert.pem",
        "newcert.pem",
        "demoCA/crl/crl.pem",
        encrypted="mkdir -p demoCA/private && openssl req -new -keyout demoCA/private/cakey.pem"
        f" -out careq.pem -passout env:PASS {SUBJECT}/CN=CA",
    ),
    Peer(
        "easy-rsa",
        "$EASYRSA/easyrsa init-pki && EASYRSA_REQ_CN=CA $EASYRSA/easyrsa build-ca",
        f"$EASYRSA/easyrsa build-serverClient-full {HOST} nopass",
        f"$EASYRSA/easyrsa revoke {HOST} && $EASYRSA/easyrsa gen-crl",
        "pki/private/ca.key",
        "pki/ca.crt",
        f"pki/issued/{HOST}.crt",
        "pki/crl.pem",
    ),
    Peer(
        "mkcert",
        "mkcert -install",
        f"mkcert -client -cert-file cert.pem -key-file key.pem {HOST}",
        key="rootCA-key.pem",
        ca="rootCA.pem",
        certificate="cert.pem",
    ),
    Peer(
        "saslpasswd2",
        add="saslpasswd2 -p -c -f sasldb2 -u hub gone",
        delete="saslpasswd2 -d -f sasldb2 -u hub gone",
    ),
)


def run(place: Path, command: str, stdin: bytes = b"") -> str:
    more = {"EASYRSA": "/usr/share/easy-rsa", "EASYRSA_BATCH": "1", "EASYRSA_PKI": str(place / "pki")}
    more |= {"EASYRSA_PASSIN": "env:PASS", "EASYRSA_PASSOUT": "env:PASS", "PASS": PASSPHRASE}
    more |= {"CAROOT": str(place), "TRUST_STORES": "none", "HOME": str(place)}
    done = subprocess.run(
        ("sh", "-c", command),
        cwd=place,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout!r}{done.stderr!r}"
    return done.stdout.decode(errors="replace")


def made(peer: Peer, place: Path, *, certificate: bool = False) -> None:
    """Let there be an authority, and a certificate."""
    run(place, peer.authority)
    if certificate:
        run(place, peer.issue)


def flushes(place: Path, command: str, stdin: bytes = b"") -> bool:
    run(
        place,
        f"strace -f -qq -o trace -e trace=fsync,fdatasync sh -c '{command.replace(chr(39), chr(34))}'",
        stdin,
    )
    return "sync(" in (place / "trace").read_text()


def answer(is_so: object) -> str:
    return "yes" if is_so else "no"


def rounds(peer: Peer, place: Path) -> str:
    run(place, peer.encrypted or peer.authority)
    if "ENCRYPTED" not in (place / peer.key).read_text():
        return "not encrypted"
    shown = run(place, f"openssl asn1parse -in {peer.key}")
    found = re.search(r"PBKDF2\n(?:.*\n){1,3}?.*INTEGER +:([0-9A-F]+)", shown)
    assert found, shown
    count = int(found[1], 16)
    return f"{count:,} rounds"


def constrained(peer: Peer, place: Path) -> str:
    made(peer, place)
    return answer("Permitted" in run(place, f"openssl x509 -in {peer.ca} -noout -text"))


def named(peer: Peer, place: Path) -> str:
    made(peer, place, certificate=True)
    return answer(f"DNS:{HOST}" in run(place, f"openssl x509 -in {peer.certificate} -noout -text"))


def durable(peer: Peer, place: Path) -> str:
    if not peer.authority:
        return answer(flushes(place, peer.add, SECRET))
    made(peer, place)
    return answer(flushes(place, peer.issue))


def numbered(peer: Peer, place: Path) -> str:
    if not peer.revoke:
        return "no CRL"
    made(peer, place, certificate=True)
    run(place, peer.revoke)
    return answer("CRL Number" in run(place, f"openssl crl -in {peer.crl} -noout -text"))


def forgotten(peer: Peer, place: Path) -> str:
    run(place, peer.add, SECRET)
    assert SECRET in (place / "sasldb2").read_bytes()
    run(place, peer.delete)
    return answer(SECRET not in (place / "sasldb2").read_bytes())


ROWS: dict[str, tuple[str, Callable[[Peer, Path], str]]] = {
    "the authority's key is encrypted with PBKDF2 of": ("authority", rounds),
    "the authority signs for your domain only": ("authority", constrained),
    "a certificate has the host as subject alternative name": ("authority", named),
    "what is said to be made is flushed to the disk": ("", durable),
    "lists of revoked certificates have numbers": ("authority", numbered),
    "the password of a deleted account is gone from the file": ("add", forgotten),
}
"""What each row asks; of whom: those for whom this attribute is not empty."""


def table() -> dict[str, dict[str, str]]:
    """Return the cells of README."""
    text = (TOP / "README.md").read_text().partition("## Beside others\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    head, _, *rows = (
        [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines
    )
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def test_the_table_has_these_rows_and_columns() -> None:
    shown = table()
    assert [*shown] == [*ROWS]
    assert {tuple(row) for row in shown.values()} == {tuple(peer.name for peer in PEERS)}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize("row", ROWS)
def test_a_cell_is_what_the_program_does(row: str, peer: Peer, tmp_path: Path) -> None:
    whose, ask = ROWS[row]
    told = ask(peer, tmp_path) if not whose or getattr(peer, whose) else NOT_ITS_TASK
    assert table()[row][peer.name] == told
