"""What a shell offers when Tab is pressed: commands, options, and for each value what there is on this host.

A shell asks by running the program with :data:`.session.COMPLETE`. It is answered in silence whatever is
wrong: to whoever may not read the inventory or the accounts, nothing is known. No person and no other host is
asked, no secret is printed, and nothing is written.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from ..errors import UsageError
from ..lazy import pattern
from .session import COMPLETE, Session

if TYPE_CHECKING:
    from ..config import Site

LINE = "_SMTPCREDS_LINE"
"""What has been typed: bash's line up to the cursor, else words with :data:`BETWEEN` between them."""
BETWEEN = "\x1f"
BREAKS = "_SMTPCREDS_BREAKS"
"""bash's COMP_WORDBREAKS: what ends a word for it, so that it replaces only what comes after."""
SHELLS = ("bash", "zsh", "fish")
MOST = 500
"""Values that are offered at most."""

_SAFE = pattern(r"[A-Za-z0-9_.@:/%+,=-]*")
"""What every shell takes as it is. Other names are not offered: accounts and hosts may be called anything."""


# Where the values come from. Each function gets what has been typed of the word.


SITE = f"{__name__}.site"
"""Of what click remembers of one command line; the configuration is read once."""


class Asked(NamedTuple):
    """A word to be completed."""

    ctx: click.Context
    typed: str

    @property
    def site(self) -> "Site":
        """Where: by the global options that were typed before."""
        meta = self.ctx.meta
        if SITE not in meta:
            meta[SITE] = self.ctx.ensure_object(Session).site()
        found: Site = meta[SITE]
        return found

    def given(self, name: str) -> str | None:
        """Return the value that another parameter has been given."""
        return self.ctx.params.get(name) or None


Values = Iterable[str]


def _hosts(asked: Asked) -> Iterator[str]:
    """Yield the hosts of the inventory; where there is none, those whose certificates are installed."""
    from ..inventory.inventory import open_inventory
    from ..postgres import is_url

    site, end = asked.site, "-cert.pem"
    if is_url(site.inventory):
        return
    if os.path.exists(site.inventory):
        with open_inventory(site.inventory, machine=site.machine, read_only=True, timeout=0) as inventory:
            yield from inventory.hosts(asked.typed.lower(), MOST)
        return
    yield from sorted(name.removesuffix(end) for name in os.listdir(site.certificates) if name.endswith(end))


def _serials(asked: Asked) -> Iterator[str]:
    """Yield serial numbers of what can be revoked: those of the host, where one has been typed."""
    from ..inventory.inventory import open_inventory
    from ..inventory.rows import State
    from ..postgres import is_url

    site, which = asked.site, asked.given("which")
    host = site.qualify(which) if which else None
    if is_url(site.inventory):
        return
    with open_inventory(site.inventory, machine=site.machine, read_only=True, timeout=0) as inventory:
        for row in inventory.listing(host=host, state=State.ISSUED, limit=MOST):
            yield row.serial


def _accounts(asked: Asked) -> Iterator[str]:
    """Yield the accounts of a file, by its keys; what stands in it is not looked at."""
    from ..postgres import is_url
    from ..sasldb.opening import open_store

    site, database = asked.site, asked.given("database")
    path = os.path.abspath(database) if database else site.sasldb
    if not is_url(database or path):
        parts = (key.split(b"\0") for key in open_store(path).load())
        names = {f"{user.decode()}@{realm.decode()}" for user, realm, _ in parts}
        yield from sorted(names)


def _realms(asked: Asked) -> Iterator[str]:
    yield from dict.fromkeys(name.rpartition("@")[2] for name in _accounts(asked))


def _hosts_and_serials(asked: Asked) -> Iterator[str]:
    yield from _hosts(asked)
    if asked.typed:
        yield from (serial for serial in _serials(asked) if serial.startswith(asked.typed))


def _fixed(*values: str) -> Callable[[Asked], Values]:
    return lambda _: values


