"""Dovecot's formats: the passwd-file, and its configuration."""

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import dataclass, pattern
from ..model import Account
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN
from .dovecot_text import is_yes, settings, unquoted
from .program import Content

# Dovecot's passwd-file: one account a line, ``user@realm:{SCHEME}value``.
#
# Dovecot folds names to lower case before it looks (``auth_username_format``) and refuses those with
# characters outside of ``auth_username_chars``; both are settings of the whole server, and so names follow
# their defaults.

PATH = f"{DEBIAN.dovecot_directory}/smtpcreds-users"
CONFIGURATION = f"{DEBIAN.dovecot_directory}/dovecot.conf"
DEFAULT_SCHEME = "SCRAM-SHA-256"
SCHEMES = {"sha512-crypt": "SHA512-CRYPT", "argon2id": "ARGON2ID", "clear": "PLAIN.b64"}
"""Choice to scheme."""
MECHANISMS = {
    DEFAULT_SCHEME: ("SCRAM-SHA-256", "PLAIN", "LOGIN"),
    "SHA512-CRYPT": ("PLAIN", "LOGIN"),
    "ARGON2ID": ("PLAIN", "LOGIN"),
    "PLAIN.b64": ("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"),
}
"""What each scheme can serve."""
_FORBIDDEN = {0: "a NUL", 1: "the octet 1", 9: "a TAB", 10: "a line feed", 13: "a carriage return"}
_NAME = pattern(r"[a-z0-9._-]+@[a-z0-9._-]+")
_LINE = pattern(r"([^:\s#][^:]*):(\{[A-Za-z0-9.-]+\}[^:]*)")


def check_secret(account: Account, secret: Secret) -> None:
    """Raise InexpressibleError for a secret that Dovecot accepts from nobody, by PLAIN or LOGIN at least."""
    value = secret.reveal()
    for octet, name in _FORBIDDEN.items():
        if octet in value:
            reason = f"the secret contains {name}, which Dovecot never accepts"
            raise InexpressibleError(str(account), reason, f"smtpcreds sasl passwd {quote(str(account))}")


def scheme_of(variants: frozenset[str]) -> str:
    """Return the chosen scheme."""
    chosen = sorted(variants & SCHEMES.keys())
    if len(chosen) > 1:
        raise UsageError(" and ".join(chosen), "are two ways to store one password; choose one")
    return SCHEMES[chosen[0]] if chosen else DEFAULT_SCHEME


def pieces(accounts: Sequence[Account], verifiers: Mapping[str, Secret], realm: str) -> Content:
    """Return the file; an account of the server's own realm is there by its bare name, too."""
    content: list[bytes | Secret] = []
    for account in accounts:
        name = _checked(account)
        for login in (name, account.authcid)[: 1 + (account.realm == realm)]:
            content += [f"{login}:".encode(), verifiers[name], b"\n"]
    return tuple(content)


def parse(content: bytes, path: str) -> dict[str, str | Secret]:
    """Read the file: login to field.

    Raises:
        DamagedFileError: a line that is never rendered, by its number.
    """
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        entry = _LINE.fullmatch(line)
        if not entry:
            raise DamagedFileError(path, f"line {number} is not 'user@realm:{{SCHEME}}value'")
        found[entry[1]] = Secret(entry[2])
    return found


def _checked(account: Account) -> str:
    name = str(account)
    if not _NAME.fullmatch(name):
        reason = "has a name with capitals or characters that Dovecot would not look up"
        raise InexpressibleError(name, reason, "name it with a-z 0-9 . _ -")
    return name


# dovecot.conf, as far as it is checked: TLS files and whether passwords need TLS; settings of any depth.
#
# Settings that hold for one protocol or address only are taken as if they held for all.

# Dovecot 2.4 has other names, and says so: its first setting is ``dovecot_config_version``.

_VERSION = pattern(r"^\s*dovecot_config_version\s*=\s*([0-9]{1,9})\.([0-9]{1,9})", re.MULTILINE)
NEW = (2, 4)


