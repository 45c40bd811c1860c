"""MTA: the little that is checked of Exim's and Dovecot's configuration."""

from collections.abc import Iterator

from .finding import Finding, found
from .world import DOVECOT_CONF, World

_IN_TLS = ("tls_in_cipher", "tls_cipher")
_VERIFIED = "tls_in_certificate_verified"


def exim(world: World) -> Iterator[Finding]:
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


def dovecot(world: World) -> Iterator[Finding]:
    """Passwords are taken inside TLS only."""
    conf = world.dovecot
    if conf is None:
        return
    plain = {"plain", "login"} & set(conf.mechanisms)
    if plain and conf.disable_plaintext_auth == "no" and conf.ssl != "required":
        reason = f"has disable_plaintext_auth=no and ssl={conf.ssl}, so passwords are taken in clear"
        yield found("MTA301", world.path(DOVECOT_CONF), reason, "set disable_plaintext_auth = yes")
