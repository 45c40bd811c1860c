"""What only Linux has is taken away, as on FreeBSD: every verb of a first day works all the same."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from admin import HUB
from place import PLACE, TOP

FREEBSD = '''\
"""As FreeBSD: no extended attributes, files in memory, syncfs and the like, /proc; on ZFS no fallocate."""

import builtins
import ctypes
import errno
import os

for name in ("listxattr", "getxattr", "setxattr", "removexattr", "memfd_create"):
    delattr(os, name)


class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name in ("syncfs", "renameat2", "crypt_rn", "prctl"):
            raise AttributeError(name)
        return super().__getattr__(name)


def not_there(function):
    def called(path, *rest, **options):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *rest, **options)

    return called


ctypes.CDLL = Library
builtins.open = not_there(builtins.open)


def fallocate(descriptor, start, size):
    raise OSError(22, "Invalid argument")


os.posix_fallocate = fallocate


def opened(path, flags, *rest, opening=os.open, **options):
    """Open as open(2) of FreeBSD, which has other numbers for a symbolic link and a socket."""
    try:
        return opening(path, flags, *rest, **options)
    except OSError as error:
        number = {errno.ELOOP: errno.EMLINK, errno.ENXIO: errno.EOPNOTSUPP}.get(error.errno, error.errno)
        raise OSError(number, os.strerror(number), path)


os.open = opened
os.supports_dir_fd.add(opened)
'''


@pytest.fixture
def freebsd(tmp_path: Path) -> Path:
    (tmp_path / "python").mkdir()
    (tmp_path / "python/sitecustomize.py").write_text(FREEBSD)
    (tmp_path / "root/etc").mkdir(parents=True)
    told = TOP / "tests/systems/freebsd-14.os-release"
    (tmp_path / "root/etc/os-release").write_text(told.read_text())
    return tmp_path


def typed(scene: Path, *words: str, status: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{scene}/python:{PLACE}"}
    command = (sys.executable, "-m", "smtpcreds", "--root", f"{scene}/root", *words)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_attributes_are_gone(freebsd: Path) -> None:
    """The scene is what it says."""
    words = "import os, ctypes; print(hasattr(os, 'listxattr'), hasattr(ctypes.CDLL(None), 'syncfs'))"
    environment = {**os.environ, "PYTHONPATH": f"{freebsd}/python"}
    said = subprocess.run((sys.executable, "-c", words), capture_output=True, env=environment, check=True)
    assert said.stdout == b"False False\n"


def test_a_first_day(freebsd: Path) -> None:
    settings = freebsd / "root/etc/smtpcreds/smtpcreds.toml"
    settings.parent.mkdir()
    settings.write_text(f'domain = "polkatistas.org"\nhub = "{HUB}"\n')
    said = typed(freebsd, "sasl", "add", "maildroid", status=78)
    assert f"does not say in which format to make {freebsd}/root/usr/local/etc/sasldb2" in said
    assert 'format = "gdbm"' in said
    settings.write_text(settings.read_text() + '[sasl]\nformat = "gdbm"\n')
    typed(freebsd, "setup", HUB, "--no-passphrase")
    typed(freebsd, "sasl", "passwd", "maildroid")
    typed(freebsd, "sasl", "add", "tuba")
    typed(freebsd, "cert", "issue", "attic")
    typed(freebsd, "cert", "renew", "attic")
    typed(freebsd, "ca", "rollover")
    typed(freebsd, "cert", "renew", "--old-authority")
    typed(freebsd, "ca", "rollover", "--retire-old", "--force")
    typed(freebsd, "audit")
    said = typed(freebsd, "mta", "apply", "sendmail-hub")
    inside = f"chroot {freebsd}/root"
    built = f"{inside} rm -f /etc/mail/{HUB}.cf && {inside} make -C /etc/mail {HUB}.cf && {inside} sh -c "
    assert f"{built}'(sendmail -C /etc/mail/{HUB}.cf -bt < /dev/null > /dev/null || ! sendmail " in said
    assert f"add to {freebsd}/root/etc/mail/{HUB}.mc, above" in said
    assert (freebsd / "root/usr/local/lib/sasl2/Sendmail.conf").exists()
    assert (freebsd / "root/usr/local/etc/sasldb2").exists()


@pytest.mark.parametrize("name", ["lock", "inventory.sqlite3"])
@pytest.mark.parametrize("kind", ["a symbolic link", "a socket"])
def test_what_is_no_file_is_refused_as_on_linux(freebsd: Path, kind: str, name: str) -> None:
    state = freebsd / "root/var/lib/smtpcreds"
    state.mkdir(mode=0o700, parents=True)
    make_odd(state / name, kind)
    said = typed(freebsd, "ca", "init", "--no-passphrase", "--name", "Polka", status=77)
    assert f"{state}/{name}: is " in said


def make_odd(path: Path, kind: str) -> None:
    if kind == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.symlink_to(path.with_name("elsewhere"))
