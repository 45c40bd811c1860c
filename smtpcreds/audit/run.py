"""Every check over one host, and the repairs that are safe."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace

from ..ca.layout import has_inventory, sharing
from ..config import Site
from ..errors import SmtpcredsError, UsageError, nearest, number_of
from ..files import exclusive, explained, is_directory
from ..files.guard import explain
from ..lazy import dataclass
from ..model import Finding, Repair, Severity
from ..mta.program import Program, Role
from ..progress import counted
from ..transaction import Transaction
from . import (
    accounts,
    certificates,
    crls,
    delivery,
    dovecot,
    dovecot_logins,
    dovecot_mechanisms,
    dovecot_relay,
    dovecot_service,
    dovecot_submission,
    exim,
    exim_acls,
    exim_service,
    exim_transports,
    finding,
    further_hubs,
    kerberos,
    others,
    permissions,
    postfix,
    postfix_addresses,
    postfix_ciphers,
    postfix_client,
    postfix_everything,
    postfix_filters,
    postfix_limits,
    postfix_missing,
    postfix_past,
    postfix_senders,
    postfix_services,
    postfix_types,
    postfix_unread,
    postfix_values,
    sasl_conf,
    saslauthd,
    sendmail,
    sendmail_access,
    sendmail_ciphers,
    sendmail_client,
    sendmail_filters,
    sendmail_limits,
    sendmail_peers,
    sendmail_room,
    sendmail_sending,
    sendmail_service,
    sendmail_start,
    sendmail_switches,
)
from .finding import AUDIT001, Code, unchecked
from .host import Host
from .proofs import proving

Check = Callable[[Host], Iterator[Finding]]

_PERMISSIONS: tuple[Check, ...] = (
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
    kerberos.rights,
)
_CERTIFICATES: tuple[Check, ...] = (
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
    crls.ahead,
    crls.handed_out,
    crls.missing,
    crls.stale,
    certificates.sent,
    certificates.public,
    certificates.recorded,
)
_ACCOUNTS: tuple[Check, ...] = (
    accounts.readable,
    accounts.backend,
    accounts.copies,
    accounts.orphan_records,
    accounts.each,
    accounts.outdated,
    accounts.free_space,
    accounts.readers,
    sasl_conf.places,
    sasl_conf.well_formed,
    sasl_conf.methods,
    sasl_conf.engines,
    sasl_conf.databases,
    sasl_conf.plugins,
    sasl_conf.offers,
    sasl_conf.unserved,
    saslauthd.listens,
    saslauthd.reachable,
    kerberos.keytabs,
    kerberos.names,
)
_OF_SENDMAIL: tuple[Check, ...] = (
    sendmail_switches.modifiers,
    sendmail_switches.wrapped,
    sendmail_switches.features,
    sendmail_switches.client,
    sendmail_switches.client_rules,
    sendmail_switches.hooks,
    sendmail_switches.open_relay,
    sendmail_switches.left,
    sendmail_peers.demands,
    sendmail_peers.session,
    sendmail_peers.submissions,
    sendmail_ciphers.lists,
    sendmail_ciphers.level,
    sendmail_ciphers.engine,
    sendmail_filters.filters,
    sendmail_access.refused,
    sendmail_access.asked,
    sendmail_service.realm,
    sendmail_service.listens,
    sendmail_service.kept,
    sendmail_service.kept_by_port,
    sendmail_service.user,
    sendmail_room.room,
    sendmail_limits.connections,
    sendmail_limits.counted,
    sendmail_start.starts,
    sendmail_sending.sends,
    sendmail_sending.leaves,
    sendmail_client.past,
)
_OF_POSTFIX: tuple[Check, ...] = (
    postfix.server,
    postfix.offered,
    postfix.withheld,
    postfix.restrictions,
    postfix.open_relay,
    postfix.certificates,
    postfix.fingerprints,
    postfix.mechanisms,
    postfix.backend,
    postfix.tables,
    postfix_client.client,
    postfix_client.logs_in,
    postfix_client.verifies,
    postfix.wrapped,
    postfix.protocols,
    postfix_ciphers.ciphers,
    postfix_ciphers.names,
    postfix_ciphers.asked,
    postfix_ciphers.demands,
    postfix_filters.milters,
    postfix_filters.filters,
    postfix_filters.commands,
    postfix_filters.proxied,
    postfix_services.random_numbers,
    postfix_services.digests,
    postfix_services.levels,
    postfix_services.certified,
    postfix_services.running,
    postfix_services.screened,
    postfix_senders.claimed,
    postfix_senders.everywhere,
    postfix_senders.recipients,
    postfix_senders.owners,
    postfix_past.past,
    postfix_past.neighbours,
    postfix_unread.unread,
    postfix_unread.nowhere,
    postfix_unread.instances,
    postfix_missing.gone,
    postfix_types.typed,
    postfix_everything.ours,
    postfix_limits.limits,
    postfix_addresses.bound,
    postfix_values.readable,
    postfix_values.room,
    postfix_values.soft,
)
_OF_EXIM: tuple[Check, ...] = (
    exim.offered,
    exim.certificates,
    exim_acls.access_lists,
    exim_acls.open_relay,
    exim.wrapped,
    exim.client,
    exim.tls,
    exim.logs_in,
    exim_service.connections,
    exim_service.asked,
    exim_service.files,
    exim_service.routers,
    exim_service.filtered,
    exim_service.kept,
    exim_service.listens,
    exim_service.room,
    exim_transports.leaves,
    exim_transports.past,
)
_OF_DOVECOT: tuple[Check, ...] = (
    dovecot_logins.in_clear,
    dovecot_logins.trusted,
    dovecot_relay.protected,
    dovecot_relay.reached,
    dovecot_submission.reachable,
    dovecot.refuses,
    dovecot.anybody,
    dovecot.undone,
    dovecot_service.denied,
    dovecot_service.passdb_files,
    dovecot_service.judged,
    dovecot_service.one_password,
    dovecot_service.service,
    dovecot_mechanisms.unserved,
)
_PROGRAMS: tuple[Check, ...] = (
    sendmail.authorities,
    sendmail.paths,
    sendmail.digest,
    sendmail.mechanisms,
    sendmail.external,
    sendmail.dead_credentials,
    sendmail.reachable,
    *_OF_SENDMAIL,
    sendmail.fallback,
    sendmail.names,
    sendmail.credentials,
    sendmail.authinfo,
    sendmail.rules,
    sendmail.maps,
    sendmail.no_maps,
    sendmail.compiled,
    others.written,
    further_hubs.others,
    sendmail.running,
    *_OF_POSTFIX,
    others.chroot,
    others.revocation,
    others.chains,
    others.reachable,
    delivery.delivering,
    others.exim,
    *_OF_EXIM,
    *_OF_DOVECOT,
)
CHECKS = (*_PERMISSIONS, *_CERTIFICATES, *_ACCOUNTS, *_PROGRAMS)
"""In the order in which their findings are shown."""
AROUND: Mapping[str, tuple[Check, ...]] = {
    "sendmail": (
        *(sendmail.authorities, sendmail.paths, sendmail.digest, sendmail.fallback, sendmail.no_maps),
        *_OF_SENDMAIL,
    ),
    "postfix": (*_OF_POSTFIX, permissions.readers),
    "exim": (*_OF_EXIM, permissions.readers),
    "dovecot": _OF_DOVECOT,
}
"""By family: the checks of settings around ours, which ``mta check`` makes too."""
_OF_PAIRS = (certificates.belongs, certificates.dates, certificates.revoked, crls.current)
"""Those of what its files name, which it makes as well."""
_REMOTE: tuple[Check, ...] = (crls.handed_out,)
"""Asks other hosts, which a screen that is drawn every minute does not."""

_ROOMS = (
    *(
        finding,
        permissions,
        certificates,
        crls,
        accounts,
        sasl_conf,
        kerberos,
        sendmail,
        sendmail_switches,
        sendmail_peers,
        sendmail_ciphers,
        sendmail_filters,
        sendmail_access,
        sendmail_room,
        sendmail_limits,
        sendmail_service,
        sendmail_client,
        sendmail_sending,
        sendmail_start,
    ),
    *(postfix, postfix_ciphers, postfix_client, postfix_filters, postfix_senders, postfix_services),
    *(postfix_missing, postfix_past, postfix_types, postfix_everything, postfix_limits, postfix_addresses),
    postfix_unread,
    postfix_values,
    *(
        exim,
        exim_acls,
        exim_service,
        exim_transports,
        dovecot,
        dovecot_logins,
        dovecot_relay,
        dovecot_service,
        dovecot_submission,
        others,
        further_hubs,
        delivery,
        saslauthd,
    ),
)
_FAMILIES = ("AUDIT", "PERM", "CERT", "SASL", "MTA")


def _codes_of_all() -> dict[str, Code]:
    found = {code for room in _ROOMS for code in vars(room).values() if isinstance(code, Code)}
    return {code.name: code for code in sorted(found, key=_place)}


def _place(code: Code) -> tuple[int, str]:
    return _FAMILIES.index(code.name.rstrip("0123456789")), code.name


CODES = _codes_of_all()
"""Each row stands beside its check; here they are by name, in the order of the manual page."""


@dataclass(frozen=True)
class CodeSelection:
    """Which codes are asked for: those of ``only``, or all; without those of ``ignore``."""

    only: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()

    def takes(self, finding: Finding) -> bool:
        """Tell whether a finding is asked for; what could not be looked at might have been one that is."""
        wanted = self.only and self.only | {AUDIT001.name}
        return finding.code not in self.ignore and (not wanted or finding.code in wanted)


EVERY_CODE = CodeSelection()


def choice(only: Collection[str], ignore: Collection[str]) -> CodeSelection:
    """Parse codes as typed; upper and lower case are the same, and a family stands for its codes."""
    return CodeSelection(_codes(only), _codes(ignore))


def audit(site: Site, wanted: CodeSelection = EVERY_CODE) -> list[Finding]:
    """Return what is wrong, each thing once, in the order of the checks.

    What one check can't look at is a finding of its own, and the others go on.
    """
    return [finding for finding in look(Host(site), CHECKS) if wanted.takes(finding)]


def look(host: Host, checks: Collection[Check] = CHECKS) -> list[Finding]:
    """Return what these checks find on a host."""
    proofs = proving(host) if certificates.closes in checks else nullcontext()
    with sharing(host.site), proofs:
        found = [finding for check in counted(checks, len(checks)) for finding in _run(check, host)]
    found += map(unchecked, host.unread)
    return [_typed(host, finding) for finding in dict.fromkeys(found)]


def _typed(host: Host, finding: Finding) -> Finding:
    cure = host.site.system.typed(finding.cure)
    return finding if cure == finding.cure else replace(finding, cure=cure)


def around(site: Site, program: Program, port: int) -> list[Finding]:
    """Return what a mail program's configuration does to ours; client hosts come to a hub at this port."""
    host = Host(site, typed_port=port) if program.ROLE is Role.HUB else Host(site, typed_hub_port=port)
    found = look(host, AROUND.get(program.FAMILY, ()))
    return found if program.FAMILY not in AROUND else [*_of_pairs(host, program.FAMILY), *found]


