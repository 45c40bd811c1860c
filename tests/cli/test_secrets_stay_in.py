"""Where secrets go, seen from the kernel: never into arguments, environments, logs or open files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from admin import AUTH_INFO, CERTS, HUB, INVENTORY, SASLDB, STATE, Admin, Ran
from lab.namespace import Namespace
from lab.syslog import Log

CHOSEN = "Ch1mp-03fuzz-fl0ppi"
CALLS = "execve,write,writev,pwrite64,sendto,sendmsg,openat,open,creat,mkdir,mkdirat,fchmod,chmod,fchmodat"
KEY = "PRIVATE KEY-----"
_MADE_IN = re.compile(r'mkdirat\(\d+<([^>]*)>, "([^/"]*)"')
PUBLIC = ("/etc/smtpcreds/smtpcreds.toml",)
"""Files that others may read."""


@dataclass
class Watched:
    """What a run did: the lines of strace, with the paths of descriptors, and how it ended."""

    root: Path
    ran: Ran
    lines: list[str]

    def calls(self, *names: str) -> list[str]:
        return [line for line in self.lines if re.match(rf"(\d+ +)?({'|'.join(names)})\(", line)]

    def written_to(self, text: str) -> set[str]:
        """The files and sockets that this text went to, temporary names as the names they become."""
        found = set()
        for line in self.calls("write", "writev", "pwrite64", "sendto", "sendmsg"):
            if text in line:
                target = re.search(r"\((\d+)<(.*?)>, ", line)
                assert target, line
                found.add(self.final(target[2]))
        return found

    def final(self, path: str) -> str:
        name = re.sub(r"/\.([^/]+)\.smtpcreds-[0-9a-f]{16}", r"/\1", path.removesuffix("(deleted)"))
        return name.removeprefix(str(self.root))


class Watch:
    """Runs the program under strace, beside a /dev/log of its own."""

    def __init__(self, directory: Path) -> None:
        devices = directory / "dev"
        devices.mkdir()
        copy = f"(cd /dev && cp -a null zero full random urandom tty {devices})"
        self.namespace = Namespace(f"{copy}\nmount --bind {devices} /dev")
        self.log = Log(self.namespace.path("/dev/log"))
        self.trace = directory / "trace"

    def close(self) -> None:
        self.namespace.close()
        self.log.close()

    def run(self, program: Admin, *words: str, **env: str) -> Watched:
        strace = (
            "strace",
            "-f",
            "--seccomp-bpf",
            "-y",
            "-v",
            "-s",
            "100000",
            "-o",
            str(self.trace),
            "-e",
            f"trace={CALLS}",
        )
        traced = Admin(program.root, prefix=(*self.namespace.command(()), *strace))
        ran = traced.run(*words, env=env)
        assert ran.status == 0, ran.err
        lines = self.trace.read_text(errors="replace").splitlines()
        return Watched(program.root, ran, [_MADE_IN.sub(r'mkdirat("\1/\2"', line) for line in lines])


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(tmp_path)
    yield watch
    watch.close()


def assert_kept(seen: Watched, secret: str, *, where: set[str]) -> None:
    assert seen.written_to(secret) == where
    assert not [line for line in seen.calls("execve") if secret in line]
    assert secret not in seen.ran.err
    assert secret not in seen.ran.out


def assert_closed_from_the_start(seen: Watched) -> None:
    """Every file is created 0600 or closer, and opened to others later only if it is a public one."""
    opened = seen.calls("openat", "open", "creat")
    created = [line for line in opened if "O_CREAT" in line and str(seen.root) in line]
    assert created
    for line in created:
        assert re.search(r"O_CREAT.*, 0?[0-7]00\) = \d", line), line
    for line in seen.calls("fchmod", "chmod", "fchmodat"):
        mode = int(line.split("= 0")[0].rstrip(" )").rpartition(", ")[2], 8)
        is_public = any(name in seen.final(line) for name in PUBLIC)
        is_directory = not re.search(r"fchmod\(", line)
        assert mode & 0o077 == 0 or is_public or is_directory, line
    assert [
        line for line in seen.calls("mkdir", "mkdirat") if f"{seen.root}{STATE}" in line or "/certs" in line
    ]
    for line in seen.calls("mkdir", "mkdirat"):
        if re.search(r"(/smtpcreds|/certs|/ca\.|/maildroid)\"", line) and "/etc/smtpcreds" not in line:
            assert line.split(") = ")[0].endswith(", 0700"), line


def test_a_whole_set_up(watch: Watch, bare: Admin) -> None:
    path = bare.write("secret", CHOSEN)
    seen = watch.run(bare, "-v", "--json", "setup", HUB, "--password", f"file:{path}")
    assert_kept(seen, CHOSEN, where={SASLDB, AUTH_INFO})
    assert seen.written_to(KEY) == {f"{STATE}/ca/ca-key.pem", f"{CERTS}/dmzmail-key.pem"}
    assert_closed_from_the_start(seen)
    said = "\n".join(watch.log.lines)
    assert f"cert issue {HUB} by root" in said
    assert f"sasl add maildroid@{HUB} by root: {bare.path(SASLDB)}" in said
    assert CHOSEN not in said
    files = (path for path in bare.root.rglob("*") if path.is_file())
    holders = {path for path in files if CHOSEN.encode() in path.read_bytes()}
    assert {path: path.stat().st_mode & 0o777 for path in holders} == {
        bare.path(SASLDB): 0o600,
        bare.path(AUTH_INFO): 0o600,
    }


def test_a_generated_secret(watch: Watch, hub: Admin) -> None:
    seen = watch.run(hub, "-v", "--json", "sasl", "passwd", "maildroid")
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    assert_kept(seen, secret, where={SASLDB, AUTH_INFO})
    assert secret.encode() not in hub.path(INVENTORY).read_bytes()
    assert secret not in "\n".join(watch.log.lines)


def test_a_secret_that_is_delivered(watch: Watch, hub: Admin) -> None:
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    target = hub.root / "delivered"
    seen = watch.run(hub, "-v", "--json", "sasl", "auth-info", "maildroid", "--to", str(target))
    assert_kept(seen, secret, where={"/delivered"})
    shown = watch.run(hub, "-v", "sasl", "show", "maildroid")
    assert shown.written_to(secret) == set()


def test_the_watch_would_see_it(watch: Watch, hub: Admin) -> None:
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    seen = watch.run(hub, "sasl", "show", "maildroid", "--reveal")
    assert len(seen.written_to(secret)) == 1
    seen = watch.run(hub, "sasl", "add", "droid", "--password", f"cmd:echo {CHOSEN}", SEEN=CHOSEN)
    assert len([line for line in seen.calls("execve") if CHOSEN in line]) >= 2


def test_what_a_command_prints_stays_in_its_pipe(watch: Watch, smtpcreds: Admin) -> None:
    path = smtpcreds.write("secret", CHOSEN)
    seen = watch.run(smtpcreds, "-v", "sasl", "add", "maildroid", "--password", f"cmd:cat {path}")
    where = seen.written_to(CHOSEN)
    assert {target for target in where if not target.startswith("pipe:")} == {SASLDB}
    assert len(where) == 2
    assert_kept(seen, CHOSEN, where=where)


def test_a_secret_in_the_command_line_by_mistake_goes_no_further(watch: Watch, hub: Admin) -> None:
    """Other users saw it in ps; at least no log and no file keeps it."""
    for words in (("--password", CHOSEN), ("--password", f"fiel:{CHOSEN}")):
        assert CHOSEN not in hub.refuses(64, "sasl", "add", "droid", *words)
    assert CHOSEN.encode() not in hub.path(INVENTORY).read_bytes()
