"""``smtpcreds mta list``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session


@click.command("list", cls=Verb)
@pass_session
def list_(session: Session) -> None:
    """List the mail programs, each in one role."""
    from ...mta.programs import PROGRAMS

    programs = PROGRAMS.values()
    width = max(map(len, PROGRAMS))
    session.show(
        {
            "programs": [
                {"name": p.NAME, "role": p.ROLE.value, "title": p.TITLE, "choices": sorted(p.VARIANTS)}
                for p in programs
            ]
        },
        [
            f"{p.NAME:{width}}  {p.TITLE}"
            + (f"; --with {', '.join(sorted(p.VARIANTS))}" if p.VARIANTS else "")
            for p in programs
        ],
    )
