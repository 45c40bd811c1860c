"""Settings of Postfix's main.cf and master.cf.

main.cf can't include a file, so what it has to say are lines that the administrator adds. The last one for a
name counts (postconf(5)), hence they belong at the end; a value is used as it stands, but for ``$name``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from ..errors import DamagedFileError, InexpressibleError
from . import main_cf
from .port import Include, Premise, Tls

DIRECTORY = "/etc/postfix/smtpcreds"
MAIN = "/etc/postfix/main.cf"
MASTER = "/etc/postfix/master.cf"
QUEUE = "/var/spool/postfix"
"""The chroot of services that have ``y`` in the fifth column of master.cf; Debian's smtpd does."""
RELOAD = "postfix reload"

Settings = Mapping[str, str]
"""Names to values."""

_VALUE = re.compile(r"[A-Za-z0-9/._@:=\[\]+,-]+(?: [A-Za-z0-9/._@:=\[\]+,-]+)*")
_PATH = re.compile(r"/[A-Za-z0-9/._@:=+-]+")
_SETTING = re.compile(r"(\w+)\s*=\s*(.*)")


def fence(fragment: str) -> tuple[str, str]:
    """Return the comments around the lines of a fragment."""
    return f"# {fragment}: begin", f"# {fragment}: end"


def render(title: str, fragment: str, settings: Settings) -> bytes:
    """Return the lines in their fence, with a line on top that says what they are.

    Args:
        title: of the program.
        fragment: path of the file.
        settings: what it says.

    Raises:
        InexpressibleError: a value that Postfix would split or expand.
    """
    first, last = fence(fragment)
    body = (f"# {title}; written by smtpcreds, do not edit", first, *_lines(settings), last)
    return "".join(f"{line}\n" for line in body).encode("ascii")


def parse(content: bytes, path: str) -> Settings:
    """Read lines that :func:`render` wrote.

    Raises:
        DamagedFileError: a line of another kind, by its number.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        setting = _SETTING.fullmatch(line)
        if not setting:
            raise DamagedFileError(path, f"line {number} is not 'name = value'")
        found[setting[1]] = setting[2]
    return found


def in_force(text: str) -> Settings:
    """Return what a main.cf says, lists with spaces only; nothing if Postfix can't read it."""
    try:
        found = main_cf.parse(text, MAIN).settings
    except DamagedFileError:
        return {}
    return {name: _words(value) for name, value in found.items()}


def include(fragment: str, settings: Settings) -> Include:
    """Return the lines that go into main.cf.

    Args:
        fragment: path of the file that holds them.
        settings: what they say.
    """

    def lacking(text: str) -> tuple[str, ...]:
        found = in_force(text)
        return tuple(
            _line(name, value) for name, value in settings.items() if found.get(name) != _words(value)
        )

    where = f"at its end (cat {fragment} >> {MAIN}), and delete earlier lines with these names"
    return Include(MAIN, tuple(_lines(settings)), where, fence=fence(fragment), lacking=lacking)


def pair(tls: Tls) -> str:
    """Return the list of files in which Postfix finds the key and then the certificates."""
    return f"{path(tls.key)}, {path(tls.certificate)}"


def path(name: str) -> str:
    """Return a path that can stand in a list.

    Raises:
        InexpressibleError: Postfix would split or expand it.
    """
    if not _PATH.fullmatch(name):
        reason = (
            "holds a character other than letters, digits and / . _ @ : = + -, which main.cf can't express"
        )
        raise InexpressibleError(name, reason, "set cert.directory to a plain path")
    return name


def chroot(wanted: str) -> Premise:
    """Return the premise that every smtpd of the network is in the chroot (``y``) or not (``n``)."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        for service in _services(text):
            if service.kind == "inet" and service.command == "smtpd" and service.chroot != (wanted == "y"):
                place = "in" if service.chroot else "outside"
                what = f"runs {service.name}/inet {place} the chroot, where it finds no accounts"
                yield what, f"postconf -F {service.name}/inet/chroot={wanted} && {RELOAD}"

    return Premise(MASTER, faults)


def _services(text: str) -> tuple[main_cf.Service, ...]:
    try:
        return main_cf.parse_master(text, MASTER)
    except DamagedFileError:
        return ()


def _words(value: str) -> str:
    """Return a value in one form: lists take commas or spaces between their words."""
    return " ".join(value.replace(",", " ").split())


def _lines(settings: Settings) -> Iterable[str]:
    return (_line(name, value) for name, value in settings.items())


def _line(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise InexpressibleError(value or name, f"is no value for {name} that main.cf can express")
    return f"{name} = {value}"
