"""Where secrets are seen while commands handle them: ``python tests/secrets_table.py`` prints the table.

Each command runs under strace, which shows every argument, environment, file, pipe and socket that a process
of it hands octets to. A secret has to be in files of mode 0600 and in pipes, and nowhere else; where the
accounts are in PostgreSQL, also in the server's own socket, and never in its log of all statements.
"""

import base64
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import psycopg
import softhsm
from admin import CONFIG, DOMAIN, HUB, SECRET, Admin, Ran
from desktop import session
from lab.namespace import Namespace
from lab.syslog import Log
from postgres_cluster import OWNER, Cluster, cluster
from softhsm import URI

TOKEN_PIN = "57204993816"
ROLE_PASSWORD = "3ccentric-p0lka-r0le"
SERVER, ADDRESS = f"db.{DOMAIN}", "192.0.2.5"
CALLS = "execve,openat,connect,write,writev,pwrite64,sendto,sendmsg"
PGSQL, OWN_SOCKET = r"/\.s\.PGSQL\.5432\"", "PostgreSQL's own socket"
GROUPS = "Debian-exim:x:64901:\nopensmtpd:x:64902:\n"
"""Of mail programs that this machine need not have; the first line of a name counts."""


@dataclass(frozen=True)
class Row:
    """A command, the secret that it handles (what of the scene, by name), and a command that comes first.

    Attributes:
        is_bare: it runs where there is no authority yet; what comes first runs on the hub beside that.
        of_url: the accounts are in PostgreSQL, which is not asked.
        way: to a server that has accounts and inventory, ``socket`` or ``tls``; its URL is ``{url}``.
        refusal: the status of a run that does nothing yet.
        shows: to print the secret is what it is there for.
        mode: of its files, where the mail program's user has to read one.
        has_keyring: it runs in a desktop's session.
    """

    words: str
    secret: str
    before: str = ""
    is_bare: bool = False
    of_url: bool = False
    way: str = ""
    refusal: int = 0
    shows: bool = False
    mode: int = 0o600
    has_keyring: bool = False


BACKUP = "ca backup {here}/saved.age --passphrase file:{here}/secret"
RESTORE = "ca restore {here}/saved.age --passphrase file:{here}/secret --force"
URL = "postgresql://mail@127.0.0.1:1/mail"
"""Nobody answers there."""
LOCK = "ca passphrase --new-passphrase file:{here}/secret"
EXPORT = "ca export --key --new-passphrase file:{here}/secret --to {here}/key.pem"
IMPORT = (
    "ca import --key {here}/key.pem --cert {here}/root/var/lib/smtpcreds/ca/ca-cert.pem "
    "--import-passphrase file:{here}/secret --passphrase file:{here}/secret"
)
PAIR = "{here}/root/etc/mail/certs/dmzmail"
CA = "{here}/root/var/lib/smtpcreds/ca/ca-cert.pem"
BUNDLE = "bundle attic -o {here}/attic.tar"
AGE = "bundle attic -o {here}/attic.tar.age --passphrase file:{here}/secret"
OF_ATTIC = "--host attic --password file:{here}/account --to {here}/rendered"
INTO_TOKEN = f"ca rollover --token {URI} --pin file:{{here}}/pin"

