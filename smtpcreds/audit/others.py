"""MTA: what Postfix, Exim, Dovecot and the programs of client hosts say of TLS and AUTH."""

import os
from collections.abc import Iterator

from ..mta.main_cf import MainCf
from .finding import Finding, found
from .sasl_conf import confs
from .world import DOVECOT_CONF, MAIN_CF, MASTER_CF, Host

# MTA: what main.cf and master.cf say of TLS and AUTH.

_VERIFYING = frozenset({"verify", "secure", "fingerprint", "dane-only"})
_RELOAD = "postfix reload"
_RESTRICTIONS = (
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_client_restrictions",
)


def server(world: Host) -> Iterator[Finding]:
    """TLS is on where there is a certificate, and no password is asked for outside it."""
    main, path = world.postfix, world.path(MAIN_CF)
    if main is None:
        return
    has_pair = main.value("smtpd_tls_cert_file") or main.value("smtpd_tls_chain_files")
    level = main.value("smtpd_tls_security_level") or ("may" if main.is_on("smtpd_use_tls") else "")
    if has_pair and level in {"", "none"}:
        reason = "has a server certificate and no smtpd_tls_security_level, so there is no TLS"
        yield found("MTA102", path, reason, f"postconf -e smtpd_tls_security_level=may && {_RELOAD}")
    guarded = main.is_on("smtpd_tls_auth_only") or level == "encrypt"
    guarded = guarded or "noplaintext" in main.words("smtpd_sasl_security_options")
    if main.is_on("smtpd_sasl_auth_enable") and not guarded and _plaintext(world, main):
        reason = (
            "has smtpd_sasl_auth_enable without smtpd_tls_auth_only, so PLAIN and LOGIN are offered in clear"
        )
        yield found("MTA101", path, reason, f"postconf -e smtpd_tls_auth_only=yes && {_RELOAD}")


def client(world: Host) -> Iterator[Finding]:
    """Passwords go to relays whose certificate was verified, and under the key that is looked up."""
    main, path = world.postfix, world.path(MAIN_CF)
    if main is None or not main.is_on("smtp_sasl_auth_enable"):
        return
    level = main.value("smtp_tls_security_level") or "none"
    if level not in _VERIFYING and not main.value("smtp_tls_policy_maps"):
        reason = f"has smtp_tls_security_level={level}, so the password goes to whoever answers"
        yield found("MTA103", path, reason, f"postconf -e smtp_tls_security_level=secure && {_RELOAD}")
    relay = main.value("relayhost")
    for source in _password_sources(world, main):
        keys = _keys(world, source)
        if relay and keys is not None and not _looked_up(relay) & keys:
            reason = f"has no key {relay}, so Postfix does not log in there"
            yield found("MTA105", source, reason, f"write {relay} as the key, postmap {source}, {_RELOAD}")


def chroot(world: Host) -> Iterator[Finding]:
    """An smtpd inside the queue directory finds the accounts there, or none."""
    main = world.postfix
    if main is None or not main.is_on("smtpd_sasl_auth_enable") or main.value("smtpd_sasl_type") != "cyrus":
        return
    inside = [s.name for s in world.services if s.chroot and s.kind == "inet" and s.command == "smtpd"]
    for conf in confs(world) if inside else ():
        database = conf.settings.get("sasldb_path", "/etc/sasldb2")
        jail = main.value("queue_directory")
        here = conf.program == "postfix" and "sasldb" in conf.backends
        if here and not os.path.exists(world.path(jail + database)):
            reason = f"runs smtpd in the chroot {jail}, where there is no {database}, so every login fails"
            is_copied = jail + database in world.site.settings.sasl.copies
            leave = [f"postconf -F {name}/inet/chroot=n" for name in inside]
            cure = "smtpcreds mta apply postfix-hub" if is_copied else " && ".join([*leave, _RELOAD])
            yield found("MTA104", world.path(MASTER_CF), reason, cure)


def revocation(world: Host) -> Iterator[Finding]:
    """Postfix reads no CRL, so a certificate that is trusted by its chain is trusted for ever."""
    main = world.postfix
    asked = main and any("permit_tls_all_clientcerts" in main.words(name) for name in _RESTRICTIONS)
    if asked:
        reason = "lets every certificate of the CA relay (permit_tls_all_clientcerts), also a revoked one"
        cure = "list fingerprints in relay_clientcerts, with permit_tls_clientcerts"
        yield found("MTA106", world.path(MAIN_CF), reason, cure)


