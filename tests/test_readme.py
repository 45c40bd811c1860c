"""README.md as its reader follows it: each command is typed, in its order, and prints what stands below it.

The hosts are bare: they have Debian's Sendmail, and of smtpcreds what the commands under "Install" put there.
A block that is not typed is marked, in a comment that no reader sees, with the tests that cover it.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, TOP, Admin
from lab import SENDMAIL, Host, Lab
from lab.layer import LOGIN
from mail_hosts import CLIENT
from readme_blocks import BLOCKS, Block, blocks
from test_live_first_walk import StockHost

CHECKOUT = f"/home/{LOGIN}/smtpcreds"
PATIENCE = 300
OFFLINE = {
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_BUILD_ISOLATION": "0",
    "PIP_NO_DEPS": "1",
    "PIP_NO_INDEX": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}
"""pip builds and installs this checkout alone; what it needs is that of the tests, behind it on the path.

PIP_NO_BUILD_ISOLATION takes the value of the option's opposite: 0 is without isolation.
"""

SUDO = '#!/bin/sh\n[ "$1" = apt-get ] || exec "$@"\nshift 3\nexec dpkg -s "$@"\n'
"""What is to be installed is there: hosts of the lab have this machine's packages, and no way to others."""

SYSTEMCTL = """#!/bin/sh
[ "$1 $2" = "try-reload-or-restart sendmail" ] ||
    { echo "Job type $1 is not applicable for unit $2.service." >&2; exit 3; }
kill -HUP $(head -n 1 /run/sendmail/mta/sendmail.pid)
"""
"""systemd as it answers on Debian 12 and 13, whose units of Sendmail have no ExecReload."""


READ_ELSEWHERE = {
    "tests/test_library.py::test_the_first_lines_of_the_readme_run",
    "tests/test_readme.py::test_where_things_lie",
}
"""They look for their blocks by the heading above."""
TYPED = [block for block in BLOCKS if not block.covered]


