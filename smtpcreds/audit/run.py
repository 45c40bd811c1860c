"""Every check over one installation, and the repairs that are safe."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from ..ca.layout import has_inventory
from ..config import Site
from ..errors import SmtpcredsError, UsageError
from ..files import exclusive, explained, is_directory
from ..files.guard import explain
from ..transaction import Transaction
from . import accounts, certificates, others, permissions, sasl_conf, sendmail
from .codes import CODES
from .finding import Finding, Repair, unchecked
from .world import Host

# The table of checks, in the order in which their findings are shown.

CHECKS: tuple[Callable[[Host], Iterator[Finding]], ...] = (
    permissions.parents,
    permissions.directories,
    permissions.keys,
    permissions.others,
    permissions.ca_key,
    permissions.databases,
    permissions.credentials,
    permissions.state,
    permissions.configuration,
    permissions.database_password,
    permissions.readers,
    certificates.loadable,
    certificates.belongs,
    certificates.closes,
    certificates.dates,
    certificates.revoked,
    certificates.names,
    certificates.roles,
    certificates.strong,
    certificates.shared,
    certificates.present,
    certificates.readable,
    certificates.current,
    certificates.issued,
    certificates.missing,
    certificates.stale,
    certificates.sent,
    certificates.public,
    accounts.readable,
    accounts.backend,
    accounts.copies,
    accounts.unknown_records,
    accounts.realms,
    accounts.properties,
    accounts.logins,
    accounts.free_space,
    sasl_conf.places,
    sasl_conf.well_formed,
    sasl_conf.methods,
    sasl_conf.engines,
    sasl_conf.databases,
    sasl_conf.plugins,
    sasl_conf.offers,
    sendmail.authorities,
    sendmail.paths,
    sendmail.digest,
    sendmail.mechanisms,
    sendmail.dead_credentials,
    sendmail.fallback,
    sendmail.names,
    sendmail.credentials,
    sendmail.authinfo,
    sendmail.rules,
    sendmail.maps,
    sendmail.compiled,
    sendmail.written,
    sendmail.running,
    others.server,
    others.client,
    others.chroot,
    others.revocation,
    others.chains,
    others.exim,
    others.dovecot,
)


Check = Callable[[Host], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class CodeSelection:
    """Which codes are asked for: those of ``only``, or all; without those of ``ignore``."""

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def takes(self, finding: Finding) -> bool:
        """Tell whether a finding is asked for."""
        name = finding.code.name
        return name not in self.ignore and (not self.only or name in self.only)


def choice(only: Collection[str], ignore: Collection[str]) -> CodeSelection:
    """Parse codes as typed; upper and lower case are the same, and a family stands for its codes.

    Raises:
        UsageError: no such code.
    """
    return CodeSelection(_codes(only), _codes(ignore))


def audit(site: Site, wanted: CodeSelection = CodeSelection()) -> list[Finding]:
    """Return what is wrong, each thing once, in the order of the checks.

    What one check can't look at is a finding of its own, and the others go on.
    """
    world = Host(site)
    found = [finding for check in CHECKS for finding in _run(check, world)]
    found += map(unchecked, world.unread)
    return [finding for finding in dict.fromkeys(found) if wanted.takes(finding)]


def fix(work: Transaction, wanted: CodeSelection = CodeSelection()) -> int:
    """Make the repairs that are safe; return how many were made.

    A repair that fails is a warning, and its finding stays. The transaction is one that takes no lock by
    itself, since what keeps the inventory from being opened may be found.
    """
    site = work.site
    repairs = [finding.repair for finding in audit(site, wanted) if finding.repair]
    with exclusive(site.lock) if repairs and is_directory(site.state) else nullcontext():
        done = sum(_repaired(work, repair) for repair in repairs)
    if done:
        _record(work, done)
    return done


def _repaired(work: Transaction, repair: Repair) -> bool:
    try:
        with explained(repair.path):
            repair.apply()
    except SmtpcredsError as error:
        work.warn(str(error))
        return False
    return True


def _record(work: Transaction, done: int) -> None:
    """Record the deed, where there is an inventory; what keeps it from being opened may be found still."""
    try:
        if has_inventory(work.site):
            work.record("audit fix", f"{done} repairs")
    except SmtpcredsError as error:
        work.warn(f"the repairs were not recorded: {error}")


def _run(check: Check, world: Host) -> Iterable[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(world))
    except SmtpcredsError as error:
        found.append(unchecked(error))
    except OSError as error:
        found.append(unchecked(explain(error, str(error.filename or check.__name__))))
    return found


def _codes(given: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for text in given:
        name = text.upper()
        matching = {code for code in CODES if name in {code, code.rstrip("0123456789")}}
        if not matching:
            raise UsageError(text, "is no code of the audit", "man smtpcreds-audit lists them")
        found |= matching
    return frozenset(found)
