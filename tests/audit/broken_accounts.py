"""Accounts and what Cyrus SASL reads, each broken so that one code is found."""

import os
from pathlib import Path

from admin import CONFIG, HUB, peer
from keytabs import keytab

from smtpcreds.sasldb.opening import open_store

from .breaking import SASLDB, account, breaks, records
from .scene import (
    CF,
    EXIM,
    JAILED,
    PLUGINS,
    SASL_CONF,
    SMTPD_CONF,
    Host,
    compile_cf,
)


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
    host.program()("bundle", "attic", "-o", host.root.parent / "before.tar")
    host.program()("sasl", "passwd", "maildroid")


@breaks("SASL020", "hub", "SASL023")
def accounts_by_verifier_only(host: Host) -> None:
    verifier = b"SCRAM-SHA-256$4096:c2FsdA==$" + b"A" * 43 + b"=:" + b"B" * 43 + b"="
    key = account(b"maildroid", b"authPassword")
    store = open_store(str(host.path(SASLDB)))
    store.apply(lambda there: {**dict.fromkeys(there), key: verifier})


def exim_asks(host: Host, mechanism: str, *lines: str) -> None:
    """Let Exim ask Cyrus SASL, configured by hand, for a mechanism."""
    authenticator = f"asking:\n  driver = cyrus_sasl\n  public_name = {mechanism}\n"
    host.replace(EXIM, "begin authenticators\n", f"begin authenticators\n{authenticator}")
    host.write("/etc/sasl2/exim.conf", "".join(f"{line}\n" for line in ("pwcheck_method: auxprop", *lines)))
    host.write(
        "/etc/smtpcreds/smtpcreds.toml", f'{CONFIG}[sasl]\ngroup = "Debian-exim"\nmode = "0640"\n', 0o644
    )
    os.chown(host.path(SASLDB), 0, 61003)
    host.path(SASLDB).chmod(0o640)


@breaks("SASL020", "exim", "SASL023")
def accounts_by_verifier_only_for_exim(host: Host) -> None:
    accounts_by_verifier_only(host)
    exim_asks(host, "SCRAM-SHA-1")


@breaks("SASL014", "exim")
def exim_looks_accounts_up_elsewhere(host: Host) -> None:
    exim_asks(host, "SCRAM-SHA-256", "sasldb_path: /etc/other.db")


@breaks("SASL010", "exim")
def malformed_line_for_exim(host: Host) -> None:
    exim_asks(host, "SCRAM-SHA-256", "mech_list PLAIN")


@breaks("PERM018", "exim")
def password_of_the_database_that_others_read(host: Host) -> None:
    exim_asks(host, "SCRAM-SHA-256", "sql_passwd: Quetschkommode")
    host.path("/etc/sasl2/exim.conf").chmod(0o644)


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
