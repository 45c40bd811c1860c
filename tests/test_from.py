"""The pages that lead here from other programs: what the other one made is there, and each command is typed.

easy-rsa, CA.pl, openssl, saslpasswd2 and Sendmail are Debian's, and run here. step is in no Debian: its
directory was made once, by step 0.19.0 with the passphrase "old hills"; a step-ca issued and revoked with
one such.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from admin import HUB, TOP
from lab import SENDMAIL, Host, Lab
from lab.program import put_program
from mail_hosts import CLIENT, FOREIGN, SENDER
from readme_blocks import Block
from test_live_first_walk import StockHost
from test_readme import Reader

pytestmark = pytest.mark.live
WAYS = {
    "easy-rsa": "easy-rsa",
    "CA.pl": "CA.pl",
    "openssl-ca": "openssl ca",
    "step": "step",
    "saslpasswd2": "saslpasswd2",
    "sendmail.mc": "a hand-made sendmail.mc",
}
"""The pages, by what they lead from."""

EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"
SUBJECT = "-subj /C=ES/ST=Polka/O=Polkatistas"


def blocks(name: str) -> list[Block]:
    """Return the literal blocks of a page."""
    text = (TOP / f"man/smtpcreds-from-{name}.7").read_text()
    found = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed\n", text, re.MULTILINE | re.DOTALL)
    return [Block("", tuple(body.replace("\\e", "\\").splitlines()), "") for body in found]


@dataclass
class Newcomer:
    """A host with what another program made, and who follows the page there."""

    host: Host

    def follow(self, name: str) -> None:
        reader = Reader(self.host, {})
        for block in blocks(name):
            reader.follow(block)

    def verify(self, certificate: str) -> str:
        """Ask OpenSSL by the directory that mail servers read, CRLs included; return what it says."""
        how = "-CApath /etc/mail/certs -no-CAfile -crl_check"
        return self.host.shell(f"openssl verify {how} {certificate} 2>&1 || :")


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    with Lab() as lab:
        host = lab.host(HUB, SENDMAIL)
        put_program(host)
        host.shell("umask 077; echo 'old hills' > /run/passphrase")
        yield Newcomer(host)


def test_from_easy_rsa(newcomer: Newcomer) -> None:
    newcomer.host.shell("""
        make-cadir /etc/easy-rsa; cd /etc/easy-rsa
        export EASYRSA_BATCH=1 EASYRSA_PASSIN=env:PASS EASYRSA_PASSOUT=env:PASS PASS='old hills'
        ./easyrsa init-pki
        EASYRSA_REQ_CN='Polkatistas CA' ./easyrsa build-ca
        for host in dmzmail attic gone; do
            ./easyrsa build-serverClient-full $host.polkatistas.org nopass
        done
        ./easyrsa revoke gone.polkatistas.org superseded
        ./easyrsa gen-crl""")
    newcomer.follow("easy-rsa")
    pki = "/etc/easy-rsa/pki"
    assert newcomer.verify(f"{pki}/issued/dmzmail.polkatistas.org.crt").endswith(": OK\n")
    assert newcomer.verify("/etc/mail/certs/dmzmail-cert.pem").endswith(": OK\n")
    for gone in (f"{pki}/issued/attic.polkatistas.org.crt", f"{pki}/revoked/certs_by_serial/*.crt"):
        assert "certificate revoked" in newcomer.verify(gone)


def test_from_ca_pl(newcomer: Newcomer) -> None:
    """Its key as it makes one: RSA, encrypted; OPENSSL_CONFIG is its way to more options of openssl ca."""
    newcomer.host.shell(f"""
        mkdir /etc/ssl/mail; cd /etc/ssl/mail
        export PASS='old hills' OPENSSL_CONFIG='-passin env:PASS'
        ca='perl /usr/lib/ssl/misc/CA.pl'
        echo | $ca -newca -extra-req '-passout env:PASS {SUBJECT}/CN=Polkatistas'
        grep -q 'BEGIN ENCRYPTED PRIVATE KEY' demoCA/private/cakey.pem
        for host in attic gone; do
            $ca -newreq-nodes -extra-req "{SUBJECT}/CN=$host.polkatistas.org"
            printf 'y\\ny\\n' | $ca -sign
            mv newcert.pem $host.pem
        done
        $ca -revoke gone.pem superseded
        echo 07 > demoCA/crlnumber
        $ca -crl""")
    newcomer.follow("CA.pl")
    assert newcomer.verify("/etc/ssl/mail/attic.pem").endswith(": OK\n")
    assert "certificate revoked" in newcomer.verify("/etc/ssl/mail/gone.pem")
    assert "CRL Number: \n                9\n" in newcomer.host.shell(
        "openssl crl -in /etc/mail/certs/crl.pem -noout -text"
    )
    key = "openssl pkey -in /var/lib/smtpcreds/ca/ca-key.pem -noout -passin pass:"
    assert (
        newcomer.host.shell(f"{key}'old hills'; {key}'other hills' 2> /dev/null || echo refused")
        == "refused\n"
    )


CONFIG = """\
[ca]
default_ca = it
[it]
dir = /etc/ssl/ca
database = $dir/index.txt
new_certs_dir = $dir/newcerts
certificate = $dir/certs/ca.cert.pem
private_key = $dir/private/ca.key.pem
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
default_days = 375
default_crl_days = 30
policy = any
x509_extensions = host
[any]
commonName = supplied
[host]
extendedKeyUsage = serverAuth, clientAuth
"""


def test_from_openssl_ca(newcomer: Newcomer) -> None:
    newcomer.host.shell(f"""
        cd /etc/ssl; mkdir ca; cd ca; mkdir certs crl newcerts private
        touch index.txt; echo 1000 > serial; echo 1000 > crlnumber
        cat > openssl.cnf << 'END'
{CONFIG}END
        openssl req -x509 {EC} -passout file:/run/passphrase -days 3650 -subj '/CN=Polkatistas CA' \\
            -keyout private/ca.key.pem -out certs/ca.cert.pem
        for host in attic gone; do
            openssl req -new {EC} -nodes -keyout private/$host.key.pem -out $host.csr.pem \\
                -subj /CN=$host.polkatistas.org
            openssl ca -config openssl.cnf -batch -passin file:/run/passphrase -notext \\
                -in $host.csr.pem -out certs/$host.cert.pem
        done
        openssl ca -config openssl.cnf -passin file:/run/passphrase -revoke certs/gone.cert.pem
        openssl ca -config openssl.cnf -passin file:/run/passphrase -gencrl -out crl/ca.crl.pem""")
    newcomer.follow("openssl-ca")
    assert newcomer.verify("/etc/ssl/ca/certs/attic.cert.pem").endswith(": OK\n")
    assert newcomer.verify("/etc/mail/certs/dmzmail-cert.pem").endswith(": OK\n")
    assert "certificate revoked" in newcomer.verify("/etc/ssl/ca/certs/gone.cert.pem")


def test_from_step(newcomer: Newcomer) -> None:
    """What ``step ca init`` made in tests/step-ca, with modes as it leaves them; the passphrase is ours."""
    newcomer.host.shell(f"""
        cp -r {TOP}/tests/step-ca /etc/step-ca; chmod -R go= /etc/step-ca""")
    newcomer.follow("step")
    how = "-CApath /etc/mail/certs -no-CAfile -purpose sslserver"
    said = newcomer.host.shell(f"openssl verify {how} /etc/mail/certs/dmzmail-cert.pem")
    assert said.endswith(": OK\n")


def test_from_saslpasswd2(newcomer: Newcomer) -> None:
    newcomer.host.shell(f"""
        for name in maildroid accordion; do printf %s S3cret.of.$name | saslpasswd2 -p -c -u {HUB} $name; done
        printf %s S3cret.of.tuba | saslpasswd2 -p -c -u dmzmail tuba""")
    newcomer.follow("saslpasswd2")
    assert newcomer.host.shell("sasldblistusers2").splitlines() == [
        f"maildroid@{HUB}: userPassword",
        f"tuba@{HUB}: userPassword",
    ]


HAND_MADE = """\
define(`confCACERT_PATH', `/etc/mail/tls')dnl
define(`confCACERT', `/etc/mail/tls/ca.pem')dnl
define(`confSERVER_CERT', `/etc/mail/tls/dmzmail.pem')dnl
define(`confSERVER_KEY', `/etc/mail/tls/dmzmail.key')dnl
TRUST_AUTH_MECH(`DIGEST-MD5 CRAM-MD5')dnl
define(`confAUTH_MECHANISMS', `DIGEST-MD5 CRAM-MD5')dnl
"""


def test_from_a_hand_made_sendmail_mc() -> None:
    with Lab() as lab:
        hub = StockHost(lab, HUB, lab.sink.address)
        put_program(hub.host)
        hub.host.shell(f"""
            mkdir /etc/mail/tls; cd /etc/mail/tls
            openssl req -x509 -config /dev/null {EC} -nodes -days 900 -subj /CN={HUB} \\
                -keyout dmzmail.key -out dmzmail.pem
            cp dmzmail.pem ca.pem; chmod 600 dmzmail.key
            printf %s S3cret.of.maildroid | saslpasswd2 -p -c -u {HUB} maildroid""")
        text = hub.text("/etc/mail/sendmail.mc")
        hub.host.write(
            "/etc/mail/sendmail.mc", text.replace("MAILER_DEFINITIONS\n", f"{HAND_MADE}MAILER_DEFINITIONS\n")
        )
        Newcomer(hub.host).follow("sendmail.mc")
        hub.log.wait("sm-mta.*starting daemon", 2)
        hub.host.await_port(25)
        attic = StockHost(lab, CLIENT)
        bundle = hub.host.path("/run/attic.tar")
        attic.host.path("/var/lib/attic.tar").write_bytes(bundle.read_bytes())
        attic("setup", "--client", "/var/lib/attic.tar", "--edit", "--run")
        attic.log.wait("sm-mta.*starting daemon", 2)
        assert "stat=Sent" in attic.sendmail.send(SENDER, FOREIGN)
        received = " ".join(lab.sink.receive().headers["Received"].split())
        assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)
        end_of_file_still_counts(hub.host)


def end_of_file_still_counts(host: Host) -> None:
    """Lines below the included one still count, as the page says, until the cure of the check is typed."""
    host.write("/etc/mail/sendmail.mc", host.path("/etc/mail/sendmail.mc").read_text() + HAND_MADE)
    host.shell("cd /etc/mail && m4 sendmail.mc > sendmail.cf")
    said = host.shell("smtpcreds mta check sendmail-hub || :")
    assert "BAD  /etc/mail/sendmail.cf has no O ServerCertFile=/etc/mail/certs/dmzmail-cert.pem\n" in said
    host.shell(said.splitlines()[1])
    assert host.shell("smtpcreds mta check sendmail-hub") == f"ok   sendmail-hub on {HUB}\n"


def test_each_way_has_its_page_and_is_named_where_one_looks() -> None:
    assert {path.name for path in (TOP / "man").glob("smtpcreds-from-*")} == {
        f"smtpcreds-from-{name}.7" for name in WAYS
    }
    readme, page = (TOP / "README.md").read_text(), (TOP / "man/smtpcreds.1").read_text()
    for name in WAYS:
        assert f"smtpcreds-from-{name}" in readme
        assert f".Xr smtpcreds-from-{name} 7" in page
