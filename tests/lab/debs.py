"""Debian packages, fetched and unpacked beside the system instead of installed over it.

Mail servers conflict with each other as packages. `unpacked` asks apt which packages an installation would
add to this system, downloads exactly those (apt checks signatures) and unpacks them without running their
scripts. The cache keeps every version, so that a run without a network works once it is filled. It must not
lie below /etc, /usr or /var, where the layers of an overlay would overlap.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lab.process import LabError, run

SYSTEM_STATE = (Path("/var/lib/apt/lists"), Path("/var/lib/dpkg/status"))
"""What apt's answer depends on; their times tell whether a remembered answer still holds."""

INSTALL = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", re.MULTILINE)
AS_ROOT = ("-o", "APT::Sandbox::User=root")


@cache
def unpacked(*packages: str) -> Path:
    """Return a directory that holds `packages` and what they need beyond this system's packages.

    Raises:
        LabError: apt does not know a package, or cannot fetch it.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smtpcreds-tests" / "debs"
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        wanted = _resolved(packages, home)
        tree = home / "trees" / _digest(wanted)
        if not tree.exists():
            _unpack([_fetched(item, home) for item in wanted], tree)
    return tree


def library_path(tree: Path, *within: str) -> str:
    """Return ``LD_LIBRARY_PATH=...``, for ``env``, so that programs of an unpacked tree find its libraries.

    A system that has them all already has none of them in the tree; then the path is empty, which changes
    nothing.

    Args:
        tree: as `unpacked` returned it.
        within: further directories, below the one for libraries.
    """
    found = [path for path in (tree / "usr/lib").glob("*-linux-gnu") if path.is_dir()]
    return "LD_LIBRARY_PATH=" + ":".join(str(path / name) for path in found for name in ("", *within))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one of several parallel test processes fill the cache."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _resolved(packages: tuple[str, ...], home: Path) -> list[str]:
    """`NAME=VERSION` of each package to fetch; apt takes seconds to say so, hence the memory on disk."""
    state = [str(path.stat().st_mtime_ns) for path in SYSTEM_STATE]
    memory = home / "resolved" / _digest([*packages, *state])
    if not memory.exists():
        memory.parent.mkdir(exist_ok=True)
        _replace(memory, "\n".join(_ask_apt(packages)))
    return memory.read_text().splitlines()


def _ask_apt(packages: tuple[str, ...]) -> list[str]:
    options = ("--simulate", "--reinstall", "--no-install-recommends")
    try:
        answer = run(("apt-get", *AS_ROOT, *options, "install", *packages))
    except LabError as error:
        raise LabError(f"{error}\nRun `apt-get update` first") from error
    return sorted(f"{name}={version}" for name, version in INSTALL.findall(answer))


def _fetched(item: str, home: Path) -> Path:
    """Return the archive of `NAME=VERSION`, downloading it unless the cache has it."""
    archives = home / "archives"
    name, version = item.split("=")
    pattern = f"{name}_{version.replace(':', '%3a')}_*.deb"
    if not any(archives.glob(pattern)):
        archives.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as scratch:
            run(("apt-get", *AS_ROOT, "--quiet", "download", item), cwd=scratch)
            for archive in Path(scratch).iterdir():
                archive.rename(archives / archive.name)
    return next(archives.glob(pattern))


def _unpack(archives: list[Path], tree: Path) -> None:
    tree.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        for archive in archives:
            run(("dpkg", "--extract", str(archive), f"{scratch}/tree"))
        Path(scratch, "tree").rename(tree)


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.rename(path)
