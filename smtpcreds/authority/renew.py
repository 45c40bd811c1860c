"""Renewing: the same certificate once more, with the key that is in place or a new one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..config import Site
from ..errors import SmtpcredsError
from ..files import exists
from ..inventory import Certificate
from ..pki.pem import parse_certificate
from ..pki.values import Certificate as Parsed
from ..transaction import Transaction
from .again import Job, job, order_again
from .batch import Issued, Outcome, Refused, carry_out
from .layout import Pair
from .ledger import row_of
from .publish import Published, copy, elders_are_due, refresh_elders, stale_copies
from .reload import Hook, is_owed, owe, tell
from .renewals import Renewals, due_rows, rows_of
from .revocations import crl_is_due


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a run did.

    Attributes:
        outcomes: of each host.
        crl: the new CRL, if one was signed.
        copied: directories that lacked the newest CRL and have it now.
    """

    outcomes: list[Outcome]
    crl: Published | None = None
    copied: tuple[str, ...] = ()


def renew(
    work: Transaction,
    wanted: Renewals,
    *,
    hook: Hook | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Renewed:
    """Renew certificates; each is carried out whole or not at all.

    Args:
        work: whose authority signs; its passphrase is asked for only if there is something to sign.
        wanted: what is to be renewed, and how.
        hook: tells the mail server when everything is in place and anything changed.
        progress: called after each certificate.

    Raises:
        MissingInputError: there is no authority, or no such host.
        SmtpcredsError: why the only host can't be renewed.
    """
    chain = work.ca.chain
    work.require_inventory()
    jobs, refused = _jobs(work, chain, wanted)
    if len(wanted.hosts) == 1 and refused and not jobs:
        raise refused[0].error
    for one in refused:
        work.note("leave", one.host, str(one.error))
    if not (jobs or (wanted.due and _crls_are_due(work, chain[0]))):
        return Renewed(list(refused), None, _copy(work, hook))
    issuer = work.issuer()
    changed = is_owed(work, hook)
    owe(work, hook)
    older = refresh_elders(work)
    drafts = [job.draft(work.site, issuer) for job in jobs]
    verb = "tlsa switch" if wanted.next_key else "cert renew"
    changed = changed or bool(older)
    outcomes, crl = carry_out(work, issuer, drafts, verb, progress=progress, hook=hook, changed=changed)
    return Renewed([*outcomes, *refused], crl or next(iter(older), None))


def _copy(work: Transaction, hook: Hook | None) -> tuple[str, ...]:
    """Install bundle and CRLs where they are missing, which takes no key; return the directories."""
    beside = stale_copies(work)
    is_told = bool(beside) or is_owed(work, hook)
    if beside:
        owe(work, hook)
        copy(beside)
    if is_told:
        tell(work, hook)
    return tuple(beside)


def _crls_are_due(work: Transaction, own: Parsed) -> bool:
    authority = row_of(work.inventory, own)
    if authority is None:  # a killed run got no further than its files
        return True
    return crl_is_due(work.site, work.inventory, work.ca, authority) or elders_are_due(
        work.site, work.inventory, work.ca
    )


def _jobs(work: Transaction, chain: Sequence[Parsed], wanted: Renewals) -> tuple[list[Job], list[Refused]]:
    rows, refused = _rows(work, chain, wanted)
    jobs: list[Job] = []
    for row in rows:
        try:
            work.beside(Pair(work.site.root.locate(row.directory)).directory)
            jobs.append(job(work.site, work.inventory, row, chain, wanted))
        except SmtpcredsError as error:
            refused.append(Refused(row.host, error))
    return jobs, refused


def _rows(
    work: Transaction, chain: Sequence[Parsed], wanted: Renewals
) -> tuple[list[Certificate], list[Refused]]:
    site, inventory = work.site, work.inventory
    if wanted.due:
        end = min(ca.not_valid_after_utc for ca in chain)
        rows = due_rows(site, inventory, end)
        return [row for row in rows if row.not_after > work.now or _is_there(site, row)], []
    found: dict[tuple[int, str], Certificate] = {}
    refused: list[Refused] = []
    for host in wanted.hosts:
        try:
            found |= {(row.authority, row.serial): row for row in rows_of(site, inventory, host)}
        except SmtpcredsError as error:
            refused.append(Refused(host, error))
    rows = [row for row in found.values() if not wanted.next_key or _next_key_waits(site, row)]
    return rows, refused


def _is_there(site: Site, row: Certificate) -> bool:
    """Tell whether anything of the pair is left; nobody depends on one that expired and is gone."""
    pair = Pair(site.root.locate(row.directory))
    return exists(pair.key) or exists(pair.certificate)


def _next_key_waits(site: Site, row: Certificate) -> bool:
    return exists(Pair(site.root.locate(row.directory)).next_key)


def reissued(work: Transaction, row: Certificate) -> Issued:
    """Return a certificate that this run completed as one that it issued."""
    certificate = parse_certificate(work.inventory.der(row.authority, row.serial), row.host)
    return Issued(order_again(work.site, work.inventory, row, Renewals((row.host,))), certificate, False)
