"""``--reload``, of the verbs after which a mail server has to read its files again."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..authority.reload import Hook

reload_option = click.option(
    "--reload",
    metavar="COMMAND",
    help="Run COMMAND, without a shell, when everything is in place and anything changed.",
)

RELOAD = "next: let the mail server read it; Sendmail does on SIGHUP: systemctl reload sendmail"


def reload_hook(command: str | None) -> "Hook | None":
    """Parse the command, before anything is done.

    Raises:
        UsageError, UnavailableError: see :meth:`smtpcreds.authority.reload.Hook.parse`.
    """
    from ..authority.reload import Hook

    return Hook.parse(command) if command else None
