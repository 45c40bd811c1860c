"""Debian's Dovecot on a host of the lab."""

import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, write
from lab.process import PATIENCE, LabError

CONFIGURATION = "/etc/dovecot/dovecot.conf"
LOCAL = "/etc/dovecot/local.conf"
SKELETON = """\
protocols =
ssl = no
log_path = syslog
auth_verbose = yes
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
!include_try local.conf
"""
"""No login services, and no delay after failures."""

DIRECTORIES = (
    ("etc/dovecot", 0o755, "root", "root"),
    ("var/lib/dovecot", 0o755, "root", "root"),
    ("run/dovecot", 0o755, "root", "root"),
)


def lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the package do, with a configuration for accounts only."""
    for name, mode, user, group in DIRECTORIES:
        directory(layer / name, mode, user, group)
    write(layer / CONFIGURATION.lstrip("/"), version_lines(unpacked) + SKELETON)


def version_lines(unpacked: Path) -> str:
    """Return the lines that have to come first since 2.4, as the package has them."""
    places = (tree / "usr/share/dovecot/dovecot.conf" for tree in (unpacked, Path("/")))
    stock = next(path.read_text() for path in places if path.exists())
    return "".join(re.findall(r"^dovecot_\w+_version = .*\n", stock, re.MULTILINE))


DOVECOT = Software(("dovecot-core",), lay)
ANSWERS = (
    "auth succeeded",
    "auth failed",
    "internal auth failure",  # no passdb is asked
    "SASL mechanism 'PLAIN' not supported",  # by 2.4, where 2.3 refuses the login
)


class Dovecot:
    """The daemon of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def start(self, socket: str) -> None:
        """Start the daemon, and wait for the listener that mail servers ask."""
        self.host.run(("mkdir", "-p", str(Path(socket).parent)))
        # The daemon keeps the outputs that it inherits; what it has to say goes to syslog.
        self.host.run(("sh", "-c", "/usr/sbin/dovecot > /dev/null 2>&1"))
        deadline = time.monotonic() + PATIENCE
        while not self.host.path(socket).exists():
            if time.monotonic() > deadline:
                raise LabError(f"no {socket}; log:\n" + "\n".join(self.host.log.lines))
            time.sleep(0.01)

    def lets_in(self, socket: str, login: str, secret: str) -> bool:
        """Ask the running daemon by PLAIN, as a mail server inside TLS does."""
        words = ("doveadm", "auth", "test", "-a", socket, "-x", "service=smtp", login, secret)
        done = subprocess.run(self.host.namespace.command(words), capture_output=True, text=True)
        if any(answer in done.stdout + done.stderr for answer in ANSWERS):
            return done.returncode == 0
        raise LabError(f"doveadm auth test: {done.stdout}{done.stderr}")

    def comes_to(self, wanted: Sequence[bool], socket: str, login: str, *secrets: str) -> bool:
        """Tell whether it lets in as wanted with each secret, once it has read what it was told to."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(LabError):
                if [self.lets_in(socket, login, secret) for secret in secrets] == list(wanted):
                    return True
            time.sleep(0.05)
        return False
