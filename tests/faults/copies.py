"""Copies of directories: with all that a program can see of them, their time stamps and hard links too."""

import hashlib
import os
import shutil
import stat
from pathlib import Path

State = dict[str, tuple[object, ...]]


def copy(source: Path, target: Path) -> None:
    """Copy what is in a directory into another one, which is there."""
    made: dict[int, str] = {}
    _copy(str(source), str(target), made)


def _copy(source: str, target: str, made: dict[int, str]) -> None:
    for entry in os.scandir(source):
        status, to = entry.stat(follow_symlinks=False), f"{target}/{entry.name}"
        if status.st_ino in made:
            os.link(made[status.st_ino], to, follow_symlinks=False)
            continue
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(to)
            _copy(entry.path, to, made)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(entry.path), to)
        else:
            shutil.copyfile(entry.path, to)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            made[status.st_ino] = to
        os.chown(to, status.st_uid, status.st_gid, follow_symlinks=False)
        shutil.copystat(entry.path, to, follow_symlinks=False)


def empty(directory: Path) -> None:
    """Remove what is in a directory."""
    for entry in os.scandir(directory):
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def state(directory: Path) -> State:
    """Return all that a program can see below a directory, by path."""
    return {str(path.relative_to(directory)): _state(path) for path in directory.rglob("*")}


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    seen = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_size, status.st_mtime_ns)
    if stat.S_ISLNK(status.st_mode):
        return *seen, os.readlink(path)
    return *seen, hashlib.sha256(path.read_bytes()).digest() if stat.S_ISREG(status.st_mode) else b""
