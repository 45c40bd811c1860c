"""``smtpcreds sasl``: relay accounts."""

from collections.abc import Callable, Iterator
from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING, Any

from ..errors import MissingInputError, SmtpcredsError, shown
from ..names import BY_PASSWORD, SCRAM
from . import lazy_click as click
from .delivery import deliveries, hashed_form, report
from .framework import noun, yes_option
from .secrets import account_secret
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..accounts.database import AccountDatabase, Change
    from ..accounts.entries import Entry, Listing
    from ..accounts.stored import Delivery
    from ..accounts.verify import Verdict
    from ..deploy.holders import Holders
    from ..model import Account, Credential
    from ..secret import Secret
    from ..transaction import Transaction


sasl = noun(
    "sasl",
    "Relay accounts in the database of Cyrus SASL.",
    {
        "add": ("sasl", "add", "Add a relay account with a strong secret."),
        "list": ("sasl", "list_", "List the accounts and the mechanisms that each can serve."),
        "show": ("sasl", "show", "Show one account; its secret only with --reveal."),
        "passwd": ("sasl", "passwd", "Give an account another secret, at once."),
        "delete": ("sasl", "delete", "Delete an account with all its properties."),
        "verify": ("sasl", "verify", "Check whether a password is right for an account."),
        "convert": (
            "sasl_bulk",
            "convert",
            "Write the accounts in another format, or to PostgreSQL.",
        ),
        "conf": ("sasl_bulk", "conf", "Produce Sendmail.conf or smtpd.conf for a hub."),
        "auth-info": ("sasl", "auth_info", "Produce default-auth-info for client hosts."),
        "rotate": ("rotate", "rotate", "Replace an account without an outage, in two steps."),
        "rotations": ("rotate", "rotations", "List replacements in progress."),
        "import": ("sasl_bulk", "import_", "Import many accounts at once from a file."),
        "export": ("sasl_bulk", "export", "Export all accounts; their secrets only with --reveal."),
    },
)


# Options that several verbs of ``sasl`` take, each declared once.

FORMATS = ("bdb", "gdbm", "lmdb")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _together(*options: Decorator) -> Decorator:
    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


realm_option = click.option(
    "--realm", metavar="REALM", help="Realm of a bare NAME; default: the relay's own name."
)
database_option = click.option(
    "--database", metavar="FILE", help="Work on FILE or a URL, not on the configured database."
)
account_options = _together(click.argument("name", metavar="NAME[@REALM]"), realm_option, database_option)
"""Of a verb for one account, which takes ``name``, ``realm`` and ``database``."""
target_options = _together(
    click.option("--to", "target", metavar="FILE", help="Write FILE; default: standard output."),
    click.option("--force", is_flag=True, help="Replace a FILE with other content."),
)
password_option = click.option(
    "--password",
    metavar="SOURCE",
    help="Where the new secret comes from; default: generate it.",
)
GENERATED = "generate:"
clear_option = click.option("--clear", is_flag=True, help="Store clear text, even if NAME is hashed.")


def _storing(force: str) -> Decorator:
    """Return the options of how a secret is stored and where it goes; a verb takes them as ``**storing``."""
    return _together(
        click.option("--hashed", is_flag=True, help="Store verifiers only, no clear text."),
        click.option(
            "--scram",
            type=click.Choice(SCRAM[::-1]),
            metavar="M",
            help="The SCRAM mechanism of --hashed; default: SCRAM-SHA-256.",
        ),
        click.option(
            "--iterations",
            type=click.IntRange(4096, 65536),
            metavar="N",
            help="Iterations of SCRAM, 4096 (default) to 65536.",
        ),
        click.option(
            "--also",
            multiple=True,
            type=click.Choice(["CRAM-MD5", "DIGEST-MD5", "PLAIN"], case_sensitive=False),
            metavar="M",
            help="A verifier for CRAM-MD5, DIGEST-MD5 or PLAIN too.",
        ),
        click.option(
            "--keep", metavar="PLACE", help="Keep the secret in keyring:SERVICE/NAME or in a new file:PATH."
        ),
        click.option(
            "--auth-info", metavar="FILE", help="Write the secret to FILE as default-auth-info, mode 0600."
        ),
        click.option("--force", is_flag=True, help=force),
        click.option("--allow-weak", is_flag=True, help="Accept a weak chosen secret."),
    )


storing_options = _storing("Replace a FILE of --auth-info with other content.")
replacing_options = _storing("Replace a FILE of --auth-info; retire an account that client hosts still have.")


