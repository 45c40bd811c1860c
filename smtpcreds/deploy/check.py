"""Whether the files of a mail program are right, readable for it, included, and effective."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..ca.layout import cure_missing
from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..files import exists, read_public
from ..files.rights import User, barrier, way_in
from ..model import Finding, Root, as_finding
from ..mta import placed, sendmail
from ..mta.program import EDITING, Compiled, Facts, File, Include, Need, Premise, Program, Reader, Role, Work
from ..mta.program import octets as with_secrets
from ..mta.sasl_conf import PROGRAMS, parse
from ..shell import quote
from ..systems import System
from . import saslauthd
from .copies import configuration, copy_faults
from .files import FileStatus, Status, are_unrecorded, group_name, groups_of, owner_of
from .keytab import keytab_errors
from .plugins import plugin_errors

# Whether a mail program without privileges can read a file that belongs to others.


def absent_sockets(site: Site, readers: Iterable[Reader]) -> Iterator[Finding]:
    """Yield a finding for each socket where nobody listens; an image or a scratch directory has none."""
    for reader in readers if site.root.is_host else ():
        if reader.is_saslauthd and (why := saslauthd.fault(reader.path)):
            yield Finding(reader.path, why, saslauthd.starting(site, os.path.dirname(reader.path)))


def unreadable(site: Site, readers: Iterable[Reader]) -> Iterator[Finding]:
    """Yield a finding for each file that its reader can't open; a file that is not there can't be judged."""
    for reader in readers:
        path = site.path(reader.path)
        who = _user(site.root, reader.user) if os.path.exists(path) else None
        if who and (closed := barrier(who, path, site.root.prefix.rstrip("/") or "/")):
            hint = way_in(who, closed, path, group_name(site.root, os.stat(closed).st_gid))
            yield Finding(closed, f"is closed to {reader.user}, who must read {path}", hint)


def _user(root: Root, name: str) -> User | None:
    """Return the user by numbers; None where the running user could not give files to it anyhow."""
    who = owner_of(root, name, name)
    return who and User(name, who.uid, frozenset({who.gid, *groups_of(root, name)}))


# Whether the files of a mail program are right, included, and effective.

WRONG = {
    Status.MISSING: "is missing",
    Status.OUTDATED: "is as smtpcreds wrote it once; now it would be different",
    Status.EDITED: "was edited since smtpcreds wrote it",
    Status.FOREIGN: "was not written by smtpcreds",
    Status.SAMPLE: "is the sample of the distribution's package",
}


def inspect(site: Site, program: Program, facts: Facts, standings: list[FileStatus]) -> list[Finding]:
    """Return what is wrong, in the order in which to put it right."""
    apply = f"smtpcreds mta apply {program.NAME}"
    tasks = placed.work(program, facts)
    writing = applying(site, program, tasks)
    missing = list(map(as_finding, input_errors(site, program, facts)))
    missing += lacking_plugins(site, program, facts)
    is_lost = are_unrecorded(standings)
    again = ", with the options that it was made with" if is_lost else ""
    files = [
        finding
        for standing in standings
        for finding in _of_file(program, facts.system, standing, writing, again)
    ]
    includes = [
        Finding(site.path(i.path), "lacks a line" if len(i.lines) == 1 else "lacks lines", added(i))
        for i in missing_includes(site, tasks)
    ]
    why = "is not known to this inventory" if is_lost else "is no longer wanted"
    cure = f"{apply} --edit --run{again}" if is_lost else f"remove it, then {apply} --run"
    includes += [
        Finding(path, f"has a line that {why}: {line}", cure) for path, line in superfluous(site, tasks)
    ]
    edit = f"{apply} --edit --run"
    run = "--edit --run" if is_to_edit(site, tasks) else "--run"
    cure = " && ".join((*undone(site, tasks), f"{apply} {run}"))
    results = [Finding(path, what, cure) for path, what in stale(site, tasks)]
    open_to_it = (*absent_sockets(site, tasks.readers), *unreadable(site, tasks.readers))
    rights = (*_of_copies(site, tasks, writing), *open_to_it)
    return [*missing, *files, *includes, *unmet(site, tasks.premises, edit), *results, *rights]


def applying(site: Site, program: Program, tasks: Work) -> str:
    """Return what writes the files and makes them effective, which is refused while lines lack."""
    run = "" if missing_includes(site, tasks) else " --run"
    return f"smtpcreds mta apply {program.NAME}{run}"


def is_to_edit(site: Site, tasks: Work) -> bool:
    """Tell whether files of the administrator have to change before commands make ours effective."""
    return bool(missing_includes(site, tasks)) or any(True for _ in unmet(site, tasks.premises))


def _of_copies(site: Site, work: Work, apply: str) -> Iterator[Finding]:
    for path, what in copy_faults(site, work.copies):
        yield Finding(path, what, apply)
    for include in configuration(site, work.copies):
        yield Finding(include.path, "lets changes of accounts not reach their copy", added(include))


def unmet(site: Site, premises: Iterable[Premise], edit: str = EDITING) -> Iterator[Finding]:
    """Yield what is not so in files that are none of ours.

    Args:
        site: where.
        premises: what has to be so.
        edit: what to do so that these files are edited.
    """
    for premise in premises:
        path = site.path(premise.path)
        for what, hint in premise.faults_at(path, content_of(path)):
            yield Finding(path, what, hint.replace(EDITING, edit))


def added(include: Include) -> str:
    """Return in words what to add where."""
    where = f" {include.where}" if include.where else ""
    return f"add{where}: {'; '.join(include.text)}"


def input_errors(site: Site, program: Program, facts: Facts) -> Iterator[SmtpcredsError]:
    """Yield what is wrong with files that the program's files refer to and that others make."""
    if Need.PAIR in program.NEEDS:
        yield from _missing_pair(site, facts, is_hub=program.ROLE is Role.HUB)
    if facts.keytab:
        user = PROGRAMS[program.FAMILY].user
        yield from keytab_errors(site, facts.keytab, facts.host, user)


