"""Options that several verbs of ``sasl`` take, each declared once."""

from collections.abc import Callable
from typing import Any

import click

from ...mechanisms import SCRAM

FORMATS = ("bdb", "gdbm", "lmdb")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _together(*options: Decorator) -> Decorator:
    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


realm_option = click.option(
    "--realm", metavar="REALM", help="Realm of a bare NAME; default: the relay's own name."
)
database_option = click.option(
    "--database", metavar="FILE", help="Work on FILE or a URL, not on the configured database."
)
account_options = _together(click.argument("name", metavar="NAME[@REALM]"), realm_option, database_option)
"""Of a verb for one account, which takes ``name``, ``realm`` and ``database``."""
target_options = _together(
    click.option("--to", "target", metavar="FILE", help="Write FILE; default: standard output."),
    click.option("--force", is_flag=True, help="Replace a FILE with other content."),
)
password_option = click.option(
    "--password",
    metavar="SOURCE",
    help="Where the new secret comes from; default: generate it.",
)
GENERATED = "generate:"
clear_option = click.option("--clear", is_flag=True, help="Store clear text, even if NAME is hashed.")
storing_options = _together(
    click.option("--hashed", is_flag=True, help="Store verifiers only, no clear text."),
    click.option(
        "--scram",
        type=click.Choice(SCRAM[::-1]),
        metavar="M",
        help="The SCRAM mechanism of --hashed; default: SCRAM-SHA-256.",
    ),
    click.option(
        "--iterations",
        type=click.IntRange(4096, 65536),
        metavar="N",
        help="Iterations of SCRAM, 4096 (default) to 65536.",
    ),
    click.option(
        "--also",
        multiple=True,
        type=click.Choice(["CRAM-MD5", "DIGEST-MD5", "PLAIN"], case_sensitive=False),
        metavar="M",
        help="A verifier for CRAM-MD5, DIGEST-MD5 or PLAIN too.",
    ),
    click.option(
        "--keep", metavar="PLACE", help="Keep the secret in keyring:SERVICE/NAME or in a new file:PATH."
    ),
    click.option(
        "--auth-info", metavar="FILE", help="Write the secret to FILE as default-auth-info, mode 0600."
    ),
    click.option("--force", is_flag=True, help="Replace a FILE of --auth-info with other content."),
)
"""How a secret is stored and where it goes; a verb takes them as ``**storing``."""
