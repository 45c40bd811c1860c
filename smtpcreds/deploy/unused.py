"""Options that would change nothing of a program's files are refused, each by its name."""

from collections.abc import Iterator

from ..errors import InexpressibleError, UsageError
from ..mta import dovecot, dovecot_hub, msmtp
from ..mta.program import SUBMISSIONS, Need, Program, Role
from ..mta.sasl_conf import DEFAULT, EXTERNAL, GSSAPI
from ..names import PLAINTEXT
from .options import RenderOptions

_DOVECOT = "dovecot"


def refuse_unused(program: Program, options: RenderOptions, complete: RenderOptions) -> None:
    """Raise UsageError for an option that the program has no use for.

    Args:
        program: whose files are meant.
        options: what was asked for.
        complete: the same with what the configuration says.
    """
    for option, why in _unused(program, options):
        raise UsageError(option, why)
    if options.relay_certificates and options.relay_hosts:
        raise UsageError("--relay-host", "is among what --relay-certificates lets relay; leave one out")
    _refuse_port(program, options, complete)
    known = _known(program, complete)
    for option, names in _named(options):
        if not set(names) & set(known):
            raise UsageError(
                option, f"is not a mechanism of {_title(program, complete)}", _hint(known, names)
            )


def refuse_untold(program: Program, given: RenderOptions, complete: RenderOptions) -> None:
    """Raise UsageError for an option of this run that says to a program what it decides by itself.

    What an earlier run was told may have become so by a change of the configuration, and stops nobody.
    """
    for option, why, hint in _untold(program, given, complete):
        raise UsageError(option, why, hint)


def _refuse_port(program: Program, options: RenderOptions, complete: RenderOptions) -> None:
    if complete.port == SUBMISSIONS and Need.STARTTLS in program.NEEDS:
        origin = "--port" if options.port else "port"
        reason = f"uses implicit TLS, which {program.FAMILY.capitalize()} as a client can't"
        raise InexpressibleError(f"{origin} {complete.port}", reason, "--port 587, or 25")


def _known(program: Program, options: RenderOptions) -> tuple[str, ...]:
    """Return the mechanisms of a program; those of Dovecot depend on how it stores passwords."""
    if program is not dovecot_hub:
        return program.MECHANISMS
    return dovecot.MECHANISMS[dovecot.scheme_of(options.variants)]


def _title(program: Program, options: RenderOptions) -> str:
    if program is not dovecot_hub:
        return program.NAME
    return f"{program.NAME} with passwords stored as {dovecot.scheme_of(options.variants)}"


def _untold(
    program: Program, options: RenderOptions, complete: RenderOptions
) -> Iterator[tuple[str, str, str | None]]:
    """Yield options that say which mechanisms to try, to a program that does not ask, or not for these."""
    known = " or ".join(program.MECHANISMS)
    is_told = Need.MECHANISMS in program.NEEDS
    if options.mechanisms and not is_told:
        allow = "--plaintext lets it" if set(program.MECHANISMS) <= set(PLAINTEXT) else None
        yield (
            "--mechanism",
            f"is for programs that can be told; {program.NAME} tries {known} by itself",
            allow,
        )
    allowed = set(map(str.upper, complete.mechanisms)) or set(DEFAULT)
    taken = [name for name in program.MECHANISMS if name in allowed]
    if not options.plaintext or not taken:
        return
    if program is msmtp:
        yield "--plaintext", f"would change nothing; msmtp tries one, {taken[0]}", "--mechanism PLAIN"
    elif not is_told:
        yield "--plaintext", f"would change nothing; {program.NAME} tries {known} by itself", None


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
            by_itself = "; Dovecot asks PAM by itself" if option == "--saslauthd" else ""
            yield option, _no_backend(program, options) + by_itself


def _no_backend(program: Program, options: RenderOptions) -> str:
    if program.ROLE is Role.CLIENT:
        return f"is for a hub, and {program.NAME} is of a client host"
    asks = f"{program.NAME} --with {_DOVECOT}" if _DOVECOT in options.variants else program.NAME
    return f"is for Cyrus SASL, and {asks} asks Dovecot"


def _named(options: RenderOptions) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each option that asks for mechanisms, with these, of which one is enough."""
    yield from ((f"--mechanism {name.upper()}", (name.upper(),)) for name in options.mechanisms)
    if options.plaintext:
        yield "--plaintext", PLAINTEXT
    if options.external:
        yield "--external", (EXTERNAL,)
    if options.keytab:
        yield "--keytab", (GSSAPI,)


def _hint(known: tuple[str, ...], names: tuple[str, ...]) -> str:
    if EXTERNAL in names:
        return "leave it out; the hub may relay by certificate without AUTH: --relay-host HOST there"
    return f"known: {', '.join(name for name in known if name != GSSAPI)}"
