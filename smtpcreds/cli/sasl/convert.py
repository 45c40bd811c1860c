"""``smtpcreds sasl convert``."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ...errors import InexpressibleError
from ..lazy import Verb
from ..session import Session, pass_session
from .options import FORMATS, database_option

if TYPE_CHECKING:
    from ...accounts.convert import Conversion

_POSTGRESQL = "postgresql"
_SETTING = "as sasl.database in smtpcreds.toml, and 'smtpcreds mta apply PROGRAM'"
_NEXT = {
    (False, False): (
        "stop the mail server, move the file to where its Cyrus SASL looks (sasldb_path), start it",
    ),
    (False, True): (
        "let the mail server's role read the table, with what 'smtpcreds sasl conf --grants' prints",
        f"on each hub: name the URL {_SETTING}",
    ),
    (True, False): (f"name the file {_SETTING}",),
    (True, True): (
        "let the mail server's role read the new table: 'smtpcreds sasl conf --grants'",
        f"on each hub: name the new URL {_SETTING}",
    ),
}
"""What is left to do, by whether source and target are PostgreSQL."""


@click.command(cls=Verb)
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
    from ...accounts import AccountBook
    from ...accounts.convert import Wish, kind_of_target
    from ...accounts.convert import convert as carry_out
    from ...accounts.origin import origin, place_of

    site, place = session.site(), place_of(target)
    source = AccountBook(site, database).database
    wish = Wish(source, place, kind_of_target(place, kind), origin(site), force)

    def refuse(misfits: "Sequence[InexpressibleError]") -> None:
        refused = [{"account": misfit.subject, "reason": misfit.reason} for misfit in misfits]
        session.show({"converted": False, "refused": refused}, [])
        session.fail(_errors(misfits))

    if done := session.run(site, lambda work: carry_out(wish, work.warn, refuse), state=False):
        session.show(_document(done), _lines(session, done))


_MISFITS_HINT = (
    "nothing was written; give such an account another secret (sasl passwd), or delete it, and convert again"
)


def _errors(misfits: Sequence[InexpressibleError]) -> Iterator[InexpressibleError]:
    for number, misfit in enumerate(misfits, 1):
        hint = _MISFITS_HINT if number == len(misfits) else None
        yield InexpressibleError(misfit.subject, misfit.reason, hint)


def _foreign(done: "Conversion") -> dict[str, list[str]]:
    return {"carried": _printable(done.carried), "refused": _printable(done.refused)}


def _document(done: "Conversion") -> dict[str, object]:
    return {
        "source": {"path": done.source, "format": done.source_format},
        "target": {"path": done.target, "format": done.target_format},
        "records": done.records,
        "accounts": done.accounts,
        "compared": True,
        **_foreign(done),
    }


def _lines(session: Session, done: "Conversion") -> Iterator[str]:
    counted = f"{done.accounts} accounts in {done.records} records, compared"
    yield f"{done.source} ({done.source_format}): {counted}"
    yield f"  {session.described(done.target)}  {done.target_format}"
    for what, keys in _foreign(done).items():
        yield from (f"  {what}, though no account's: {key}" for key in keys)
    for step in _NEXT[done.source_format == _POSTGRESQL, done.target_format == _POSTGRESQL]:
        yield f"next: {step}"


def _printable(keys: tuple[bytes, ...]) -> list[str]:
    return [ascii(key)[2:-1] for key in keys]
