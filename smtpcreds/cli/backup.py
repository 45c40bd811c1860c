"""``smtpcreds ca backup`` and ``smtpcreds ca restore``: the authority as one encrypted archive, and back."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError, number_of
from ..shell import quote
from . import lazy_click as click
from .secrets import bundle_passphrase, weak_option
from .session import Session, pass_session, rfc3339, standard_input

if TYPE_CHECKING:
    from ..bundle.backup import Backup, OpenedBackup, Restored
    from ..bundle.make import Delivery, Encryption

STREAM = "-"
_INSTEAD = "smtpcreds ca backup - | age -p > FILE"
_THEN = "smtpcreds ca restore -"


# ``smtpcreds ca backup``.


@click.command()
@click.argument("file")
@click.option("--passphrase", metavar="SOURCE", help="Encrypts the archive; default: asked on a terminal.")
@weak_option
@click.option(
    "--recipient", "recipients", multiple=True, metavar="KEY", help="Encrypt it for this age or SSH key."
)
@click.option("--force", is_flag=True, help="Replace FILE.")
@pass_session
def backup(
    session: Session, file: str, passphrase: str | None, recipients: tuple[str, ...], force: bool
) -> None:
    """Save authority, inventory, certificates and configuration in FILE, encrypted as age does.

    With - the archive goes to standard output, and in the clear unless a passphrase or key is named.
    """
    from ..bundle.backup import back_up

    path = None if file == STREAM else session.absolute(file)
    delivery = _delivery(session, path, _encryption(path, passphrase, recipients), force=force)
    done = session.run(session.site(), lambda work: back_up(work, delivery), look_first=path is None)
    if done is not None:
        session.show(
            _row(done) | {"file": path}, _saved(session, done, path), aside=path is None, listed=True
        )


def _encryption(path: str | None, passphrase: str | None, recipients: tuple[str, ...]) -> "Encryption":
    """Return how the archive is encrypted; a file always is."""
    from ..bundle import archive
    from ..bundle.make import Encryption

    if passphrase and recipients:
        raise UsageError("--recipient", "age opens a file by keys or by a passphrase, not by both")
    if recipients:
        archive.check_recipients(recipients)
        return Encryption(None, recipients)
    if path is None and not passphrase:
        return Encryption()
    archive.check_available(_INSTEAD)
    return Encryption(bundle_passphrase(passphrase, new=True, of="backup"))


def _delivery(session: Session, path: str | None, encryption: "Encryption", *, force: bool) -> "Delivery":
    from ..bundle.make import Delivery
    from ..files import explained

    if path:
        return Delivery(encryption, path, force)
    if not session.dry_run:
        if sys.stdout.isatty():
            raise UsageError("standard output", "is a terminal, and an archive is no text", "name a FILE")
        session.refuse_reveal()

    def write(data: bytes) -> None:
        with explained("standard output"):
            session.reveal(data)

    return Delivery(encryption, write=write)


def _saved(session: Session, done: "Backup", path: str | None) -> Iterator[str]:
    yield from _lines(done)
    if path:
        yield f"  {session.described(path)}"
        yield f"next: copy it to another place; to prove it: smtpcreds ca restore --check {quote(path)}"


# ``smtpcreds ca restore``.


@click.command()
@click.argument("file")
@click.option("--check", is_flag=True, help="Only prove that FILE could be restored; change nothing.")
@click.option("--passphrase", metavar="SOURCE", help="Opens the archive; default: asked on a terminal.")
@click.option("--force", is_flag=True, help="Move a state directory aside; take FILE's configuration.")
@pass_session
def restore(session: Session, file: str, check: bool, passphrase: str | None, force: bool) -> None:
    """Put authority, inventory, certificates and configuration back from FILE, or - for standard input.

    Files that are in the certificate directory already stay: they tell what was published after the backup,
    and the next command that signs takes over what the backup does not know.
    """
    from ..bundle.backup import open_backup
    from ..bundle.backup import restore as put_back

    name = "standard input" if file == STREAM else session.absolute(file)
    opened = open_backup(session.site(), _content(session, name, file, passphrase), name)
    if check:
        session.show(_row(opened.backup), _lines(opened.backup), listed=True)
        return
    done = session.run(opened.site, lambda work: put_back(work, opened, force=force), state=False)
    if done is not None:
        session.show(
            _row(opened.backup) | {"kept": done.kept, "aside": done.aside or None},
            _restored(session, opened, done),
            listed=True,
        )


def _content(session: Session, name: str, source: str, passphrase: str | None) -> bytes:
    """Return the archive, decrypted if need be."""
    from ..bundle import archive
    from ..bundle.backup import MAX_BACKUP
    from ..files.guard import read_public

    data = standard_input(name, MAX_BACKUP) if source == STREAM else read_public(name, MAX_BACKUP)
    if not archive.is_encrypted(data):
        if passphrase:
            raise UsageError("--passphrase", f"{name} is not encrypted", "leave it out")
        return data
    ask = bundle_passphrase(passphrase, new=False, of="backup")
    return session.patiently(lambda: archive.decrypt(data, ask(), name, _THEN))


def _row(found: "Backup") -> dict[str, object]:
    return {
        "name": found.name,
        "host": found.host,
        "at": found.at,
        "members": found.members,
        "certificates": found.certificates,
        "head": found.head and {"hash": found.head.hash, "events": found.head.events},
        "key_encrypted": found.is_encrypted,
        "token": found.key or None,
    }


def _lines(found: "Backup") -> Iterator[str]:
    yield f"{found.name}: backup of {found.host}, {rfc3339(found.at)}, {number_of(found.members, 'member')}"
    if found.key:
        yield f"  its key is not in it, but in the token {found.key}"
    elif found.is_encrypted:
        yield "  its key needs the CA's passphrase, which is not in it"
    else:
        yield "  its key is in it and fits the certificate"
    if found.head is None:
        yield "  the inventory is not in it: it is in PostgreSQL"
    else:
        head = f"head {found.head.hash} of {number_of(found.head.events, 'event')}"
        yield f"  inventory: {number_of(found.certificates or 0, 'certificate')}, {head}"


def _restored(session: Session, opened: "OpenedBackup", done: "Restored") -> Iterator[str]:
    site = opened.site
    yield from _lines(opened.backup)
    yield f"  {session.described(site.state)}"
    if done.aside:
        yield f"  what was there is in {done.aside} now"
    if done.kept:
        names = ", ".join(path.rpartition("/")[2] for path in done.kept)
        yield f"  left as they are in {site.certificates}: {names}"
    yield f"next: put the newest crl.pem of your mail hosts into {site.certificates}, unless it is there;"
    yield "      smtpcreds ca crl    takes over what was revoked since the backup"
    yield "      smtpcreds sasl import FILE    puts the accounts back, which are in no backup"
    yield "      smtpcreds inventory check"
