"""MTA: what smtpcreds wrote for mail programs, and what Postfix, Exim and Dovecot say of TLS and AUTH."""

import os
import re
from collections.abc import Iterator, Sequence

from ..ca.layout import has_inventory, is_client_host, reading
from ..config import Site
from ..deploy.check import WRONG, applying, is_to_edit, missing_includes, stale, undone, unmet
from ..deploy.facts import as_applied
from ..deploy.files import FileStatus, Status, digests, file_statuses_of, wanted_text
from ..deploy.options import applied_options, applied_programs
from ..errors import SmtpcredsError, UsageError
from ..files import exists
from ..inventory.inventory import Inventory
from ..model import Finding
from ..mta import exim as mta_exim
from ..mta import placed
from ..mta import postfix as mta_postfix
from ..mta.program import Facts, Program, Role, is_secret
from ..mta.programs import PROGRAMS
from ..postgres import is_url
from ..shell import quote
from . import exim as exim_settings
from .finding import Code, unchecked
from .host import MAIN_CF, MASTER_CF, Host
from .permissions import PERM013, PERM017, Rule, configuration_files, judge, secrets
from .postfix_scopes import servers
from .sasl_conf import confs

_FAULTS = {
    **{status: WRONG[status] for status in (Status.OUTDATED, Status.EDITED)},
    Status.MISSING: "was written by smtpcreds and is gone",
}
_SHOWN = 3
"""Lines that lack, of which Postfix has ten."""
_AGE = "is older than"
"""MTA008 says so of every sendmail.cf, and MTA007 of maps."""
_RELOAD = "postfix reload"
_RESTRICTIONS = (
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_client_restrictions",
)
_IN_TLS = ("tls_in_cipher", "tls_cipher")
_VERIFIED = "tls_in_certificate_verified"


def written(host: Host) -> Iterator[Finding]:
    """Each file that was written is still what would be written, and what a bundle brought is in force."""
    applied: list[Program] = []
    if has_inventory(host.site):
        with reading(host.site) as inventory:
            applied = applied_programs(inventory)
            for program in applied:
                yield from _of_program(host, program, inventory)
    if is_client_host(host.site):
        for program in PROGRAMS.values():
            if program.ROLE is Role.CLIENT and program not in applied:
                yield from _brought(host, program)


def _brought(host: Host, program: Program) -> Iterator[Finding]:
    """Look at what ``tar`` unpacked, which is known by its content alone, for nothing recorded it."""
    site = host.site
    if not any(exists(site.path(path)) for path in placed.secret_files(program, site.system)):
        return
    try:
        facts = as_applied(site, program)
        found = file_statuses_of(site, placed.render(program, facts), None)
    except SmtpcredsError:
        return  # the file of another, with another account or for another hub
    if all(standing.status is Status.CURRENT for standing in found):
        yield from _in_force(host, program, facts, f"smtpcreds mta apply {program.NAME} --run")


def _of_program(host: Host, program: Program, inventory: Inventory) -> Iterator[Finding]:
    site = host.site
    try:
        facts = as_applied(site, program)
        standings = file_statuses_of(site, placed.render(program, facts), inventory)
    except UsageError:
        return  # for another role than that of this host: the inventory is shared
    except SmtpcredsError as error:
        yield unchecked(error)
        return
    known = [s for s in standings if digests(site, inventory, s.path)]
    for standing in known:
        if standing.status in _FAULTS:
            yield _finding(site, program, facts, standing)
        yield from _with_excess(host, program, facts, standing)
    if known and not any(s.status is Status.OUTDATED for s in known):
        force = " --force" * any(s.status is Status.EDITED for s in known)
        yield from _in_force(host, program, facts, f"smtpcreds mta apply {program.NAME} --run{force}")


MTA017 = Code.error(
    "MTA017",
    "settings of smtpcreds that are not in force: the mail program's own configuration does not include "
    "them, or sendmail.cf does not say what they say",
)


def _in_force(host: Host, program: Program, facts: Facts, apply: str) -> Iterator[Finding]:
    """Look at the compiled file, where there is one: settings that are not there were not included.

    Not asked where files are to be written anew, for what is in force can be what they say now.
    """
    tasks = placed.work(program, facts)
    edit = f"smtpcreds mta apply {program.NAME} --edit --run"
    is_here = any(os.path.exists(host.path(include.path)) for include in tasks.includes)
    lacking = [i for i in missing_includes(host.site, tasks) if i.lines and is_here]
    for path in dict.fromkeys(include.path for include in lacking):
        lines = [line for include in lacking if include.path == path for line in include.lines]
        cure = f"{edit}, or by hand: smtpcreds mta check {program.NAME}"
        more = f"; and {len(lines) - _SHOWN} lines more" if len(lines) > _SHOWN else ""
        yield MTA017.found(host.path(path), f"lacks {'; '.join(lines[:_SHOWN])}{more}", cure)
    for finding in unmet(host.site, (one for one in tasks.premises if not one.has_code), edit):
        yield MTA017.found(finding.subject, finding.message, finding.cure)
    for path, fault in stale(host.site, tasks):
        if os.path.exists(path) and _AGE not in fault:
            again = edit if lacking or is_to_edit(host.site, tasks) else apply
            yield MTA017.found(path, fault, " && ".join((*undone(host.site, tasks), again)))


