"""From ``--password`` and ``--passphrase`` to secrets that are asked for only when they are needed."""

import sys
from collections.abc import Callable

import click

from ..config import Site
from ..errors import UsageError
from ..secret import Secret

passphrase_option = click.option(
    "--passphrase",
    metavar="SOURCE",
    help="Where the CA key's passphrase comes from; default: asked on a terminal.",
)


def account_secret(source: str, what: str, site: Site) -> Callable[[], Secret]:
    """Return the question for a new account secret; a chosen one is checked, a generated one needs no check.

    Raises:
        UsageError: an unknown kind of source; it is parsed at once.
    """
    from ..accounts import check_chosen_secret
    from ..sources import Context, is_generated, parse_source, resolve

    parsed = parse_source(source)

    def ask() -> Secret:
        secret = resolve(parsed, Context(what, new=True))
        if not is_generated(parsed):
            check_chosen_secret(site.root, secret)
        return secret

    return ask


def new_ca_passphrase(source: str | None, site: Site, *, none: bool) -> Secret | None:
    """Return the passphrase of a new CA key, or None for an unencrypted one.

    From ``--passphrase``, else the configuration, else a person at a terminal, who may answer with nothing.
    Where there is neither, the key stays unencrypted: see :func:`warn_of_plain_key`.

    Raises:
        UsageError: a source and ``--no-passphrase``.
    """
    from ..sources import Context, parse_source, resolve

    if none and source:
        raise UsageError("--no-passphrase", "contradicts --passphrase; give one of them")
    chosen = "" if none else source or site.settings.ca.passphrase or _terminal()
    if not chosen:
        return None
    context = Context(
        "passphrase of the CA key (empty for none)" if chosen == "prompt:" else "CA passphrase",
        new=True,
        may_be_empty=chosen == "prompt:",
    )
    return resolve(parse_source(chosen), context) or None


def warn_of_plain_key(site: Site, passphrase: Secret | None, *, none: bool) -> None:
    """Warn that a new CA key is unencrypted where nobody has chosen that."""
    if passphrase is None and not none and not _terminal():
        site.warn(
            f"the CA key in {site.ca_directory} is not encrypted; to encrypt it: smtpcreds ca passphrase"
        )


def ca_passphrase(source: str | None, site: Site) -> Callable[[], Secret | None]:
    """Return the question for the passphrase of the CA key, which answers None where nobody can be asked."""
    from ..sources import Context, parse_source, resolve

    chosen = source or site.settings.ca.passphrase or _terminal()
    parsed = parse_source(chosen) if chosen else None
    return lambda: resolve(parsed, Context("passphrase of the CA key")) if parsed else None


def _terminal() -> str:
    return "prompt:" if sys.stdin.isatty() else ""


def role_password(source: str | None, role: str) -> Secret | None:
    """Return the password that a database role has already; None without a source."""
    from ..sources import Context, is_generated, parse_source, resolve

    if not source:
        return None
    parsed = parse_source(source)
    if is_generated(parsed):
        raise UsageError("--role-password", "a generated one is not that of the role", "file:PATH")
    return resolve(parsed, Context(f"password of the role {role}"))


def export_password(source: str | None, *, needed: bool, useful: bool) -> Callable[[], Secret | None]:
    """Return the question for the password of an exported key; it answers None where there is none.

    Args:
        source: of ``--password``.
        needed: the form can't do without; a terminal is asked where no source is given.
        useful: there is a key to protect.

    Raises:
        UsageError: a password with nothing to protect, a needed one that nobody can be asked for, or a
            generated one, which nobody would know.
    """
    from ..sources import Context, is_generated, parse_source, resolve

    if source and not useful:
        raise UsageError("--password", "has no key to protect", "--with-key")
    chosen = source or ("prompt:" if needed and sys.stdin.isatty() else "")
    if needed and not chosen:
        raise UsageError("--password", "this form needs one", "--password SOURCE, as in file:PATH")
    parsed = parse_source(chosen) if chosen else None
    if parsed and is_generated(parsed):
        raise UsageError("--password", "nobody would know a generated one", "--password file:PATH")
    return lambda: resolve(parsed, Context("password of the export", new=True)) if parsed else None