def chains(world: Host) -> Iterator[Finding]:
    """In smtpd_tls_chain_files each key stands before its certificate."""
    main = world.postfix
    for name in ("smtpd_tls_chain_files", "smtp_tls_chain_files") if main else ():
        files = main.words(name) if main else ()
        kinds = [_kind(world, file) for file in files]
        if files and not _alternates(kinds):
            reason = f"has {name} in which a certificate stands before its key"
            yield found(
                "MTA108", world.path(MAIN_CF), reason, f"postconf -e '{name}=KEY, CERTIFICATE' && {_RELOAD}"
            )


def _plaintext(world: Host, main: MainCf) -> bool:
    """Tell whether PLAIN or LOGIN is offered at all; Dovecot's own configuration is not asked."""
    limits = [conf.mechanisms for conf in confs(world) if conf.program == "postfix"]
    if main.value("smtpd_sasl_type") != "cyrus" or not limits or not limits[0]:
        return True
    return bool({"PLAIN", "LOGIN"} & set(limits[0]))


def _password_sources(world: Host, main: MainCf) -> Iterator[str]:
    for word in main.words("smtp_sasl_password_maps"):
        kind, _, path = word.partition(":")
        if kind in {"hash", "btree", "lmdb", "cdb", "texthash", "dbm"} and path:
            yield world.path(path)


def _keys(world: Host, source: str) -> set[str] | None:
    content = world.content(source)
    if content is None:
        return None
    lines = content.decode(errors="replace").splitlines()
    return {line.split()[0].lower() for line in lines if line.strip() and line[0] not in "# \t"}


def _looked_up(relay: str) -> set[str]:
    """Return the keys for a relayhost: as it is written, or the bare name of the server (observed)."""
    host = relay.rpartition("]")[0].lstrip("[") if "]" in relay else relay.partition(":")[0]
    return {relay.lower(), host.lower()}


def _kind(world: Host, file: str) -> str:
    content = world.content(world.path(file)) or b""
    key, certificate = content.find(b"PRIVATE KEY-----"), content.find(b"-----BEGIN CERTIFICATE")
    if key >= 0 and certificate >= 0:
        return "both" if key < certificate else "reversed"
    return "key" if key >= 0 else "certificate"


def _alternates(kinds: list[str]) -> bool:
    pairs = zip(kinds[::2], kinds[1::2], strict=False)
    in_turn = len(kinds) % 2 == 0 and all(pair == ("key", "certificate") for pair in pairs)
    return in_turn or all(kind == "both" for kind in kinds)


# MTA: the little that is checked of Exim's and Dovecot's configuration.

_IN_TLS = ("tls_in_cipher", "tls_cipher")
_VERIFIED = "tls_in_certificate_verified"


def exim(world: Host) -> Iterator[Finding]:
    """Authenticators that show a password need TLS, and external a certificate that was verified."""
    if world.exim is None:
        return
    path = world.path(world.exim[0])
    for name, options in world.exim[1].authenticators.items():
        condition = options.get("server_advertise_condition", "")
        mechanism = options.get("public_name", "").upper()
        is_server = any(option.startswith("server_") for option in options)
        if is_server and mechanism in {"PLAIN", "LOGIN"} and not any(word in condition for word in _IN_TLS):
            reason = f"offers {mechanism} ({name}) outside TLS"
            cure = "set server_advertise_condition = ${if def:tls_in_cipher}"
            yield found("MTA201", path, reason, cure)
        if options.get("driver") == "external" and is_server and _VERIFIED not in condition:
            reason = f"has the authenticator {name} for clients whose certificate was not verified"
            cure = "set server_advertise_condition = ${if bool{$tls_in_certificate_verified}}"
            yield found("MTA202", path, reason, cure)


def dovecot(world: Host) -> Iterator[Finding]:
    """Passwords are taken inside TLS only."""
    conf = world.dovecot
    if conf is None:
        return
    plain = {"plain", "login"} & set(conf.mechanisms)
    if plain and conf.disable_plaintext_auth == "no" and conf.ssl != "required":
        reason = f"has disable_plaintext_auth=no and ssl={conf.ssl}, so passwords are taken in clear"
        yield found("MTA301", world.path(DOVECOT_CONF), reason, "set disable_plaintext_auth = yes")
