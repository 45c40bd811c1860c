"""For every code a way to bring it about on a clean host, by the hands and the tools of an administrator."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from admin import HUB, peer
from keytabs import keytab

from smtpcreds.sasldb.opening import open_store

from .scene import (
    ACCESS,
    AUTH_INFO,
    AUTHINFO,
    CF,
    DOVECOT,
    EXIM,
    JAILED,
    MAIN,
    MASTER,
    MC,
    PLUGINS,
    SASL_CONF,
    SMTPD_CONF,
    Host,
    compile_cf,
    openssl,
)

KEY, CERT, BUNDLE, CRL = "dmzmail-key.pem", "dmzmail-cert.pem", "cacert.pem", "crl.pem"
CA = "/var/lib/smtpcreds/ca"
SASLDB = "/etc/sasldb2"


@dataclass(frozen=True)
class Break:
    """One row.

    Attributes:
        code: that must be found.
        scene: which host.
        do: breaks it.
        also: codes that are found with it, because they are true too.
    """

    code: str
    scene: str
    do: Callable[[Host], object]
    also: frozenset[str] = field(default_factory=frozenset)


BREAKS: list[Break] = []
Breaker = Callable[[Host], object]


def breaks(code: str, scene: str = "hub", *also: str) -> Callable[[Breaker], Breaker]:
    def row(do: Breaker) -> Breaker:
        BREAKS.append(Break(code, scene, do, frozenset(also)))
        return do

    return row


def touch(path: Path, ahead: int) -> None:
    """Make a file newer or older, by seconds."""
    at = path.stat().st_mtime + ahead
    os.utime(path, (at, at))


def setfacl(words: str, path: Path) -> None:
    peer("setfacl", "-m", words, path)


def sign(
    host: Host, *how: str, name: str = HUB, cn: str = HUB, key: Path | None = None, to: str = CERT
) -> None:
    """Have OpenSSL sign a certificate with the CA's key, for the key of the host or another one."""
    request, extensions = host.root / "x.csr", host.root / "x.cnf"
    usage = next(
        (word.partition("eku:")[2] for word in how if word.startswith("eku:")), "serverAuth,clientAuth"
    )
    extensions.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage={usage}\nkeyUsage=digitalSignature\n")
    openssl("req", "-new", "-key", key or host.cert(KEY), "-subj", f"/CN={cn}", "-out", request)
    ca = host.path(CA)
    issuer = ("-CA", ca / "ca-cert.pem", "-CAkey", ca / "ca-key.pem", "-set_serial", "4711")
    words = [word for word in how if not word.startswith("eku:")]
    target = host.cert(to)
    openssl(
        "x509", "-req", "-in", request, *issuer, "-days", "90", "-extfile", extensions, "-out", target, *words
    )
    target.chmod(0o600)
    request.unlink()
    extensions.unlink()


def records(host: Host, *new: tuple[bytes, bytes]) -> None:
    """Put records into sasldb2 with Berkeley DB's own tool."""
    lines = b"".join(b" %s\n %s\n" % (key.hex().encode(), value.hex().encode()) for key, value in new)
    head = b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n"
    peer("db5.3_load", host.path(SASLDB), stdin=head + lines + b"DATA=END\n")


def account(name: bytes, prop: bytes, realm: bytes = HUB.encode()) -> bytes:
    return b"\0".join((name, realm, prop))


# --- AUDIT


@breaks("AUDIT001")
def main_cf_that_is_none(host: Host) -> None:
    host.write(MAIN, "nonsense\n")


# --- PERM


@breaks("PERM001")
def readable_key(host: Host) -> None:
    host.cert(KEY).chmod(0o644)


@breaks("PERM002")
def writable_bundle(host: Host) -> None:
    host.cert(BUNDLE).chmod(0o664)


@breaks("PERM003")
def sticky_directory(host: Host) -> None:
    host.path("/etc/mail").chmod(0o1777)


@breaks("PERM003")
def open_directory_of_sasl(host: Host) -> None:
    host.path("/etc/sasl2").chmod(0o777)


@breaks("PERM004")
def open_directory(host: Host) -> None:
    host.cert("").chmod(0o755)


@breaks("PERM005")
def foreign_key(host: Host) -> None:
    os.chown(host.cert(KEY), 8, 8)


@breaks("PERM006")
def linked_key(host: Host) -> None:
    elsewhere = host.path("/etc/keys")
    elsewhere.mkdir(mode=0o700)
    host.cert(KEY).rename(elsewhere / KEY)
    host.cert(KEY).symlink_to(elsewhere / KEY)


@breaks("PERM007")
def key_linked_into_an_open_directory(host: Host) -> None:
    linked_key(host)
    host.path("/etc/keys").chmod(0o777)


@breaks("PERM008")
def second_name(host: Host) -> None:
    os.link(host.cert(KEY), host.path("/etc/key"))


@breaks("PERM009")
def acl_on_the_key(host: Host) -> None:
    setfacl("u:mail:r", host.cert(KEY))


@breaks("PERM009")
def acl_on_the_directory(host: Host) -> None:
    setfacl("u:mail:rx", host.cert(""))


@breaks("PERM003", "hub", "PERM009")
def acl_above(host: Host) -> None:
    setfacl("u:mail:rwx", host.path("/etc/mail"))


@breaks("PERM010")
def readable_database(host: Host) -> None:
    host.path(SASLDB).chmod(0o666)


@breaks("PERM011", "client")
def readable_auth_info(host: Host) -> None:
    host.path(AUTH_INFO).chmod(0o640)


@breaks("PERM012", "mapped")
def readable_map(host: Host) -> None:
    host.path(f"{AUTHINFO}.db").chmod(0o666)


@breaks("PERM013", "postfix")
def readable_sasl_passwd(host: Host) -> None:
    host.path("/etc/postfix/sasl_passwd").chmod(0o644)


@breaks("PERM014")
def readable_state(host: Host) -> None:
    host.path(f"{CA}/ca-key.pem").chmod(0o640)


@breaks("PERM014")
def open_state(host: Host) -> None:
    host.path("/var/lib/smtpcreds").chmod(0o755)


@breaks("PERM015")
def ca_key_among_the_others(host: Host) -> None:
    shutil.copy(host.path(f"{CA}/ca-key.pem"), host.cert("old.pem"))