ROWS = (
    Row("ca passphrase --new-passphrase file:{here}/secret", "passphrase"),
    Row("ca passphrase --new-passphrase file:{here}/secret", "ca key"),
    Row("ca export --key --to {here}/key.pem", "ca key"),
    Row(BACKUP, "passphrase"),
    Row(BACKUP, "ca key"),
    Row(RESTORE, "passphrase", BACKUP),
    Row(RESTORE, "ca key", BACKUP),
    Row(INTO_TOKEN, "pin"),
    Row("ca crl --passphrase file:{here}/pin", "pin", INTO_TOKEN),
    Row("cert issue attic --passphrase file:{here}/pin", "pin", INTO_TOKEN),
    Row("ca rollover", "ca key"),
    Row("ca crl", "ca key"),
    Row("cert issue attic", "ca key"),
    Row("cert renew dmzmail", "host key"),
    Row("cert export dmzmail --format p12 --password file:{here}/secret --to {here}/pair.p12", "passphrase"),
    Row("cert export dmzmail --format p12 --password file:{here}/secret --to {here}/pair.p12", "host key"),
    Row("sasl add scanner --password file:{here}/secret", "passphrase"),
    Row("sasl add scanner --password stdin:", "passphrase"),
    Row("sasl passwd maildroid --password file:{here}/secret", "passphrase"),
    Row("sasl passwd maildroid", "account"),
    Row("sasl verify maildroid --password file:{here}/account", "account"),
    Row("sasl auth-info maildroid --to {here}/info", "account"),
    Row("sasl export --reveal --to {here}/accounts", "account"),
    Row("sasl import {here}/accounts.csv", "passphrase"),
    Row("sasl convert --to gdbm {here}/converted", "account"),
    Row("sasl conf --to {here}/Sendmail.conf", "account"),
    Row("sasl rotate maildroid --password file:{here}/secret", "passphrase"),
    Row("bundle attic -o {here}/attic.tar", "account"),
    Row("sasl auth-info maildroid", "account", shows=True),
    Row("bundle attic -o -", "account", shows=True),
    Row("sasl add scanner --hashed --password file:{here}/secret --auth-info {here}/info", "passphrase"),
    Row("ca backup - --passphrase file:{here}/secret", "passphrase"),
    Row("bundle attic -o {here}/attic.tar.age --passphrase file:{here}/secret", "passphrase"),
    Row("bundle attic -o {here}/attic.tar.age --passphrase file:{here}/secret", "account"),
    Row("mta apply sendmail-hub", "account"),
    Row("mta render sendmail-client --to {here}/rendered", "account"),
    Row("setup dmzmail.polkatistas.org", "account"),
    Row("audit", "account"),
    Row("audit", "ca key"),
    Row("status", "account"),
    Row("inventory check", "ca key"),
    Row("inventory events", "account", "sasl add scanner"),
    Row("inventory convert {here}/inventory", "ca key"),
    Row("setup dmzmail --no-passphrase --password file:{here}/secret", "passphrase", is_bare=True),
    Row("setup dmzmail --passphrase file:{here}/secret", "passphrase", is_bare=True),
    Row("ca init --passphrase file:{here}/secret", "passphrase", is_bare=True),
    Row("ca init --no-passphrase", "ca key", is_bare=True),
    Row(f"ca init --token {URI} --pin file:{{here}}/pin", "pin", is_bare=True),
    Row(IMPORT, "passphrase", EXPORT, is_bare=True),
    Row(IMPORT, "ca key", EXPORT, is_bare=True),
    Row("ca show", "ca key"),
    Row("ca export --key --passphrase file:{here}/secret --to {here}/key.pem", "passphrase", LOCK),
    Row("ca export --key --new-passphrase file:{here}/secret --to {here}/key.pem", "passphrase"),
    Row(
        "ca passphrase --passphrase file:{here}/secret --new-passphrase file:{here}/account",
        "passphrase",
        LOCK,
    ),
    Row("ca rollover --passphrase file:{here}/secret", "passphrase", LOCK),
    Row("cert renew dmzmail --new-key --passphrase file:{here}/secret", "passphrase", LOCK),
    Row("cert revoke dmzmail --passphrase file:{here}/secret", "passphrase", LOCK),
    Row("cert retire attic --passphrase file:{here}/secret", "passphrase", f"cert issue attic; {LOCK}"),
    Row("cert request mx --new-key", "host key"),
    Row("cert install {here}/root/etc/mail/certs/dmzmail-cert.pem", "host key"),
    Row(f"cert install {PAIR}-cert.pem --key {PAIR}-key.pem --ca {CA}", "host key", is_bare=True),
    Row(
        "cert sign {here}/root/etc/mail/certs/mx.csr --passphrase file:{here}/secret",
        "passphrase",
        f"cert request mx; {LOCK}",
    ),
    Row("cert list", "host key"),
    Row("cert show dmzmail", "host key"),
    Row("cert verify dmzmail", "host key"),
    Row("cert export dmzmail --with-key", "host key", shows=True),
    Row("sasl list", "account"),
    Row("sasl show maildroid --reveal", "account", shows=True),
    Row("sasl delete maildroid", "account"),
    Row("sasl rotations", "account", "sasl rotate maildroid"),
    Row("sasl auth-info maildroid --password file:{here}/account", "account", shows=True),
    Row("mta list", "account"),
    Row("mta render sendmail-client --password file:{here}/account --to {here}/rendered", "account"),
    Row("mta render sendmail-client --host attic --account maildroid --reveal", "account", shows=True),
    Row("mta diff sendmail-client --host attic --account maildroid", "account", "cert issue attic"),
    Row("mta diff sendmail-client --password file:{here}/account", "account"),
    Row(
        "mta apply sendmail-client --host attic --password file:{here}/account", "account", "cert issue attic"
    ),
    Row("mta check sendmail-client --password file:{here}/account", "account"),
    Row("tlsa show dmzmail", "host key"),
    Row("tlsa plan dmzmail", "host key"),
    Row("tlsa next dmzmail", "host key"),
    Row("tlsa texts", "host key"),
    Row(
        "tlsa switch dmzmail --passphrase file:{here}/secret",
        "passphrase",
        f"tlsa next dmzmail; {LOCK}",
        refusal=75,
    ),
    Row("tlsa retire dmzmail", "host key", "tlsa next dmzmail", refusal=65),
    Row("bundle attic --ca-passphrase file:{here}/secret -o {here}/attic.tar", "passphrase", LOCK),
    Row("bundle attic --password file:{here}/account -o {here}/attic.tar", "account"),
    Row("sasl passwd maildroid --keep file:{here}/kept", "account"),
    Row("sasl add maildroid-9 --keep file:{here}/kept", "account"),
    Row("sasl rotate maildroid --keep file:{here}/kept", "account"),
    Row(f"sasl conf --database {URL} --role-password file:{{here}}/secret --to {{here}}/conf", "passphrase"),
    Row(
        "mta render sendmail-hub --role-password file:{here}/secret --to {here}/hub",
        "passphrase",
        of_url=True,
    ),
    Row("mta diff sendmail-hub --role-password file:{here}/secret", "passphrase", of_url=True),
    Row("mta check sendmail-hub --role-password file:{here}/secret", "passphrase", of_url=True),
    Row("mta apply sendmail-hub --role-password file:{here}/secret", "passphrase", of_url=True),
    Row("probe smtp://127.0.0.1:1 --account maildroid --password file:{here}/account --timeout 1", "account"),
    Row("probe smtp://127.0.0.1:1 --bundle {here}/attic.tar --timeout 1", "account", BUNDLE),
    Row(
        "probe smtp://127.0.0.1:1 --bundle {here}/attic.tar.age --passphrase file:{here}/secret --timeout 1",
        "passphrase",
        AGE,
    ),
    Row("setup --client {here}/attic.tar", "account", BUNDLE, is_bare=True),
    Row("setup --client -", "account", BUNDLE, is_bare=True),
    Row(
        "setup --client {here}/attic.tar.age --passphrase file:{here}/secret", "passphrase", AGE, is_bare=True
    ),
    Row("setup --client {here}/attic.tar.age --passphrase file:{here}/secret", "account", AGE, is_bare=True),
    Row("ca restore --check {here}/saved.age --passphrase file:{here}/secret", "ca key", BACKUP),
    Row("cert export dmzmail --with-key --to {here}/pair.pem", "host key"),
    Row("cert renew dmzmail --new-key --jobs 2", "host key"),
    Row("sasl passwd maildroid --hashed --password file:{here}/secret", "passphrase"),
    Row("sasl add scanner --password 'cmd:cat {here}/secret'", "passphrase"),
    *(
        Row(f"mta render {program} {OF_ATTIC}", "account", "cert issue attic", mode=mode)
        for program, mode in (
            ("postfix-client", 0o600),
            ("exim-client", 0o640),
            ("opensmtpd-client --plaintext", 0o640),
            ("curl", 0o600),
            ("swaks", 0o600),
            ("msmtp", 0o640),
            ("dma", 0o640),
            ("nullmailer --plaintext", 0o640),
        )
    ),
    *(
        Row(
            f"mta render {program} --role-password file:{{here}}/secret --to {{here}}/hub",
            "passphrase",
            of_url=True,
            mode=mode,
        )
        for program, mode in (("postfix-hub", 0o640), ("exim-hub", 0o640))
    ),
    Row("mta render dovecot-hub --to {here}/hub", "account"),
    Row("sasl passwd maildroid --keep keyring:smtpcreds/kept", "account", has_keyring=True),
    Row("sasl convert {url}", "account", way="socket"),
    Row("inventory convert {url}", "account", "sasl passwd maildroid", way="socket"),
    Row("sasl auth-info maildroid --to {here}/info", "account", way="tls"),
    Row("sasl add scanner --password file:{here}/secret", "passphrase", way="tls"),
    Row("sasl passwd maildroid --password file:{here}/secret", "passphrase", way="tls"),
    Row("sasl verify maildroid --password file:{here}/account", "account", way="tls"),
    Row("sasl show maildroid --reveal", "account", way="tls", shows=True),
    Row("sasl list", "account", way="tls"),
    Row("sasl export --reveal --to {here}/accounts", "account", way="tls"),
    Row("sasl import {here}/accounts.csv", "passphrase", way="tls"),
    Row("sasl rotate maildroid --password file:{here}/secret", "passphrase", way="tls"),
    Row("sasl delete maildroid", "account", way="tls"),
    Row("bundle attic -o {here}/attic.tar", "account", way="tls"),
)