MTA009 = Code.warning(
    "MTA009",
    "a file of smtpcreds that was edited, is gone, or would be written differently today, to another owner "
    "or with fewer rights",
)


def _with_excess(host: Host, program: Program, facts: Facts, standing: FileStatus) -> Iterator[Finding]:
    """Tell owner and mode that are not as written, but for what other checks say of some files."""
    rendered, path = standing.rendered, standing.path
    if not standing.excess:
        return
    is_own = is_secret(wanted_text(rendered))
    excess = 0o777 & ~rendered.mode if is_own else 0o022
    effect = "who reads it can log in" if is_own else "who writes it decides what the mail program does"
    judged = list(judge(path, Rule(PERM013 if is_own else PERM017, excess, host.owners, effect)))
    yield from () if path in {*secrets(host), *configuration_files(host)} else judged
    if not judged:
        cure = applying(host.site, program, placed.work(program, facts))
        yield from (MTA009.found(path, fault, cure) for fault in standing.excess)


def _finding(site: Site, program: Program, facts: Facts, standing: FileStatus) -> Finding:
    """Of options that no ``mta apply`` was given, or one that did not remember them, the cure reminds."""
    force = " --force" if standing.status is Status.EDITED else ""
    apply = applying(site, program, placed.work(program, facts))
    cure = f"smtpcreds mta diff {program.NAME}; {apply}{force}"
    if standing.status is Status.OUTDATED and not applied_options(site, program):
        cure += ", with the options that it was made with"
    return MTA009.found(standing.path, _FAULTS[standing.status], cure)


MTA104 = Code.error(
    "MTA104",
    "an smtpd that runs in a chroot, while the account database lies outside; every login fails, and "
    "nothing is logged",
)


def chroot(host: Host) -> Iterator[Finding]:
    """An smtpd inside the queue directory finds the accounts there, or none."""
    main = host.postfix
    if main is None or main.value("smtpd_sasl_type") != "cyrus":
        return
    asked = [s.service for s in servers(host) if s.conf.is_on("smtpd_sasl_auth_enable")]
    inside = [service for service in asked if service and service.chroot]
    for conf in confs(host) if inside else ():
        database = conf.settings.get("sasldb_path", host.site.system.sasldb)
        jail = main.value("queue_directory")
        here = conf.program == "postfix" and "sasldb" in conf.backends
        if here and not os.path.exists(host.path(jail + database)):
            reason = f"runs smtpd in the chroot {jail}, where there is no {database}, so every login fails"
            is_copied = jail + database in host.site.settings.sasl.copies
            leave = [f"postconf -F {quote(service.name)}/{service.kind}/chroot=n" for service in inside]
            copied = _copied(host.site.sasldb, host.path(jail + database)) if is_copied else ""
            cure = copied or " && ".join([*leave, _RELOAD])
            yield MTA104.found(host.path(MASTER_CF), reason, cure)


def _copied(database: str, copy: str) -> str:
    """Return how a copy of the accounts comes about, whoever wrote smtpd.conf."""
    directory = os.path.dirname(copy)
    made = [] if os.path.isdir(directory) else [f"mkdir -p {quote(directory)}"]
    copied = f"cp -p {quote(database)} {quote(copy)}"
    return "" if is_url(database) else " && ".join((*made, copied))


MTA106 = Code.warning(
    "MTA106",
    "Postfix lets client certificates relay, and reads no CRL: a revoked one still relays",
)


def revocation(host: Host) -> Iterator[Finding]:
    """Postfix reads no CRL, so a certificate that is trusted by its chain is trusted for ever."""
    main = host.postfix
    asked = main and any("permit_tls_all_clientcerts" in main.words(name) for name in _RESTRICTIONS)
    if asked:
        reason = "lets every certificate of the CA relay (permit_tls_all_clientcerts), also a revoked one"
        cure = "list fingerprints in relay_clientcerts, with permit_tls_clientcerts"
        yield MTA106.found(host.path(MAIN_CF), reason, cure)


MTA108 = Code.error(
    "MTA108",
    "the key comes after the certificate in smtpd_tls_chain_files, or the numbers differ",
)


