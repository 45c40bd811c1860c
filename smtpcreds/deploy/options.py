"""What is wanted of a mail program's files: options, then those of the last ``mta apply``, then settings."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

from ..ca.layout import has_inventory, reading
from ..ca.state import APPLIED
from ..ca.told import tell, told_here
from ..config import MtaSettings, Site
from ..errors import DamagedFileError, DeniedError, quoted
from ..inventory.inventory import Inventory
from ..inventory.rows import MTA_OPTIONS
from ..lazy import dataclass
from ..mta.program import Program
from ..mta.programs import PROGRAMS
from ..secret import Secret
from ..transaction import Transaction

_OPTIONS = {
    "host": "--host",
    "hub": "--hub",
    "account": "--account",
    "mechanisms": "--mechanism",
    "plaintext": "--plaintext",
    "external": "--external",
    "keytab": "--keytab",
    "saslauthd": "--saslauthd",
    "relay_certificates": "--relay-certificates",
    "relay_hosts": "--relay-host",
    "access": "--access",
    "variants": "--with",
    "port": "--port",
    "crl": "--crl",
    "fingerprint": "--fingerprint",
}
"""What is remembered of a run: no secret, nor the role that one is of; installed files give those back."""
_KINDS = (
    frozenset({"mechanisms", "plaintext", "external", "keytab"}),
    frozenset({"relay_certificates", "relay_hosts"}),
)
"""Options that say one thing together, so that one of them replaces all."""
_INSTEAD = {
    "mechanisms": ("plaintext", "external"),
    "relay_hosts": ("relay_certificates",),
    "relay_certificates": ("relay_hosts",),
}
"""Options that name all of their kind, with the settings that would add to it."""


@dataclass(frozen=True)
class RenderOptions:
    """Options of one run; an empty one leaves it to what was applied last, and then to the configuration.

    Attributes:
        host: that the files are for; default is the hub itself, or this client host.
        hub: instead of the configured one.
        account: of a client host.
        secret: of that account, where it is not in a database here.
        mechanisms: to offer or try.
        plaintext: also PLAIN and LOGIN, inside TLS.
        external: also EXTERNAL.
        keytab: of a hub's mail server; also GSSAPI.
        saslauthd: accounts are login accounts, asked of saslauthd.
        role: that a hub reads accounts in PostgreSQL as.
        role_password: of that role.
        relay_certificates: every certificate of the CA may relay without AUTH.
        relay_hosts: these hosts may, by their certificates.
        access: further rules, ``TAG:SUBJECT VALUE``.
        variants: choices that only some programs know.
        port: of the hub.
        fingerprint: SHA-256 of the hub's certificate, where the inventory does not know it.
        crl: a client host refuses a hub whose certificate is revoked, and any when the list has ended.
    """

    host: str | None = None
    hub: str | None = None
    account: str | None = None
    secret: Callable[[], Secret] | None = None
    mechanisms: tuple[str, ...] = ()
    plaintext: bool = False
    external: bool = False
    keytab: str | None = None
    saslauthd: bool = False
    role: str | None = None
    role_password: Secret | None = None
    relay_certificates: bool = False
    relay_hosts: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    variants: frozenset[str] = frozenset()
    port: int | None = None
    fingerprint: str | None = None
    crl: bool = False

    def after(self, applied: Self) -> Self:
        """Complete the options from those of an earlier run; what is given replaces all of its kind."""
        given = {name for name in _OPTIONS if getattr(self, name)}
        given.update(*(kind for kind in _KINDS if kind & given))
        kept: dict[str, Any] = {name: getattr(applied, name) for name in _OPTIONS if name not in given}
        return replace(self, **kept)

    def over(self, settings: MtaSettings, known: frozenset[str]) -> Self:
        """Complete the options from the table ``[mta]``, as far as it says nothing else than they do.

        Args:
            settings: the table.
            known: variants that the program knows; the configuration's others are for other programs.
        """
        configured = {*settings.choices, *(["authinfo-map"] if settings.authinfo_map else [])}
        names = {name for name in _OPTIONS if hasattr(settings, name)}
        names -= {name for option, less in _INSTEAD.items() if getattr(self, option) for name in less}
        there = {name: getattr(self, name) or getattr(settings, name) for name in names}
        return replace(self, **there, variants=self.variants | (configured & known))


# What ``mta apply`` was told is an event of the inventory, recorded before the first file changes: a run that
# was killed is completed as it was meant. The words are those of the command line.


def applied_programs(inventory: Inventory) -> list[Program]:
    """Return the programs that ``mta apply`` was ever run for."""
    return [
        program
        for name, program in PROGRAMS.items()
        if next(inventory.events(subject=name, what=APPLIED, limit=1), None)
    ]


def applied_options(site: Site, *programs: Program) -> dict[str, RenderOptions]:
    """Return what ``mta apply`` was told on this host, by name of the program, if it was told anything.

    Who may not look into the state directory did not apply anything either.
    """
    try:
        if not has_inventory(site):
            return {}
        with reading(site) as inventory:
            found = {program.NAME: _recalled(site, inventory, program) for program in programs}
    except DeniedError:
        return {}
    return {name: options for name, options in found.items() if options}


def told_to_relay(site: Site, host: str, *programs: Program) -> Iterator[str]:
    """Yield what was applied so that a host may relay by its certificate, and the command that forgets it."""
    for name, options in applied_options(site, *programs).items():
        kept = [other for other in options.relay_hosts if site.qualify(other) != host]
        if len(kept) < len(options.relay_hosts):
            command = (
                f"smtpcreds mta apply {name} --defaults {words(replace(options, relay_hosts=tuple(kept)))}"
            )
            yield f"{name}: was applied with --relay-host {host}; {command.rstrip()}"


def in_force(
    site: Site, program: Program, options: RenderOptions, *, defaults: bool = False
) -> RenderOptions:
    """Return the options of a run, completed from what ``mta apply`` was told unless that is forgotten."""
    applied = {} if defaults else applied_options(site, program)
    return options.after(applied.get(program.NAME, RenderOptions()))


def remember_options(work: Transaction, program: Program, options: RenderOptions) -> None:
    """Record what ``mta apply`` is told, if it is something else than before."""
    tell(work, MTA_OPTIONS, program.NAME, words(options))


def words(options: RenderOptions) -> str:
    """Return what is remembered of options, as it is typed."""
    return shlex.join(word for name in _OPTIONS for word in _words(_OPTIONS[name], getattr(options, name)))


def _words(option: str, value: Any) -> Iterator[str]:
    if value is True:
        yield option
    elif value:
        items = (value,) if isinstance(value, str | int) else value
        for item in sorted(items) if isinstance(items, frozenset) else items:
            yield from (option, str(item))


def _recalled(site: Site, inventory: Inventory, program: Program) -> RenderOptions | None:
    told = told_here(site, inventory, MTA_OPTIONS, program.NAME)
    return None if told is None else parse_words(told)


def parse_words(text: str) -> RenderOptions:
    """Read back what :func:`words` returned.

    Raises:
        DamagedFileError: it is something else; whoever can write to the inventory can put anything there.
    """
    try:
        return _options_of(text)
    except (KeyError, ValueError, StopIteration):
        reason = f"remembers options of a mail program that can't be read: {quoted(text)}"
        hint = "give them anew: smtpcreds mta apply PROGRAM --defaults"
        raise DamagedFileError("the inventory", reason, hint) from None


def _options_of(text: str) -> RenderOptions:
    values: dict[str, Any] = {}
    names = {option: name for name, option in _OPTIONS.items()}
    rest = iter(shlex.split(text))
    for option in rest:
        name = names[option]
        default = getattr(RenderOptions(), name)
        if isinstance(default, bool):
            values[name] = True
        elif isinstance(default, tuple | frozenset):
            values[name] = (*values.get(name, ()), next(rest))
        else:
            values[name] = next(rest)
    return RenderOptions(
        **{
            **values,
            "variants": frozenset(values.get("variants", ())),
            "port": int(values["port"]) if "port" in values else None,
        }
    )