@dataclass(frozen=True)
class Seen:
    """Where one command showed one secret.

    Attributes:
        argv: arguments of processes.
        environment: of processes.
        files: path and mode of each that it was written to.
        pipes: how many it went through.
        elsewhere: sockets, terminals, logs and whatever else.
        is_shown: on standard output or error, which are pipes here.
        is_logged: the run left a line in syslog that says who did it.
    """

    row: Row
    argv: int
    environment: int
    files: tuple[tuple[str, int], ...]
    pipes: int
    elsewhere: tuple[str, ...]
    is_shown: bool = False
    is_logged: bool = False

    @property
    def is_handed_out(self) -> bool:
        """Tell whether it was shown, or written to where the administrator wanted it."""
        return self.is_shown or any(not path.startswith(("/", "bare/")) for path, _ in self.files)

    @property
    def is_well(self) -> bool:
        """Tell whether it was in closed files and pipes alone, and handed out as asked and logged."""
        allowed = {OWN_SOCKET} if self.row.way == "socket" else set[str]()
        is_out = self.argv or self.environment or set(self.elsewhere) - allowed
        is_out = is_out or (self.is_shown and not self.row.shows)
        is_out = is_out or (self.is_handed_out and not self.is_logged)
        return not is_out and all(mode in {0o600, self.row.mode} for _, mode in self.files)

    def line(self) -> str:
        """One row of the table."""
        files = ", ".join(f"{path} {mode:04o}" for path, mode in self.files) or "-"
        elsewhere = ", ".join(self.elsewhere) or "-"
        cells = (
            self.row.words.replace("{here}/", "") + f" ({self.row.way})" * bool(self.row.way),
            self.row.secret,
            self.argv or "-",
            self.environment or "-",
        )
        return "| " + " | ".join(map(str, (*cells, files, self.pipes or "-", elsewhere))) + " |"


