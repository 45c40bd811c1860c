"""``smtpcreds tlsa``: DANE; ``tlsa HOST`` means ``tlsa show HOST``."""

import click

from ..lazy import LazyGroup


class _Hosts(LazyGroup):
    """Verbs; a word that is none of them is a host to show."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        named = args and (args[0] in self.table or args[0].startswith("-"))
        return super().resolve_command(ctx, args if named else ["show", *args])


tlsa = _Hosts(
    "tlsa",
    help="TLSA records (DANE), and new keys for them; tlsa HOST means tlsa show HOST.",
    table={
        "show": ("tlsa.show", "show", "Print the records of a host as lines of its zone."),
        "plan": ("tlsa.rollover", "plan", "Tell how far a new key is, and what comes next."),
        "next": ("tlsa.rollover", "next_", "Make the next key, and print both records."),
        "switch": ("tlsa.rollover", "switch", "Renew the certificate with the next key."),
        "retire": ("tlsa.rollover", "retire", "Forget the old key, and print the records without it."),
        "texts": ("tlsa.show", "texts", "Tell about MTA-STS and TLS reporting."),
    },
    no_args_is_help=True,
)
