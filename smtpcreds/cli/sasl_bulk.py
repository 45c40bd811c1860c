"""``smtpcreds sasl import``, ``export``, ``convert`` and ``conf``."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import DataError, DeniedError, InexpressibleError, UsageError, number_of
from ..mta.sasl_conf import PROGRAMS, Program
from ..shell import quote
from . import lazy_click as click
from .sasl import FORMATS, database_option, target_options
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..accounts.bulk import Imported, Intake
    from ..accounts.convert import Conversion
    from ..accounts.export import StoredAccount
    from ..accounts.rows import Fault, Source
    from ..accounts.table import Layout
    from ..config import Site
    from ..secret import Secret
    from ..transaction import Transaction


# ``smtpcreds sasl import``.

STDIN = "-"
_NAMED = 100
"""Refusals that get a line of their own: a file of another kind may have a million. JSON has all."""


@click.command("import")
@click.argument("source", metavar="FILE|-")
@click.option(
    "--as",
    "kind",
    metavar="FORMAT",
    help="csv, semicolon, tab, colon, jsonl, ldif, dump, sasldb, auth-info, authinfo, dovecot or postfix; "
    "default: detected from the content.",
)
@click.option("--header/--no-header", default=None, help="Line 1 of a table names the columns, or does not.")
@click.option(
    "--columns",
    metavar="LIST",
    help="Columns of a table: user, password, realm, PROPERTY:base64, - to leave one out.",
)
@click.option("--realm", metavar="REALM", help="Realm of bare names; default: the relay's own name.")
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "replace"]),
    default="fail",
    help="What to do with accounts that exist with other content; default: fail.",
)
@click.option("--skip-bad", is_flag=True, help="Import the rest when some accounts are refused.")
@click.option("--check-logins", is_flag=True, help="Try each secret on this host's logins; slow.")
@click.option("--allow-login-names", is_flag=True, help="Accept names of login accounts of this host.")
@click.option(
    "--allow-odd-names", is_flag=True, help="Accept names and secrets that look like something else."
)
@database_option
@pass_session
def import_(
    session: Session,
    source: str,
    kind: str | None,
    header: bool | None,
    columns: str | None,
    realm: str | None,
    on_conflict: str,
    skip_bad: bool,
    check_logins: bool,
    allow_login_names: bool,
    allow_odd_names: bool,
    database: str | None,
) -> None:
    """Import the accounts of FILE or a PostgreSQL URL, all of them or none.

    Says first what it takes FILE for, and the first account; with --dry-run all of them.
    """
    from ..accounts.bulk import OnConflict, Rules, import_accounts, take_in
    from ..accounts.database import AccountDatabase
    from ..accounts.table import Layout, parse_columns
    from ..deploy.outdated import record_new_secrets

    site = session.site()
    found = _found(source, kind, Layout(header, parse_columns(columns) if columns else ()))
    rules = Rules(realm, check_logins, allow_login_names, allow_odd_names, found.is_exact, found.is_table)
    intake = take_in(AccountDatabase(site, database), found.rows, rules, found.lines)
    _introduce(session, source, found.form, intake)
    for fault in intake.repeated:
        session.note(f"{source}: {fault.where}: {fault.reason}")

    def imported(work: "Transaction") -> "Imported":
        def refuse(refused: "Sequence[Fault]") -> None:
            if not skip_bad:
                session.show({"imported": False, "refused": _refused(refused)}, [])
                session.fail(_errors(source, refused))
            for line in _named(refused):
                work.warn(f"{source}: {line}")

        accounts = work.accounts(database)
        done = import_accounts(accounts, intake, OnConflict(on_conflict), refuse)
        record_new_secrets(work, accounts, done.replaced)
        return done

    if done := session.run(site, imported, state=False):
        session.show(lambda: _document(done, found.form), _lines(session, done))


_WEAK = 5
"""Accounts of weak secrets that get a warning of their own."""


def _introduce(session: Session, source: str, form: str, intake: "Intake") -> None:
    """Say what the file was taken for, whom it names, and what is wrong with what is accepted."""
    from ..accounts.rules import of_capitals

    accepted = intake.accepted
    shown = list(accepted if session.dry_run else islice(accepted, 1))
    places = (f"{c.where}: {c.account}" if c.where.startswith("line") else c.where for c in shown)
    accounts = (f"  {place}" for place in places)
    more = (f"  and {len(accepted) - len(shown)} more",) if len(accepted) > len(shown) else ()
    session.introduce((f"{source}: {form}", *accounts, *more))
    for fault in intake.weak[:_WEAK]:
        session.warn(f"{source}: {fault.where}: {fault.reason}")
    if len(intake.weak) > _WEAK:
        session.warn(f"{source}: {len(intake.weak) - _WEAK} more with weak secrets")
    if any(realm != realm.lower() for realm in accepted.realms()):
        session.warn(str(of_capitals(candidate.account for candidate in accepted)))


def _found(source: str, kind: str | None, layout: "Layout") -> "Source":
    from ..accounts.bulk import accounts_in, accounts_of
    from ..accounts.database import place_of

    if source != STDIN:
        return accounts_of(place_of(source), kind, layout)
    if sys.stdin.isatty():
        raise DeniedError("standard input", "is a terminal, which would show secrets", "name a file")
    return accounts_in(sys.stdin.buffer.read(), kind, "standard input", layout)


def _errors(source: str, refused: "Iterable[Fault]") -> Iterator[DataError]:
    lines = list(_named(tuple(refused)))
    for number, line in enumerate(lines, 1):
        hint = "nothing was imported; correct the file, or pass --skip-bad" if number == len(lines) else None
        yield DataError(source, line, hint)


def _named(refused: "Sequence[Fault]") -> Iterator[str]:
    yield from (f"{fault.where}: {fault.reason}" for fault in refused[:_NAMED])
    if (more := len(refused) - _NAMED) > 0:
        yield f"{more} more refused; --json names them all"


def _refused(refused: "Iterable[Fault]") -> list[dict[str, str]]:
    return [{"where": fault.where, "reason": fault.reason} for fault in refused]


def _document(done: "Imported", form: str) -> dict[str, object]:
    groups = {"added": done.added, "replaced": done.replaced, "skipped": done.skipped}
    names = {group: [str(account) for account in accounts] for group, accounts in groups.items()}
    refused = _refused(done.refused)
    return {"imported": True, "database": done.database, **names, "taken_for": form, "refused": refused}


def _lines(session: Session, done: "Imported") -> Iterator[str]:
    yield (
        f"{len(done.added)} added, {len(done.replaced)} replaced, "
        f"{len(done.skipped)} skipped, {len(done.refused)} refused"
    )
    if done.added or done.replaced:
        yield f"  {session.described(done.database)}"


# ``smtpcreds sasl export``.


@click.command()
@click.option("--as", "kind", metavar="FORMAT", default="csv", help="csv (default), jsonl or dovecot.")
@click.option("--to", "target", metavar="FILE", help="Write a new FILE, mode 0600; default: standard output.")
@click.option("--reveal", is_flag=True, help="With the secrets; only to a FILE.")
@database_option
@pass_session
def export(session: Session, kind: str, target: str | None, reveal: bool, database: str | None) -> None:
    """Export all accounts, their secrets only with --reveal."""
    from ..accounts.database import AccountDatabase
    from ..accounts.export import plain_text, revealing_text, stored_accounts, write_text
    from ..files import audit_to_syslog

    if reveal and target is None:
        raise UsageError("--reveal", "secrets go to a file only", "add --to FILE")
    site = session.site()
    found = stored_accounts(AccountDatabase(site, database))
    text = (revealing_text if reveal else plain_text)(found, kind)
    if target is None:
        session.show({"accounts": [_row(holding) for holding in found]}, text.split("\n")[:-1], verbatim=True)
        return
    what = f"{number_of(len(found), 'account')} {'with' if reveal else 'without'} their secrets"
    place = session.absolute(target)

    def written(_: "Transaction") -> str:
        path = write_text(text, place)
        if reveal:
            audit_to_syslog(
                session.warn, "sasl export --reveal", [(number_of(len(found), "account"), f"to {path}")]
            )
        return path

    if path := session.run(site, written, state=False):
        session.show(
            {"file": path, "format": kind, "accounts": len(found), "revealed": reveal},
            [what, f"  {session.described(path)}"],
        )


def _row(holding: "StoredAccount") -> dict[str, object]:
    from ..accounts.entries import served

    return {
        "account": str(holding.account),
        "properties": sorted(holding.properties),
        "mechanisms": served(holding.properties),
    }


# ``smtpcreds sasl convert``.

_POSTGRESQL = "postgresql"
_SETTING = "as sasl.database in smtpcreds.toml, and: smtpcreds mta apply PROGRAM"
_GRANTS = (
    "let the mail server's role read the table, with what this prints: "
    "smtpcreds sasl conf --database {url} --grants"
)
_NEXT = {
    (False, False): (
        "stop the mail server, move the file to where its Cyrus SASL looks (sasldb_path), start it",
    ),
    (False, True): (
        _GRANTS,
        f"on each hub: name the URL {_SETTING}",
    ),
    (True, False): (f"name the file {_SETTING}",),
    (True, True): (
        _GRANTS,
        f"on each hub: name the new URL {_SETTING}",
    ),
}
"""What is left to do, by whether source and target are PostgreSQL."""


@click.command()
@click.argument("target", metavar="PATH|URL")
@click.option(
    "--to",
    "kind",
    type=click.Choice([*FORMATS, _POSTGRESQL]),
    help="Format of a new file; a URL needs none.",
)
@database_option
@click.option("--force", is_flag=True, help="Replace all records of an existing database of that format.")
@pass_session
def convert(session: Session, target: str, kind: str | None, database: str | None, force: bool) -> None:
    """Write the accounts to a new file PATH or to PostgreSQL, and compare every record."""
    from ..accounts.convert import ConversionRequest, kind_of_target
    from ..accounts.convert import convert as carry_out
    from ..accounts.database import AccountDatabase, origin, place_of

    site, place = session.site(), place_of(target)
    source = AccountDatabase(site, database).database
    wish = ConversionRequest(source, place, kind_of_target(place, kind), origin(site), force)

    def refuse(misfits: "Sequence[InexpressibleError]") -> None:
        refused = [{"account": misfit.subject, "reason": misfit.reason} for misfit in misfits]
        session.show({"converted": False, "refused": refused}, [])
        session.fail(_conversion_errors(misfits))

    if done := session.run(site, lambda work: carry_out(wish, work.warn, refuse), state=False):
        session.show(_conversion_row(done), _conversion_lines(session, done))


_MISFITS_HINT = (
    "nothing was written; give such an account another secret (sasl passwd), or delete it, and convert again"
)


def _conversion_errors(misfits: Sequence[InexpressibleError]) -> Iterator[InexpressibleError]:
    for number, misfit in enumerate(misfits, 1):
        hint = _MISFITS_HINT if number == len(misfits) else None
        yield InexpressibleError(misfit.subject, misfit.reason, hint)


def _foreign(done: "Conversion") -> dict[str, list[str]]:
    return {"carried": _printable(done.carried), "refused": _printable(done.refused)}


def _conversion_row(done: "Conversion") -> dict[str, object]:
    return {
        "source": {"path": done.source, "format": done.source_format},
        "target": {"path": done.target, "format": done.target_format},
        "records": done.records,
        "accounts": done.accounts,
        "compared": True,
        **_foreign(done),
    }


def _conversion_lines(session: Session, done: "Conversion") -> Iterator[str]:
    counted = f"{number_of(done.accounts, 'account')} in {number_of(done.records, 'record')}, compared"
    yield f"{done.source} ({done.source_format}): {counted}"
    yield f"  {session.described(done.target)}  {done.target_format}"
    for what, keys in _foreign(done).items():
        yield from (f"  {what}, though no account's: {key}" for key in keys)
    for step in _NEXT[done.source_format == _POSTGRESQL, done.target_format == _POSTGRESQL]:
        yield f"next: {step.format(url=quote(done.target))}"


def _printable(keys: tuple[bytes, ...]) -> list[str]:
    return [ascii(key)[2:-1] for key in keys]


# ``smtpcreds sasl conf``.


@click.command()
@click.option(
    "--program",
    type=click.Choice(list(PROGRAMS)),
    default="sendmail",
    show_default=True,
    help="The mail server that reads it.",
)
@database_option
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism to offer.")
@click.option("--saslauthd", is_flag=True, help="Ask saslauthd (PAM and others) instead of the accounts.")
@click.option(
    "--keytab", metavar="FILE", help="Also GSSAPI: take Kerberos tickets by this key of the server."
)
@click.option(
    "--role",
    metavar="ROLE",
    help="PostgreSQL role that reads the accounts; default: the user that the mail server runs as.",
)
@click.option("--role-password", metavar="SOURCE", help="Where its password comes from; default: none.")
@click.option("--grants", is_flag=True, help="Print the SQL statements that let the role read accounts.")
@target_options
@pass_session
def conf(
    session: Session,
    program: str,
    database: str | None,
    mechanisms: tuple[str, ...],
    saslauthd: bool,
    keytab: str | None,
    role: str | None,
    role_password: str | None,
    grants: bool,
    target: str | None,
    force: bool,
) -> None:
    """Produce Sendmail.conf or smtpd.conf, which tells Cyrus SASL where the accounts are."""
    from ..deploy.facts import backend_of, write_sasl_conf
    from ..files import audit_to_syslog
    from ..mta.sasl_conf import Saslauthd, program_on, render
    from .secrets import role_password as ask

    site = session.site()
    server = program_on(site.system, program)
    reader = role or server.user
    if grants:
        _show_grants(session, reader)
        return
    if saslauthd:
        _verify_saslauthd(mechanisms, database or role_password)

    def question() -> "Secret | None":
        return ask(role_password, reader)

    def content(password: "Secret | None") -> bytes:
        backend = Saslauthd() if saslauthd else backend_of(site, database, reader, password)
        return render(backend, mechanisms, keytab or "")

    _warn_of_lacks(site, keytab, server, content(None))
    if target is None:
        _show(session, {"program": program, "file": server.conf}, content, question())
        return
    path = session.absolute(target)

    def written(work: "Transaction") -> bool:
        password = work.ask(question)
        group = server.group if password else None
        changed = write_sasl_conf(site.root, content(password), path, group=group, force=force)
        audit_to_syslog(session.warn, "sasl conf", [(program, f"to {path}")] * bool(password and changed))
        return changed

    changed = session.run(site, written, state=False)
    if changed is not None:
        session.show(
            {"program": program, "file": path, "changed": changed},
            [
                f"{program}: where Cyrus SASL finds the accounts",
                f"  {session.described(path)}{'' if changed else '  (unchanged)'}",
                _next(program, server.conf, path),
            ],
        )


def _show(
    session: Session,
    row: dict[str, str],
    content: "Callable[[Secret | None], bytes]",
    password: "Secret | None",
) -> None:
    if password:
        session.reveal(content(password), "sasl conf", row["program"])
        return
    lines = content(None).decode(errors="replace").splitlines()
    session.show({**row, "lines": lines}, lines, verbatim=True)


def _warn_of_lacks(site: "Site", keytab: str | None, server: Program, content: bytes) -> None:
    """Tell what keeps this host from logging accounts in; the file may be for another one."""
    from ..deploy.keytab import keytab_errors
    from ..deploy.plugins import plugin_errors
    from ..mta.sasl_conf import parse

    if keytab and not keytab.startswith("/"):
        raise UsageError("--keytab", f"takes an absolute path, not {keytab}")
    tickets = keytab_errors(site, keytab, site.hub, server.user) if keytab else ()
    for error in (*tickets, *plugin_errors(site, parse(content, server.conf))):
        site.warn(error.advice)


def _verify_saslauthd(mechanisms: tuple[str, ...], accounts: str | None) -> None:
    from ..names import PLAINTEXT

    if accounts:
        raise UsageError("--saslauthd", "asks no database; leave --database and --role-password out")
    if not {name.upper() for name in mechanisms} <= set(PLAINTEXT):
        raise UsageError("--saslauthd", f"can check {' and '.join(PLAINTEXT)} only")


def _next(program: str, conf: str, path: str) -> str:
    copied = "" if path.endswith(conf) else f"copy it to {conf}; "
    return f"next: {copied}{program} reads {'that' if copied else 'it'} when it starts"


def _show_grants(session: Session, role: str) -> None:
    from ..sasldb.sql import grants

    statements = grants(role)
    session.show({"role": role, "statements": statements}, statements, verbatim=True)
