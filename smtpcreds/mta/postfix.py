"""Postfix's formats: main.cf and master.cf, and lookup tables."""

from collections.abc import Container, Iterable, Iterator, Mapping

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import dataclass, pattern
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN, System
from . import main_cf
from .program import Compiled, Content, File, Include, Map, Premise, Rendered, Tls

# Settings of Postfix's main.cf and master.cf.
#
# main.cf can't include a file, so what it has to say are lines that the administrator adds. The last one for
# a name counts (postconf(5)), hence they belong at the end; a value is used as it stands, but for ``$name``.

DIRECTORY = f"{DEBIAN.postfix_directory}/smtpcreds"
MAIN = f"{DEBIAN.postfix_directory}/main.cf"
MASTER = f"{DEBIAN.postfix_directory}/master.cf"
USER = DEBIAN.postfix_user
QUEUE = DEBIAN.postfix_queue
"""The chroot of services that have ``y`` in the fifth column of master.cf; Debian's smtpd does."""
RELOAD = "postfix reload"
RESTART = DEBIAN.to_restart("postfix")
"""For what a reload does not do: other addresses to listen on."""

Settings = Mapping[str, str]
"""Names to values."""

_VALUE = pattern(r"[A-Za-z0-9/._@:=\[\]+,-]+(?: [A-Za-z0-9/._@:=\[\]+,-]+)*")
_PATH = pattern(r"/[A-Za-z0-9/._@:=+-]+")
_SETTING = pattern(r"(\w+)\s*=\s*(.*)")


def fence(fragment: str) -> tuple[str, str]:
    """Return the comments around the lines of a fragment."""
    return f"# {fragment}: begin", f"# {fragment}: end"


def render(title: str, fragment: str, settings: Settings) -> bytes:
    """Return the lines in their fence, with a line on top that says what they are.

    Args:
        title: of the program.
        fragment: path of the file.
        settings: what it says.
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

    names = {*settings, *(old for name in settings for old in _SUPERSEDED.get(name, ()))}
    where = f"at its end (cat {fragment} >> {MAIN}), and delete earlier lines with these names"
    lines = tuple(_lines(settings))
    fences = fence(fragment)
    return Include(
        MAIN, lines, where, fence=fences, lacking=lacking, cleared=lambda text: without(text, names)
    )


_SUPERSEDED = {
    "smtpd_tls_chain_files": ("smtpd_tls_cert_file", "smtpd_tls_key_file"),
    "smtp_tls_chain_files": ("smtp_tls_cert_file", "smtp_tls_key_file"),
}
"""What Postfix ignores beside a setting of ours, and warns of in the log of each process."""


def without(text: str, names: Container[str]) -> str:
    """Return a main.cf in which the settings of these names are comments, with the lines that continue them.

    Of two lines for one name the last counts, and each process of Postfix logs a warning.
    """
    made, is_ours = [], False
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            is_ours = is_ours if line[0] in " \t" else line.partition("=")[0].strip() in names
            line = f"#{line}" if is_ours else line
        made.append(line)
    return "".join(made)


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


def servers(master: str, main: str) -> list[main_cf.Service]:
    """Return each smtpd of the network, given what master.cf and main.cf say."""
    try:
        return main_cf.servers(main_cf.parse_master(master, MASTER, main_cf.parse(main, MAIN)))
    except DamagedFileError:
        return []


def moving(service: main_cf.Service, wanted: str) -> str:
    """Return the command that puts a service into the chroot (``y``), or takes it out (``n``)."""
    return f"postconf -F {quote(service.name)}/{service.kind}/chroot={wanted}"


def chroot(wanted: str, main: str) -> Premise:
    """Return the premise that every smtpd of the network is in the chroot (``y``) or not (``n``).

    Args:
        wanted: which.
        main: what main.cf says.
    """

    def faults(text: str) -> Iterator[tuple[str, str]]:
        for service in servers(text, main):
            if service.chroot != (wanted == "y"):
                place = "in" if service.chroot else "outside"
                what = f"runs {service.name}/{service.kind} {place} the chroot, where it finds no accounts"
                yield what, f"{moving(service, wanted)} && {RELOAD}"

    return Premise(MASTER, faults, has_code=wanted == "n")


_LOOPBACK = {"loopback-only", "localhost", "127.0.0.1", "[::1]", "::1"}
OPEN = f"postconf -e inet_interfaces=all && {RESTART}"


def is_closed(interfaces: str) -> bool:
    """Tell whether Postfix listens for its own host alone, given inet_interfaces; the default is all."""
    words = set(_words(interfaces).lower().split())
    return bool(words) and words <= _LOOPBACK


def reachable() -> Premise:
    """Return the premise that Postfix listens for other hosts, as Debian's "local only" does not."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        value = in_force(text).get("inet_interfaces", "")
        if is_closed(value):
            what = f"says inet_interfaces = {value}, so no client host reaches Postfix"
            yield what, OPEN

    def mended(text: str) -> str:
        is_local = is_closed(in_force(text).get("inet_interfaces", ""))
        return without(text, {"inet_interfaces"}) if is_local else text

    return Premise(MAIN, faults, mended, RESTART, has_code=True)


