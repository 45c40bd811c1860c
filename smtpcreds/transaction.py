"""One run that changes something: lock, recovery, inventory, authority, clock and the record of deeds.

A verb is one function on a transaction. A dry run calls the same function while the disk, the databases and
the keys only record; see :class:`smtpcreds.files.PreviewDisk`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .config import Site
from .errors import SmtpcredsError
from .files import (
    Disk,
    PreviewDisk,
    ensure_directory,
    exclusive,
    exists,
    settle_replacement,
    settled,
    status_at,
    sweep,
    sweep_target,
    syslog_of_run,
    using,
)
from .files.write import replaced_name
from .model import Artifact, Change, Link
from .secret import Secret

if TYPE_CHECKING:  # imported where they are used: an account needs no cryptography, a certificate no sasldb
    import os

    from .accounts.database import AccountDatabase
    from .ca.authority import CA
    from .ca.layout import CaFiles
    from .inventory.inventory import Inventory
    from .inventory.rows import AuthorityRow, CrlRow
    from .inventory.rows import CertificateRow as Row
    from .pki.values import Certificate, Issuer
    from .sasldb.detect import Format

T = TypeVar("T")
Question = Callable[[], Any]
Confirmation = Callable[[str], Question]
"""From what is about to happen to the question whether it shall, which raises where the answer is no."""


def no_passphrase() -> None:
    """Answer that there is none."""


class Transaction:
    """What a verb works on; made by :func:`transaction`.

    The lock is taken when the block begins; where nothing was ever written, with the first use of
    :attr:`inventory`: a verb that refuses on a fresh host leaves no trace. What a killed run left is
    completed or given up before anything else. Verbs that never use the inventory (``state=False``) take
    no lock.

    Attributes:
        site: where, and what time it is there.
        recovered: certificates that a killed run left and that were completed now; they count as changed.
        clock_was_ahead: an administrator says so, so a CRL of the future keeps nobody from signing.
    """

    clock_was_ahead = False

    def __init__(
        self,
        site: Site,
        disk: Disk,
        passphrase: "Callable[[], Secret | None]",
        pin: "Callable[[], Secret | None]",
        answers: Mapping[Question, Any],
        *,
        state: bool = True,
        confirmation: Confirmation | None = None,
    ) -> None:
        self.site = site
        self.recovered: tuple[Row, ...] = ()
        self._disk, self._passphrase, self._pin = disk, passphrase, pin
        self._confirmation = confirmation
        self._answers = dict(answers)
        self._asked: dict[Question, None] = {}
        self._issuers: dict[str, Issuer] = {}
        self._rows: dict[Certificate, AuthorityRow] = {}
        self._beside: dict[str, list[Artifact | Link]] = {}
        self._open = ExitStack()
        self._inventory: Inventory | None = None
        self._state, self._is_locked = state, False
        self._late: list[SmtpcredsError] = []

    def __enter__(self) -> Self:
        if exists(replaced_name(self.site.state)):
            from .files.aside import put_back

            put_back(self.site.state)
        if self._state and (exists(self.site.lock) or exists(self.site.inventory)):
            with self._unwinding():
                self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        self._open.close()
        if kind is None and self._late:
            raise self._late[0]

    @cached_property
    def ca(self) -> "CA":
        """The authority and those it replaced."""
        from .ca.authority import CA

        place, ca = f"authority {self.site.ca_directory}", CA(self.site)
        self._disk.held[place] = ca
        self._open.callback(self._disk.held.pop, place)
        return ca

    @property
    def is_preview(self) -> bool:
        """Tell whether nothing is done; a verb may only ask this to leave work out that nobody would see."""
        return self._disk.is_preview

    @property
    def changes(self) -> list[Change]:
        """What was done so far, in order."""
        return self._disk.changes

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions that were asked."""
        return tuple(self._asked)

    @property
    def inventory(self) -> "Inventory":
        """The record of certificates, open for writing; made where there is none."""
        return self._inventory or self.begin()

    @property
    def known_inventory(self) -> "Inventory | None":
        """The record of certificates, where there is one; a verb that may still refuse makes none."""
        return self._inventory

    def begin(self) -> "Inventory":
        """Take the lock and open the inventory, which a verb does before its first change at the latest."""
        with self._unwinding():
            self._begin()
            if self._inventory is None:
                from .ca.state import recover_authorities

                self._inventory = self._opened()
                recover_authorities(self.site, self._inventory, self.ca)
        return self._inventory

    def lock(self) -> None:
        """Take the lock, for a verb that decides by what is there; records are opened where there are any."""
        with self._unwinding():
            self._begin()

    def require_inventory(self) -> "Inventory":
        """Return the record of certificates.

        Raises:
            MissingInputError: there is none yet; the hint begins one.
        """
        if self._inventory is None and not self.site.settings.inventory and not exists(self.site.inventory):
            from .ca.layout import without_inventory

            raise without_inventory(self.site)
        return self.inventory

    @property
    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return self.site.clock()

    def note(self, action: str, target: str, note: str = "") -> None:
        """Add to the list of changes what no path or row says by itself."""
        self._disk.note(action, target, note=note)

    def accounts(self, database: str | None = None, *, new: "Format | None" = None) -> "AccountDatabase":
        """Return the accounts of a database; see :class:`.accounts.database.AccountDatabase`."""
        from .accounts.database import AccountDatabase

        accounts = AccountDatabase(self.site, database, new=new, ask=self.ask)
        accounts.tidy()
        return accounts

    def warn(self, text: str) -> None:
        """Tell the administrator something, and go on."""
        self.site.warn(text)

    def fail_late(self, error: SmtpcredsError) -> None:
        """Go on with all that can be done, and raise the error at the end; a dry run warns of it."""
        if self.is_preview or self._late:
            self.warn(str(error))
        else:
            self._late.append(error)

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer to a question about a secret; each is asked once in a run."""
        if question not in self._answers:
            self._asked[question] = None
            self._answers[question] = question()
        answer: T = self._answers[question]
        return answer

    def confirm(self, what: str, *, otherwise: SmtpcredsError | None = None) -> None:
        """Let a person, where one is there, say no to what is about to happen; else raise ``otherwise``."""
        if self._confirmation:
            self.ask(self._confirmation(what))
        elif otherwise:
            raise otherwise

    def passphrase(self) -> Secret | None:
        """Return the passphrase of the authority's keys; it is asked for once."""
        return self.ask(self._passphrase)

    def pin(self) -> Secret | None:
        """Return the PIN of the token that holds the authority's key; it is asked for once."""
        return self.ask(self._pin)

    def take_passphrase(self, passphrase: Secret | None) -> None:
        """Go on with the passphrase that the authority's keys have got just now."""
        self._answers[self._passphrase] = passphrase

    def issuer(self, files: "CaFiles | None" = None) -> "Issuer":
        """Return an authority ready to sign, each opened once; see :meth:`.ca.authority.CA.issuer`.

        Raises:
            DataError: the clock is behind the authority or its last CRL.
        """
        key = (files or self.ca.files).key
        if key not in self._issuers:
            self._verify_clock(files)
            self._issuers[key] = self.ca.issuer(self.passphrase, files, pin=self.pin)
            self.closing(self._issuers[key])
        return self._issuers[key]

    def _verify_clock(self, files: "CaFiles | None") -> None:
        """Verify the time; what was never valid ends with a CRL of today, too, if the clock was ahead."""
        from .ca.authority import path_of
        from .ca.crl import verify_clock
        from .ca.restore import verify_trusted

        certificate = self.ca.certificate if files in (None, self.ca.files) else path_of(files)[0]
        is_current = certificate == self.ca.certificate
        if self._inventory and is_current:
            verify_trusted(self.site, self._inventory, self.ca)
        if is_current or not self.clock_was_ahead:
            verify_clock(self.now, certificate, self._last_crl(certificate))

    def _last_crl(self, certificate: "Certificate") -> "CrlRow | None":
        from .ca.state import row_of

        if self.clock_was_ahead or not self._inventory:
            return None
        row = row_of(self._inventory, certificate)
        return self._inventory.latest_crl(row.id) if row else None

    def closing(self, issuer: "Issuer") -> None:
        """Log out of the token that holds an authority's key, when the run ends."""
        self._open.callback(issuer.close)

    def renewed_authority(self) -> None:
        """Forget what was read of the authority, whose directory has changed."""
        self.ca.forget()
        self._issuers.clear()
        self._rows.clear()
        self._beside.clear()

    def row(self, certificate: "Certificate") -> "AuthorityRow":
        """Return the inventory's row of an authority of ours; a killed ``ca init`` may not have got to it."""
        from .ca.state import ensure_authority

        if certificate not in self._rows:
            self._rows[certificate] = ensure_authority(self.site, self.inventory, self.ca, certificate)
        return self._rows[certificate]

    def beside(self, directory: str) -> list[Artifact | Link]:
        """Return what of bundle, CRLs and links is missing or different in a certificate directory.

        Raises:
            UnsafePathError: pairs can't be kept there.
            DamagedFileError: the bundle that is there can't be read.
        """
        from .ca.directory import check, trust_directory_changes

        if directory not in self._beside:
            check(directory)
            self._beside[directory] = trust_directory_changes(self.ca, directory)
        return self._beside[directory]

    def published(self) -> None:
        """Look at the certificate directories anew, which have changed."""
        self._beside.clear()

    def record(self, what: str, subject: str, detail: str = "") -> None:
        """Write an event to the inventory and to syslog's authpriv, where auditors look."""
        self.record_all(what, [(subject, detail)])

    def record_all(self, what: str, deeds: Iterable[tuple[str, str]]) -> None:
        """Write an event for each subject and detail; see :meth:`record`."""
        from .ca.state import record_all

        record_all(self.site, self.inventory, what, deeds)

    def recover(self) -> None:
        """Complete or give up what a failure of this very run left, without a word."""
        from dataclasses import replace

        from .ca.state import recover

        recover(replace(self.site, warn=lambda _: None), self.inventory, self.ca)

    @contextmanager
    def _unwinding(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._open.close()
            self._inventory, self._is_locked = None, False
            raise

    def _begin(self) -> None:
        if self._is_locked:
            return
        site = self.site
        ensure_directory(site.state)
        self._open.enter_context(exclusive(site.lock))
        self._is_locked = True
        if exists(replaced_name(site.state)):
            from .files.aside import settle_aside

            settle_aside(site.state, site.clock())
        sweep_target(site.state)
        settle_replacement(site.ca_directory)
        for directory in (site.state, site.ca_directory, site.certificates):
            sweep(directory)
        if site.settings.inventory or exists(site.inventory):
            from .ca.restore import take_over
            from .ca.state import recover, recover_authorities

            self._inventory = self._opened()
            self.recovered = tuple(recover(site, self._inventory, self.ca))
            recover_authorities(site, self._inventory, self.ca)
            take_over(site, self._inventory, self.ca)

    def _opened(self) -> "Inventory":
        from .inventory.inventory import open_inventory

        place = self.site.inventory
        opened = open_inventory(place, machine=self.site.machine, common=self.site.common)
        inventory = self._open.enter_context(opened)
        self._open.enter_context(inventory.alone())
        self._disk.held[f"open inventory {place}"] = inventory
        self._open.callback(self._disk.held.pop, f"open inventory {place}")
        return inventory


def looked_at(site: Site, look: Callable[[], T]) -> T:
    """Return what a preview finds; where another run was at work, as it is after that run.

    A preview takes no lock: what it refuses may be half of what the other run makes.
    """
    before = status_at(site.lock)
    try:
        return look()
    except SmtpcredsError:
        now = status_at(site.lock)
        is_free = now is None or not now.st_size  # the file names its holder
        if is_free and _turn(now) == _turn(before):
            raise
    with settled(site.lock):
        return look()


def _turn(lock: "os.stat_result | None") -> int | None:
    """Return what changes of a lock file whenever it is taken."""
    return lock and lock.st_mtime_ns


@contextmanager
def transaction(
    site: Site,
    *,
    preview: bool = False,
    state: bool = True,
    passphrase: "Callable[[], Secret | None]" = no_passphrase,
    pin: "Callable[[], Secret | None] | None" = None,
    answers: Mapping[Question, Any] | None = None,
    confirmation: Confirmation | None = None,
) -> Iterator[Transaction]:
    """Give what one verb works on.

    Args:
        site: where.
        preview: change nothing, lock nothing, ask nobody; only record what would be done.
        state: the verb uses the state directory; False for accounts, which have a lock of their own, and for
            what is written elsewhere.
        passphrase: the question for that of the authority's keys.
        pin: the question for that of the token that holds its key; None is the one for the passphrase.
        answers: to questions that were asked before the lock was taken.
        confirmation: asks a person about what can't be undone; None asks nobody.
    """
    with (
        syslog_of_run(site.warn),
        using(PreviewDisk() if preview else Disk()) as disk,
        Transaction(
            site,
            disk,
            passphrase,
            pin or passphrase,
            answers or {},
            state=state,
            confirmation=confirmation,
        ) as work,
    ):
        yield work
