"""The root command and the table of everything below it."""

from typing import Any

import click

from .. import __version__
from .lazy import LazyGroup, global_options
from .session import Session

COMMANDS = {
    "setup": ("setup", "setup", "Make a hub ready, or a client host from a bundle."),
    "bundle": ("bundle", "bundle", "Put all that a client host needs into one archive."),
    "status": ("overview", "status", "How everything stands: days left, what is half-way or due."),
    "ca": ("ca", "ca", "The certificate authority."),
    "cert": ("cert", "cert", "Certificates of hosts."),
    "sasl": ("sasl", "sasl", "Relay accounts."),
    "mta": ("mta", "mta", "The files of mail programs."),
    "tlsa": ("tlsa", "tlsa", "TLSA records (DANE), and new keys for them."),
    "audit": ("audit", "audit", "Find what exposes a credential or keeps it from working."),
    "probe": ("probe", "probe", "Try a mail server over a real connection."),
    "inventory": ("inventory", "inventory", "The record of certificates and deeds."),
}

EPILOG = """\b
Start with:
  smtpcreds setup dmzmail.example.org     everything a hub needs, in one go
  smtpcreds --root ./try setup dmzmail.example.org    the same, without touching this host
Manual: man smtpcreds
"""


class Root(LazyGroup):
    """The program itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options(hidden=False)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away ends it without a word.

        click would end the program with status 1, which is an answer of ours.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(0) from None


@click.command(
    cls=Root, table=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="smtpcreds %(version)s")
@click.pass_context
def smtpcreds(ctx: click.Context) -> None:
    """Certificates and SMTP AUTH accounts for mail relays."""
    ctx.ensure_object(Session)