def lacking_plugins(site: Site, program: Program, facts: Facts) -> Iterator[Finding]:
    """Yield the plug-ins of Cyrus SASL that the program's file for it needs and that are not installed."""
    own = PROGRAMS[program.FAMILY].conf if program.FAMILY in PROGRAMS else None
    for item in program.render(facts):
        if isinstance(item, File) and item.path == own:
            yield from map(as_finding, plugin_errors(site, parse(with_secrets(item.content), item.path)))


def _missing_pair(site: Site, facts: Facts, *, is_hub: bool) -> Iterator[MissingInputError]:
    tls = facts.tls
    for path in filter(None, (tls.key, tls.certificate, tls.bundle, tls.crl, tls.all_crls)):
        if not exists(site.path(path)):
            is_list = path in {tls.crl, tls.all_crls}
            who = "a server that reads it" if is_list else facts.host
            reason = f"is missing, so {who} cannot offer TLS"
            cure = cure_missing(site, path, facts.host, is_hub=is_hub)
            yield MissingInputError(site.path(path), reason, cure)


def missing_includes(site: Site, tasks: Work) -> tuple[Include, ...]:
    """Return what the administrator has still to add to files of their own; only the lines that lack."""
    return tuple(
        replace(include, lines=lacking)
        for include in tasks.includes
        if (lacking := lacking_in(content_of(site.path(include.path)), include))
    )


def superfluous(site: Site, tasks: Work) -> Iterator[tuple[str, str]]:
    """Yield path and line of what stands in a fence of ours and is no longer wanted."""
    for include in tasks.includes:
        path = site.path(include.path)
        yield from ((path, line) for line in superfluous_in(content_of(path), include))


def superfluous_in(text: str, include: Include) -> Iterator[str]:
    """Yield the lines in the fence that are no longer wanted."""
    wanted = set(map(_words, include.lines))
    inside = False
    for line in text.splitlines():
        inside = line.rstrip() not in include.fence[1:] and (inside or line.rstrip() in include.fence[:1])
        if inside and line.strip() and not line.startswith("#") and _words(line) not in wanted:
            yield line