@breaks("PERM015")
def key_of_an_old_ca_below(host: Host) -> None:
    host.cert("demoCA/private").mkdir(0o700, parents=True)
    files = [str(host.cert(f"demoCA/{name}")) for name in ("private/cakey.pem", "cacert.pem")]
    openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=Old",
        "-keyout",
        files[0],
        "-out",
        files[1],
    )
    host.cert("demoCA/private/cakey.pem").chmod(0o600)


@breaks("PERM016", "exim")
def key_that_exim_cannot_read(host: Host) -> None:
    host.cert(KEY).chmod(0o600)


@breaks("PERM016", "exim")
def database_that_exim_cannot_read(host: Host) -> None:
    authenticator = "scram:\n  driver = cyrus_sasl\n  public_name = SCRAM-SHA-256\n"
    host.replace(EXIM, "begin authenticators\n", f"begin authenticators\n{authenticator}")
    host.path(SASLDB).chmod(0o600)


@breaks("PERM016", "postfix")
def database_that_postfix_cannot_read(host: Host) -> None:
    host.path(SASLDB).chmod(0o600)


@breaks("PERM017")
def writable_sasl_conf(host: Host) -> None:
    host.path(SASL_CONF).chmod(0o666)


@breaks("PERM018", "hub", "MTA009", "SASL008")
def readable_password_of_the_database(host: Host) -> None:
    host.path(f"{PLUGINS}/libsql.so").unlink()
    text = "pwcheck_method: auxprop\nauxprop_plugin: sasldb sql\nsql_passwd: geheim\n"
    host.write(SASL_CONF, text, 0o644)


@breaks("PERM019")
def directory_of_a_user(host: Host) -> None:
    os.chown(host.path("/etc/mail"), 8, 8)


# --- CERT


@breaks("CERT001")
def another_key(host: Host) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", host.cert(KEY))


@breaks("CERT002")
def missing_key(host: Host) -> None:
    host.cert(KEY).unlink()


@breaks("CERT002")
def encrypted_key(host: Host) -> None:
    plain = host.cert(KEY).rename(host.root / "plain")
    openssl("pkey", "-in", plain, "-aes256", "-passout", "pass:x", "-out", host.cert(KEY))
    plain.unlink()


@breaks("CERT002")
def der_certificate(host: Host) -> None:
    openssl("x509", "-in", host.cert(CERT), "-outform", "DER", "-out", host.cert(CERT))


@breaks("CERT003", "hub", "CERT019", "CERT020")
def another_authority(host: Host) -> None:
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"),
        *("-keyout", "/dev/null", "-out", host.cert(BUNDLE)),
    )


@breaks("CERT004", "hub", "CERT014")
def expired(host: Host) -> None:
    host.ahead = timedelta(days=400)


@breaks("CERT005", "hub", "CERT014")
def expiring(host: Host) -> None:
    host.ahead = timedelta(days=300)


@breaks("CERT006", "hub", "CERT003", "CERT014")
def clock_behind(host: Host) -> None:
    host.ahead = timedelta(days=-30)


@breaks("CERT007")
def for_another_host(host: Host) -> None:
    sign(host, name="other.polkatistas.org", cn="other.polkatistas.org")


@breaks("CERT008")
def another_common_name(host: Host) -> None:
    sign(host, cn="Gateway")


@breaks("CERT009")
def server_certificate_as_client(host: Host) -> None:
    sign(host, "eku:serverAuth")


@breaks("CERT010")
def weak_key(host: Host) -> None:
    openssl("genrsa", "-out", host.cert(KEY), "1024")
    sign(host)


@breaks("CERT011")
def weak_signature(host: Host) -> None:
    sign(host, "-sha1")


@breaks("CERT012")
def one_key_for_two(host: Host) -> None:
    sign(host, name="attic.polkatistas.org", cn="attic.polkatistas.org", to="attic-cert.pem")
    shutil.copy(host.cert(KEY), host.cert("attic-key.pem"))


@breaks("CERT013")
def no_crl(host: Host) -> None:
    host.cert(CRL).unlink()
    for link in host.cert("").glob("*.r0"):
        link.unlink()


@breaks("CERT013", "hub", "MTA017")
def crl_not_configured(host: Host) -> None:
    host.replace(CF, "O CRLFile=/etc/mail/certs/crl.pem", "#")


@breaks("CERT013", "hub", "MTA017")
def crl_directory_without_links(host: Host) -> None:
    host.path("/etc/mail/crls").mkdir(mode=0o700)
    host.replace(CF, "O CRLFile=/etc/mail/certs/crl.pem", "O CRLPath=/etc/mail/crls")


@breaks("CERT014")
def expired_crl(host: Host) -> None:
    host.ahead = timedelta(days=31)


@breaks("CERT015")
def expiring_crl(host: Host) -> None:
    host.ahead = timedelta(days=25)


def _foreign_crl(host: Host) -> Path:
    """Return a CRL of another CA, made by OpenSSL."""
    work = host.root / "foreign"
    work.mkdir()
    (work / "index").touch()
    (work / "cnf").write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={work}/index\ndefault_md=sha256\n")
    pair = ("-keyout", work / "key", "-out", work / "crt")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Other CA", *pair)
    how = ("-config", work / "cnf", "-keyfile", work / "key", "-cert", work / "crt", "-crldays", "30")
    openssl("ca", "-gencrl", *how, "-out", work / "crl")
    return work / "crl"


@breaks("CERT016", "hub", "CERT020")
def crl_of_another_authority(host: Host) -> None:
    host.cert(CRL).write_bytes(_foreign_crl(host).read_bytes())


@breaks("CERT025")
def state_from_a_backup(host: Host) -> None:
    backup = host.root / "backup"
    shutil.copytree(host.path("/var/lib/smtpcreds"), backup)
    host.program()("ca", "crl")
    shutil.rmtree(host.path("/var/lib/smtpcreds"))
    shutil.move(backup, host.path("/var/lib/smtpcreds"))