def version_of(text: str) -> tuple[int, int]:
    """Return the version that a dovecot.conf is written for; 2.3 and older say none."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else (2, 3)


@dataclass(frozen=True)
class DovecotConf:
    """What is checked: paths without the leading ``<``, words as they stand, defaults of Dovecot.

    Attributes:
        pairs: paths of each certificate and its key, of any block.
        ssl: as it is set.
        takes_cleartext: whether passwords are taken outside TLS.
        mechanisms: in lower case as a rule.
        settings: those that hold for logins through a mail server, in no block or in one for them.
        submission: those that hold for Dovecot's own service for submission.
        passdbs: the settings of each database of passwords, in order, by their short names: ``skip``, not
            ``passdb_skip``; since 2.4 those that hold for all are in each, and a database has a ``name``.
        listeners: sockets of ``service auth``, each with its mode, user and group.
        auth: what the block ``service auth`` says itself.
        to_refuse: the setting that says not to take them, as this version calls it.
        is_new: whether it is written for 2.4 or later.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    ssl: str = "yes"
    takes_cleartext: bool = False
    mechanisms: tuple[str, ...] = ("plain",)
    settings: Mapping[str, str] = field(default_factory=dict)
    submission: Mapping[str, str] = field(default_factory=dict)
    passdbs: tuple[Mapping[str, str], ...] = ()
    listeners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    auth: Mapping[str, str] = field(default_factory=dict)
    to_refuse: str = "disable_plaintext_auth = yes"
    is_new: bool = False


_INCLUDED = pattern(r"[ \t]*!include(?:_try)?[ \t]+(\S+)[ \t]*")
_DEPTH = 10


Files = Callable[[str], Iterable[tuple[str, str]]]
"""Gives path and text of each file of a pattern, in order."""


class Origin(NamedTuple):
    """A line of a configuration that includes files: whose it is, and its number there."""

    path: str
    number: int
    line: str


def origins(path: str, text: str, read: Files, above: frozenset[str] = frozenset()) -> Iterator[Origin]:
    """Yield the lines of a file and of what it includes, by paths from its own directory on, in order.

    A pattern inside itself is nothing; Dovecot refuses that.
    """
    for number, line in enumerate(text.split("\n"), 1):
        found = _INCLUDED.fullmatch(line)
        if not found:
            yield Origin(path, number, line)
            continue
        name = found[1]
        pattern = name if name.startswith("/") else f"{path.rpartition('/')[0]}/{name}"
        if pattern not in above and len(above) < _DEPTH:
            for file in read(pattern):
                yield from origins(*file, read, above | {pattern})


def expand(path: str, text: str, read: Files) -> str:
    """Return the configuration of a file with what it includes."""
    return "\n".join(origin.line for origin in origins(path, text, read))


def parse_configuration(text: str, *, is_new: bool | None = None) -> DovecotConf:
    """Read the configuration; the last line of a setting counts, and what is not checked is passed over.

    Args:
        text: all of it, or a part.
        is_new: whether it is for 2.4 or later, where the text is a part that does not say so.
    """
    found: dict[str, str] = {}
    blocks: dict[tuple[str, ...], dict[str, str]] = {}
    is_new = version_of(text) >= NEW if is_new is None else is_new
    for block, name, value, *_ in settings(text, is_new=is_new):
        if is_new and block and block[-1] in _LISTS:
            value = _switched(found.get(block[-1], _LISTS[block[-1]]), name, value)
            block, name = block[:-1], block[-1]
        elif name in _LISTS:
            value = " ".join(map(unquoted, value.split())).replace(f"${name}", found.get(name, _LISTS[name]))
        found[name] = value
        blocks.setdefault(_whole(block), {})[name] = value
    around = (
        _holding(blocks, "smtp"),
        _holding(blocks, "submission"),
        tuple(_passdbs(blocks, is_new=is_new)),
        dict(_listeners(blocks)),
        blocks.get(("service auth",), {}),
    )
    mechanisms = tuple(found.get(_MECHANISMS, "plain").split())
    ssl, pairs = found.get("ssl", "yes"), tuple(_pairs(blocks, is_new=is_new))
    if is_new:
        is_clear, to_refuse = found.get("auth_allow_cleartext", "no") == "yes", "auth_allow_cleartext = no"
        return DovecotConf(pairs, ssl, is_clear, mechanisms, *around, to_refuse, is_new)
    return DovecotConf(pairs, ssl, found.get("disable_plaintext_auth", "yes") == "no", mechanisms, *around)


