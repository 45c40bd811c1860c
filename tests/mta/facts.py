"""Facts to render from."""

from dataclasses import replace

from hypothesis import strategies as st

from smtpcreds.model import Account, Credential
from smtpcreds.mta.access import parse_rule, relaying
from smtpcreds.mta.mechanisms import STRONGEST_FIRST, offer
from smtpcreds.mta.port import Client, Facts, Held, Material, Program, Tls
from smtpcreds.mta.sasl_conf import Backend, Saslauthd, Sasldb, Sql
from smtpcreds.postgres import parse_url
from smtpcreds.secret import Secret

HUB = "dmzmail.polkatistas.org"
CERTS = "/etc/mail/certs"
SECRET = b"Ch1mp? ,03fuzz fl0ppi"
ACCOUNT = Account("maildroid", HUB)
PEM = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"
CERTIFICATE, CRL = PEM.format("CERTIFICATE").encode(), PEM.format("X509 CRL").encode()
KEY = PEM.format("PRIVATE KEY")
FACTS = Facts(
    host="attic.polkatistas.org",
    hub=HUB,
    realm=HUB,
    mechanisms=offer(plaintext=True),
    tls=Tls(
        f"{CERTS}/attic-key.pem", f"{CERTS}/attic-cert.pem", f"{CERTS}/cacert.pem", CERTS, f"{CERTS}/crl.pem"
    ),
    pid_file="/run/sendmail/mta/sendmail.pid",
    backend=Sasldb("/etc/sasldb2"),
    credential=Credential(ACCOUNT, Secret(SECRET), HUB),
    rules=(*relaying("/CN=Lab+20CA", ["/CN=attic"]), parse_rule("TLS_Clt:attic.polkatistas.org VERIFY:112")),
    material=Material(Secret(KEY), CERTIFICATE, CERTIFICATE, CRL),
    accounts=(Held(ACCOUNT, {"userPassword": Secret(SECRET)}),),
    verifiers={str(ACCOUNT): Secret("{SCRAM-SHA-256}4096,c2FsdA==,AAAA,BBBB")},
    clients=(Client("attic.polkatistas.org", "00" * 32, "11" * 32),),
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


@st.composite
def facts(draw: st.DrawFn, program: Program) -> Facts:
    """Any facts that the program can express."""
    chosen = draw(st.lists(st.sampled_from(STRONGEST_FIRST)))
    mechanisms = offer(chosen, plaintext=draw(st.booleans()), external=draw(st.booleans()))
    hub, realm = draw(names), draw(names)
    secret = draw(st.binary(min_size=1, max_size=100).filter(lambda b: not set(b) & set(b"\0\n\r#")))
    return replace(
        FACTS,
        hub=hub,
        realm=realm,
        mechanisms=mechanisms,
        backend=draw(backends),
        credential=Credential(Account("maildroid", draw(names)), Secret(secret), realm),
        rules=draw(st.sampled_from([(), FACTS.rules])),
        variants=frozenset(
            draw(st.sets(st.sampled_from(sorted(program.VARIANTS)))) if program.VARIANTS else ()
        ),
    )
