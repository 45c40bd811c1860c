"""``smtpcreds mta apply``."""

from typing import Any

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import asked, program_options
from .remaining import remaining_lines, remaining_row


@click.command(cls=Verb)
@program_options
@click.option("--run", is_flag=True, help="Run the commands that make the files effective.")
@click.option(
    "--force", is_flag=True, help="Replace files that smtpcreds did not write, or that were edited."
)
@pass_session
def apply(session: Session, /, run: bool, force: bool, **options: Any) -> None:
    """Write the files of PROGRAM where it looks for them.

    Files that are right already are left alone, and so are those of others.
    """
    from ...deploy.place import apply as carry_out

    site, program, facts = asked(session, **options)
    applied = session.run(site, lambda work: carry_out(work, program, facts, force=force, run=run))
    if applied is None:
        return
    usage = program.work(facts).usage
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "changed": any(written for _, written in applied.files),
            "files": [{"path": path, "written": written} for path, written in applied.files],
            "ran": applied.ran,
            **remaining_row(applied.includes, applied.commands, usage),
        },
        [
            f"{program.NAME}: files for {facts.host}",
            *(
                f"  {session.described(p)}{'' if written else '  (unchanged)'}"
                for p, written in applied.files
            ),
            *(f"ran: {command}" for command in applied.ran),
            *remaining_lines(applied.includes, applied.commands, usage, "then run, or let --run do it:"),
        ],
    )