def _of_pairs(host: Host, family: str) -> list[Finding]:
    """Return why others refuse the certificates that a mail program has, or it refuses theirs, by the CRL."""
    uses = [use for use in host.uses if use.program == family]
    shown = {host.path(path) for use in uses for path in use.certificates}
    directories = {os.path.dirname(host.path(use.crl_file)) for use in uses if use.crl_file}
    return [
        finding
        for finding in filter(_is_fault, look(host, _OF_PAIRS))
        if finding.subject in shown or os.path.dirname(finding.subject) in directories
    ]


def faults(host: Host) -> list[Finding]:
    """Return what no screen may call well: every error that is seen here, and what could not be looked at."""
    return [finding for finding in look(host, _local(CHECKS)) if _is_fault(finding)]


def certificate_faults(site: Site) -> list[Finding]:
    """Return the same of certificates and CRLs alone, which ``cert renew --due`` answers for."""
    return [finding for finding in look(Host(site), _local(_CERTIFICATES)) if _is_fault(finding)]


def _local(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check not in _REMOTE]


def _is_fault(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR or finding.code == AUDIT001.name


def fix(work: Transaction, wanted: CodeSelection = EVERY_CODE) -> int:
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
            work.record("audit fix", number_of(done, "repair"))
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
            near = nearest(name, CODES)
            hint = f"did you mean {near}?" if near else "man smtpcreds-audit lists them"
            raise UsageError(text, "is not a code of the audit", hint)
        found |= matching
    return frozenset(found)
