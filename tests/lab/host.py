"""Hosts with their own files and network, one lab around them, and the internet at its edge."""

import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from os import geteuid
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import debs, layer
from lab.layer import Software
from lab.namespace import Namespace
from lab.process import PATIENCE, LabError, run
from lab.sink import Sink
from lab.syslog import Log

TOPS = ("etc", "usr", "var")
"""The directories that a host has for itself, as overlays; everything else is this machine's."""

DEVICES = "null zero full random urandom tty fd stdin stdout stderr"
NETWORK = "192.0.2"
SINK = f"{NETWORK}.1"

QUIET = "0.00 0.00 0.00 1/100 100"
"""/proc/loadavg of every host: Sendmail refuses connections at a load that tests on few cores reach."""


class Host:
    """One machine of the lab; made by `Lab.host`."""

    def __init__(self, name: str, address: str, namespace: Namespace) -> None:
        self.name = name
        self.address = address
        self.namespace = namespace
        self.log = Log(namespace.path("/dev/log"))

    def close(self) -> None:
        """Kill its processes and drop its files."""
        self.namespace.close()
        self.log.close()

    def run(self, argv: Sequence[str], *, stdin: str = "") -> str:
        """Run a program on this host as root, in /, and return its output; `LabError` if it fails."""
        return self.namespace.run(argv, stdin=stdin)

    def shell(self, script: str) -> str:
        """Run lines of sh, as `run` does."""
        return self.run(("sh", "-c", script))

    def path(self, inside: str) -> Path:
        """Return the path that leads to the host's file `inside` from here: for reading, writing, stat."""
        return self.namespace.path(inside)

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write one of the host's configuration files."""
        layer.write(self.path(inside), text, mode)

    def await_port(self, port: int) -> None:
        """Wait until a server listens on the TCP port; `LabError` with the log if none does."""
        deadline = time.monotonic() + PATIENCE
        while not self.namespace.listens(port):
            if time.monotonic() > deadline:
                raise LabError(f"nothing listens on port {port}; log:\n" + "\n".join(self.log.lines))
            time.sleep(0.01)

    def await_process(self, pid_file: str) -> None:
        """Wait until the first line of the file is the number of a process, for a daemon listens before."""
        deadline = time.monotonic() + PATIENCE
        while not self._has_process(pid_file):
            if time.monotonic() > deadline:
                raise LabError(f"{pid_file} names no process; log:\n" + "\n".join(self.log.lines))
            time.sleep(0.01)

    def _has_process(self, pid_file: str) -> bool:
        try:
            number = self.path(pid_file).read_text().partition("\n")[0]
        except FileNotFoundError:
            return False
        return bool(number) and self.path(f"/proc/{number}").exists()


