"""What Exim's files have in common in both roles.

Exim reads certificates, keys and credentials as a user without privileges, so it gets copies. Lines are
``name = value``. Exim expands a value, so what we are told may hold letters, digits and ``. _ -`` only.

Source: the Exim specification, chapters 6, 15, 17, 33 and 43, and update-exim4.conf(8) of Debian.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import dataclass, pattern
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN
from .copies import Copies
from .program import EDITING, Compiled, Facts, File, Include, Premise, Role, Work

USER = DEBIAN.exim_user
DIRECTORY = f"{DEBIAN.exim_directory}/smtpcreds"
COPIES = Copies(DIRECTORY, USER)

Options = Mapping[str, str]
Groups = Mapping[str, Options]
"""Drivers or access lists by name, each with its options; the empty name has what belongs to none."""

_HEAD = "written by smtpcreds, do not edit"
_WORD = pattern(r"[A-Za-z0-9._-]+")
_GROUP = pattern(r"(\w+):")
_OPTION = pattern(r"\s*(\w+(?: \w+)?)\s*=\s*(.*)")


def driver_name(mechanism: str) -> str:
    """Return what an authenticator for the mechanism is called."""
    return f"smtpcreds_{mechanism.lower().replace('-', '_')}"


def word(value: str) -> str:
    """Return a value that stands in a line as it is."""
    if not _WORD.fullmatch(value):
        raise InexpressibleError(value, "holds a character that Exim would expand or cut")
    return value


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read a fragment, to ``group.option``, or a copy.

    Raises:
        DamagedFileError: a line of a kind that is never rendered, by its number.
    """
    if path in COPIES.paths:
        return COPIES.parse(path, content)
    found: dict[str, str | Secret] = {}
    group = ""
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if name := _GROUP.fullmatch(line):
            group = f"{name[1]}."
        elif option := _OPTION.fullmatch(line):
            found[group + option[1]] = option[2]
        elif line.strip() and not line.startswith("#"):
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
    return found


def text_of(title: str, groups: Groups) -> bytes:
    """Return the lines of a fragment."""
    lines = [f"# {title}; {_HEAD}"]
    for name, options in groups.items():
        lines += [f"{name}:"] if name else []
        indent = "  " if name else ""
        lines += [f"{indent}{option} = {value}" for option, value in options.items()]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


# Where Exim's configuration takes our fragments: Debian's template, its split files, or a file by hand.

SPLIT = "split"
HAND_WRITTEN = "hand-written"
STYLES = frozenset({SPLIT, HAND_WRITTEN})
"""How the configuration is kept, if not in Debian's template."""

MAIN, ACL, ROUTERS, TRANSPORTS, AUTHENTICATORS = "main", "acl", "router", "transport", "auth"
GENERATED = DEBIAN.exim_generated
CONFIGURATION = DEBIAN.exim_conf
MACROS = f"{DEBIAN.exim_directory}/exim4.conf.localmacros"
TEMPLATE = f"{DEBIAN.exim_directory}/exim4.conf.template"
PARTS = f"{DEBIAN.exim_directory}/conf.d"
"""Debian's split files."""
RELOAD = f'kill -HUP "$(cat {DEBIAN.exim_pid})"'
RESTART = DEBIAN.to_restart(DEBIAN.exim_program)
"""Where it listens is read at its start alone."""
REMAKE = f"{DEBIAN.exim_make} && {RELOAD}"


