"""How what smtpcreds wrote for a mail program is written again, over what somebody made of it."""

import re
from collections.abc import Iterator
from contextlib import suppress

from ..ca.layout import has_inventory, reading
from ..deploy.check import stale, undone
from ..deploy.facts import as_applied
from ..deploy.files import FileStatus, Status, digests, file_statuses_of
from ..deploy.options import applied_programs
from ..errors import SmtpcredsError
from ..mta import placed
from ..mta.program import Program, Work
from ..shell import quote
from .host import Host


def again(host: Host, family: str, otherwise: str, *options: str) -> str:
    """Return the command that makes a mail program say what smtpcreds has for it.

    Args:
        host: where.
        family: of the mail program.
        otherwise: what to say where nothing of ours would change.
        options: of the command, that are new.
    """
    for program, tasks, files in _applied(host):
        if family == program.FAMILY:
            due = any(file.status is not Status.CURRENT for file in files) or stale(host.site, tasks)
            if options or due:
                return _command(host, program, tasks, files, options)
    return otherwise


def written(host: Host, path: str, otherwise: str) -> str:
    """Return the command that writes a file of this disk again; of one that is not ours, ``otherwise``."""
    for program, tasks, files in _applied(host):
        if any(file.path == path for file in files):
            return _command(host, program, tasks, files, ())
    return otherwise


def set_sasl(host: Host, path: str, name: str, value: str) -> str:
    """Return the command by which a configuration of Cyrus SASL says something; ours is written again."""
    lines, said = (host.content(path) or b"").decode(errors="replace").split("\n"), rf"[ \t]*{name}[ \t]*:"
    found = [f"{n}d" for n, line in enumerate(lines, 1) if re.match(said, line, re.IGNORECASE)]
    others = f"sed -i {quote(';'.join(found))} {quote(path)} && " if found else ""
    return written(host, path, f"{others}printf '\\n%s\\n' {quote(f'{name}: {value}')} >> {quote(path)}")


def _command(
    host: Host, program: Program, tasks: Work, files: list[FileStatus], options: tuple[str, ...]
) -> str:
    force = ["--force"] * any(file.status is Status.EDITED for file in files)
    command = " ".join(("smtpcreds mta apply", program.NAME, *options, "--run", *force))
    return " && ".join((*undone(host.site, tasks), command))


def _applied(host: Host) -> Iterator[tuple[Program, Work, list[FileStatus]]]:
    """Yield each program that was applied on this host, with the files that were written for it."""
    site = host.site
    with suppress(SmtpcredsError):
        if not has_inventory(site):
            return
        with reading(site) as inventory:
            for program in applied_programs(inventory):
                facts = as_applied(site, program)
                rendered = placed.render(program, facts)
                files = file_statuses_of(site, rendered, inventory)
                known = [file for file in files if digests(site, inventory, file.path)]
                if known:
                    yield program, placed.work(program, facts), known
