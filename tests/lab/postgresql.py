"""This machine's PostgreSQL, run on a host of the lab as Debian runs it, with an empty cluster of its own."""

from pathlib import Path

from lab import layer
from lab.host import Host

USER = "postgres"
HOME = "/var/lib/postgresql"
DATA = f"{HOME}/data"
SOCKET = "/run/postgresql"
CONFIGURATION = f"""
unix_socket_directories = '{SOCKET}'
dynamic_shared_memory_type = mmap
fsync = off
"""
"""A host of the lab has no /dev/shm that others than root can write to."""


def programs() -> Path:
    """Return the directory with the programs of the newest server that is installed."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class Postgresql:
    """The server of one host; its superuser is root, who comes through the socket.

    Args:
        host: of the lab.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        for directory in (HOME, SOCKET):
            layer.directory(host.path(directory))
            host.run(("chown", f"{USER}:{USER}", directory))
        self._run("initdb", "--no-sync", "-U", "root", "-A", "peer", "-E", "UTF8", "--locale=C", "-D", DATA)

    def start(self, configuration: str, authentication: str) -> None:
        """Start the server.

        Args:
            configuration: lines of postgresql.conf.
            authentication: lines of pg_hba.conf, in front of those that let in by peer.
        """
        self._add("postgresql.conf", CONFIGURATION + configuration)
        by_peer = self.host.path(f"{DATA}/pg_hba.conf").read_text()
        self.host.path(f"{DATA}/pg_hba.conf").write_text(authentication + by_peer)
        self._run("pg_ctl", "-D", DATA, "-w", "-l", f"{HOME}/log", "start")

    def identify(self, name: str, role: str) -> None:
        """Let who shows a certificate with the common name in as a role, by the map ``hosts``."""
        self._add("pg_ident.conf", f"hosts {name} {role}\n")

    def sql(self, database: str, script: str) -> str:
        """Run statements as the superuser, and return what psql shows of them."""
        words = ("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", SOCKET, "-U", "root", database)
        return self.host.run(words, stdin=script)

    def _add(self, name: str, lines: str) -> None:
        with self.host.path(f"{DATA}/{name}").open("a") as file:
            file.write(lines)

    def _run(self, name: str, *words: str) -> None:
        ids = (f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
        self.host.run(("setpriv", *ids, str(programs() / name), *words))
