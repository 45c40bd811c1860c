"""Options that would change nothing of a program's files are refused, each by its name."""

from collections.abc import Iterator

from ..errors import UsageError
from ..mta.program import Need, Program, Role
from ..mta.sasl_conf import EXTERNAL, GSSAPI
from ..names import PLAINTEXT
from .options import RenderOptions

_DOVECOT = "dovecot"


def refuse_unused(program: Program, options: RenderOptions) -> None:
    """Raise UsageError for an option that the program has no use for."""
    for option, why in _unused(program, options):
        raise UsageError(option, why)
    if options.relay_certificates and options.relay_hosts:
        raise UsageError("--relay-host", "is among what --relay-certificates lets relay; leave one out")
    for name in _named(options):
        if not set(name) & set(program.MECHANISMS):
            reason = f"is not a mechanism of {program.NAME}"
            raise UsageError(" or ".join(name), reason, _hint(program, name))


def _unused(program: Program, options: RenderOptions) -> Iterator[tuple[str, str]]:
    is_hub = program.ROLE is Role.HUB
    if options.access and Need.RULES not in program.NEEDS:
        yield "--access", f"is for Sendmail; {program.NAME} has no access map"
    if options.fingerprint and Need.FINGERPRINT not in program.NEEDS:
        yield "--fingerprint", f"is for programs that verify nothing else; {program.NAME} verifies by the CA"
    if options.port and is_hub and Need.PORT not in program.NEEDS:
        yield "--port", f"is for client hosts; the ports of {program.NAME} are its own configuration"
    if (options.account or options.secret) and Need.CREDENTIAL not in program.NEEDS:
        option = "--account" if options.account else "--password"
        yield option, f"is for client hosts; {program.NAME} accepts all accounts of the database"
    relaying = is_hub and program.NEEDS & {Need.RULES, Need.CLIENTS}
    if (options.relay_hosts or options.relay_certificates) and not relaying:
        option = "--relay-host" if options.relay_hosts else "--relay-certificates"
        yield option, f"is for mail servers of a hub; {program.NAME} does not relay by certificate"
    if options.crl and Need.REVOCATIONS not in program.NEEDS:
        why = "reads one in any case" if is_hub else "reads none"
        yield "--crl", f"is for programs that read a list of revoked certificates; {program.NAME} {why}"
    yield from _without_backend(program, options)


def _without_backend(program: Program, options: RenderOptions) -> Iterator[tuple[str, str]]:
    asks = Need.BACKEND in program.NEEDS and _DOVECOT not in options.variants
    for option, given in (
        ("--saslauthd", options.saslauthd),
        ("--role", options.role),
        ("--role-password", options.role_password),
        ("--keytab", options.keytab),
    ):
        if given and not asks:
            yield option, _no_backend(program, options)


def _no_backend(program: Program, options: RenderOptions) -> str:
    if program.ROLE is Role.CLIENT:
        return f"is for a hub, and {program.NAME} is of a client host"
    asks = f"{program.NAME} --with {_DOVECOT}" if _DOVECOT in options.variants else program.NAME
    return f"is for Cyrus SASL, and {asks} asks Dovecot; Dovecot asks PAM by itself"


def _named(options: RenderOptions) -> Iterator[tuple[str, ...]]:
    """Yield what is asked for by name, alternatives together."""
    yield from ((name.upper(),) for name in options.mechanisms)
    if options.plaintext:
        yield PLAINTEXT
    if options.external:
        yield (EXTERNAL,)
    if options.keytab:
        yield (GSSAPI,)


def _hint(program: Program, name: tuple[str, ...]) -> str:
    if EXTERNAL in name:
        return "leave it out; the hub may relay by certificate without AUTH: --relay-host HOST there"
    return f"known: {', '.join(known for known in program.MECHANISMS if known != GSSAPI)}"