class Lab:
    """A network of hosts and a `sink` that stands for all of the world's mail servers.

    A host reaches the others by their names, and nothing outside of the lab. Labs do not see each other, so
    that tests run side by side.
    """

    sink: Sink

    def __enter__(self) -> Self:
        if geteuid():
            raise LabError("live tests must run as root: they make private mount and network namespaces")
        self._hosts: list[Host] = []
        self._exit = ExitStack()
        try:
            self._build()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _build(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="smtpcreds-lab-"))
        self._exit.callback(shutil.rmtree, self._directory)
        # Without an address of its own a bridge takes the lowest of its ports, and hosts lose it for a while.
        bridge = (
            "ip link add lab address 02:00:00:00:00:01 type bridge\nip link set lab up\nip link set lo up\n"
        )
        self._internet = Namespace(f"{bridge}ip address add {SINK}/24 dev lab")
        self._exit.callback(self._internet.close)
        with self._internet.network():
            self.sink = Sink(SINK)
        self._exit.callback(self.sink.close)
        self._name_hosts()

    def host(self, name: str, software: Software, tree: Path | None = None) -> Host:
        """Add a host that has `software` installed and sees `tree` laid over its root directory.

        Args:
            name: fully qualified; the other hosts find it by this name.
            software: unpacked with the packages it needs; started by its own class.
            tree: holds etc/, usr/ or var/; what is in there shows up with its owners and modes, also those
                of directories. Changes on the host stay on the host; `tree` itself must not change any more.
        """
        address = f"{NETWORK}.{10 + len(self._hosts)}"
        unpacked = debs.unpacked(*software.packages)
        directory = self._directory / name
        layer.directory(directory / "scratch")
        layer.basics(directory / "layer", name)
        software.lay(unpacked, directory / "layer")
        above = [_checked(tree)] if tree else []
        layers = [*above, directory / "layer", unpacked]
        namespace = Namespace(self._script(name, directory, layers))
        try:
            self._wire(namespace, address)
            host = Host(name, address, namespace)
        except BaseException:
            namespace.close()
            raise
        self._exit.callback(host.close)
        self._hosts.append(host)
        self._name_hosts()
        return host

    def _name_hosts(self) -> None:
        """Rewrite in place the one hosts file that all hosts see."""
        lines = ["127.0.0.1 localhost", f"{SINK} sink.example.net sink"]
        lines += [f"{h.address} {h.name} {h.name.partition('.')[0]}" for h in self._hosts]
        layer.write(self._directory / "hosts", "\n".join(lines) + "\n")

    def _script(self, name: str, directory: Path, layers: list[Path]) -> str:
        """The commands that turn a namespace into a host."""
        scratch, hosts, run_files = (
            shlex.quote(str(path))
            for path in (directory / "scratch", self._directory / "hosts", directory / "layer" / "run")
        )
        steps = [f"hostname {name.partition('.')[0]}", f"mount -t tmpfs -o mode=755 scratch {scratch}"]
        steps += ["umask 022", *layer.mask(f"{scratch}/mask")]
        steps += [_overlay(top, scratch, layers) for top in TOPS]
        return "\n".join(
            [
                *steps,
                f"mount --bind {hosts} /etc/hosts",
                "mount -t tmpfs -o mode=755 run /run",
                f"if [ -d {run_files} ]; then cp -a {run_files}/. /run; fi",
                f"mkdir {scratch}/dev {scratch}/dev/pts {scratch}/dev/shm",
                f"(cd /dev && cp -a {DEVICES} {scratch}/dev)",
                f"ln -s pts/ptmx {scratch}/dev/ptmx",
                f"mount --bind {scratch}/dev /dev",
                "mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /dev/pts",
                f"echo {QUIET} > {scratch}/loadavg",
                f"mount --bind {scratch}/loadavg /proc/loadavg",
            ]
        )

    def _wire(self, namespace: Namespace, address: str) -> None:
        """Plug the host's eth0 into the lab's bridge."""
        port = f"port{len(self._hosts)}"
        enter = ("nsenter", f"--target={self._internet.pid}", "--net", "ip", "-batch", "-")
        run(
            enter,
            stdin=f"link add {port} type veth peer name eth0 netns {namespace.pid}\n"
            f"link set {port} master lab up\n",
        )
        namespace.run(
            ("ip", "-batch", "-"),
            stdin=f"link set lo up\nlink set eth0 up\naddress add {address}/24 dev eth0\n",
        )


def _checked(tree: Path) -> Path:
    if strangers := {path.name for path in tree.iterdir()} - set(TOPS):
        raise LabError(f"a host sees only {', '.join(TOPS)} of {tree}, but it also has {strangers}")
    return tree


def _overlay(top: str, scratch: str, layers: list[Path]) -> str:
    """Mount on /`top` a writable union of the layers that have it, the first on top, and this machine's.

    By the interface that util-linux 2.41 prefers, no option may be longer than 255 octets.
    """
    parts = [shlex.quote(str(layer / top)) for layer in layers if (layer / top).is_dir()]
    upper, work = f"{scratch}/{top}", f"{scratch}/{top}-work"
    lower = ":".join([*parts, f"{scratch}/mask/{top}", f"/{top}"])
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mount = f"LIBMOUNT_FORCE_MOUNT2=always mount -t overlay -o {options} {top} /{top}"
    return f"mkdir -m 755 {upper} {work}\n{mount}"