@breaks("CERT026")
def crl_that_is_handed_out_nowhere(host: Host) -> None:
    with host.path("/etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write('[ca]\ncrl_url = "http://127.0.0.1:9/{ca}.crl"\n')


@breaks("CERT017")
def crl_in_der(host: Host) -> None:
    openssl("crl", "-in", host.cert(CRL), "-outform", "DER", "-out", host.cert(CRL))


@breaks("CERT017")
def empty_crl(host: Host) -> None:
    host.cert(CRL).write_bytes(b"")


@breaks("CERT018")
def two_crls_in_a_file(host: Host) -> None:
    with host.cert(CRL).open("ab") as file:
        file.write(_foreign_crl(host).read_bytes())


@breaks("CERT019")
def missing_link(host: Host) -> None:
    next(host.cert("").glob("*.0")).unlink()


@breaks("CERT019")
def another_authority_without_a_link(host: Host) -> None:
    _foreign_crl(host)
    shutil.copy(host.root / "foreign/crt", host.cert("other.pem"))


@breaks("CERT020")
def dangling_link(host: Host) -> None:
    host.cert("0badcafe.0").symlink_to("gone.pem")


@breaks("CERT020")
def link_of_another_name(host: Host) -> None:
    host.cert("0badcafe.0").symlink_to(BUNDLE)


@breaks("CERT021", "tiered", "CERT020")
def intermediate_in_the_certificate_file_alone(host: Host) -> None:
    text = host.cert(BUNDLE).read_text()
    end = "-----END CERTIFICATE-----\n"
    host.cert(BUNDLE).write_text(text.split(end)[1] + end)
    assert text.count(end) == 2


@breaks("CERT022")
def strangers(host: Host) -> None:
    host.write("/etc/mail/local-host-names", "polkatistas.org\n")
    with host.path(CF).open("a") as file:
        file.write("Fw/etc/mail/local-host-names\n")


@breaks("CERT024", "client")
def certificate_as_debian_makes_one(host: Host) -> None:
    """Debian's Postfix has it from the start, with a key for its group ssl-cert."""
    key, certificate = "/etc/ssl/private/ssl-cert-snakeoil.key", "/etc/ssl/certs/ssl-cert-snakeoil.pem"
    for path in (key, certificate):
        host.path(path).parent.mkdir(parents=True, exist_ok=True)
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=attic", "-days", "3650"),
        *("-addext", "subjectAltName=DNS:attic", "-addext", "basicConstraints=CA:FALSE"),
        *("-keyout", host.path(key), "-out", host.path(certificate)),
    )
    host.path(key).chmod(0o640)
    names = f"smtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}\n"
    host.write(MAIN, f"myhostname = attic.polkatistas.org\n{names}smtpd_tls_security_level = may\n")


@breaks("CERT023")
def revoked(host: Host) -> None:
    kept = {name: host.cert(name).read_bytes() for name in (KEY, CERT)}
    host.program()("cert", "revoke", HUB, "--reason", "superseded")
    for name, content in kept.items():
        host.write(f"/etc/mail/certs/{name}", content, 0o600)


@breaks("CERT027", "exim", "CERT002")
def pair_that_is_gone(host: Host) -> None:
    host.program()("cert", "issue", "attic")
    for name in (KEY, CERT, "attic-key.pem", "attic-cert.pem"):
        host.cert(name).unlink()


@breaks("CERT027")
def authority_that_is_gone(host: Host) -> None:
    shutil.rmtree(host.path(CA))


# --- SASL


@breaks("SASL001")
def realm_that_nobody_asks(host: Host) -> None:
    peer(
        "saslpasswd2", "-p", "-c", "-f", host.path(SASLDB), "-u", "dmzmail", "droid", stdin=b"Ch1mp-geheim-3"
    )


@breaks("SASL002")
def old_verifier(host: Host) -> None:
    old = b"SCRAM-SHA-256$4096:c2FsdA==$" + b"A" * 43 + b"=:" + b"B" * 43 + b"="
    records(host, (account(b"maildroid", b"authPassword"), old))


@breaks("SASL003")
def old_secret(host: Host) -> None:
    records(host, (account(b"maildroid", b"cmusaslsecretPLAIN"), b"0123456789abcdef\0" + b"x" * 16))


@breaks("SASL004")
def property_that_serves_nothing(host: Host) -> None:
    records(host, (account(b"droid", b"authPassword"), b"MD5$nonsense"))


@breaks("SASL005")
def key_of_no_account(host: Host) -> None:
    records(host, (b"droid\0somewhere", b"x"))


@breaks("SASL006")
def login_name(host: Host) -> None:
    peer("saslpasswd2", "-p", "-c", "-f", host.path(SASLDB), "-u", HUB, "mail", stdin=b"Ch1mp-geheim-3")


@breaks("SASL019")
def weak_secret(host: Host) -> None:
    peer("saslpasswd2", "-p", "-c", "-f", host.path(SASLDB), "-u", HUB, "polka", stdin=b"Polka-2026")


@breaks("SASL007")
def format_of_another_system(host: Host) -> None:
    host.program()("sasl", "convert", host.path("/etc/new"), "--to", "gdbm")
    host.path("/etc/new").rename(host.path(SASLDB))


@breaks("SASL008")
def missing_plugin(host: Host) -> None:
    host.path(f"{PLUGINS}/libscram.so").unlink()


@breaks("SASL008")
def missing_backend(host: Host) -> None:
    host.path(f"{PLUGINS}/libsasldb.so").unlink()


@breaks("SASL009", "hub", "MTA009")
def method_of_the_book(host: Host) -> None:
    host.replace(SASL_CONF, "pwcheck_method: auxprop", "pwcheck_method: sasldb")


@breaks("SASL010", "hub", "MTA009")
def malformed_line(host: Host) -> None:
    host.replace(SASL_CONF, "pwcheck_method: auxprop", "pwcheck_method auxprop")


@breaks("SASL011", "hub", "MTA009", "SASL014")
def sqlite(host: Host) -> None:
    host.write(SASL_CONF, "pwcheck_method: auxprop\nauxprop_plugin: sql\nsql_engine: sqlite3\n")


@breaks("SASL012")
def slack(host: Host) -> None:
    words = ("-f", host.path(SASLDB), "-u", HUB)
    for name, secret in (("anna", b"Quetschkommode"), ("bert", b"Ziehharmonika-und-Bandoneon")):
        peer("saslpasswd2", "-p", "-c", *words, name, stdin=secret)
    peer("saslpasswd2", "-d", *words, "bert")
    peer("saslpasswd2", "-d", *words, "anna")


KEYTAB = "/etc/mail/smtp.keytab"