# ``smtpcreds sasl add``, ``passwd`` and ``delete``.


@click.command()
@account_options
@password_option
@storing_options
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), help="Format of a database that does not exist yet."
)
@pass_session
def add(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str | None,
    allow_login_name: bool,
    database: str | None,
    kind: str | None,
    **storing: Any,
) -> None:
    """Add the relay account NAME with a strong secret.

    With --hashed the secret can't be read back; a generated one is printed once, unless --keep or --auth-info
    says where it goes.
    """
    from ..accounts.database import AccountDatabase
    from ..accounts.stored import CLEAR
    from ..sasldb.detect import Format

    site = session.site()
    account = AccountDatabase(site, database).parse(name, realm)
    form = hashed_form(**storing) or CLEAR
    weak = storing["allow_weak"]
    secret = account_secret(password or GENERATED, f"password for {account}", site, account, allow_weak=weak)

    def made(work: "Transaction") -> "Change":
        accounts = work.accounts(database, new=Format(kind) if kind else None)
        accounts.check_absent(account)
        path = storing["auth_info"]
        left = _delivered_before(accounts, account, session.absolute(path)) if path and not password else None
        told = storing | {"force": storing["force"] or left is not None}
        places = deliveries(session, accounts, account, form, password=password or GENERATED, **told)
        question = (lambda: left) if left else secret
        return accounts.add(
            account, question, form=form, deliveries=places, allow_login_name=allow_login_name
        )

    if change := session.run(site, made, state=False):
        if account.realm != site.realm:
            reason = f"is not in the realm of bare names, {site.realm}"
            session.warn(f"{account}: {reason}; clients have to log in with the whole name")
        report(session, AccountDatabase(site, database), change, "relay account")


def _delivered_before(accounts: "AccountDatabase", account: "Account", path: str) -> "Secret | None":
    from ..accounts.auth_info import delivered_before

    return delivered_before(accounts, account, path)


@click.command()
@account_options
@password_option
@storing_options
@clear_option
@pass_session
def passwd(
    session: Session,
    /,
    name: str,
    realm: str | None,
    password: str | None,
    clear: bool,
    database: str | None,
    **storing: Any,
) -> None:
    """Give the account NAME another secret, at once.

    It stays stored as it is, in clear text or hashed with the same mechanisms, unless --clear or --hashed
    says otherwise.
    """
    from ..accounts.auth_info import to_client_file
    from ..accounts.database import AccountDatabase
    from ..accounts.stored import CLEAR
    from ..deploy.holders import holders
    from ..deploy.outdated import record_new_secrets
    from ..errors import UsageError

    wanted = hashed_form(**storing)
    if clear and wanted:
        raise UsageError("--clear", "contradicts --hashed")
    site = session.site()
    account = AccountDatabase(site, database).parse(name, realm)
    weak = storing["allow_weak"]
    secret = account_secret(
        password or GENERATED, f"new password for {account}", site, account, allow_weak=weak
    )

    def changed(work: "Transaction") -> "Change":
        accounts = work.accounts(database)
        form = CLEAR if clear else wanted or accounts.form(account)
        places = deliveries(session, accounts, account, form, password=password or GENERATED, **storing)
        own = [one for one in to_client_file(accounts, account) if one.target not in map(_target, places)]
        done = accounts.set_secret(account, secret, form=form, deliveries=[*places, *own])
        record_new_secrets(work, accounts, [account])
        return done

    if change := session.run(site, changed, state=False):
        words = "secret changed; client hosts need it"
        accounts = AccountDatabase(site, database)
        stale = None
        try:
            stale = holders(site, accounts, account)
        except SmtpcredsError as error:  # the secret is changed all the same
            session.warn(f"which hosts have the old secret is unknown: {error}")
        report(session, accounts, change, words, again=True, stale=stale)


def _target(place: "Delivery") -> str:
    return place.target


@click.command()
@account_options
@yes_option
@pass_session
def delete(session: Session, name: str, realm: str | None, database: str | None, yes: bool) -> None:
    """Delete the account NAME with all its properties.

    Says which client hosts were given it. On a terminal it asks first. A replacement that it is part of ends.
    """
    from ..accounts.database import AccountDatabase
    from ..accounts.rotation import delete as end
    from ..deploy.holders import holders
    from ..deploy.outdated import record_new_secrets

    site = session.site()
    accounts = AccountDatabase(site, database)
    account = accounts.existing(name, realm)
    accounts.properties(account)
    found = holders(site, accounts, account)
    for line in _concerned(account, found):
        session.warn(line)

    def ended(work: "Transaction") -> "Change":
        work.confirm(f"delete {account}")
        done = end(work, work.accounts(database), account)
        record_new_secrets(work, accounts, [account])
        return done

    if change := session.run(site, ended, state=False, yes=yes):
        rotation = found.rotation
        session.show(
            {
                "account": str(change.account),
                "database": change.database,
                "clients": found.hosts,
                "places": found.places,
                "rotation": rotation and [str(rotation.account), str(rotation.successor)],
            },
            [f"{change.account}: deleted"],
        )


