"""What the verbs of ``mta`` take: a program, and what its files are to say."""

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

from ..session import Session

if TYPE_CHECKING:
    from ...config import Site
    from ...deploy.wishes import Wishes
    from ...mta.port import Facts, Program
    from ...secret import Secret

_CLIENT_OPTIONS = (
    click.option(
        "--account", metavar="NAME[@REALM]", help="What a client host logs in as; default: maildroid."
    ),
    click.option("--password", metavar="SOURCE", help="Its secret, where there is no account database."),
    click.option(
        "--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism to offer or try."
    ),
    click.option("--plaintext", is_flag=True, help="Also PLAIN and LOGIN, inside TLS only."),
    click.option("--external", is_flag=True, help="Also EXTERNAL: log in by client certificate."),
    click.option(
        "--access", multiple=True, metavar="RULE", help="A line of the access map: 'TAG:SUBJECT VALUE'."
    ),
    click.option("--authinfo-map", is_flag=True, help="FEATURE(authinfo) instead of default-auth-info."),
    click.option(
        "--with",
        "choices",
        multiple=True,
        metavar="CHOICE",
        help="One of the choices that 'mta list' shows for PROGRAM.",
    ),
    click.option("--port", type=click.IntRange(1, 65535), help="The hub's port, for clients; default: 25."),
)
_OPTIONS = (
    click.argument("name", metavar="PROGRAM"),
    click.option("--host", metavar="NAME", help="The host that the files are for; default: this one."),
    click.option("--hub", metavar="NAME", help="The hub, instead of the configured one."),
    *_CLIENT_OPTIONS,
    click.option("--saslauthd", is_flag=True, help="Accounts are login accounts, asked of saslauthd (PAM)."),
    click.option("--role", metavar="ROLE", help="That the hub reads accounts in PostgreSQL as."),
    click.option(
        "--role-password", metavar="SOURCE", help="Where its password comes from; default: the installed one."
    ),
    click.option(
        "--relay-certificates", is_flag=True, help="Relay for every certificate of the CA, without AUTH."
    ),
    click.option(
        "--relay-host",
        "relay_hosts",
        multiple=True,
        metavar="HOST",
        help="Relay for HOST by its certificate.",
    ),
    click.option("--fingerprint", metavar="HEX", help="SHA-256 of the hub's certificate."),
)


def program_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the argument PROGRAM and the options of :func:`asked`."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb those options that say something of a client host."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_CLIENT_OPTIONS), command)


def asked(session: Session, name: str, **options: Any) -> "tuple[Site, Program, Facts]":
    """Return the site, the program, and what it is told.

    Raises:
        UsageError: an unknown program, or a choice that it does not know.
        SmtpcredsError: see :func:`smtpcreds.deploy.gather.gather`.
    """
    from ...deploy.gather import gather
    from ...mta.programs import program_named

    program = program_named(name)
    site = session.site()
    return site, program, gather(site, program, wishes_of(**options))


def wishes_of(
    *, password: str | None, role: str | None = None, role_password: str | None = None, **options: Any
) -> "Wishes":
    """Return the options of a verb as wishes; the secrets' sources are parsed now."""
    from ...deploy.wishes import Wishes

    variants = frozenset(
        [*options.pop("choices"), *(["authinfo-map"] if options.pop("authinfo_map") else [])]
    )
    return Wishes(
        **options,
        role=role,
        secret=_secret(password),
        role_password=_role_password(role_password, role),
        variants=variants,
    )


def _secret(source: str | None) -> "Callable[[], Secret] | None":
    """Return the question for a secret that exists already; it is asked once."""
    from functools import cache

    from ...sources import Context, parse_source, resolve

    if source is None:
        return None
    parsed = parse_source(source)
    return cache(lambda: resolve(parsed, Context("secret of the account")))


def _role_password(source: str | None, role: str | None) -> "Secret | None":
    if source is None:
        return None
    from ..secrets import role_password

    return role_password(source, role or "root")