def takes_tickets(host: Host, *principals: str) -> Path:
    """Let the hub's Sendmail take Kerberos tickets, by a keytab with these keys."""
    host.write(f"{PLUGINS}/libgssapiv2.so", "")
    path = host.write(KEYTAB, keytab(*(principals or (f"smtp/{HUB}",))), 0o600)
    if not principals:
        host.program()("mta", "apply", "sendmail-hub", "--keytab", KEYTAB)
        compile_cf(host)
    return path


@breaks("SASL008")
def plugin_of_gssapi_is_missing(host: Host) -> None:
    takes_tickets(host)
    host.path(f"{PLUGINS}/libgssapiv2.so").unlink()


@breaks("SASL021")
def keytab_is_missing(host: Host) -> None:
    takes_tickets(host).unlink()


@breaks("SASL021")
def keytab_is_none(host: Host) -> None:
    takes_tickets(host).write_text("geheim\n")


@breaks("SASL021", "jailed")
def keytab_in_a_chroot(host: Host) -> None:
    host.write(f"{PLUGINS}/libgssapiv2.so", "")
    host.replace(SMTPD_CONF, "mech_list: ", f"keytab: {KEYTAB}\nmech_list: GSSAPI ")
    os.chown(host.write(KEYTAB, keytab(f"smtp/{HUB}"), 0o640), 0, 61002)


@breaks("SASL022")
def keytab_of_another_service(host: Host) -> None:
    takes_tickets(host)
    takes_tickets(host, f"imap/{HUB}", "smtp/mx.polkatistas.org")


@breaks("SASL022", "hub", "SASL001", "MTA037")
def realm_in_the_place_of_the_name(host: Host) -> None:
    takes_tickets(host)
    host.path(CF).write_text(host.path(CF).read_text() + "O AuthRealm=polkatistas.org\n")


@breaks("PERM020")
def keytab_for_everybody(host: Host) -> None:
    takes_tickets(host).chmod(0o644)


@breaks("PERM005")
def keytab_of_a_stranger(host: Host) -> None:
    os.chown(takes_tickets(host), 4711, 0)


@breaks("PERM016", "postfix")
def keytab_that_smtpd_may_not_read(host: Host) -> None:
    host.write(f"{PLUGINS}/libgssapiv2.so", "")
    host.replace(SMTPD_CONF, "mech_list: ", f"keytab: {KEYTAB}\nmech_list: GSSAPI ")
    host.write(KEYTAB, keytab(f"smtp/{HUB}"), 0o600)


@breaks("PERM020", "exim", "PERM016")
def keytab_for_another_group(host: Host) -> None:
    host.write(f"{PLUGINS}/libgssapiv2.so", "")
    driver = "\ntickets:\n  driver = cyrus_sasl\n  public_name = GSSAPI\n"
    with host.path(EXIM).open("a") as file:
        file.write(f"{driver}  server_advertise_condition = ${{if def:tls_in_cipher}}\n")
    host.write("/etc/sasl2/exim.conf", f"keytab: {KEYTAB}\nmech_list: GSSAPI\n")
    path = host.write(KEYTAB, keytab(f"smtp/{HUB}"), 0o640)
    os.chown(path, 61003, 61002)


@breaks("SASL013", "hub", "MTA009")
def where_the_book_puts_it(host: Host) -> None:
    host.path("/usr/lib/sasl").mkdir()
    host.path(SASL_CONF).rename(host.path("/usr/lib/sasl/Sendmail.conf"))


@breaks("SASL014", "hub", "MTA009")
def another_database(host: Host) -> None:
    host.replace(SASL_CONF, "sasldb_path: /etc/sasldb2", "sasldb_path: /var/lib/sasl/sasldb2")


@breaks("SASL015", "hub", "MTA009")
def mechanism_left_out(host: Host) -> None:
    host.replace(SASL_CONF, " DIGEST-MD5", "")


@breaks("SASL023")
def secret_that_another_program_changed(host: Host) -> None:
    records(host, (account(b"maildroid", b"userPassword"), b"Quetschkommode-und-Bandoneon"))


@breaks("SASL024")
def bundle_of_before(host: Host) -> None:
    host.program()("bundle", "attic", "-o", host.root.parent / "attic.tar")
    host.program()("sasl", "passwd", "maildroid")


@breaks("SASL020", "hub", "SASL023")
def accounts_by_verifier_only(host: Host) -> None:
    verifier = b"SCRAM-SHA-256$4096:c2FsdA==$" + b"A" * 43 + b"=:" + b"B" * 43 + b"="
    key = account(b"maildroid", b"authPassword")
    store = open_store(str(host.path(SASLDB)))
    store.apply(lambda there: {**dict.fromkeys(there), key: verifier})


@breaks("SASL016")
def damaged_database(host: Host) -> None:
    host.write(SASLDB, b"\0" * 4096, 0o600)


@breaks("SASL016")
def empty_database(host: Host) -> None:
    host.path(SASLDB).write_bytes(b"")


@breaks("SASL017", "jailed", "SASL012", "SASL023")
def account_deleted_by_another_program(host: Host) -> None:
    peer("saslpasswd2", "-d", "-f", host.path(SASLDB), "-u", HUB, "maildroid")


@breaks("SASL017", "jailed")
def empty_copy(host: Host) -> None:
    host.path(JAILED).write_bytes(b"")


# --- MTA: Sendmail


@breaks("MTA001", "hub", "MTA017")
def trusted_and_not_offered(host: Host) -> None:
    host.replace(CF, "C{TrustAuthMech}SCRAM-SHA-256", "C{TrustAuthMech}PLAIN SCRAM-SHA-256")


@breaks("MTA002", "hub", "MTA009", "MTA017", "SASL015")
def plain_outside_tls(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "`p y'", "`y'")
    host.replace("/etc/mail/smtpcreds/hub.m4", "CRAM-MD5'", "CRAM-MD5 PLAIN'")
    compile_cf(host)


@breaks("MTA020", "hub", "MTA009", "MTA017", "CERT019", "SASL015")
def external_for_every_ca(host: Host) -> None:
    """The hub has a certificate of another CA, too, and takes logins by whatever that certified."""
    other, key = host.root / "other.pem", host.root / "other.key"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", key)
    openssl("req", "-x509", *new, "-subj", "/CN=Other CA", "-days", "900", "-out", other)
    bundle = host.cert(BUNDLE)
    bundle.write_bytes(bundle.read_bytes() + other.read_bytes())
    for file in (other, key):
        file.unlink()
    host.replace("/etc/mail/smtpcreds/hub.m4", "CRAM-MD5'", "CRAM-MD5 EXTERNAL'")
    compile_cf(host)