_TRANSPORTS = ("default_transport", "relay_transport")


def delivering() -> Premise:
    """Return the premise that mail goes out; after Debian's "local only" it is returned instead."""

    def closed(text: str) -> dict[str, str]:
        found = in_force(text)
        values = {name: found.get(name, "") for name in _TRANSPORTS}
        return {name: value for name, value in values.items() if value.partition(":")[0] == "error"}

    def faults(text: str) -> Iterator[tuple[str, str]]:
        for name, value in closed(text).items():
            what = f"says {name} = {value}, so mail for other hosts is returned"
            yield what, f"postconf -X {name} && {RELOAD}"

    return Premise(MAIN, faults, lambda text: without(text, closed(text)), has_code=True)


def _words(value: str) -> str:
    """Return a value in one form: lists take commas or spaces between their words."""
    return " ".join(value.replace(",", " ").split())


def _lines(settings: Settings) -> Iterable[str]:
    return (_line(name, value) for name, value in settings.items())


def _line(name: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise InexpressibleError(value or name, f"is not a value for {name} that main.cf can express")
    return f"{name} = {value}"


# Postfix's lookup tables: lines ``key value``, and what is made of them for each type of table.
#
# There is no quoting. A key ends at the first blank and is folded to lower case; a value is what follows up
# to the end of the line, without blanks around it (postmap(1)).

HASH = "hash"
LMDB = "lmdb"
TEXT = "texthash"
"""Read from the source itself, by daemons as they start."""
KINDS = frozenset({HASH, LMDB})
"""Choices instead of TEXT."""
MAX_VALUE = 1024
"""Octets. The tables take more; but smtpd reads 2048 octets of a line, and AUTH PLAIN needs a third more."""

_BLANK = b" \t\n\v\f\r"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        path: of its source.
        kind: TEXT, HASH or LMDB.
        entries: key to value.
        mode: of all its files.
    """

    path: str
    kind: str
    entries: Mapping[str, Content]
    mode: int = 0o644

    @property
    def name(self) -> str:
        """What main.cf calls it."""
        return f"{self.kind}:{self.path}"

    @property
    def files(self) -> tuple[Rendered, ...]:
        """Its source, and the Berkeley DB file of a table of kind HASH."""
        lines = [(f"{key}\t".encode(), *value, b"\n") for key, value in self.entries.items()]
        source = File(self.path, tuple(piece for line in lines for piece in line), self.mode)
        if self.kind != HASH:
            return (source,)
        records = {key.lower().encode(): value for key, value in self.entries.items()}
        return (source, Map(f"{self.path}.db", records, self.path, self.mode, terminator=b"\0"))

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What the commands make."""
        return (Compiled(f"{self.path}.lmdb", (self.path,)),) if self.kind == LMDB else ()

    @property
    def commands(self) -> tuple[str, ...]:
        """How it is made of its source."""
        return (f"postmap {quote(self.name)}",) if self.kind == LMDB else ()


def kind_of(variants: frozenset[str], system: System) -> str:
    """Return the kind of table that was chosen."""
    chosen = sorted(variants & KINDS)
    if len(chosen) > 1:
        raise UsageError(" and ".join(chosen), "are two types of table", "choose one")
    if chosen == [HASH] and system.postfix_map != HASH:
        hint = "leave it out, or choose lmdb; where Postfix has it: postfix_map in table [system]"
        raise InexpressibleError(HASH, "is a table that this system's Postfix does not read", hint)
    return chosen[0] if chosen else TEXT


def password(subject: str, login: str, secret: Secret) -> Content:
    """Return the value ``login:secret`` of a password table; Postfix divides it at its first colon."""
    fault = _fault(secret.reveal())
    if fault:
        reason = f"the secret {fault}, which a table of Postfix can't express"
        raise InexpressibleError(subject, reason, f"smtpcreds sasl passwd {quote(subject)}")
    return (f"{login}:".encode(), secret)


def parse_table(content: bytes, path: str) -> dict[str, bytes]:
    """Read a source: key to value."""
    found: dict[str, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip(_BLANK) or line.startswith(b"#"):
            continue
        key, *value = line.split(None, 1)
        if not value or line[:1].isspace() or not key.isascii():
            raise DamagedFileError(path, f"line {number} is not 'key value'")
        found[key.decode()] = value[0].rstrip(_BLANK)
    return found


def parse_password(content: bytes, path: str) -> Mapping[str, str | Secret]:
    """Read a password table of one entry."""
    entries = parse_table(content, path)
    if len(entries) != 1:
        raise DamagedFileError(
            path, f"has {len(entries)} lines with entries; smtpcreds writes one, for the hub"
        )
    key, value = next(iter(entries.items()))
    login, _, secret = value.partition(b":")
    return {"key": key, "authcid": login.decode(errors="replace"), "secret": Secret(secret)}


def _fault(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if value != value.rstrip(_BLANK):
        return "ends in a blank"
    if any(octet < 32 or octet == 127 for octet in value):
        return "contains a control character"
    if len(value) > MAX_VALUE:
        return f"is over {MAX_VALUE} octets"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return None
