"""``smtpcreds inventory check``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session


@click.command(cls=Verb)
@pass_session
def check(session: Session) -> None:
    """Find where inventory and disk disagree; each line ends with the command that cures it.

    The exit status is 1 if anything was found.
    """
    from ...authority.check import findings

    found = findings(session.site())
    rows = [{"subject": f.subject, "fault": f.fault, "cure": f.cure} for f in found]
    session.show({"findings": rows}, map(str, found) if found else ["inventory and disk agree"])
    if found:
        raise click.exceptions.Exit(1)