SOURCES = (*("prompt:", "stdin:", "fd:", "file:", "env:", "cmd:", "keyring:", "credential:", "generate:"),)
"""Kinds of ``smtpcreds.sources``."""
PROGRAMS = (
    *("sendmail-hub", "sendmail-client", "postfix-hub", "postfix-client", "exim-hub", "exim-client"),
    *("dovecot-hub", "opensmtpd-client", "msmtp", "nullmailer", "dma", "curl", "swaks"),
)
"""Of ``smtpcreds.mta.programs``, which would take as long to import as everything else together."""
KEY_TYPES = ("p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519")
"""Of ``smtpcreds.pki.keys``, which imports cryptography."""
_NUMBERS = {
    "AUDIT": (range(1, 2),),
    "PERM": (range(1, 21),),
    "CERT": (range(1, 28),),
    "SASL": (range(1, 25),),
    "MTA": (
        *(range(1, 48), range(101, 153)),
        *(range(201, 223), range(240, 241), range(301, 310)),
    ),
}
CODES = tuple(
    f"{family}{number:03}" for family, found in _NUMBERS.items() for part in found for number in part
)
"""Of ``smtpcreds.audit``, which imports everything."""
INPUT_FORMATS = (
    *("csv", "semicolon", "tab", "colon", "jsonl", "ldif", "dump", "sasldb", "auth-info", "authinfo"),
    *("dovecot", "postfix"),
)
OUTPUT_FORMATS = ("csv", "jsonl", "dovecot")


def _reasons(_: Asked) -> Values:
    from ..pki.revocation import REASON_NAMES

    return REASON_NAMES


def _mechanisms(_: Asked) -> Values:
    from ..names import BY_PASSWORD

    return ("EXTERNAL", *BY_PASSWORD)


# Which parameter takes what: by command and parameter, by option, or by what the help calls its value.

FILE, DIRECTORY = "file", "dir"
"""The shell's own completion of names on disk."""


class Kind(NamedTuple):
    """What completes a value: values, and after those the shell's files or directories."""

    values: Callable[[Asked], Values] = _fixed()
    names: str = ""


NONE = Kind()
"""Nobody can know: a number, a new name, an address."""
_FILE, _DIRECTORY = Kind(names=FILE), Kind(names=DIRECTORY)
_HOST, _ACCOUNT = Kind(_hosts), Kind(_accounts)

EXACTLY = {
    "sasl add NAME[@REALM]": NONE,
    "sasl import --as": Kind(_fixed(*INPUT_FORMATS)),
    "sasl export --as": Kind(_fixed(*OUTPUT_FORMATS)),
    "ca backup file": _FILE,
    "ca restore file": _FILE,
    "cert install file": _FILE,
    "cert revoke which": Kind(_hosts_and_serials),
    "cert show which": Kind(_hosts_and_serials),
    "cert export which": Kind(_hosts_and_serials),
    "cert sign csr": _FILE,
    "probe url": _HOST,
    "probe --name": _HOST,
    "setup --client": _FILE,
}
BY_OPTION = {"--account": _ACCOUNT, "--host": _HOST, "--hub": _HOST, "--client": _HOST, "host": _HOST}
BY_VALUE = {
    "FILE": _FILE,
    "KEY.pub": _FILE,
    "FILE|-": _FILE,
    "PATH|URL": _FILE,
    "DIR": _DIRECTORY,
    "[DIR]": _DIRECTORY,
    "HOST": _HOST,
    "HOST...": _HOST,
    "HOST|FILE": Kind(_hosts, FILE),
    "SERIAL": Kind(_serials),
    "NAME[@REALM]": _ACCOUNT,
    "[NAME[@REALM]]": _ACCOUNT,
    "REALM": Kind(_realms),
    "SOURCE": Kind(_fixed(*SOURCES)),
    "PLACE": Kind(_fixed("keyring:", "file:")),
    "PROGRAM": Kind(_fixed(*PROGRAMS)),
    "TYPE": Kind(_fixed(*KEY_TYPES)),
    "REASON": Kind(_reasons),
    "CODE": Kind(_fixed(*_NUMBERS, *CODES)),
    "M": Kind(_mechanisms),
    **dict.fromkeys(
        (
            "ADDRESS",
            "ADDRESS[:PORT]",
            "CHOICE",
            "COMMAND",
            "DATE|Nd",
            "DAYS",
            "DOMAIN",
            "domain",
            "HEX",
            "HASH",
        ),
        NONE,
    ),
    **dict.fromkeys(("KEY", "LIST", "N", "NAME", "ROLE", "RULE", "SECONDS", "SPAN", "TEXT", "URI"), NONE),
    "'U S M HEX'": NONE,
}


