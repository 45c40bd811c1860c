"""Facts to render from."""

import re
from base64 import b64encode
from dataclasses import replace

from admin import HUB
from hypothesis import assume
from hypothesis import strategies as st

from smtpcreds.model import Account, Credential
from smtpcreds.mta.access import parse_rule, relaying
from smtpcreds.mta.program import Client, Facts, Held, Material, Program, Tls
from smtpcreds.mta.sasl_conf import EXTERNAL, STRONGEST_FIRST, Backend, Saslauthd, Sasldb, Sql, offer
from smtpcreds.postgres import parse_url
from smtpcreds.secret import Secret

CERTS = "/etc/mail/certs"
SECRET = b"Ch1mp? ,03fuzz fl0ppi"


def pem(label: str) -> bytes:
    """Return something in the form of PEM."""
    return f"-----BEGIN {label}-----\nUG9sa2E=\n-----END {label}-----\n".encode()


FACTS = Facts(
    host="attic.polkatistas.org",
    hub=HUB,
    realm=HUB,
    mechanisms=offer(plaintext=True),
    tls=Tls(
        f"{CERTS}/attic-key.pem",
        f"{CERTS}/attic-cert.pem",
        f"{CERTS}/cacert.pem",
        CERTS,
        f"{CERTS}/crl.pem",
        f"{CERTS}/all-crls.pem",
    ),
    pid_file="/run/sendmail/mta/sendmail.pid",
    backend=Sasldb("/etc/sasldb2"),
    credential=Credential(Account("maildroid", HUB), Secret(SECRET), HUB),
    rules=(
        *relaying(["/CN=Lab+20CA"], ["/CN=attic"]),
        parse_rule("TLS_Clt:attic.polkatistas.org VERIFY:112"),
    ),
    material=Material(
        Secret(pem("PRIVATE KEY")), pem("CERTIFICATE"), pem("CERTIFICATE") * 2, pem("X509 CRL")
    ),
    fingerprint="5e" * 32,
    accounts=(Held(Account("maildroid", HUB), {"userPassword": Secret(SECRET)}),),
    verifiers={f"maildroid@{HUB}": Secret("{PLAIN.b64}" + b64encode(SECRET).decode())},
    clients=(Client("attic.polkatistas.org", "ab" * 32, "cd" * 32),),
)

LABELS = st.sampled_from(["attic", "x", "mail-2", "1a", "polkatistas", "org", "index", "len", "xn--tst-qla"])
names = st.lists(LABELS, min_size=2, max_size=4).map(".".join)
backends: st.SearchStrategy[Backend] = st.sampled_from(
    [
        Sasldb("/etc/sasldb2"),
        Saslauthd(),
        Sql(parse_url("postgresql://db.example.org/mail"), "root", Secret("pass")),
    ]
)

octets = st.binary(min_size=1, max_size=100).filter(lambda b: not set(b) & set(b"\0\n\r#"))
utf_8 = st.text(
    st.characters(min_codepoint=33, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=100)
SECRETS = {
    "postfix": utf_8.map(lambda text: f" {text[:50]} {text}".encode()),
    "opensmtpd": octets.map(lambda secret: b" \t:" + secret + b"x"),
    "msmtp": printable.map(str.encode),
    "nullmailer": printable.map(lambda text: re.sub(r" {2,}|[\\:\[\]]", "'", text).encode()),
    "exim": octets.map(lambda secret: b" x" + secret + b"x"),
    "swaks": octets.map(lambda secret: b"x" + secret),
}
"""What a family of programs can hold, where that is not `octets`."""
ONLY_PLAINTEXT = {"opensmtpd", "nullmailer"}
NEVER_EXTERNAL = {"postfix-hub"}
ALTERNATIVES = ({"hash", "lmdb"}, {"split", "hand-written"})


@st.composite
def facts(draw: st.DrawFn, program: Program) -> Facts:
    """Any facts that the program can express."""
    has_external = program.NAME not in NEVER_EXTERNAL
    chosen = draw(st.lists(st.sampled_from([m for m in STRONGEST_FIRST if has_external or m != EXTERNAL])))
    external = has_external and draw(st.booleans())
    plaintext = program.FAMILY in ONLY_PLAINTEXT or draw(st.booleans())
    mechanisms = offer(["CRAM-MD5", *chosen], plaintext=plaintext, external=external)
    hub, realm = draw(names), draw(names)
    secret = draw(SECRETS.get(program.FAMILY, octets))
    variants = draw(st.sets(st.sampled_from(sorted(program.VARIANTS)))) if program.VARIANTS else set()
    assume(not any(both <= variants for both in ALTERNATIVES))
    return replace(
        FACTS,
        hub=hub,
        realm=realm,
        mechanisms=mechanisms,
        backend=draw(backends),
        credential=Credential(Account("maildroid", draw(names)), Secret(secret), realm),
        port=draw(st.sampled_from([25, 465, 587])),
        rules=draw(st.sampled_from([(), FACTS.rules])),
        variants=frozenset(variants),
        clients=draw(st.sampled_from([(), FACTS.clients])),
    )