@dataclass(frozen=True)
class _Spot:
    """A file, and the lines between which ours has an effect.

    Attributes:
        path: empty where no line is needed.
        below: the line above it; empty for the top of the file.
        above: beginnings of the lines below it; empty for the end of the file.
        is_certain: ours may stand right below the line above it, whatever else is there.
    """

    path: str
    below: str = ""
    above: tuple[str, ...] = ()
    is_certain: bool = True

    def lacking(self, text: str, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Return which lines do not stand there."""
        there = [line.rstrip() for line in text.splitlines()]
        start = _first(there, (self.below,)) + 1 if self.below else 0
        end = start + _first(there[start:], self.above)
        return tuple(line for line in lines if line not in there[start:end])

    def include(self, where: str, lines: tuple[str, ...]) -> Include:
        """Return the lines, to be added here."""
        return Include(
            self.path,
            lines,
            where,
            () if self.below else self.above,
            lacking=lambda text: self.lacking(text, lines),
            below=self.below if self.is_certain else None,
        )


_NEXT_PART = ("begin ",)
_OUTWARD = ("### router/200_exim4-config_primary", "dnslookup:", "smarthost:", *_NEXT_PART)


@dataclass(frozen=True)
class _Section:
    """One section of the configuration.

    Attributes:
        where: our line goes, in words.
        template: in Debian's template, or its file of macros.
        split: in the split files.
        by_hand: in somebody's own file.
        drop_in: name that the fragment itself has among the split files, and needs no line then; or empty.
    """

    where: str
    template: _Spot
    split: _Spot
    by_hand: _Spot
    drop_in: str = ""


_NOWHERE = _Spot("")
_SECTIONS = {
    MAIN: _Section(
        "above the first 'begin'",
        _Spot(MACROS),
        _NOWHERE,
        _Spot(CONFIGURATION, "", _NEXT_PART),
        "00_smtpcreds",
    ),
    ACL: _Section(
        "as the first line of the list that acl_smtp_rcpt names",
        _Spot(TEMPLATE, "acl_check_rcpt:", _NEXT_PART),
        _Spot(f"{PARTS}/acl/30_exim4-config_check_rcpt", "acl_check_rcpt:"),
        _Spot(CONFIGURATION, "begin acl", _NEXT_PART, is_certain=False),
    ),
    ROUTERS: _Section(
        "below 'begin routers', above the router for the mail of other hosts",
        _Spot(TEMPLATE, "begin routers", _OUTWARD),
        _NOWHERE,
        _Spot(CONFIGURATION, "begin routers", _OUTWARD),
        "175_smtpcreds",
    ),
    TRANSPORTS: _Section(
        "below 'begin transports'",
        _Spot(TEMPLATE, "begin transports", _NEXT_PART),
        _NOWHERE,
        _Spot(CONFIGURATION, "begin transports", _NEXT_PART),
        "15_smtpcreds",
    ),
    AUTHENTICATORS: _Section(
        "below 'begin authenticators', in place of those with the same public_name",
        _Spot(TEMPLATE, "begin authenticators", _NEXT_PART),
        _Spot(f"{PARTS}/auth/30_exim4-config_examples"),
        _Spot(CONFIGURATION, "begin authenticators", _NEXT_PART),
        "15_smtpcreds",
    ),
}


@dataclass(frozen=True)
class Fragment:
    """Lines for one section of the configuration.

    ``instead`` are lines of Debian's that Exim does not accept beside them.
    """

    section: str
    groups: Groups
    instead: tuple[str, ...] = ()

    def path(self, role: Role, variants: frozenset[str]) -> str:
        """Return where it lies."""
        drop_in = _SECTIONS[self.section].drop_in
        if SPLIT in variants and drop_in and not self.instead:
            return f"{PARTS}/{self.section}/{drop_in}-{role.value}"
        return f"{DIRECTORY}/{role.value}-{self.section}.conf"

    def include(self, role: Role, variants: frozenset[str]) -> Include | None:
        """Return the line that brings it into the configuration; None where that happens by itself."""
        section, path = _SECTIONS[self.section], self.path(role, variants)
        styles = {SPLIT: section.split, HAND_WRITTEN: section.by_hand}
        spot = next((styles[style] for style in styles if style in variants), section.template)
        lines = (f".include {path}",)
        if not path.startswith(DIRECTORY):
            return None
        return spot.include(section.where, lines)

    def doubles(self, text: str) -> Iterable[tuple[str, str]]:
        """Return what Exim does not accept beside our lines, and the way out."""
        there = {line.rstrip() for line in text.splitlines()}
        return (
            (
                f"has the authenticator {line} which Exim does not accept beside that of smtpcreds",
                f"remove it, or {EDITING}",
            )
            for line in self.instead
            if line in there
        )

    def alone(self, text: str) -> str:
        """Return a configuration in which those authenticators are comments."""
        for name in self.instead:
            block = rf"^{re.escape(name)}[ \t]*\n(?:[ \t]+.*\n|\.\w.*\n)*"
            text = re.sub(block, _as_comment, text, count=1, flags=re.MULTILINE)
        return text


def check_style(facts: Facts) -> None:
    """Raise UsageError where two styles of configuration were chosen."""
    if facts.variants >= STYLES:
        raise UsageError(" and ".join(sorted(STYLES)), "are two ways to keep a configuration; choose one")


def render(title: str, role: Role, facts: Facts, fragments: Iterable[Fragment]) -> tuple[File, ...]:
    """Return the files of the fragments."""
    return tuple(File(f.path(role, facts.variants), (text_of(title, f.groups),)) for f in fragments)


def work(role: Role, facts: Facts, fragments: Sequence[Fragment]) -> Work:
    """Return the lines to add, what Debian makes of them, and the commands; a faulty result is not used."""
    found = [(f, f.include(role, facts.variants)) for f in fragments]
    includes = tuple(include for _, include in found if include)
    premises = tuple(Premise(include.path, f.doubles, f.alone) for f, include in found if include)
    if role is Role.HUB:
        premises += (reachable(), delivering())
    if HAND_WRITTEN in facts.variants:
        return Work(includes, (), (f"{DEBIAN.exim_program} -bV > /dev/null", RELOAD), premises, untraced=True)
    own = (f.path(role, facts.variants) for f in fragments)
    drop_ins = (path for path in own if not path.startswith(DIRECTORY))
    sources = (*dict.fromkeys(include.path for include in includes), *drop_ins)
    lines = [line for include in includes for line in include.lines]
    premises += (kept_so(role, SPLIT in facts.variants),)
    made = Compiled(GENERATED, sources, lambda text: _faults(text, lines))
    return Work(includes, (made,), (DEBIAN.exim_make, RELOAD), premises, untraced=True)


ANSWERS = DEBIAN.exim_answers
"""What Debian's package was told, when it was installed and since."""
_INTERFACES = pattern(r"^dc_local_interfaces=(['\"]?)(.*?)\1[ \t]*$", re.MULTILINE)


def closed_interfaces(text: str) -> str:
    """Return the addresses that Debian's answers name, if all are of the host itself; else nothing."""
    found = _INTERFACES.search(text)
    words = re.split(r"[\s;]+", found[2].strip()) if found else [""]
    return found[2] if found and all(re.fullmatch(r"127\.[\d.]+|::1", word) for word in words) else ""


def answered(name: str, value: str, effect: str = RELOAD) -> str:
    """Return the command that gives Debian's package another answer."""
    edit = quote(f"s/^{name}=.*/{name}='{value}'/")
    return f"sed -i {edit} {ANSWERS} && {DEBIAN.exim_make} && {effect}"


def reachable() -> Premise:
    """Return the premise that Exim listens for other hosts; Debian's answers say 127.0.0.1 by default."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        if value := closed_interfaces(text):
            what = f"says dc_local_interfaces='{value}', so no client host reaches Exim"
            yield what, answered("dc_local_interfaces", "", RESTART)

    def mended(text: str) -> str:
        return _INTERFACES.sub("dc_local_interfaces=''", text) if closed_interfaces(text) else text

    return Premise(ANSWERS, faults, mended, has_code=True)


_SPLIT = pattern(r"^dc_use_split_config=(['\"]?)true\1[ \t]*$", re.MULTILINE)


def kept_so(role: Role, is_split: bool) -> Premise:
    """Return the premise that Debian makes the configuration of those files that get our lines."""
    again = f"smtpcreds mta apply exim-{role.value}"

    def faults(text: str) -> Iterator[tuple[str, str]]:
        if _SPLIT.search(text) and not is_split:
            what = f"says dc_use_split_config='true', so Exim does not read {TEMPLATE}"
            yield what, f"{again} --with split --edit --run"
        elif text and is_split and not _SPLIT.search(text):
            what = "does not say dc_use_split_config='true', so Exim does not read the split files"
            yield what, f"{again} --defaults --edit --run"

    return Premise(ANSWERS, faults)


_KIND = pattern(r"^dc_eximconfig_configtype=(['\"]?)local\1[ \t]*$", re.MULTILINE)


def is_local_only(text: str) -> bool:
    """Tell whether Debian's answers let Exim send nothing to other hosts, as they do by default."""
    return bool(_KIND.search(text))


def delivering() -> Premise:
    """Return the premise that Exim sends mail to other hosts."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        if is_local_only(text):
            what = "says dc_eximconfig_configtype='local', so Exim returns mail for other hosts"
            sent = answered("dc_eximconfig_configtype", "internet")
            yield what, f"{sent}, or 'smarthost' there and in dc_smarthost its name"

    def mended(text: str) -> str:
        return _KIND.sub("dc_eximconfig_configtype='internet'", text)

    return Premise(ANSWERS, faults, mended, has_code=True)


def _as_comment(found: re.Match[str]) -> str:
    return re.sub(r"^", "# ", found[0].removesuffix("\n"), flags=re.MULTILINE) + "\n"


def _faults(text: str, lines: Iterable[str]) -> Iterable[str]:
    present = {line.strip() for line in text.splitlines()}
    return (f"lacks the line {line}" for line in lines if line not in present)


def _first(lines: Sequence[str], beginnings: tuple[str, ...]) -> int:
    """Return the number of the first line that begins so, or of lines where none does."""
    return next((n for n, line in enumerate(lines) if line.startswith(beginnings)), len(lines))


# Exim's configuration, as far as it is checked: TLS files of server and smtp transports, authenticators.
#
# Macros and ``.ifdef`` are for :func:`.exim_rules.in_force`. On Debian the file is
# /var/lib/exim4/config.autogenerated, in which update-exim4.conf has put the parts together.

_BEGIN = pattern(r"begin\s+(\w+)")
_NAME = pattern(r"(\w+):")
_CONFIGURED_OPTION = pattern(r"(?:hide\s+)?(\w+)\s*=\s*(.*)")
_INCLUDE = pattern(r"^\s*\.include(?:_if_exists)?\s+(/\S+)[ \t]*$", re.MULTILINE)
_DEPTH = 10


@dataclass(frozen=True)
class TlsFiles:
    """Certificate and key as they stand in the file; empty where they are not set."""

    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class EximConf:
    """What is checked.

    Attributes:
        server: of the main part.
        client: of the first smtp transport that names a certificate.
        authenticators: name to options.
    """

    server: TlsFiles
    client: TlsFiles
    authenticators: Mapping[str, Mapping[str, str]]


def expand(text: str, read: Callable[[str], str | None], depth: int = _DEPTH) -> str:
    """Return the configuration with what it includes; ``read`` gives a file, or None where there is none."""
    if depth == 0:
        return text

    def included(found: "re.Match[str]") -> str:
        name = found[1]  # in itself it is nothing; Exim refuses it
        return expand(read(name) or "", lambda other: None if other == name else read(other), depth - 1)

    return _INCLUDE.sub(included, text)


def parse_configuration(text: str) -> EximConf:
    """Read the configuration; what is not understood is passed over."""
    parts: dict[str, dict[str, dict[str, str]]] = {}
    part = name = "main"
    for line in logical_lines(text):
        if begin := _BEGIN.fullmatch(line):
            part, name = begin[1], ""
        elif item := _NAME.fullmatch(line):
            name = item[1]
        elif option := _CONFIGURED_OPTION.fullmatch(line):
            parts.setdefault(part, {}).setdefault(name, {})[option[1]] = option[2].strip()
    transports = map(_files, parts.get("transports", {}).values())
    client = next((files for files in transports if files.certificate), TlsFiles())
    return EximConf(_files(parts.get("main", {}).get("main", {})), client, parts.get("authenticators", {}))


def _files(options: Mapping[str, str]) -> TlsFiles:
    return TlsFiles(options.get("tls_certificate", ""), options.get("tls_privatekey", ""))


def logical_lines(text: str) -> Iterator[str]:
    """Yield logical lines: a backslash at the end continues, comments go."""
    held = ""
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("#") or (not stripped and not held):
            continue
        if stripped.endswith("\\"):
            held += stripped[:-1]
            continue
        yield held + stripped
        held = ""