def _concerned(account: "Account", found: "Holders") -> Iterator[str]:
    """Yield whom the end of an account concerns."""
    row = found.rotation
    is_old = row is not None and row.account == account
    if row and is_old:
        yield f"{account}: is being replaced by {row.successor} since {row.started:%Y-%m-%d}, which ends now"
    elif row:
        yield f"{account}: is to replace {row.account}, which stays"
    if found.hosts:
        another = row.successor if row and is_old else "another account"
        yield f"{account}: {', '.join(found.hosts)} can no longer relay with it, only with {another}"
    for place in found.places:
        yield f"{place}: has the secret of {account}, which then no longer works"


# ``smtpcreds sasl list`` and ``show``.


@click.command("list")
@database_option
@pass_session
def list_(session: Session, database: str | None) -> None:
    """List the accounts and the mechanisms that each can serve."""
    from ..accounts.database import AccountDatabase
    from ..accounts.entries import ALL
    from ..files import exists
    from ..postgres import is_url

    accounts = AccountDatabase(session.site(), database)
    if database and not (is_url(accounts.database) or exists(accounts.database)):
        raise MissingInputError(accounts.database, "does not exist", "leave --database out for the usual one")
    found = accounts.listing()
    ends = f"  {_words(ALL)}" if found.names and not found.others else ""
    lines = map(str.ljust, *_aligned(found.names)) if ends else _lines(found, accounts.database)
    session.show(lambda: {"accounts": _rows(found)}, lines, listed=True, ends=ends)


@click.command()
@account_options
@click.option("--reveal", is_flag=True, help="Print the secret, alone on standard output.")
@pass_session
def show(session: Session, name: str, realm: str | None, database: str | None, reveal: bool) -> None:
    """Show the account NAME; its secret only with --reveal."""
    from ..accounts.database import AccountDatabase

    accounts = AccountDatabase(session.site(), database)
    account = accounts.existing(name, realm)
    if reveal:
        secret = accounts.credential(account).secret
        session.reveal(secret.reveal() + b"\n", "sasl show --reveal", str(account))
        return
    entry = accounts.entry(account)
    session.show(
        _row(entry),
        [
            str(account),
            f"  properties  {' '.join(entry.properties)}",
            f"  mechanisms  {' '.join(entry.mechanisms) or 'none'}",
            *(f"  note        {remark}" for remark in entry.remarks),
        ],
        listed=True,
    )


def _row(entry: "Entry") -> dict[str, object]:
    return {**entry._asdict(), "account": str(entry.account)}


def _rows(found: "Listing") -> list[dict[str, object]]:
    from ..accounts.entries import ALL, ORDINARY

    usual = {"properties": ORDINARY, "mechanisms": ALL, "remarks": ()}
    return [
        _row(found.others[name]) if name in found.others else {"account": name, **usual}
        for name in found.names
    ]


def _lines(found: "Listing", database: str) -> Iterator[str]:
    from ..accounts.entries import ALL

    if not found.names:
        yield f"no accounts in {database}"
        return
    for name, text, width in zip(found.names, *_aligned(found.names), strict=False):
        entry = found.others.get(name)
        yield f"{text:{width}}  {_words(entry.mechanisms if entry else ALL)}"
        for remark in entry.remarks if entry else ():
            yield f"    note: {remark}"


def _aligned(names: list[str]) -> tuple[list[str], Iterator[int]]:
    """Return the names, each on one line, and the width of all, again and again."""
    if any(map(contains, names, repeat("\n"))):
        names = [*map(_on_one_line, names)]
    return names, repeat(max(map(len, names)))


def _on_one_line(name: str) -> str:
    return shown(name) if "\n" in name else name


def _words(mechanisms: tuple[str, ...]) -> str:
    return " ".join(mechanisms) or "no mechanism"


# ``smtpcreds sasl verify``.

_WORDS = {True: "yes", False: "no", None: "-"}