HEAD = (
    "| command | secret | argv | environment | files, mode | pipes | sockets and others |\n"
    "|---|---|---|---|---|---|---|"
)


class Stage:
    """A hub, and strace beside a /dev/log of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.hub = Admin(directory / "root")
        self.hub("setup", HUB, "--no-passphrase")
        account = self.hub("sasl", "show", "maildroid", "--reveal").out.strip()
        self.hub.secret("account", account.encode())
        self.hub.secret("secret")
        self.hub.secret("pin", TOKEN_PIN.encode())
        self.hub.write("accounts.csv", f'joe,"{SECRET.decode()}",\n')
        self.hub.write(".pgpass", f"*:*:*:*:{ROLE_PASSWORD}\n")
        self.hub.write("group", f"{Path('/etc/group').read_text()}{GROUPS}", 0o644)
        (directory / "start").mkdir()
        self.start = self.hub.copy(directory / "start/root")
        devices = directory / "dev"
        devices.mkdir()
        (devices / "shm").mkdir()
        copy = f"(cd /dev && cp -a null zero full random urandom tty fd {devices})"
        reached = f"ip link set lo up && ip address add {ADDRESS}/32 dev lo"
        groups = f"mount --bind {directory}/group /etc/group"
        self.namespace = Namespace(
            f"{copy}\nmount --bind /dev/shm {devices}/shm\nmount --rbind {devices} /dev\n{groups}\n{reached}"
        )
        self.log = Log(self.namespace.path("/dev/log"))
        self._open = ExitStack()

    @cached_property
    def server(self) -> Cluster:
        """A server that this host reaches by its socket, and the namespace by TLS; it logs all statements."""
        other = Admin(self.directory / "other/root")
        other.configure()
        other("ca", "init", "--no-passphrase")
        other("cert", "issue", SERVER, "--server", "--to", self.directory / "db")
        with self.namespace.network():
            made = self._open.enter_context(cluster())
            made.run("postgres", f"ALTER ROLE {OWNER} PASSWORD '{ROLE_PASSWORD}'")
            made.listen(ADDRESS, f"{self.directory}/db/db", f"hostssl all {OWNER} all scram-sha-256")
        for name in ("empty", "filled"):
            made.run("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
        self.start("sasl", "convert", made.url("filled"))
        return made

    def _database(self, row: Row) -> str:
        """Make the database of a row and return its URL."""
        source = "empty" if " convert " in row.words else "filled"
        again = f"CREATE DATABASE mail OWNER {OWNER} TEMPLATE {source}"
        self.server.run("postgres", "DROP DATABASE IF EXISTS mail", again)
        if row.way == "socket":
            return self.server.url("mail")
        trusted = f"sslrootcert={self.directory}/db/cacert.pem"
        return f"postgresql://{OWNER}@{SERVER}/mail?hostaddr={ADDRESS}&{trusted}"

    def close(self) -> None:
        self._open.close()
        self.namespace.close()
        self.log.close()

    def seen(self, row: Row) -> Seen:
        """Run the command on a fresh hub and look for the secret."""
        here = self.directory / "run"
        shutil.rmtree(here, ignore_errors=True)
        program = self._prepared(row, here)
        url = self._database(row) if row.way else URL
        secrets = self._secrets(program, row)
        if row.is_bare:
            program = replace(program, root=here / "bare/root")
            program.configure()
        if row.of_url or (row.way and " convert " not in row.words):
            program.configure(f'{CONFIG}[sasl]\ndatabase = "{url}"\n')
        secrets |= self._secrets(program, row)
        self.log.forget()
        told_before = len(self._told_by_server(row))
        ran, trace = self._traced(program, row, here, url)
        assert ran.status in ({row.refusal} if row.refusal else {0, 1}), (row, ran)
        secrets |= self._secrets(program, row)
        found = self._found(row, here, trace, secrets)
        if any(secret in self._told_by_server(row)[told_before:] for secret in secrets):
            found = replace(found, elsewhere=(*found.elsewhere, "the server's log"))
        said = ran.octets.decode(errors="replace") + ran.err
        is_logged = any(re.match(r"smtpcreds\[\d+\]: .* by ", line) for line in self.log.lines)
        is_shown = any(secret in said for secret in secrets)
        return replace(found, is_shown=is_shown, is_logged=is_logged)

    def _prepared(self, row: Row, here: Path) -> Admin:
        program = self.start.copy(here / "root")
        for name in ("account", "secret", "pin", "accounts.csv", ".pgpass"):
            program.write(name, (self.directory / name).read_bytes())
        if row.secret == "pin":
            program = softhsm.make(here / "hsm", pin=TOKEN_PIN).for_(program)
        for before in filter(None, row.before.split("; ")):
            program(*shlex.split(before.format(here=here)))
        return program

    def _traced(self, program: Admin, row: Row, here: Path, url: str) -> tuple[Ran, str]:
        """Run the command in the namespace under strace; return how it ended, and the log."""
        trace = self.directory / "trace"
        shown = f"strace -f --seccomp-bpf -yy -v -s 1000000 -e trace={CALLS}".split()
        strace: tuple[str, ...] = (*shown, "-o", str(trace))
        if row.has_keyring:
            strace = (*session(), *strace)
            program = replace(program, env={"HOME": str(here), "XDG_RUNTIME_DIR": str(here)})
        if row.way:
            program = replace(program, env={"PGPASSFILE": f"{here}/.pgpass"})
        traced = program.behind(*self.namespace.command(()), *strace)
        words = shlex.split(row.words.format(here=here, secret=SECRET.decode(), url=url))
        stdin = (here / "attic.tar").read_bytes() if words[-1] == "-" and row.before else b""
        ran = traced.run(*words, stdin=SECRET if "stdin:" in row.words else stdin)
        return ran, trace.read_text(errors="replace")

    def _told_by_server(self, row: Row) -> str:
        return self.server.log if row.way else ""

    def _secrets(self, program: Admin, row: Row) -> set[str]:
        """Return the texts that give a secret away."""
        kind = row.secret
        if kind == "pin":
            return {TOKEN_PIN}
        of_role = {ROLE_PASSWORD} if row.way else set[str]()
        if kind == "passphrase":
            return {SECRET.decode(), base64.b64encode(SECRET).decode(), *of_role}
        if kind == "account":
            found = program.records() | (self._asked() if row.way else {})
            own = {name: value for name, value in found.items() if name.startswith(b"maildroid")}
            return {*(value.decode() for value in own.values() if value), *of_role}
        path = program.state / "ca/ca-key.pem" if kind == "ca key" else program.certs / "dmzmail-key.pem"
        text = path.read_text() if path.exists() else ""
        return {line for line in text.splitlines() if not line.startswith("-----") and len(line) > 40}

    def _asked(self) -> dict[bytes, bytes]:
        with suppress(psycopg.errors.UndefinedTable):
            return self.server.accounts("mail")
        return {}

    def _found(self, row: Row, here: Path, trace: str, secrets: set[str]) -> Seen:
        lines = [line for line in trace.splitlines() if any(secret in line for secret in secrets)]
        argv = environment = pipes = 0
        files: set[tuple[str, int]] = set()
        elsewhere: set[str] = set()
        for line in lines:
            if "execve(" in line:
                arguments, _, variables = line.partition("], [")
                argv += any(secret in arguments for secret in secrets)
                environment += any(secret in variables for secret in secrets)
                continue
            target = re.search(r"\w+\((\d+)<(.*?)>(?:\(deleted\))?, ", line)
            assert target, line
            path = re.sub(r"/\.([^/]+)\.smtpcreds-[0-9a-f]{16}", r"/\1", target[2])
            if path.startswith("pipe:"):
                pipes += 1
            elif path.startswith("/") and not path.startswith("/dev/"):
                files.add((path, _mode(Path(path), target[2], trace)))
            elif re.search(rf"connect\(\d+<{re.escape(path.partition('->')[0])}\b.*{PGSQL}", trace):
                elsewhere.add(OWN_SOCKET)
            else:
                elsewhere.add(path.partition("[")[0])
        if any(secret in said for said in self.log.lines for secret in secrets):
            elsewhere.add("syslog")
        named = sorted(
            (path.removeprefix(f"{here}/root").removeprefix(f"{here}/"), mode) for path, mode in files
        )
        return Seen(row, argv, environment, tuple(named), pipes, tuple(sorted(elsewhere)))


def _mode(path: Path, written: str, trace: str) -> int:
    """The mode of a file that was written to; of one that is gone by now, the one that it was made with."""
    if path.exists():
        return path.stat().st_mode & 0o777
    name = re.escape(written.rpartition("/")[2])
    made = re.search(rf'openat\(.*[/"]{name}", [^)]*O_CREAT[^)]*, (0[0-7]*)\)', trace)
    return int(made[1], 8) if made else 0


@contextmanager
def stage() -> Iterator[Stage]:
    """Give a stage in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="smtpcreds-secrets-") as directory:
        made = Stage(Path(directory))
        try:
            yield made
        finally:
            made.close()


def main() -> int:
    """Print the table; the status is 1 if a secret was where it must not be."""
    print(HEAD)
    with stage() as made:
        seen = [made.seen(row) for row in ROWS]
    for one in seen:
        print(one.line())
    return int(not all(one.is_well for one in seen))


if __name__ == "__main__":
    sys.exit(main())
