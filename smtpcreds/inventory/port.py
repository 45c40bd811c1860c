"""What the rooms above may ask of an inventory, wherever it is kept."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from .rotations import Rotations
from .rows import AuthorityRow, AuthorityState, CertificateRow, CrlRow, Event, Intent, Revoked, Signed, State


class Inventory(Protocol):
    """Facts about certificates, CRLs and deeds; each method is one durable transaction.

    A certificate is named by its authority and its serial number, because imported authorities count
    from one. Intention comes before the deed and outcome after it: ``intend``, then sign, ``signed``,
    then install, ``issued``. What a killed run left is in ``pending``.

    Every method may raise LockHeldError, WriteError (nothing was changed) and DamagedFileError. Iterators
    read while they are consumed: consume them before writing through the same inventory.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside one transaction and one fsync; an exception undoes all of it.

        A transaction inside another is undone alone when the exception is caught in between.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep every other host that shares the inventory from working with it; readers go on.

        The lock goes with the connection. It is no lock between processes of one host: those have a file.
        """
        ...

    @property
    def rotations(self) -> Rotations:
        """Replacements of accounts."""
        ...

    def add_authority(
        self,
        name: str,
        *,
        ski: str,
        der: bytes,
        created: datetime,
        crl_number: int = 0,
        state: AuthorityState = AuthorityState.CURRENT,
    ) -> AuthorityRow:
        """Record a CA; ``crl_number`` is the last one that an imported CA has used."""
        ...

    def authorities(self) -> list[AuthorityRow]:
        """Return all authorities by state, current ones first, and in each state the newest first."""
        ...

    def retire_authority(self, authority: int) -> None:
        """Mark an authority as one that signs no more certificates."""
        ...

    def intend(self, intents: Iterable[Intent]) -> None:
        """Record certificates as pending, all or none, before any of them is signed."""
        ...

    def signed(self, authority: int, certificates: Iterable[Signed]) -> None:
        """Record what was signed, all or none; the certificates stay pending."""
        ...

    def issued(self, authority: int, serials: Iterable[str]) -> None:
        """Record that signed certificates are in place, all or none."""
        ...

    def place(self, authority: int, serial: str, directory: str) -> None:
        """Record that a certificate which exists is about to be installed; it is pending until ``issued``.

        Args:
            authority: who signed it.
            serial: its number.
            directory: where its pair will be, see :attr:`.rows.CertificateRow.directory`.

        Raises:
            MissingInputError: the serial number is unknown.
        """
        ...

    def discard(self, authority: int, serial: str, why: str) -> None:
        """Give a pending certificate up."""
        ...

    def forget(self, host: str, why: str) -> None:
        """Give up every certificate of a host that is issued, also of other CAs and expired ones."""
        ...

    def pending(self) -> list[CertificateRow]:
        """Return what was begun and not finished, the oldest first."""
        ...

    def adopt(self, certificates: Iterable[tuple[CertificateRow, bytes | None]]) -> int:
        """Record certificates that came into being elsewhere, with the DER where it is known.

        Serial numbers that are recorded already stay as they are. Fingerprints are computed from the DER.

        Returns:
            The number of new ones.
        """
        ...

    def revoke(self, authority: int, serial: str, at: datetime, reason: str) -> None:
        """Revoke a certificate that exists: issued, or signed before it was given up."""
        ...

    def find(self, which: str) -> list[CertificateRow]:
        """Return what the words of a person may mean: a host, a serial number, a fingerprint, or a prefix.

        Prefixes have four hex digits or more; colons and case do not matter. A complete host name, serial
        number or fingerprint outranks prefixes. Issued ones come first, among them the newest first.
        """
        ...

    def current(self, host: str, at: datetime, directory: str | None = None) -> CertificateRow | None:
        """Return the newest certificate of the host that is issued and not expired at this time.

        Args:
            host: in A-labels.
            at: now.
            directory: only what was installed there.
        """
        ...

    def listing(
        self,
        *,
        expires_after: datetime | None = None,
        expires_before: datetime | None = None,
        host: str | None = None,
        state: State | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> Iterator[CertificateRow]:
        """Yield certificates by time of expiry, the next one first.

        Args:
            expires_after: only those that expire after this time.
            expires_before: only those that expire at this time or before.
            host: in A-labels.
            state: only those in this state.
            latest: only issued ones that no newer one of the same host, machine and directory replaces.
            limit: at most so many.
        """
        ...

    def tally(self, authority: int, at: datetime) -> dict[str, int]:
        """Return how many certificates of the authority stand where: by name of the state, or ``expired``.

        Issued ones that expired at this time or before are counted apart; nothing stands for none.
        """
        ...

    def places(self, authority: int) -> list[str]:
        """Return the directories that the authority's certificates were, or were to be, installed in.

        Reads a row of an index for each of them: half a second among a million.
        """
        ...

    def der(self, authority: int, serial: str) -> bytes:
        """Return the certificate itself.

        Raises:
            MissingInputError: the serial number is unknown, or its certificate was never seen.
        """
        ...

    def revoked(self, authority: int, expires_after: datetime | None = None) -> Iterator[Revoked]:
        """Yield the entries of the authority's CRL by serial number, from one point in time.

        Args:
            authority: whose certificates.
            expires_after: leave out those that expired at this time or before (RFC 5280 section 3.3: an
                entry has to stand in one CRL made after the certificate expired).
        """
        ...

    def next_crl_number(self, authority: int) -> int:
        """Take the authority's next CRL number; nobody gets it again, whether it is used or not."""
        ...

    def last_crl_number(self, authority: int) -> int:
        """Return the CRL number that was taken last; a CRL of that number may not exist yet."""
        ...

    def record_crl(self, crl: CrlRow) -> None:
        """Record a CRL that was signed."""
        ...

    def latest_crl(self, authority: int) -> CrlRow | None:
        """Return the recorded CRL with the highest number."""
        ...

    def event(self, *events: Event) -> None:
        """Record deeds; events are never changed or deleted."""
        ...

    def events(
        self, *, subject: str | None = None, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[Event]:
        """Yield events, the newest first."""
        ...

    def verify_integrity(self) -> None:
        """Read everything; takes seconds where there are a million certificates.

        Raises:
            DamagedFileError: with the first contradiction.
        """
        ...