@click.command()
@account_options
@click.option(
    "--password",
    metavar="SOURCE",
    default="prompt:",
    help="Where the password comes from; default: asked on a terminal.",
)
@click.option(
    "--mechanism",
    "mechanisms",
    multiple=True,
    type=click.Choice(BY_PASSWORD, case_sensitive=False),
    metavar="M",
    help="Only by mechanism M; default: all that the account serves.",
)
@pass_session
def verify(
    session: Session,
    name: str,
    password: str,
    mechanisms: tuple[str, ...],
    realm: str | None,
    database: str | None,
) -> None:
    """Tell whether a password opens the account NAME, mechanism by mechanism.

    The stored records are asked, and this host's libsasl2 where it is installed. The exit status is 1 unless
    the password opens the account by every mechanism.
    """
    from ..accounts.database import AccountDatabase
    from ..accounts.verify import verify as verify_
    from ..sources import Context, parse_source, resolve

    source = parse_source(password)
    accounts = AccountDatabase(session.site(), database)
    account = accounts.parse(name, realm)
    accounts.properties(account)
    secret = resolve(source, Context(f"password of {account}"))
    verdicts = verify_(accounts, account, secret, mechanisms)
    opened = [verdict.opens for verdict in verdicts if verdict.opens is not None]
    rows = [
        {"mechanism": v.mechanism, "records": v.records, "libsasl2": v.libsasl2, "reason": v.reason or None}
        for v in verdicts
    ]
    session.show(
        {"account": str(account), "opens": bool(opened) and all(opened), "mechanisms": rows},
        [f"{account}: {_summary(verdicts, opened)}", *(_line(verdict) for verdict in verdicts)],
        listed=True,
    )
    if not opened or not all(opened):
        raise SystemExit(1)


def _summary(verdicts: "list[Verdict]", opened: list[bool]) -> str:
    if not verdicts:
        return "can't log in by any mechanism"
    if all(opened) and opened:
        return "the password is right"
    return "the password is right for some mechanisms only" if any(opened) else "the password is wrong"


def _line(verdict: "Verdict") -> str:
    records, library = (_WORDS[said] for said in (verdict.records, verdict.libsasl2))
    reason = f"  ({verdict.reason})" if verdict.reason else ""
    return f"  {verdict.mechanism:13}  records {records:3}  libsasl2 {library}{reason}"


# ``smtpcreds sasl auth-info``.


@click.command("auth-info")
@account_options
@target_options
@click.option("--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism the client may use.")
@click.option("--password", metavar="SOURCE", help="Where the secret of a hashed account was kept.")
@pass_session
def auth_info(
    session: Session,
    name: str,
    realm: str | None,
    database: str | None,
    target: str | None,
    mechanisms: tuple[str, ...],
    password: str | None,
    force: bool,
) -> None:
    """Produce default-auth-info, which lets a client host relay as NAME."""
    from ..accounts.auth_info import write_auth_info
    from ..accounts.database import AccountDatabase
    from ..files import audit_to_syslog
    from ..mta.auth_info import render

    site = session.site()
    account = AccountDatabase(site, database).parse(name, realm)
    credential_of = _reader(account, password)
    if target is None:
        content = render(credential_of(AccountDatabase(site, database)), mechanisms)
        session.reveal(content, "sasl auth-info", str(account))
        return
    path = session.absolute(target)

    def written(work: "Transaction") -> "tuple[Credential, bool]":
        found = credential_of(work.accounts(database))
        changed = write_auth_info(found, path, mechanisms, force=force)
        if changed:
            audit_to_syslog(session.warn, "sasl auth-info", [(str(account), f"to {path}")])
        return found, changed

    if done := session.run(site, written, state=False):
        credential, changed = done
        session.show(
            {"account": str(account), "login": credential.login, "file": path, "changed": changed},
            [
                f"{account}: default-auth-info for client hosts",
                f"  {session.described(path)}{'' if changed else '  (unchanged)'}",
                "next: copy it to /etc/mail/default-auth-info of the client host, mode 0600",
            ],
        )


def _reader(account: "Account", password: str | None) -> "Callable[[AccountDatabase], Credential]":
    """Return what finds the account's secret: in its database or file, or in the place that kept it."""
    if password is None:
        from ..accounts.auth_info import readable_credential

        return lambda accounts: readable_credential(accounts, account)
    from ..accounts.auth_info import kept_credential
    from ..sources import Context, parse_source, resolve

    source = parse_source(password)

    def question() -> "Secret":
        return resolve(source, Context(f"password of {account}"))

    def kept(accounts: "AccountDatabase") -> "Credential":
        accounts.properties(account)
        return kept_credential(accounts, account, accounts.ask(question))

    return kept