def _holding(blocks: Mapping[tuple[str, ...], Mapping[str, str]], protocol: str) -> Mapping[str, str]:
    """Return what holds for a protocol: said in no block, or in one for it."""
    own = sorted((block for block in blocks if are_for(block, protocol)), key=len, reverse=True)
    kept = [{name: value for name, value in blocks[block].items() if name not in _OF_ALL} for block in own]
    return dict(ChainMap(*kept, dict(blocks.get((), {}))))


_CERTIFICATE = {False: ("ssl_cert", "ssl_key"), True: ("ssl_server_cert_file", "ssl_server_key_file")}


def _pairs(blocks: Mapping[tuple[str, ...], Mapping[str, str]], *, is_new: bool) -> Iterator[tuple[str, str]]:
    """Yield certificate and key of all blocks that name one; what a block does not say holds from outside."""
    told: dict[tuple[str, ...], dict[str, str]] = {(): {}}
    for block, options in blocks.items():
        said = {name: options[name].lstrip("< ") for name in _CERTIFICATE[is_new] if name in options}
        told.setdefault(block, {}).update(said)
    for block, own in told.items():
        above = [told.get(block[:depth], {}) for depth in range(len(block), -1, -1)]
        pair = dict(ChainMap(*above))
        if own and all(pair.get(name) for name in _CERTIFICATE[is_new]):
            certificate, key = (pair[name] for name in _CERTIFICATE[is_new])
            yield certificate, key


def _switched(words: str, name: str, value: str) -> str:
    """Return what ``auth_mechanisms { NAME = VALUE }`` of 2.4 leaves of those set before."""
    others = [word for word in words.split() if word != name]
    return " ".join([*others, *([name] if is_yes(value) else [])])


_MECHANISMS = "auth_mechanisms"
_LISTS = {_MECHANISMS: "plain", "protocols": ""}
"""Lists of words, with what they begin with."""
_OF_ALL = frozenset({_MECHANISMS})
"""Has no effect in a block for a protocol (observed with 2.3.19)."""


def is_for(block: str, protocol: str) -> bool:
    """Tell whether a block holds for a protocol; logins through a mail server come as the protocol smtp."""
    kind, *names = block.split() or [""]
    is_named = protocol in names or any(name.startswith("!") and name != f"!{protocol}" for name in names)
    return kind in {"local", "remote"} or (kind == "protocol" and is_named)


def are_for(blocks: tuple[str, ...], protocol: str) -> bool:
    """Tell whether some blocks, one in the other, hold for a protocol together."""
    return bool(blocks) and all(is_for(block, protocol) for block in blocks)


def _whole(block: tuple[str, ...]) -> tuple[str, ...]:
    """Return a block, or the passdb that it is a part of: ``fields`` for example."""
    within = next((n for n, name in enumerate(block, 1) if name.startswith("passdb ")), len(block))
    return block[:within]


def _passdbs(
    blocks: Mapping[tuple[str, ...], Mapping[str, str]], *, is_new: bool
) -> Iterator[Mapping[str, str]]:
    of_all = {name: value for name, value in blocks.get((), {}).items() if name.startswith("passdb_")}
    fields = blocks.get(("passdb_fields",), {})
    common = {_short(name): value for name, value in {**of_all, **fields}.items()} if is_new else {}
    for block, options in blocks.items():
        kind, _, name = block[-1].partition(" ") if block else ("", "", "")
        if kind == "passdb":
            own = {_short(key): value for key, value in options.items()}
            named = {"driver": name, "name": name} if is_new else {}
            yield common | named | own


def _short(name: str) -> str:
    """Return a setting of a passdb without what 2.4 lets it begin with."""
    return name.rpartition("/")[2].removeprefix("passdb_")


def _listeners(
    blocks: Mapping[tuple[str, ...], Mapping[str, str]],
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for block, options in blocks.items():
        name, _, path = block[-1].partition(" ") if block else ("", "", "")
        if name == "unix_listener" and block[0] == "service auth":
            path = options.get("path", path)
            yield path if path.startswith("/") else f"{DEBIAN.dovecot_run}/{path}", options
