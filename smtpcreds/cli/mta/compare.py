"""``smtpcreds mta diff`` and ``check``; their answer "no" is exit status 1."""

from typing import Any

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import asked, program_options


@click.command(cls=Verb)
@program_options
@pass_session
def diff(session: Session, /, **options: Any) -> None:
    """Show how the files of PROGRAM on disk would change, as a unified diff without secrets.

    In a file with secrets, lines that are not ours are not shown. The exit status is 1 if anything differs.
    """
    from ...deploy.comparison import differences
    from ...deploy.standing import standings

    site, program, facts = asked(session, **options)
    found = differences(standings(site, program, facts))
    session.show(
        {
            "program": program.NAME,
            "different": bool(found),
            "files": [{"path": d.path, "status": d.status.value, "diff": d.lines} for d in found],
        },
        (line for difference in found for line in difference.lines),
    )
    if found:
        raise click.exceptions.Exit(1)


@click.command(cls=Verb)
@program_options
@pass_session
def check(session: Session, /, **options: Any) -> None:
    """Check that the files of PROGRAM are what they should be, included, and effective.

    The exit status is 1 if anything is wrong.
    """
    from ...deploy.inspection import inspect
    from ...deploy.standing import standings

    site, program, facts = asked(session, **options)
    found = inspect(site, program, facts, standings(site, program, facts))
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "ok": not found,
            "findings": [{"path": f.path, "what": f.what, "hint": f.hint} for f in found],
        },
        [line for f in found for line in (f"BAD  {f.path} {f.what}", f"     {f.hint}")]
        or [f"ok   {program.NAME} on {facts.host}"],
    )
    if found:
        raise click.exceptions.Exit(1)
