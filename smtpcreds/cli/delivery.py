"""How an account's secret is stored, and where it goes: from options to words."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .session import Session

if TYPE_CHECKING:
    from ..accounts.database import AccountDatabase, Change
    from ..accounts.stored import Delivery, Form, Hashed
    from ..config import Site
    from ..deploy.holders import Holders
    from ..model import Account
    from ..pki.revocation import Reason
    from ..secret import Secret


def hashed_form(
    *, hashed: bool, scram: str | None, iterations: int | None, also: tuple[str, ...], **_: object
) -> "Hashed | None":
    """Return the form that the options ask for; None where they ask for none."""
    from ..accounts.stored import Hashed
    from ..errors import UsageError

    details = {"scram": scram, "iterations": iterations, "also": tuple(dict.fromkeys(also))}
    given = {name: value for name, value in details.items() if value}
    if not hashed and given:
        raise UsageError(f"--{next(iter(given))}", "goes with --hashed")
    return Hashed(**given) if hashed else None  # type: ignore[arg-type]


def deliveries(
    session: Session,
    accounts: "AccountDatabase",
    account: "Account",
    form: "Form",
    *,
    password: str,
    keep: str | None,
    auth_info: str | None,
    force: bool,
    **_: object,
) -> "list[Delivery]":
    """Return where the new secret goes: where the options say, else on standard output if nobody knows it."""
    from ..accounts.stored import Hashed
    from ..sources import is_generated, parse_source

    made = named_places(session, accounts, account, keep=keep, auth_info=auth_info, force=force)
    if not made and isinstance(form, Hashed) and is_generated(parse_source(password)):
        made.append(_printed(session))
    return made


def named_places(
    session: Session,
    accounts: "AccountDatabase",
    account: "Account",
    *,
    keep: str | None,
    auth_info: str | None,
    force: bool,
    **_: object,
) -> "list[Delivery]":
    """Return where the options say that the new secret goes."""
    made = []
    if keep:
        made.append(_kept(session, accounts, account, keep))
    if auth_info:
        made.append(_as_auth_info(accounts, account, session.absolute(auth_info), force=force))
    return made


def _kept(session: Session, accounts: "AccountDatabase", account: "Account", place: str) -> "Delivery":
    from ..accounts.stored import to_file, to_keyring
    from ..errors import NoSuchAccountError, UsageError
    from ..sources import KeyringEntry

    def is_previous(secret: "Secret") -> bool:
        from ..accounts.verify import opens_any

        try:
            return opens_any(accounts.properties(account), account, secret)
        except NoSuchAccountError:
            return False

    kind, _, argument = place.partition(":")
    if kind == "file" and argument:
        return to_file(session.absolute(argument))
    if kind == "keyring":
        return to_keyring(KeyringEntry.parse(argument), is_previous)
    raise UsageError("--keep", "takes keyring:SERVICE/NAME or file:PATH")


def _as_auth_info(accounts: "AccountDatabase", account: "Account", path: str, *, force: bool) -> "Delivery":
    from ..accounts.auth_info import refuse_auth_info, write_auth_info
    from ..accounts.stored import Delivery
    from ..model import Credential

    refuse_auth_info(path, force=force)

    def write(secret: "Secret") -> None:
        write_auth_info(Credential(account, secret, accounts.site.realm), path, force=force)

    return Delivery(write, path, path)


def _printed(session: Session) -> "Delivery":
    from ..accounts.stored import Delivery
    from ..errors import WriteError
    from ..files import disk

    def show(secret: "Secret") -> None:
        disk().note("print", "the secret", note="once, on standard output")
        if disk().is_preview:
            return
        try:
            session.reveal(secret.reveal() + b"\n")
        except OSError as error:
            raise WriteError("standard output", f"{error.strerror}; nothing was changed") from None

    session.refuse_reveal()
    return Delivery(show)


def report(
    session: Session,
    accounts: "AccountDatabase",
    change: "Change",
    done: str,
    *,
    again: bool = False,
    stale: "Holders | None" = None,
) -> None:
    """Say what was done, where the secret is, and what comes next.

    ``again``: client hosts have files with the former secret; ``stale`` are those that are known.
    """
    from ..accounts.stored import Hashed

    account, _, mechanisms, form, made = change
    places = [place.target for place in made if not place.is_print]
    files = [accounts.database, *filter(os.path.isabs, places)]
    hosts = stale.hosts if stale else ()
    ways = _ways(accounts, account, hosts) if hosts else []
    left = [place for place in (stale.places if stale else ()) if place not in {p.place for p in made}]
    for place in left:
        session.warn(f"{place}: has the former secret of {account}")
    session.show(
        {
            "account": str(account),
            "database": accounts.database,
            "stored": "hashed" if isinstance(form, Hashed) else "clear",
            "mechanisms": mechanisms,
            "secret": places,
            **({"clients": hosts, "stale": left} if stale else {}),
        },
        [
            f"{account}: {done}; {form}",
            f"  serves {' '.join(mechanisms)}",
            *(f"  {session.described(file)}" for file in files),
            *(f"  {place}" for place in places if not os.path.isabs(place)),
            _next(accounts.shown(account), form, made, again=again),
            *(f"      or {way}" for way in ways),
        ],
        aside=any(place.is_print for place in made),
    )


def _ways(accounts: "AccountDatabase", account: "Account", hosts: "Sequence[str]") -> list[str]:
    from ..deploy.holders import ways_to_clients

    return list(ways_to_clients(accounts.site, account, hosts))


def _next(name: str, form: "Form", made: "Sequence[Delivery]", *, again: bool) -> str:
    from ..accounts.stored import CLEAR
    from ..shell import quote

    if any(place.is_print for place in made):
        return f"the secret is not shown again; another one: smtpcreds sasl passwd {name}"
    if any(place.is_auth_info for place in made):
        return "next: copy it to /etc/mail/default-auth-info of each client host, mode 0600"
    kept = quote(made[0].place) if made else "SOURCE"
    source = "" if form == CLEAR else f" --password {kept}"
    return f"next: smtpcreds sasl auth-info {name} --to FILE{source}{' --force' * again}"


def still_relays(site: "Site", host: str, reason: "Reason") -> Iterator[str]:
    """Yield how a host goes on by AUTH without its certificate, and the command that ends that."""
    from ..deploy.own import told_to_relay
    from ..files import exists
    from ..pki.revocation import Reason
    from ..postgres import is_url

    if host == site.hub or reason is Reason.SUPERSEDED:
        return
    if is_url(site.sasldb) or exists(site.sasldb):
        yield from _by_auth(site, host)
    yield from told_to_relay(site, host)


def _by_auth(site: "Site", host: str) -> Iterator[str]:
    """Yield the accounts by which a host may go on, and what ends that."""
    from ..accounts.database import AccountDatabase
    from ..deploy.holders import accounts_of

    accounts = AccountDatabase(site)
    held = accounts_of(site, host)
    for account, others in held.items():
        shown = accounts.shown(account)
        way = f"sasl passwd {shown}" if others else f"sasl delete {shown}"
        more = f", and bundles for {', '.join(others)}, which have it too" if others else ""
        yield f"{host}: can still relay by AUTH as {account}; to end that: smtpcreds {way}{more}"
    usual = accounts.parse(site.settings.sasl.account)
    if not held and usual in accounts:
        way = f"smtpcreds sasl passwd {accounts.shown(usual)}"
        yield f"{host}: can still relay by AUTH if it was given the secret of {usual}; to end that: {way}"
