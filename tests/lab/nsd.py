"""NSD, an authoritative name server: one zone on a port of the loopback."""

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from lab import debs
from lab.process import PATIENCE, LabError, run

PACKAGE = "nsd"
ADDRESS = str(IPv4Address("127.64.0.0") + os.getpid())
"""No other process has it, so that its ports are free."""
PORT = 5300

_CONFIGURATION = """
server:
    server-count: 1
    ip-address: {address}@{port}
    username: ""
    zonesdir: "{directory}"
    database: ""
    xfrdfile: ""
    zonelistfile: "{directory}/zone.list"
    pidfile: "{directory}/nsd.pid"
    xfrdir: "{directory}"
remote-control:
    control-enable: no
zone:
    name: {zone}
    zonefile: zone
"""
_HEAD = """
$ORIGIN {zone}.
$TTL 3600
@ IN SOA ns hostmaster 1 3600 900 86400 300
@ IN NS ns
ns IN A {address}
"""


@contextmanager
def serving(directory: Path, zone: str, lines: Iterable[str]) -> Iterator[int]:
    """Serve a zone with these lines, comments among them; give the port.

    Raises:
        LabError: the server refuses the zone, or does not start.
    """
    tree = debs.unpacked(PACKAGE)
    libraries = debs.library_path(tree)
    text = _HEAD.format(zone=zone, address=ADDRESS) + "\n".join(lines) + "\n"
    (directory / "zone").write_text(text)
    run(("env", libraries, str(tree / "usr/sbin/nsd-checkzone"), zone, str(directory / "zone")))
    configuration = directory / "nsd.conf"
    values = {"address": ADDRESS, "port": PORT, "directory": directory, "zone": zone}
    configuration.write_text(_CONFIGURATION.format(**values))
    command = ("env", libraries, str(tree / "usr/sbin/nsd"), "-d", "-c", str(configuration))
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await(server, directory / "log")
            yield PORT
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _await(server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, PORT)) == 0:
                return
        time.sleep(0.05)
    raise LabError(f"nsd did not start\n{log.read_text()}")
