"""Options that several verbs of ``sasl`` take."""

import click

FORMATS = ("bdb", "gdbm", "lmdb")

name_argument = click.argument("name", metavar="NAME[@REALM]")
realm_option = click.option(
    "--realm", metavar="REALM", help="Realm of a bare NAME; default: the relay's own name."
)
database_option = click.option(
    "--database", metavar="FILE", help="Work on FILE or a URL, not on the configured database."
)
password_option = click.option(
    "--password",
    metavar="SOURCE",
    default="generate:",
    help="Where the secret comes from; default: generate it.",
)
