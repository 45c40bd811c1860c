"""Renewing: the same certificate once more, with the key that is in place or a new one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ..config import Site
from ..errors import SmtpcredsError
from ..files import exists
from ..inventory import Authority, Certificate, Inventory
from ..model import Plan, Step
from ..pki.values import Certificate as Parsed
from ..pki.values import Issuer
from .again import Job, job
from .batch import Issued, Outcome, Refused, carry_out
from .ca import Passphrase, certificates, once, open_issuer
from .elder_crls import elders_are_due, refresh_elders
from .everywhere import verify_place
from .layout import CRL, Pair, ca_files
from .ledger import at_work, row_of
from .office import at_the_office
from .publish import Published, copy, stale_copies
from .reading import reading
from .reload import Hook
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


@dataclass(frozen=True, slots=True)
class _Work:
    jobs: list[Job]
    refused: list[Refused]
    crl_is_due: bool
    lacking: tuple[str, ...]
    """Directories without the newest CRL."""


def plan_renew(
    site: Site,
    wanted: Renewals,
    passphrase: Passphrase,
    *,
    hook: Hook | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Plan[Renewed]:
    """Plan renewals; each is carried out whole or not at all, and the plan is empty when nothing is due.

    Args:
        site: whose authority signs.
        wanted: what is to be renewed, and how.
        passphrase: asked once if the CA key is encrypted and there is something to sign.
        hook: tells the mail server when everything is in place.
        progress: called after each certificate.

    Raises:
        MissingInputError: there is no authority, or no such host.
        SmtpcredsError: why the only host can't be renewed.
    """
    chain = certificates(site)
    with reading(site) as inventory:
        authority = row_of(inventory, chain[0])
        work = _look(site, inventory, authority, chain, wanted)
    if len(wanted.hosts) == 1 and work.refused and not work.jobs:
        raise work.refused[0].error

    def apply() -> Renewed:
        if work.jobs or work.crl_is_due:
            asked = once(passphrase)
            issuer = open_issuer(site, asked)
            older = refresh_elders(site, asked)
            return _told(_renew(site, wanted, issuer, hook, progress), older, hook)
        return Renewed(list(work.refused), None, _copy(site, hook))

    return Plan(tuple(_steps(site, work, hook)), apply)


def _renew(
    site: Site, wanted: Renewals, issuer: Issuer, hook: Hook | None, progress: Callable[[], None]
) -> Renewed:
    with at_the_office(site, issuer) as office:
        quiet = replace(site, warn=lambda _: None)  # the plan has warned
        work = _look(quiet, office.inventory, office.authority, issuer.path, wanted)
        drafts = [job.draft(site, issuer) for job in work.jobs]
        verb = "tlsa switch" if wanted.next_key else "cert renew"
        outcomes, crl = carry_out(office, drafts, verb, progress=progress, hook=hook)
    return Renewed([*outcomes, *work.refused], crl)


def _told(done: Renewed, older: Sequence[Published], hook: Hook | None) -> Renewed:
    """Tell the mail server of new CRLs of elders, where it was told of nothing else."""
    if not older or done.crl or any(isinstance(outcome, Issued) for outcome in done.outcomes):
        return done
    if hook:
        hook.run()
    return replace(done, crl=older[0])


def _copy(site: Site, hook: Hook | None) -> tuple[str, ...]:
    """Install bundle and CRLs where they are missing, which takes no key; return the directories."""
    with at_work(site) as inventory:
        beside = stale_copies(site, inventory)
        copy(beside)
        if hook and beside:
            hook.run()
    return tuple(beside)


def _look(
    site: Site, inventory: Inventory, authority: Authority | None, chain: Sequence[Parsed], wanted: Renewals
) -> _Work:
    rows, refused = _rows(site, inventory, chain, wanted)
    verified = cache(lambda directory: verify_place(site, directory))
    jobs: list[Job] = []
    for row in rows:
        try:
            verified(Pair(site.root.locate(row.directory)).directory)
            jobs.append(job(site, inventory, row, chain, wanted))
        except SmtpcredsError as error:
            refused.append(Refused(row.host, error))
    if not wanted.due:
        return _Work(jobs, refused, crl_is_due=False, lacking=())
    if authority is None:  # a killed run got no further than its files
        return _Work(jobs, refused, crl_is_due=True, lacking=())
    due = crl_is_due(site, inventory, authority) or elders_are_due(site, inventory)
    return _Work(jobs, refused, due, tuple(stale_copies(site, inventory)))


def _rows(
    site: Site, inventory: Inventory, chain: Sequence[Parsed], wanted: Renewals
) -> tuple[list[Certificate], list[Refused]]:
    if wanted.due:
        end = min(ca.not_valid_after_utc for ca in chain)
        rows = due_rows(site, inventory, end)
        return [row for row in rows if row.not_after > site.clock() or _is_there(site, row)], []
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


def _steps(site: Site, work: _Work, hook: Hook | None) -> Iterator[Step]:
    for item in work.jobs:
        yield from _job_steps(item)
    for refused in work.refused:
        yield Step("leave", refused.host, note=str(refused.error))
    if work.crl_is_due:
        yield Step("sign", ca_files(site).crl, 0o600, "a new CRL")
    for directory in work.lacking:
        yield Step("write", f"{directory}/{CRL}", 0o600)
    if hook and (work.jobs or work.crl_is_due or work.lacking):
        yield Step("run", str(hook))


def _job_steps(item: Job) -> Iterator[Step]:
    order = item.order
    yield from (Step("write", kept.path, kept.mode) for kept in item.former.copies())
    if item.key is None or item.waited:
        yield Step("write", order.pair.key, 0o600)
    key = "next key" if item.waited else "same key" if item.key else f"new {order.key_type.label} key"
    note = f"{order.host}: {order.profile.label}, {key}, {order.lifetime.days} days"
    yield Step("write", order.pair.certificate, 0o600, note)
