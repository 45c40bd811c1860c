"""The table of mail programs."""

from ..errors import UsageError, quoted, suggestion
from . import (
    curl,
    dma,
    dovecot_hub,
    exim_client,
    exim_hub,
    msmtp,
    nullmailer,
    opensmtpd,
    postfix_client,
    postfix_hub,
    sendmail_client,
    sendmail_hub,
    swaks,
)
from .program import Program, Role

_ALL: tuple[Program, ...] = (
    sendmail_hub,
    sendmail_client,
    postfix_hub,
    postfix_client,
    exim_hub,
    exim_client,
    dovecot_hub,
    opensmtpd,
    msmtp,
    nullmailer,
    dma,
    curl,
    swaks,
)
PROGRAMS = {program.NAME: program for program in _ALL}


def program_named(name: str) -> Program:
    """Return a program."""
    if name not in PROGRAMS:
        raise UsageError(quoted(name), "unknown program", suggestion(name, PROGRAMS))
    return PROGRAMS[name]


def program_for(name: str, role: Role) -> Program:
    """Return a program in a role, by its own name or that of its family (``sendmail``).

    Raises:
        UsageError: an unknown one, or one in the other role; the hint lists the known.
    """
    fitting = [program for program in _ALL if program.ROLE is role]
    for program in fitting:
        if name in {program.NAME, program.FAMILY}:
            return program
    known = [program.NAME for program in fitting]
    raise UsageError(quoted(name), f"unknown mail program for a {role}", suggestion(name, known))


def check_variants(program: Program, variants: frozenset[str]) -> None:
    """Raise UsageError for a choice that the program does not know."""
    for name in sorted(variants - program.VARIANTS):
        known = ", ".join(sorted(program.VARIANTS))
        option = f"--{name}" if name == sendmail_client.MAP else f"--with {name}"
        reason = f"is not a choice of {program.NAME}"
        raise UsageError(option, reason, f"its choices: {known}" if known else None)
