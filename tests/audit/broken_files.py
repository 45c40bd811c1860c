"""Permissions, certificates and CRLs, each broken so that one code is found."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

from admin import HUB

from .breaking import BUNDLE, CA, CERT, CRL, KEY, SASLDB, breaks, setfacl, sign
from .scene import (
    AUTH_INFO,
    AUTHINFO,
    CF,
    EXIM,
    MAIN,
    PLUGINS,
    SASL_CONF,
    Host,
    openssl,
)


@breaks("AUDIT001")
def main_cf_that_is_none(host: Host) -> None:
    host.write(MAIN, "nonsense\n")


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


@breaks("CERT025")
def an_authority_of_before_ours(host: Host) -> None:
    """Ours was made beside one that is lost, whose certificate came back."""
    before = host.program().copy(host.root.parent / "before")
    shutil.rmtree(before.state)
    shutil.rmtree(before.certs)
    before.at("-9 days")("ca", "init", "--no-passphrase")
    lost = (before.state / "ca" / "ca-cert.pem").read_bytes()
    with host.cert("cacert.pem").open("ab") as bundle:
        bundle.write(lost)


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
