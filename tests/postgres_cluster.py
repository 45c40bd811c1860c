"""A private PostgreSQL: Debian's server, run by an unprivileged user, reached through a socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from lab.postgresql import programs

OWNER = "admin"
"""The role that owns every database of the tests; no superuser."""
_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0777
fsync = off
log_statement = all
log_min_error_statement = debug5
log_parameter_max_length_on_error = -1
"""


@dataclass
class Cluster:
    """A running server; ``log`` is what it wrote, every statement with its parameters."""

    directory: Path
    _numbers: "count[int]" = field(default_factory=count)
    _emptied: str = ""

    @property
    def socket(self) -> str:
        return str(self.directory)

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def url(self, database: str, user: str = OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self.socket}"

    def database(self, options: str = "") -> str:
        """Make an empty database and return its name."""
        name = f"mail{next(self._numbers)}"
        self.run("postgres", f"CREATE DATABASE {name} OWNER {OWNER} {options}")
        return name

    def emptied(self) -> str:
        """Return the name of a database that is always the same, without anything of ours."""
        if not self._emptied:
            self._emptied = self.database()
        self.run(
            self._emptied, "DROP SCHEMA IF EXISTS smtpcreds CASCADE", "DROP TABLE IF EXISTS smtpcreds_sasl"
        )
        return self._emptied

    def accounts(self, database: str) -> dict[bytes, bytes]:
        """Return the records of the table of accounts."""
        rows = self.run(database, "SELECT username, realm, prop, value FROM smtpcreds_sasl")
        return {"\0".join(map(str, row[:3])).encode(): str(row[3]).encode() for row in rows}

    def role(self) -> str:
        """Make a role that may log in, and no more."""
        name = f"role{next(self._numbers)}"
        self.run("postgres", f"CREATE ROLE {name} LOGIN")
        return name

    def restart(self) -> None:
        """Kill the server as a power cut does, and start it again."""
        control = (str(programs() / "pg_ctl"), "-D", f"{self.directory}/data", "-w")
        _as_server(self.directory, *control, "-m", "immediate", "-l", f"{self.directory}/log", "restart")

    def listen(self, address: str, pair: str, rule: str) -> None:
        """Let clients in at an address, too, by TLS.

        Args:
            address: of this host.
            pair: the path of a certificate and its key, without ``-cert.pem``.
            rule: a line of pg_hba.conf, which counts before the others.
        """
        data = self.directory / "data"
        for kind in ("cert", "key"):
            copied = data / f"{kind}.pem"
            copied.write_bytes(Path(f"{pair}-{kind}.pem").read_bytes())
            shutil.chown(copied, *[(data / "PG_VERSION").stat().st_uid] * 2)
            copied.chmod(0o600)
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '{address}'\nssl = on\n")
            file.write(f"ssl_cert_file = '{data}/cert.pem'\nssl_key_file = '{data}/key.pem'\n")
        rules = data / "pg_hba.conf"
        rules.write_text(f"{rule}\n{rules.read_text()}")
        self.restart()

    def run(self, database: str, *statements: str, user: str = "super") -> list[tuple[object, ...]]:
        """Run statements as a role and return the rows of the last one."""
        with psycopg.connect(self.url(database, user), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def psql(self, database: str, script: str, user: str = "super") -> None:
        """Run a script with psql; its first error is one of the test."""
        words = ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url(database, user))
        done = subprocess.run(words, input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a server in memory and stop it afterwards."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="pg") as name:
        Path(name).chmod(0o755)  # between the server's own directory and one where every user may write
        directory = Path(name) / "s"
        directory.mkdir()
        _as_server(directory, "chown")
        data = str(directory / "data")
        made = (
            str(programs() / "initdb"),
            "--no-sync",
            "-U",
            "super",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        )
        _as_server(directory, *made, "--locale=C", "-D", data)
        with open(f"{data}/postgresql.conf", "a", encoding="ascii") as file:
            file.write(_CONFIGURATION + f"unix_socket_directories = '{directory}'\n")
        control = (str(programs() / "pg_ctl"), "-D", data, "-w")
        _as_server(directory, *control, "-l", f"{directory}/log", "start")
        try:
            running = Cluster(directory)
            running.run("postgres", f"CREATE ROLE {OWNER} LOGIN")
            yield running
        finally:
            _as_server(directory, *control, "-m", "immediate", "stop")


def _as_server(directory: Path, *command: str) -> None:
    """Run a command as the server's user: PostgreSQL refuses to run as root."""
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if command == ("chown",):
        directory.chmod(0o755)
        if user:
            os.chown(directory, user.pw_uid, user.pw_gid)
        return
    ids = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()} if user else {}
    done = subprocess.run(  # type: ignore[call-overload]
        command, cwd=directory, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=600, **ids
    )  # fmt: skip
    assert done.returncode == 0, command