def chains(host: Host) -> Iterator[Finding]:
    """In smtpd_tls_chain_files each key stands before its certificate."""
    main = host.postfix
    for name in ("smtpd_tls_chain_files", "smtp_tls_chain_files") if main else ():
        files = main.words(name) if main else ()
        kinds = [_kind(host, file) for file in files]
        if files and not _alternates(kinds):
            reason = f"has {name} in which a certificate comes before its key"
            yield MTA108.found(host.path(MAIN_CF), reason, _in_turn(name, files, kinds))


MTA120 = Code.error(
    "MTA120",
    "a hub whose Postfix listens on the loopback interface only; no client host reaches it",
)
MTA220 = Code.error(
    "MTA220",
    "a hub whose Exim listens on 127.0.0.1 alone, as Debian's package configures it; no client host reaches "
    "it",
)


def reachable(host: Host) -> Iterator[Finding]:
    """The daemon of a hub listens for other hosts."""
    main = host.postfix
    if main and main.is_on("smtpd_sasl_auth_enable"):
        value = main.value("inet_interfaces")
        if mta_postfix.is_closed(value):
            reason = f"says inet_interfaces = {value}, so no client host reaches Postfix"
            yield MTA120.found(host.path(MAIN_CF), reason, host.said(mta_postfix.OPEN))
    value = mta_exim.closed_interfaces(host.text(mta_exim.ANSWERS) or "")
    named = host.exim[1].authenticators.values() if host.exim else ()
    if value and any(name.startswith("server_") for options in named for name in options):
        reason = f"says dc_local_interfaces='{value}', so no client host reaches Exim"
        yield MTA220.found(host.path(mta_exim.ANSWERS), reason, _answered(host))


def _answered(host: Host) -> str:
    cure = mta_exim.answered("dc_local_interfaces", "", mta_exim.RESTART)
    return cure.replace(mta_exim.ANSWERS, quote(host.path(mta_exim.ANSWERS)))


def _kind(host: Host, file: str) -> str:
    content = host.content(host.path(file)) or b""
    key, certificate = content.find(b"PRIVATE KEY-----"), content.find(b"-----BEGIN CERTIFICATE")
    if key >= 0 and certificate >= 0:
        return "both" if key < certificate else "reversed"
    return "key" if key >= 0 else "certificate"


def _in_turn(name: str, files: Sequence[str], kinds: list[str]) -> str:
    """Return how each key comes before its certificate, where it is sure which belong together."""
    if sorted(kinds) == ["certificate", "key"]:
        first, last = sorted(files, key=lambda file: kinds[files.index(file)] != "key")
        return f"postconf -e {quote(f'{name}={first}, {last}')} && {_RELOAD}"
    return f"name each key before its certificate in {name}, then: {_RELOAD}"


def _alternates(kinds: list[str]) -> bool:
    pairs = zip(kinds[::2], kinds[1::2], strict=False)
    in_turn = len(kinds) % 2 == 0 and all(pair == ("key", "certificate") for pair in pairs)
    return in_turn or all(kind == "both" for kind in kinds)


MTA201 = Code.error("MTA201", "Exim offers PLAIN or LOGIN outside TLS")
MTA202 = Code.error(
    "MTA202",
    "Exim's authenticator external without a check that a certificate was verified; a client without one "
    "ends the process",
)


def exim(host: Host) -> Iterator[Finding]:
    """Authenticators that show a password need TLS, and external a certificate that was verified."""
    if host.exim is None:
        return
    path = host.path(host.exim[0])
    for name, options in host.exim[1].authenticators.items():
        condition = options.get("server_advertise_condition", "")
        mechanism = options.get("public_name", "").upper()
        is_server = any(option.startswith("server_") for option in options)
        if is_server and mechanism in {"PLAIN", "LOGIN"} and not any(word in condition for word in _IN_TLS):
            reason = f"offers {mechanism} ({name}) outside TLS"
            cure = _advertised(host, name, condition, "${if def:tls_in_cipher}")
            yield MTA201.found(path, reason, cure)
        if options.get("driver") == "external" and is_server and _VERIFIED not in condition:
            reason = f"has the authenticator {name} for clients whose certificate was not verified"
            cure = _advertised(host, name, condition, "${if bool{$tls_in_certificate_verified}}")
            yield MTA202.found(path, reason, cure)


def _advertised(host: Host, name: str, before: str, condition: str) -> str:
    """Return how an authenticator comes to be offered under a condition only; one that it has is not lost."""
    line = f"  server_advertise_condition = {condition}"
    if before:
        return exim_settings.cure(host, f"add to the server_advertise_condition of {name}: {condition}")
    return exim_settings.below(host, rf"\s*{re.escape(name)}:\s*$", line)
