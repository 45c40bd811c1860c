"""The files of a fresh host, below whatever the program under test wrote and above the unpacked packages."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = {
    "smmta": 120,
    "smmsp": 121,
    "postfix": 122,
    "postdrop": 123,
    "Debian-exim": 126,
    "dovecot": 127,
    "dovenull": 128,
    "opensmtpd": 124,
    "opensmtpq": 125,
    "postgres": 129,
}
"""System users, each with a group of its own, that the packages' install scripts would have made."""

LOGIN = "polkafan"
"""A login user, with a mailbox; user and group id 1000."""

MASTER = Path("/usr/share/base-passwd")
NOBODY_HOME = "/nonexistent"

FOREIGN = (
    "etc/aliases",
    "etc/dovecot",
    "etc/exim4",
    "etc/dma",
    "etc/krb5.conf",
    "etc/krb5.keytab",
    "etc/krb5kdc",
    "etc/mail",
    "etc/msmtprc",
    "etc/nullmailer",
    "etc/postfix",
    "etc/sasl",
    "etc/sasl2",
    "etc/sasldb2",
    "etc/smtpcreds",
    "etc/smtpd.conf",
    "etc/ssl/smtpcreds",
    "usr/lib/sasl2/Sendmail.conf",
    "var/lib/dovecot",
    "var/lib/exim4",
    "var/lib/krb5kdc",
    "var/lib/postfix",
    "var/lib/postgresql",
    "var/lib/sendmail",
    "var/lib/smtpcreds",
    "var/log/exim4",
    "var/mail",
    "var/spool/exim4",
    "var/spool/dma",
    "var/spool/mqueue",
    "var/spool/mqueue-client",
    "var/spool/nullmailer",
    "var/spool/smtpd",
    "var/spool/postfix",
)
"""What this machine may have for mail of its own, and no host of the lab must see."""


@dataclass(frozen=True)
class Software:
    """A mail program: the packages that bring it, and what their install scripts would have done.

    `lay(unpacked, layer)` gets the directory that holds the unpacked packages, and the one in which it makes
    or copies etc/, usr/, var/ and run/ files with their owners and modes.
    """

    packages: tuple[str, ...]
    lay: Callable[[Path, Path], None]


def directory(path: Path, mode: int = 0o755, user: str = "root", group: str = "root") -> None:
    """Make `path` and its parents with exactly this mode and owner; parents 0755 root."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    path.mkdir(exist_ok=True)
    own(path, mode, user, group)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file with exactly this mode, whatever the umask."""
    path.write_text(text)
    path.chmod(mode)


def own(path: Path, mode: int, user: str = "root", group: str = "root") -> None:
    """Set owner, then mode (a change of owner clears set-id bits); names as the lab knows them."""
    ids = {"root": 0, "adm": 4, "mail": 8, "shadow": 42, **ACCOUNTS}
    os.chown(path, ids[user], ids[group])
    path.chmod(mode)


def basics(layer: Path, name: str) -> None:
    """Fill `layer` with the identity of the host `name`, and with name services that never ask DNS."""
    etc = layer / "etc"
    directory(etc)
    for file, text in _identity(name).items():
        write(etc / file, text)
    own(etc / "shadow", 0o640, "root", "shadow")


def mask(layer: str) -> list[str]:
    """Return the shell commands that fill the directory `layer` with whiteouts of `FOREIGN`.

    They must run where `layer` is on a file system that can hold whiteouts; an overlay cannot.
    """
    parents = sorted({f"{layer}/{name.rpartition('/')[0]}" for name in FOREIGN})
    return [f"mkdir -p {' '.join(parents)}", *(f"mknod {layer}/{name} c 0 0" for name in FOREIGN)]


def _identity(name: str) -> dict[str, str]:
    passwd = (MASTER / "passwd.master").read_text().replace(":*:", ":x:")
    passwd += "".join(f"{who}:x:{n}:{n}::{NOBODY_HOME}:/usr/sbin/nologin\n" for who, n in ACCOUNTS.items())
    passwd += f"{LOGIN}:x:1000:1000::{NOBODY_HOME}:/bin/sh\n"
    group = (MASTER / "group.master").read_text().replace(":*:", ":x:")
    group += "".join(f"{who}:x:{n}:\n" for who, n in ACCOUNTS.items()) + f"{LOGIN}:x:1000:\n"
    users = [line.split(":")[0] for line in passwd.splitlines()]
    databases = ("passwd", "group", "shadow", "hosts", "networks", "protocols", "services")
    return {
        "passwd": passwd,
        "group": group,
        "shadow": "".join(f"{user}:*:19000:0:99999:7:::\n" for user in users),
        "hosts": "",
        "hostname": name.partition(".")[0] + "\n",
        "mailname": name + "\n",
        "resolv.conf": "",
        "nsswitch.conf": "".join(f"{database}: files\n" for database in databases),
    }