def stale(site: Site, tasks: Work) -> list[tuple[str, str]]:
    """Return path and fault of each compiled file that does not say what its sources do."""
    return [fault for result in tasks.compiled for fault in _stale(site, result)]


def _stale(site: Site, result: Compiled) -> Iterator[tuple[str, str]]:
    path = site.path(result.path)
    if not exists(path):
        yield path, "is missing"
        return
    for source in map(site.path, result.sources):
        if os.path.exists(source) and os.stat(source).st_mtime > os.stat(path).st_mtime:
            yield path, f"is older than {source}"
    yield from ((path, fault) for fault in result.faults(content_of(path)))


def redefined(site: Site, tasks: Work, apply: str) -> Iterator[Finding]:
    """Yield each line below ours that defines anew what that says; m4 would say nothing."""
    cure = " && ".join((*undone(site, tasks), apply))
    for result in (result for result in tasks.compiled if result.names):
        for path, number in _undoing(site, result):
            line = content_of(path).splitlines()[number - 1].strip()
            if not line.startswith("TRUST_AUTH_MECH"):
                yield Finding(path, f"defines anew in line {number} what smtpcreds says above: {line}", cure)


def undone(site: Site, tasks: Work) -> tuple[str, ...]:
    """Return the commands that take out what stands below our line and defines anew what that says."""
    found = (line for result in tasks.compiled if result.names for line in _undoing(site, result))
    numbers: dict[str, list[int]] = {}
    for path, number in found:
        numbers.setdefault(path, []).append(number)
    return tuple(
        site.system.typed(f"sed -i {quote(';'.join(f'{number}d' for number in lines))} {quote(path)}")
        for path, lines in numbers.items()
    )


def _undoing(site: Site, result: Compiled) -> Iterator[tuple[str, int]]:
    """Yield path and number of the lines, also of files which lines below ours include."""
    source, fragment = result.sources[:2]
    for number, line in sendmail.undoing(content_of(site.path(source)), fragment, result.names):
        other = sendmail.included_by(line)
        if not other:
            yield site.path(source), number
            continue
        text = f"include(`{fragment}')\n{content_of(site.path(other))}"
        lines = sendmail.undoing(text, fragment, result.names)
        yield from ((site.path(other), n - 1) for n, inner in lines if not sendmail.included_by(inner))


def lacking_in(text: str, include: Include) -> tuple[str, ...]:
    """Return the lines that do not stand in the file, or stand too far down, or have no effect."""
    if include.lacking:
        return include.lacking(text)
    lines = [line.rstrip() for line in text.splitlines()]
    end = next(
        (n for n, line in enumerate(lines) if include.above and line.startswith(include.above)), len(lines)
    )
    present = set(map(_words, lines[:end]))
    return tuple(line for line in include.lines if _words(line) not in present)


def _words(line: str) -> str:
    """Return a line as programs read it, blanks of any number being one."""
    return " ".join(line.split())


def _of_file(
    program: Program, system: System, standing: FileStatus, apply: str, again: str
) -> Iterator[Finding]:
    if standing.status in WRONG:
        force = " --force" if standing.status in {Status.EDITED, Status.FOREIGN} else ""
        yield Finding(
            standing.path, WRONG[standing.status] + _detail(program, system, standing), apply + force + again
        )
    yield from (Finding(standing.path, fault, apply) for fault in standing.excess)


def _detail(program: Program, system: System, standing: FileStatus) -> str:
    """Return which settings differ, by name only: a value may be a secret."""
    wanted = standing.rendered
    if standing.found is None or not isinstance(wanted, File):
        return ""
    ours = placed.parse(program, system, wanted.path, with_secrets(wanted.content))
    try:
        theirs = placed.parse(program, system, wanted.path, standing.found)
    except DataError as error:
        return f" ({error.reason})"
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return f" (differs in {', '.join(names)})" if names else ""


def content_of(path: str) -> str:
    """Return a file of the administrator's; nothing where there is none."""
    try:
        return read_public(path).decode(errors="replace")
    except MissingInputError:
        return ""