def kind_of(path: str, parameter: click.Parameter) -> Kind:
    """Return what completes a parameter's value.

    Args:
        path: of its command, without the program's name, as ``cert issue``.
        parameter: which is none of fixed words (``click.Choice``), as these complete themselves.

    Raises:
        KeyError: nobody has said.
    """
    name = parameter.opts[0] if isinstance(parameter, click.Option) else ""
    value = str(parameter.metavar or parameter.name)
    found = EXACTLY.get(f"{path} {name or value}") or BY_OPTION.get(name or value)
    return found or BY_VALUE[value]


def values(ctx: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return what is offered for a value."""
    kind = kind_of(ctx.command_path.partition(" ")[2], parameter)
    if _is_path_of_source(kind, typed):
        return [CompletionItem("file:", type=FILE)]
    asked = Asked(ctx, typed)
    found = [name for name in kind.values(asked) if name.startswith(typed) and _is_safe(name)][:MOST]
    return [*map(CompletionItem, found), *([CompletionItem("", type=kind.names)] if kind.names else ())]


def _is_path_of_source(kind: Kind, typed: str) -> bool:
    return typed.startswith("file:") and kind in {BY_VALUE["SOURCE"], BY_VALUE["PLACE"]}


def _is_safe(name: str) -> bool:
    return _SAFE.fullmatch(name) is not None and not name.startswith("-")


# From a shell's question to lines ``KIND TAB VALUE TAB HELP`` that it reads.


def answer(instruction: str, root: click.Command) -> int:
    """Print what a shell asked for."""
    shell, _, source = instruction.partition("_")
    if shell not in SHELLS or source not in {"", "source"}:
        raise UsageError(COMPLETE, f"takes {', '.join(SHELLS)}, each also with _source", f"unset {COMPLETE}")
    if source == "source":
        sys.stdout.write(script(shell))
        return 0
    try:
        lines = list(_lines(shell, root))
    except Exception:  # noqa: BLE001  # a Tab that fails has nothing to offer, and no screen of its own
        return 0
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def script(shell: str) -> str:
    """Return the shell's half, which the wheel also installs where the shell looks for it."""
    from importlib.resources import files

    return files("smtpcreds").joinpath(f"completions/smtpcreds.{shell}").read_text()


def _lines(shell: str, root: click.Command) -> Iterator[str]:
    words = _words(shell, os.environ.get(LINE, ""))
    word = words.pop() if words else ""
    option, equals, _ = word.partition("=")
    kept = option + equals if equals and option.startswith("--") else ""
    found = ShellComplete(root, {}, "smtpcreds", COMPLETE).get_completions(words[1:], word)
    broken = _broken_off(word) if shell == "bash" else 0
    for item in found:
        kind = "word" if item.type == "plain" else str(item.type)
        text = kept + str(item.value)
        yield f"{_open(kind, text)}\t{text[broken:] if kind == 'word' else text}\t{_line(item.help or '')}"


def _open(kind: str, text: str) -> str:
    """Tell what is not over with this word: no blank comes after it."""
    return "open" if kind == "word" and text.endswith(":") else kind


def _line(text: str) -> str:
    return " ".join(text.split())


def _words(shell: str, line: str) -> list[str]:
    """Return the words up to the cursor; the last is the one to complete, empty behind a blank."""
    if shell != "bash":
        return line.split(BETWEEN)
    words = split_arg_string(line)
    return [*words, ""] if not line or line[-1].isspace() else words


def _broken_off(word: str) -> int:
    """Return how many characters of the word bash keeps."""
    breaks = os.environ.get(BREAKS, "")
    return max((word.rfind(character) + 1 for character in breaks), default=0)