@pytest.mark.parametrize("mark", sorted({mark for block in BLOCKS for mark in block.covered.split()}))
def test_what_is_not_typed_has_a_test(mark: str) -> None:
    file, _, name = mark.partition("::")
    if not name:
        assert os.access(TOP / file, os.X_OK)
        return
    tree = ast.parse((TOP / file).read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name in functions
    lines = [line for block in BLOCKS if mark in block.covered.split() for line in block.typed]
    assert mark in READ_ELSEWHERE or name in asked_for(tree) or repeated(tree).get(name) == lines


def asked_for(tree: ast.Module) -> set[str]:
    """Return the tests of a module that type what stands in their blocks."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asking = [call for call in calls if ast.unparse(call.func) in {"readme_lines", "readme_words"}]
    return {ast.literal_eval(call.args[0]) for call in asking}


def repeated(tree: ast.Module) -> dict[str, list[str]]:
    """Return, by test, the blocks that a module has once more, because it types the same in another form."""
    found = [node for node in tree.body if isinstance(node, ast.Assign)]
    tables = [node.value for node in found if ast.unparse(node.targets[0]) == "README"]
    return {name: text.splitlines() for table in tables for name, text in ast.literal_eval(table).items()}


def test_a_block_is_typed_unless_it_is_marked() -> None:
    text = (
        "## A\n\n    one  # x\n    two\n\nWords.\n\n<!-- tests/run -->\n\n    three\n\n    $ four\n    five\n"
    )
    first, marked = blocks(text)
    assert [*first.commands()] == [("one  # x", None), ("two", None)]
    assert marked == Block("A", ("three", "", "$ four", "five"), "tests/run")
    assert [*Block("", ("$ a", "b", "$ c"), "").commands()] == [("a", "b"), ("c", "")]


def test_where_things_lie(tmp_path: Path) -> None:
    hub = Admin(tmp_path / "root")
    hub("setup", HUB, "--no-passphrase")
    block = next(block for block in BLOCKS if block.section == "Files")
    for line in block.lines:
        path, mode = re.match(r"(\S+)\s+(\d{4})?", line).groups()  # type: ignore[union-attr]
        assert hub.path(path).exists()
        assert not mode or hub.mode(path) == int(mode, 8)


@dataclass
class Reader:
    """Types what stands in the README.

    Attributes:
        hub: where.
        reached: hosts that ``ssh`` leads to, by their short names.
        user: who types.
        place: working directory.
    """

    hub: Host
    reached: Mapping[str, Host]
    user: str = "root"
    place: str = "/root"

    def type(self, line: str) -> str:
        """Type a line; it has to succeed. Return what it printed, standard error last."""
        here, ssh, there = line.partition("ssh root@")
        if not ssh:
            return os.fsdecode(b"".join(self._run(self.hub, line)))
        answer, said = self._run(self.hub, here.removesuffix(" | ")) if here else (b"", b"")
        name, _, command = there.partition(" ")
        return os.fsdecode(said + b"".join(self._run(self.reached[name], command, answer)))

    def _run(self, host: Host, line: str, stdin: bytes = b"") -> tuple[bytes, bytes]:
        home = "/root" if self.user == "root" else f"/home/{self.user}"
        known = {"HOME": home, "PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", **OFFLINE}
        setting = [f"{name}={value}" for name, value in known.items()]
        user = () if self.user == "root" else ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups")
        umask = "022" if self.user == "root" else "002"  # as they log in to Debian 13
        typed = f"umask {umask}; set -o pipefail; cd {self.place} && {line}"
        words = ("env", "-i", *setting, *user, "bash", "-c", typed)
        done = subprocess.run(
            host.namespace.command(words),
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{os.fsdecode(done.stdout + done.stderr)}"
        return done.stdout, done.stderr

    def follow(self, block: Block) -> None:
        for command, shown in block.commands():
            printed = self.type(command)
            assert shown is None or normal(printed) == normal(shown), f"$ {command}\n{printed}"


def normal(text: str) -> str:
    """Return what is printed without what is another in each run: dates, days left, serial numbers, times."""
    lines = [re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "DATE", line) for line in text.strip().splitlines()]
    lines = [re.sub(r"\b[0-9a-f]{12,64}\b", "SERIAL", line) for line in lines]
    lines = [re.sub(r"\b\d+ (days|d|ms)\b", r"N \1", line) for line in lines]
    return "\n".join(re.sub(r" +", " ", line).rstrip() for line in lines)


def equipped(host: Host) -> Host:
    """Give a host a checkout in a home directory, empty places of its own, and what a booted host has."""
    host.shell("for place in /opt /home /root; do mount -t tmpfs -o mode=755 own $place; done")
    host.shell(f"mkdir -p {CHECKOUT}")
    files = subprocess.run(("git", "ls-files", "-z"), cwd=TOP, capture_output=True, check=True).stdout
    packed = subprocess.run(
        ("tar", "-cf", "-", "--null", "-T", "-"), cwd=TOP, input=files, capture_output=True
    )
    unpack = host.namespace.command(("tar", "-xf", "-", "-C", CHECKOUT))
    subprocess.run(unpack, input=packed.stdout, check=True)
    ours, there = Path(sysconfig.get_path("purelib")), "/srv/libraries"  # where any user may enter
    host.shell(f"mkdir -p /usr/local/lib/needed {there} && mount --bind {ours} {there}")
    for package in ours.iterdir():
        if not package.name.startswith(("smtpcreds", "pip")):
            host.path(f"/usr/local/lib/needed/{package.name}").symlink_to(f"{there}/{package.name}")
    for place in ("/opt/smtpcreds", f"{CHECKOUT}/.venv"):
        packages = f"{place}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        host.shell(f"mkdir -p {packages}")
        host.write(f"{packages}/needed.pth", "/usr/local/lib/needed\n")
    host.shell(f"chown -R 1000:1000 /home/{LOGIN}; chmod -R g+w {CHECKOUT}")
    for name, text in {"sudo": SUDO, "systemctl": SYSTEMCTL}.items():
        host.write(f"/usr/local/bin/{name}", text, 0o755)
    return host


def installed(lab: Lab) -> tuple[Reader, StockHost]:
    """Return who types at a hub, a client host called attic, and one called cellar without smtpcreds."""
    hub, attic = StockHost(lab, HUB, lab.sink.address), StockHost(lab, CLIENT)
    cellar = lab.host(f"cellar.{DOMAIN}", SENDMAIL)
    for host in (hub.host, attic.host):
        reader = Reader(equipped(host), {}, place=CHECKOUT)
        for block in TYPED:
            if block.section == "Install":
                reader.follow(block)
    return Reader(hub.host, {"attic": attic.host, "cellar": cellar}), attic


@pytest.mark.live
def test_the_first_screen() -> None:
    with Lab() as lab:
        reader, attic = installed(lab)
        block = next(block for block in TYPED if not block.section)
        assert len(block.lines) == 8
        reader.follow(block)
        assert "stat=Sent" in attic.sendmail.send(f"polkafan@{CLIENT}", "accordion@example.net")


@pytest.mark.live
def test_two_commands() -> None:
    with Lab() as lab:
        reader = Reader(equipped(lab.host(HUB, SENDMAIL)), {}, LOGIN, CHECKOUT)
        for block in TYPED:
            if block.section == "Two commands":
                reader.follow(block)
        assert "ready" in reader.type("cat scratch/etc/smtpcreds/smtpcreds.toml && echo ready")
        assert not reader.hub.path("/etc/smtpcreds").exists()


@pytest.mark.live
def test_the_rest_in_its_order() -> None:
    with Lab() as lab:
        reader, _ = installed(lab)
        for block in TYPED:
            if block.section not in ("", "Two commands", "Install"):
                reader.follow(block)
            if any("tee /etc/cron.d/smtpcreds" in line for line in block.lines):
                run_by_cron(reader)
        assert not reader.type("find /opt /usr/local /etc/cron.d -name '*smtpcreds*'")
        assert reader.hub.path("/etc/sasldb2").exists()


def run_by_cron(reader: Reader) -> None:
    """Do what cron does with the line, whose PATH is a short one."""
    line = reader.hub.path("/etc/cron.d/smtpcreds").read_text().split(maxsplit=6)
    assert line[:6] == ["17", "4", "*", "*", "*", "root"]
    reader.type(f"PATH=/usr/bin:/bin sh -c {shlex.quote(line[6])}")