@breaks("MTA003", "client", "MTA009", "MTA017")
def dead_auth_info(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/client.m4", "define(`Sauthinfo', `Sauthinfo_unused')dnl\n", "")
    compile_cf(host)


@breaks("MTA003", "mapped", "SASL023")
def auth_info_beside_a_map(host: Host) -> None:
    host.write(AUTH_INFO, f"maildroid\nmaildroid\ngeheim\n{HUB}\n", 0o600)


@breaks("MTA004", "hub", "MTA009", "MTA017")
def no_ca_path(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "define(`confCACERT_PATH', `/etc/mail/certs')dnl\n", "")
    compile_cf(host)


@breaks("MTA005", "hub", "MTA009", "MTA017")
def relative_path(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "`/etc/mail/certs/dmzmail-key.pem'", "`certs/dmzmail-key.pem'")
    compile_cf(host)


@breaks("MTA006", "hub", "MTA017")
def blank_in_a_list(host: Host) -> None:
    path = "/etc/mail/certs/dmzmail-cert.pem"
    host.replace(CF, f"O ServerCertFile={path}", f"O ServerCertFile={path}, {path}")


@breaks("MTA006", "hub", "MTA017")
def fewer_keys_than_certificates(host: Host) -> None:
    path = "/etc/mail/certs/dmzmail-cert.pem"
    host.replace(CF, f"O ServerCertFile={path}", f"O ServerCertFile={path},{path}")


@breaks("MTA007")
def stale_map(host: Host) -> None:
    touch(host.path(f"{ACCESS}.db"), -60)


@breaks("MTA007", "mapped", "MTA009")
def missing_map(host: Host) -> None:
    host.path(f"{AUTHINFO}.db").unlink()


@breaks("MTA008")
def stale_cf(host: Host) -> None:
    touch(host.path(MC), 60)


@breaks("MTA008")
def stale_fragment(host: Host) -> None:
    touch(host.path("/etc/mail/smtpcreds/hub.m4"), 60)


@breaks("MTA009")
def edited(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "dnl Sendmail", "dnl Mine; Sendmail")


@breaks("MTA011")
def unknown_digest(host: Host) -> None:
    line = "define(`confCERT_FINGERPRINT_ALGORITHM', `sha265')dnl\n"
    host.replace(MC, "FEATURE(`access_db')dnl\n", "FEATURE(`access_db')dnl\n" + line)
    compile_cf(host)


@breaks("MTA012", "client", "MTA009")
def two_lines(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\n")


@breaks("MTA012", "client", "MTA009")
def secret_that_is_a_comment(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\n#geheim\n")


@breaks("MTA012", "client", "MTA009")
def edited_elsewhere(host: Host) -> None:
    text = host.path(AUTH_INFO).read_bytes()
    host.path(AUTH_INFO).write_bytes(text.replace(b"\n", b"\r\n"))


@breaks("MTA012", "client", "MTA009")
def another_realm(host: Host) -> None:
    host.path(AUTH_INFO).write_text("maildroid\nmaildroid\ngeheim\nexample.net\n")


@breaks("MTA012", "client", "MTA009")
def mechanism_that_is_not_tried(host: Host) -> None:
    with host.path(AUTH_INFO).open("a") as file:
        file.write("GSSAPI\n")


@breaks("MTA013")
def subject_without_issuer(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertSubject:/CN=attic RELAY\n")


@breaks("MTA013")
def name_with_a_blank(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertIssuer:/CN=Our Mail CA\tRELAY\n")


@breaks("MTA014", "hub", "MTA009")
def offered_and_not_trusted(host: Host) -> None:
    host.replace("/etc/mail/smtpcreds/hub.m4", "TRUST_AUTH_MECH(`SCRAM-SHA-256 ", "TRUST_AUTH_MECH(`")
    compile_cf(host)


@breaks("MTA015", "mapped", "MTA009")
def too_long_for_the_map(host: Host) -> None:
    host.path(AUTHINFO).write_text(f'AuthInfo:{HUB}\t"U:maildroid" "I:maildroid" "P={"QUFB" * 64}"\n')
    touch(host.path(AUTHINFO), -86400)


@breaks("MTA015", "mapped", "MTA009")
def key_that_is_never_looked_up(host: Host) -> None:
    host.replace(AUTHINFO, f"AuthInfo:{HUB}", f"AuthInfo:[{HUB}]")


@breaks("MTA016")
def name_that_does_not_exist(host: Host) -> None:
    host.replace(MC, "FEATURE(", "define(`confCIPHER_SUITES', `TLS_AES_256_GCM_SHA384')dnl\nFEATURE(")


@breaks("MTA017")
def fragment_not_included(host: Host) -> None:
    host.replace(MC, "include(`/etc/mail/smtpcreds/hub.m4')dnl\n", "")
    compile_cf(host)


@breaks("MTA018")
def clear_text_fallback(host: Host) -> None:
    line = "define(`confTLS_FALLBACK_TO_CLEAR', `true')dnl\n"
    host.replace(MC, "FEATURE(`access_db')dnl\n", "FEATURE(`access_db')dnl\n" + line)
    compile_cf(host)


@breaks("MTA030", "hub", "MTA017")
def listens_for_itself_alone(host: Host) -> None:
    host.replace(MC, "`Family=inet, Name=MTA, Port=smtp'", "`Port=smtp,Addr=127.0.0.1, Name=MTA'")  # RHEL's
    compile_cf(host)


def in_mc(host: Host, line: str, scene_line: str = "FEATURE(`access_db')dnl\n") -> None:
    """Put a line into sendmail.mc, and compile."""
    host.replace(MC, scene_line, f"{scene_line}{line}\n")
    compile_cf(host)


def modifier(host: Host, letters: str) -> None:
    host.replace(MC, "Port=smtp'", f"Port=smtp, M={letters}'")
    compile_cf(host)


@breaks("MTA021")
def daemon_without_auth(host: Host) -> None:
    modifier(host, "A")


@breaks("MTA021")
def daemon_without_starttls(host: Host) -> None:
    modifier(host, "ES")


@breaks("MTA022")
def daemon_with_tls_from_the_start(host: Host) -> None:
    modifier(host, "s")


@breaks("MTA023")
def no_certificate_asked_for(host: Host) -> None:
    in_mc(host, "define(`confTLS_SRV_OPTIONS', `V')dnl")
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "CertIssuer:/CN=Ours\tRELAY\n")


@breaks("MTA024")
def auth_taken_by_the_access_map(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "Srv_Features:192.0.2\tA\n")


@breaks("MTA024")
def starttls_taken_by_a_ruleset(host: Host) -> None:
    in_mc(host, "LOCAL_RULESETS\nSLocal_srv_features\nR$*\t\t$# S\n", "MAILER(`smtp')dnl\n")


@breaks("MTA025", "client")
def client_that_never_logs_in(host: Host) -> None:
    in_mc(host, "CLIENT_OPTIONS(`Family=inet, Modifiers=A')dnl")


@breaks("MTA025", "client")
def client_without_tls(host: Host) -> None:
    with host.path(ACCESS).open("a") as file:
        file.write("Try_TLS:polkatistas.org\tNO\n")
    touch(host.path(ACCESS), -86400)


@breaks("MTA026")
def ruleset_that_refuses_everybody(host: Host) -> None:
    rule = 'R$*\t\t$#error $@ 5.7.1 $: "550 not today"'
    in_mc(host, f"LOCAL_RULESETS\nSLocal_check_rcpt\n{rule}\n", "MAILER(`smtp')dnl\n")


@breaks("MTA027")
def promiscuous_relay(host: Host) -> None:
    in_mc(host, "FEATURE(`promiscuous_relay')dnl")


@breaks("MTA029")
def more_bits_than_there_are(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "TLS_Clt:\tENCR:512\n")


@breaks("MTA031")
def no_cipher_suite_left(host: Host) -> None:
    in_mc(host, "LOCAL_CONFIG\nO CipherSuites=TLS_AES_128_CCM_8_SHA256\n", "MAILER(`smtp')dnl\n")


@breaks("MTA032", "client")
def users_mail_past_the_daemon(host: Host) -> None:
    host.write("/etc/mail/submit.cf", "D{MTAHost}[dmzmail.polkatistas.org]\n")


@breaks("MTA028")
def no_version_left(host: Host) -> None:
    in_mc(host, "define(`confSERVER_SSL_OPTIONS', `+SSL_OP_NO_TLSv1_2 +SSL_OP_NO_TLSv1_3')dnl")


def define(host: Host, *lines: str) -> None:
    in_mc(
        host,
        "\n".join(
            f"define(`{name}', `{value}')dnl" for name, value in (line.split(" ", 1) for line in lines)
        ),
    )


@breaks("MTA033")
def no_cipher_left(host: Host) -> None:
    define(host, "confSERVER_SSL_OPTIONS +SSL_OP_NO_TLSv1_3", "confCIPHER_LIST NULL")


@breaks("MTA034")
def filter_that_does_not_run(host: Host) -> None:
    in_mc(host, "INPUT_MAIL_FILTER(`dead', `S=local:/run/dead.sock, F=R')dnl")


@breaks("MTA035")
def our_domain_refused(host: Host) -> None:
    host.replace(ACCESS, "127.0.0.1\tRELAY\n", "Connect:polkatistas.org\tREJECT\n")


@breaks("MTA036")
def block_lists_first(host: Host) -> None:
    in_mc(host, "FEATURE(`dnsbl', `bl.example.net')dnl")


@breaks("MTA037", "hub", "SASL001")
def realm_without_accounts(host: Host) -> None:
    define(host, "confAUTH_REALM other.example")


@breaks("MTA038")
def an_engine(host: Host) -> None:
    define(host, "confSSL_ENGINE rdrand")


@breaks("MTA039")
def another_port(host: Host) -> None:
    host.replace(MC, "Port=smtp'", "Port=26'")
    compile_cf(host)


@breaks("MTA040", "client")
def mail_past_the_hub(host: Host) -> None:
    define(host, "confFALLBACK_MX other.example.net")


@breaks("MTA041")
def mail_waits_for_the_queue(host: Host) -> None:
    define(host, "confDELIVERY_MODE queueonly")


def in_main(host: Host, *lines: str) -> None:
    """Put lines at the end of main.cf."""
    with host.path(MAIN).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


@breaks("MTA109", "postfix")
def service_without_auth(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "smtpd\n  -o { smtpd_sasl_auth_enable = no }\n")


@breaks("MTA102", "postfix")
def service_without_tls(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "smtpd -o smtpd_tls_security_level=none\n")


@breaks("MTA110", "postfix")
def postfix_refuses_first(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = permit_mynetworks, reject")


@breaks("MTA110", "postfix")
def postfix_ends_every_session(host: Host) -> None:
    in_main(host, "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated")


@breaks("MTA111", "postfix")
def postfix_for_everybody(host: Host) -> None:
    in_main(host, "mynetworks = 127.0.0.0/8, 0.0.0.0/0")


SHA256 = ":".join(["AB"] * 32)
BY_CERTIFICATE = (
    "smtpd_relay_restrictions = permit_sasl_authenticated, permit_tls_clientcerts, reject_unauth_destination",
    "relay_clientcerts = texthash:/etc/postfix/relay_clientcerts",
)


@breaks("MTA112", "postfix")
def postfix_asks_for_no_certificate(host: Host) -> None:
    host.write("/etc/postfix/relay_clientcerts", f"{SHA256} attic\n")
    in_main(host, *BY_CERTIFICATE, "smtpd_tls_fingerprint_digest = sha256")


@breaks("MTA113", "postfix")
def postfix_lists_by_another_digest(host: Host) -> None:
    host.write("/etc/postfix/relay_clientcerts", f"{SHA256} attic\n")
    in_main(host, *BY_CERTIFICATE, "smtpd_tls_ask_ccert = yes")  # the digest is md5 below level 3.6


@breaks("MTA114", "postfix", "MTA115")
def postfix_filters_by_names_of_plugins(host: Host) -> None:
    in_main(host, "smtp_sasl_mechanism_filter = digestmd5,ntlm,crammd5,plain,login,anonymous")


@breaks("MTA115", "postfix")
def postfix_names_a_plugin(host: Host) -> None:
    in_main(host, "smtp_sasl_mechanism_filter = scram-sha-256, crammd5")


@breaks("MTA117", "postfix")
def postfix_asks_a_dovecot_that_is_not_there(host: Host) -> None:
    in_main(host, "smtpd_sasl_type = dovecot", "smtpd_sasl_path = private/auth")


@breaks("MTA118", "postfix")
def postfix_table_that_was_not_made(host: Host) -> None:
    host.replace(MAIN, "texthash:", "hash:")


@breaks("MTA119", "postfix")
def postfix_never_asks(host: Host) -> None:
    in_main(host, "smtp_never_send_ehlo = yes")


@breaks("MTA119", "postfix")
def postfix_asks_dovecot_as_a_client(host: Host) -> None:
    in_main(host, "smtp_sasl_type = dovecot")


@breaks("MTA121", "postfix")
def postfix_knows_no_ca(host: Host) -> None:
    host.replace(MAIN, "smtp_tls_CAfile = $smtpd_tls_CAfile\n", "")


@breaks("MTA122", "postfix")
def postfix_begins_with_tls(host: Host) -> None:
    in_main(host, "smtp_tls_wrappermode = yes")


@breaks("MTA123", "postfix")
def postfix_without_a_version(host: Host) -> None:
    in_main(host, "smtp_tls_mandatory_protocols = !TLSv1.2, !TLSv1.3")


@breaks("MTA116", "postfix")
def postfix_without_a_cipher(host: Host) -> None:
    in_main(host, "smtp_tls_mandatory_ciphers = strong")


@breaks("MTA124", "postfix")
def postfix_compares_another_name(host: Host) -> None:
    in_main(host, "smtp_tls_policy_maps =", "smtp_tls_secure_cert_match = other.example.org")


@breaks("MTA126", "postfix")
def postfix_asks_a_policy_server_first(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = check_policy_service unix:private/policy")


@breaks("MTA127", "postfix")
def postfix_demands_a_certificate(host: Host) -> None:
    in_main(host, "smtpd_tls_security_level = encrypt", "smtpd_tls_req_ccert = yes")


@breaks("MTA125", "postfix")
def postfix_offers_some_no_auth(host: Host) -> None:
    in_main(host, "smtpd_sasl_exceptions_networks = 192.0.2.0/24")


@breaks("MTA128", "postfix")
def postfix_without_random_numbers(host: Host) -> None:
    in_main(host, "tls_random_source = /nonexistent")


@breaks("MTA129", "postfix")
def postfix_hands_mail_to_nobody(host: Host) -> None:
    in_main(host, "content_filter = scan:[127.0.0.1]:10024")


@breaks("MTA129", "postfix")
def postfix_asks_a_milter_that_is_gone(host: Host) -> None:
    in_main(host, "smtpd_milters = unix:/run/gone/milter.sock")


@breaks("MTA130", "postfix")
def postfix_ignores_auth(host: Host) -> None:
    host.write("/etc/postfix/commands", "/^AUTH (.*)/ NOOP\n")
    in_main(host, "smtpd_command_filter = pcre:/etc/postfix/commands")


@breaks("MTA131", "postfix")
def postfix_does_not_run_its_service(host: Host) -> None:
    in_main(host, "master_service_disable = smtp/inet")


@breaks("MTA132", "postfix")
def postfix_believes_what_is_claimed(host: Host) -> None:
    host.write("/etc/postfix/claimed", "friend@example.org OK\n")
    tables = "check_sender_access texthash:/etc/postfix/claimed, permit_sasl_authenticated"
    in_main(host, f"smtpd_relay_restrictions = {tables}, reject_unauth_destination")


@breaks("MTA133", "postfix")
def postfix_knows_owners_by_half_their_names(host: Host) -> None:
    host.write("/etc/postfix/owners", "@polkatistas.org maildroid\n")
    in_main(
        host,
        f"smtpd_sasl_local_domain = {HUB}",
        "smtpd_sender_login_maps = texthash:/etc/postfix/owners",
        "smtpd_sender_restrictions = reject_known_sender_login_mismatch",
    )


@breaks("MTA134", "postfix")
def postscreen_turns_clients_away(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "postscreen\nsmtpd pass - - n - - smtpd\n")
    in_main(host, "postscreen_pipelining_enable = yes")


@breaks("MTA135", "postfix")
def postfix_expects_a_proxy(host: Host) -> None:
    in_main(host, "smtpd_upstream_proxy_protocol = haproxy")


@breaks("MTA203", "exim")
def exim_offers_nothing(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "NOBODY = :\nauth_advertise_hosts = NOBODY\nbegin acl\n")


@breaks("MTA204", "exim")
def exim_asks_for_no_certificate(host: Host) -> None:
    host.replace(EXIM, "tls_try_verify_hosts = *\n", ".ifdef NEVER\ntls_try_verify_hosts = *\n.endif\n")


@breaks("MTA205", "exim")
def exim_refuses_first(host: Host) -> None:
    host.replace(EXIM, "  accept hosts = :\n", "  deny domains = ! +local_domains\n")


@breaks("MTA206", "exim")
def exim_for_everybody(host: Host) -> None:
    host.replace(EXIM, "  accept hosts = :\n", "  accept\n")


@breaks("MTA209", "exim")
def exim_demands_a_certificate(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "tls_verify_hosts = *\nbegin acl\n")


@breaks("MTA207", "exim")
def exim_begins_with_tls(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "tls_on_connect_ports = 25\nbegin acl\n")


@breaks("MTA208", "exim")
def exim_logs_in_anywhere(host: Host) -> None:
    host.replace(EXIM, "  driver = smtp\n", "  driver = smtp\n  hosts_require_auth = *\n")


@breaks("MTA210", "exim", "MTA208")
def exim_says_helo(host: Host) -> None:
    line = "  driver = smtp\n"
    host.replace(EXIM, line, f"{line}  hosts_require_auth = *\n  hosts_avoid_esmtp = *\n")


def in_exim(host: Host, *lines: str) -> None:
    """Put options at the end of the main part."""
    host.replace(EXIM, "begin acl\n", "".join(f"{line}\n" for line in (*lines, "begin acl")))


@breaks("MTA211", "exim")
def exim_rejects_connections(host: Host) -> None:
    in_exim(host, "host_reject_connection = *")


@breaks("MTA212", "exim")
def exim_verifies_names(host: Host) -> None:
    in_exim(host, "helo_verify_hosts = *")


@breaks("MTA213", "exim")
def exim_lacks_a_file(host: Host) -> None:
    in_exim(host, "tls_dhparam = /etc/exim4/dh.pem")


@breaks("MTA214", "exim")
def exim_without_a_way_out(host: Host) -> None:
    host.replace(
        EXIM, "begin acl\n", "begin routers\nnoway:\n  driver = redirect\n  data = :fail: no\nbegin acl\n"
    )


@breaks("MTA215", "exim")
def exim_keeps_mail(host: Host) -> None:
    in_exim(host, "queue_only")


@breaks("MTA216", "exim")
def exim_on_another_port(host: Host) -> None:
    in_exim(host, "daemon_smtp_ports = 587")


def for_postfix(host: Host, *lines: str) -> None:
    """Let Dovecot check accounts for Postfix, and say more."""
    listener = "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0660\n  }\n}\n"
    with host.path(DOVECOT).open("a") as file:
        file.write(listener + "".join(f"{line}\n" for line in lines))


@breaks("MTA302", "dovecot")
def dovecot_wants_a_certificate(host: Host) -> None:
    for_postfix(host, "auth_ssl_require_client_cert = yes")


@breaks("MTA302", "dovecot")
def dovecot_asks_a_policy_server_without_a_nonce(host: Host) -> None:
    for_postfix(host, "auth_policy_server_url = http://127.0.0.1:4001/")


@breaks("MTA303", "dovecot")
def dovecot_takes_every_password(host: Host) -> None:
    for_postfix(host, "passdb {", "  driver = static", "  args = nopassword=y", "}")


@breaks("MTA304", "dovecot")
def dovecot_with_a_later_line(host: Host) -> None:
    fragment = "/etc/dovecot/smtpcreds-auth.conf"
    host.write(fragment, "auth_mechanisms = scram-sha-256\ndisable_plaintext_auth = yes\n")
    for_postfix(host, f"!include {fragment}", "auth_mechanisms = plain")


@breaks("MTA305", "dovecot")
def dovecot_checks_accounts_in_a_chroot(host: Host) -> None:
    for_postfix(host, "service auth {", "chroot = /var/empty", "}")


@breaks("MTA120", "postfix")
def postfix_listens_for_itself_alone(host: Host) -> None:
    host.replace(
        MAIN, "smtpd_tls_security_level", "inet_interfaces = loopback-only\nsmtpd_tls_security_level"
    )


@breaks("MTA220", "exim")
def exim_listens_for_itself_alone(host: Host) -> None:
    host.write("/etc/exim4/update-exim4.conf.conf", "dc_local_interfaces='127.0.0.1 ; ::1'\n")


@breaks("MTA140", "postfix")
def postfix_returns_mail_for_other_hosts(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_security_level", "default_transport = error\nsmtpd_tls_security_level")


@breaks("MTA240", "exim")
def exim_returns_mail_for_other_hosts(host: Host) -> None:
    host.write("/etc/exim4/update-exim4.conf.conf", "dc_eximconfig_configtype='local'\n")


@breaks("MTA019", "hub", "MTA009")
def nothing_in_common(host: Host) -> None:
    host.replace(SASL_CONF, "mech_list: SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5", "mech_list: PLAIN LOGIN")


# --- MTA: the others


@breaks("MTA101", "postfix")
def postfix_plain_outside_tls(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no")


@breaks("MTA102", "postfix")
def postfix_tls_off(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_security_level = may\n", "")


@breaks("MTA103", "postfix")
def postfix_does_not_verify(host: Host) -> None:
    host.replace(MAIN, "smtp_tls_security_level = secure", "smtp_tls_security_level = encrypt")


@breaks("MTA104", "postfix")
def postfix_in_a_chroot(host: Host) -> None:
    host.replace(MASTER, "inet  n       -       n", "inet  n       -       y")


@breaks("MTA104", "jailed")
def postfix_without_its_copy(host: Host) -> None:
    host.path(JAILED).unlink()


@breaks("MTA105", "postfix")
def postfix_key_that_is_not_the_relay(host: Host) -> None:
    host.replace("/etc/postfix/sasl_passwd", "[mx.example.net]:587", "[mx.example.net]")


@breaks("MTA106", "postfix", "MTA110", "MTA112")
def postfix_trusts_every_certificate(host: Host) -> None:
    host.replace(
        MAIN,
        "relayhost",
        "smtpd_relay_restrictions = permit_mynetworks,\n  permit_tls_all_clientcerts, reject\nrelayhost",
    )


@breaks("MTA107", "postfix", "MTA101")
def postfix_conf_elsewhere(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no")
    host.path("/etc/sasl2").mkdir()
    host.path(SMTPD_CONF).rename(host.path("/etc/sasl2/smtpd.conf"))


@breaks("MTA108", "postfix", "CERT002")
def postfix_certificate_first(host: Host) -> None:
    certs = "/etc/mail/certs/dmzmail"
    host.replace(MAIN, f"{certs}-key.pem, {certs}-cert.pem", f"{certs}-cert.pem, {certs}-key.pem")


@breaks("MTA201", "exim")
def exim_plain_outside_tls(host: Host) -> None:
    host.replace(EXIM, "  server_advertise_condition = ${if def:tls_in_cipher}\n", "")


@breaks("MTA202", "exim")
def exim_external_unguarded(host: Host) -> None:
    condition = "  server_advertise_condition = ${if bool{$tls_in_certificate_verified}}\n"
    host.replace(EXIM, condition, "")


@breaks("MTA301", "dovecot")
def dovecot_plain_outside_tls(host: Host) -> None:
    host.replace("/etc/dovecot/conf.d/10-auth.conf", "= yes", "= no")
    host.replace(DOVECOT, "ssl = required", "ssl = yes")


@breaks("MTA301", "dovecot_2_4")
def dovecot_2_4_plain_outside_tls(host: Host) -> None:
    host.replace("/etc/dovecot/conf.d/10-auth.conf", "= no", "= yes")
    host.replace(DOVECOT, "ssl = required", "ssl = yes")


# --- a daemon


def daemon(host: Host) -> "subprocess.Popen[bytes]":
    """Start a process that is called like the daemon, with its pid file; it ends with its input."""
    program = host.path("/usr/sbin/sendmail-mta")
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/cat", program)
    running = subprocess.Popen([program], stdin=subprocess.PIPE)
    host.write("/run/sendmail/mta/sendmail.pid", f"{running.pid}\n/usr/sbin/sendmail-mta -bd\n")
    return running
