"""A hub with certificates of several ages, and names that would break out of a careless form."""

import sqlite3
from contextlib import closing

from admin import INVENTORY, Admin

HOSTILE = '<script>alert("1")</script>\\n"x"\n</svg>'
CA_NAME = '"Mail" <b>CA \\n'
ACCOUNT = "<img src=x onerror=alert(1)>"


def inhabited(program: Admin) -> Admin:
    """Give a hub client hosts with certificates of 40, 120 and 200 days, and a replacement half-way."""
    for host, days in (("attic", "40"), ("cellar", "120"), ("barn", "200")):
        program("cert", "issue", host, "--client", "--days", days)
    program("sasl", "rotate", "maildroid", "--client", "attic", "--after", "30d")
    return program


def hostile(program: Admin) -> Admin:
    """Put an authority, an account and a host in place whose names are code in other languages."""
    program("ca", "init", "--no-passphrase", "--name", CA_NAME)
    program("cert", "issue", "dmzmail", "attic")
    program("sasl", "add", ACCOUNT)
    with closing(sqlite3.connect(program.path(INVENTORY))) as database, database:
        database.execute("UPDATE certificates SET host = ? WHERE host LIKE 'attic%'", (HOSTILE,))
    return program
