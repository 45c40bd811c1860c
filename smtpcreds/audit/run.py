"""Every check over one host, and the repairs that are safe."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from ..ca.layout import has_inventory
from ..config import Site
from ..errors import SmtpcredsError, UsageError
from ..files import exclusive, explained, is_directory
from ..files.guard import explain
from ..model import Finding, Repair
from ..transaction import Transaction
from . import accounts, certificates, crls, finding, others, permissions, sasl_conf, sendmail
from .finding import Code, unchecked
from .host import Host

Check = Callable[[Host], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
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
    crls.present,
    crls.readable,
    crls.current,
    crls.issued,
    crls.missing,
    crls.stale,
    certificates.sent,
    certificates.public,
    accounts.readable,
    accounts.backend,
    accounts.copies,
    accounts.orphan_records,
    accounts.realms,
    accounts.properties,
    accounts.logins,
    accounts.free_space,
    accounts.readers,
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
    sendmail.reachable,
    sendmail.fallback,
    sendmail.names,
    sendmail.credentials,
    sendmail.authinfo,
    sendmail.rules,
    sendmail.maps,
    sendmail.compiled,
    others.written,
    sendmail.running,
    others.server,
    others.client,
    others.chroot,
    others.revocation,
    others.chains,
    others.reachable,
    others.exim,
    others.dovecot,
)
"""In the order in which their findings are shown."""

_ROOMS = (finding, permissions, permissions, certificates, crls, accounts, sasl_conf, sendmail, others)
_FAMILIES = ("AUDIT", "PERM", "CERT", "SASL", "MTA")


def _codes_of_all() -> dict[str, Code]:
    found = {code for room in _ROOMS for code in vars(room).values() if isinstance(code, Code)}
    return {code.name: code for code in sorted(found, key=_place)}


def _place(code: Code) -> tuple[int, str]:
    return _FAMILIES.index(code.name.rstrip("0123456789")), code.name


CODES = _codes_of_all()
"""Each row stands beside its check; here they are by name, in the order of the manual page."""


@dataclass(frozen=True, slots=True)
class CodeSelection:
    """Which codes are asked for: those of ``only``, or all; without those of ``ignore``."""

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def takes(self, finding: Finding) -> bool:
        """Tell whether a finding is asked for."""
        return finding.code not in self.ignore and (not self.only or finding.code in self.only)


def choice(only: Collection[str], ignore: Collection[str]) -> CodeSelection:
    """Parse codes as typed; upper and lower case are the same, and a family stands for its codes."""
    return CodeSelection(_codes(only), _codes(ignore))


def audit(site: Site, wanted: CodeSelection = CodeSelection()) -> list[Finding]:
    """Return what is wrong, each thing once, in the order of the checks.

    What one check can't look at is a finding of its own, and the others go on.
    """
    host = Host(site)
    found = [finding for check in CHECKS for finding in _run(check, host)]
    found += map(unchecked, host.unread)
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


def _run(check: Check, host: Host) -> Iterable[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(host))
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
