"""MTA: whether the running daemon has read what is on disk now."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from ..deploy.gather import PID_FILES
from .finding import Finding, found
from .world import World

_CLOCK = "/proc/stat"


def running(world: World) -> Iterator[Finding]:
    """Sendmail reads certificates, keys and CRLs when it starts, and after SIGHUP, never else.

    After SIGHUP it runs itself again in the same process and writes its pid file anew, so the later of both
    times counts.
    """
    for pid_file in map(world.path, PID_FILES):
        pid = _pid(world, pid_file)
        started = _started(pid) if pid else None
        if pid is None or started is None:
            continue
        since = max(started, os.stat(pid_file).st_mtime)
        for path in _read_once(world):
            if os.path.exists(path) and os.stat(path).st_mtime > since:
                moment = datetime.fromtimestamp(since, UTC)
                reason = f"was changed after the daemon (pid {pid}) read it at {moment:%Y-%m-%d %H:%M:%S} UTC"
                yield found("MTA010", path, reason, f"kill -HUP {pid}")
        return


def _read_once(world: World) -> Iterator[str]:
    named = (
        path
        for use in world.uses
        if use.program == "sendmail"
        for path in (*use.certificates, *use.keys, use.ca_file, use.crl_file)
        if path
    )
    yield from dict.fromkeys(map(world.path, named))


def _pid(world: World, path: str) -> int | None:
    """Return the number of a process that is there and called sendmail."""
    words = (world.content(path) or b"").split()
    if not words or not words[0].isdigit():
        return None
    name = world.content(f"/proc/{int(words[0])}/comm")
    return int(words[0]) if name is not None and name.startswith(b"sendmail") else None


def _started(pid: int) -> float | None:
    """Return when a process was made, in seconds since 1970 (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open(_CLOCK, "rb") as clock:
            ticks = int(stat.read().rpartition(b")")[2].split()[19])
            boot = next(int(line.split()[1]) for line in clock if line.startswith(b"btime"))
    except OSError:
        return None  # it ended meanwhile
    return boot + ticks / os.sysconf("SC_CLK_TCK")
