"""A host of the lab whose administrator types commands of smtpcreds and adds the lines that these print."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab import Host, LabError

TOP = Path(__file__).parent.parent
HUB = "dmzmail.polkatistas.org"
CLIENT = "attic.polkatistas.org"
ACCOUNT = "maildroid"
SENDER = f"polkafan@{CLIENT}"
FOREIGN = "accordion@example.net"
CONFIGURATION = f'domain = "polkatistas.org"\nhub = "{HUB}"\n'

PLACES = {
    "above the first 'begin'": r"(?=^begin |\Z)",
    "as the first line of the list that acl_smtp_rcpt names": r"(?<=^acl_check_rcpt:\n)",
    "below 'begin transports'": r"(?<=^begin transports\n)",
    "below 'begin authenticators', in place of those with the same public_name": (
        r"(?:(?<=^begin authenticators\n)|\Z)"
    ),
    "below 'begin routers', above the router for the mail of other hosts": r"(?<=^begin routers\n)",
    "": r"\Z",
}
"""What an administrator makes of the words."""

STOCK_CLIENTS = re.compile(r"^cram_md5:\n.*?(?=^#####|\Z)", re.MULTILINE | re.DOTALL)
"""Debian's client authenticators cram_md5, plain and login."""


def added(text: str, lines: list[str], where: str) -> str:
    """Return a configuration file with the lines where the words say."""
    if "in place of" in where:
        text = STOCK_CLIENTS.sub("", text)
    new = "".join(f"{line}\n" for line in lines)
    return re.sub(PLACES[where], lambda _: new, text, count=1, flags=re.MULTILINE)


class Desk:
    """Commands typed on one host."""

    def __init__(self, host: Host, more: str = "") -> None:
        self.host = host
        host.run(("mkdir", "-p", "/etc/smtpcreds"))
        host.write("/etc/smtpcreds/smtpcreds.toml", CONFIGURATION + more)

    def __call__(self, *words: str, stdin: str = "") -> str:
        path = ("env", f"PYTHONPATH={TOP}", sys.executable, "-m", "smtpcreds")
        return self.host.run((*path, *words), stdin=stdin)

    def refused(self, *words: str, stdin: str = "") -> str:
        with pytest.raises(LabError) as refusal:
            self(*words, stdin=stdin)
        return str(refusal.value)

    def apply(self, program: str, *options: str, stdin: str = "") -> Any:
        """Write the files, and add the lines that are missing as the words say."""
        done = json.loads(self("--json", "mta", "apply", program, *options, stdin=stdin))
        for include in done["include"]:
            path = self.host.path(include["file"])
            text = path.read_text() if path.exists() else ""
            path.write_text(added(text, include["lines"], include["where"]))
        return done


def carry(source: Host, path: str, target: Host, to: str) -> None:
    """Copy files between hosts with owners and modes; a source may end in ``/.``."""
    subprocess.run(("cp", "-a", f"{source.path('/')}{path}", f"{target.path('/')}{to}"), check=True)


def issue(hub: Desk, client: Desk, name: str = CLIENT) -> None:
    """Give a client host its certificate."""
    hub("cert", "issue", name, "--to", f"/var/lib/{name}")
    client.host.run(("sh", "-c", "mkdir -p -m 700 /etc/mail/certs"))
    carry(hub.host, f"/var/lib/{name}/.", client.host, "/etc/mail/certs")
