"""What the administrator wants (smtpcreds.toml), what this host is called, and where things lie."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, get_type_hints

from .config_values import MAX_DAYS as MAX_DAYS
from .config_values import SECRET, fault_of
from .errors import ConfigError
from .extras import os_release
from .host_name import host_domain, host_name
from .lazy import dataclass
from .model import Root
from .names import is_qualified, parse_host
from .postgres import is_url
from .systems import DEBIAN, FREEBSD, SYSTEMS, UNKNOWN, System, named

# smtpcreds.toml as frozen settings: every key has a default, an unknown key gets a suggestion.

DEFAULT_PATH = "/etc/smtpcreds/smtpcreds.toml"


class CaSettings(NamedTuple):
    """Table ``[ca]``: how ``ca init`` makes the authority, and where its passphrase comes from."""

    name: str = ""
    organization: str = ""
    key_type: str = "p256"
    days: int = 3650
    passphrase: str = ""
    pin: str = ""
    name_constraints: bool = True
    permitted_domains: tuple[str, ...] = ()
    crl_url: str = ""
    addresses: bool = False
    rollover: str = ""
    retire: str = ""


class CertSettings(NamedTuple):
    """Table ``[cert]``: defaults of ``cert issue``."""

    directory: str = "/etc/mail/certs"
    days: int = 365
    key_type: str = "p256"
    crl_days: int = 30


class SaslSettings(NamedTuple):
    """Table ``[sasl]``: the account database of the relay."""

    database: str = ""
    copies: tuple[str, ...] = ()
    realm: str = ""
    account: str = "maildroid"
    format: str = ""
    owner: str = ""
    group: str = ""
    mode: str = "0600"
    rotate_every: str = ""


class MtaSettings(NamedTuple):
    """Table ``[mta]``: what the mail programs' files say beyond what follows from the rest."""

    mechanisms: tuple[str, ...] = ()
    plaintext: bool = False
    external: bool = False
    saslauthd: bool = False
    relay_certificates: bool = False
    relay_hosts: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    authinfo_map: bool = False
    port: int = 25
    choices: tuple[str, ...] = ()
    crl: bool = False


class SystemSettings(NamedTuple):
    """Table ``[system]``: where this host differs from what is known of its system; empty is as known.

    Attributes:
        name: of a row of :data:`smtpcreds.systems.SYSTEMS`; empty is what os-release says.
        others: as of :class:`smtpcreds.systems.System`.
    """

    name: str = ""
    ca_bundle: str = ""
    dovecot_directory: str = ""
    exim_conf: str = ""
    exim_directory: str = ""
    exim_group: str = ""
    exim_pid: str = ""
    exim_style: str = ""
    exim_user: str = ""
    opensmtpd_conf: str = ""
    opensmtpd_group: str = ""
    opensmtpd_service: str = ""
    postfix_directory: str = ""
    postfix_map: str = ""
    sasl_directory: str = ""
    sendmail_map: str = ""
    sendmail_pid: str = ""
    sendmail_source: str = ""
    install: str = ""
    restart: str = ""
    reload: str = ""

    def over(self, system: System) -> System:
        """Return the system with what is set here."""
        changed: dict[str, Any] = {key: value for key, value in self._asdict().items() if value}
        if self.restart:
            changed["opensmtpd_restart"] = ()
        return system._replace(**changed)


class Settings(NamedTuple):
    """The whole file.

    Attributes:
        domain: what a short host name is completed with; also the CA's permitted domain.
        hub: the relay's host name; its full form is the default realm, sendmail's ``$j``.
        state: directory of the CA and the inventory.
        inventory: URL of a PostgreSQL database that several hosts share; empty for a file of this host alone.
    """

    domain: str = ""
    hub: str = ""
    state: str = "/var/lib/smtpcreds"
    inventory: str = ""
    ca: CaSettings = CaSettings()
    cert: CertSettings = CertSettings()
    sasl: SaslSettings = SaslSettings()
    mta: MtaSettings = MtaSettings()
    system: SystemSettings = SystemSettings()


TABLES: dict[str, type[CaSettings | CertSettings | SaslSettings | MtaSettings | SystemSettings]] = {
    "ca": CaSettings,
    "cert": CertSettings,
    "sasl": SaslSettings,
    "mta": MtaSettings,
    "system": SystemSettings,
}


_LONGEST_LINE, _LONGEST_FILE = 4096, 65536
"""Characters. The time of tomllib grows with the square of a key's parts, which stand in one line."""


def parse_settings(text: str, path: str) -> Settings:
    """Read TOML and check every value; an error names the line, the key, what it takes and the value."""
    import tomllib

    _refuse_long(text, path)
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also lists in 3,000 lists
        raise ConfigError(path, f"is not TOML: {error}") from None
    file = _File(path, text)
    tables = {name: _table(kind, given.pop(name, {}), file, name) for name, kind in TABLES.items()}
    settings = Settings(**_checked(Settings, given, file, ""), **tables)
    if settings.sasl.copies and is_url(settings.sasl.database):
        raise file.refused("sasl.copies", "are of a file, and sasl.database is a URL")
    return settings


def _refuse_long(text: str, path: str) -> None:
    if len(text) > _LONGEST_FILE:
        raise ConfigError(path, f"is over {_LONGEST_FILE} characters long")
    for number, line in enumerate(text.split("\n"), 1):  # no other character ends a line of TOML
        if len(line) > _LONGEST_LINE:
            raise ConfigError(path, f"line {number}: has over {_LONGEST_LINE} characters")


class _File(NamedTuple):
    """What is read."""

    path: str
    text: str

    def refused(self, key: str, reason: str, hint: str | None = None) -> ConfigError:
        """Return the error that leads to a key."""
        line = self._line(key)
        return ConfigError(self.path, f"{f'line {line}: ' if line else ''}{key}: {reason}", hint)

    def _line(self, key: str) -> int | None:
        """Return the line of a key as it is usually written; tomllib tells none."""
        table = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
                table = header[1]
                found = table
            elif entry := re.match(r"\s*([\w.-]+)\s*=", line):
                found = f"{table}.{entry[1]}".lstrip(".")
            else:
                continue
            if found == key:
                return number
        return None


def _table(kind: type[Any], given: object, file: _File, name: str) -> Any:
    if not isinstance(given, dict):
        raise file.refused(name, f"is a table; write [{name}]")
    return kind(**_checked(kind, given, file, f"{name}."))


def _checked(kind: type[Any], given: Mapping[str, object], file: _File, prefix: str) -> dict[str, Any]:
    types = get_type_hints(kind)
    for key, value in given.items():
        full = prefix + key
        if key not in types:
            raise file.refused(full, "unknown key", _suggestion(key, prefix, kind))
        wanted, is_right = _KINDS[types[key]]
        if not is_right(value):
            raise file.refused(full, f"takes {wanted}" + ("" if full in SECRET else f", not {value!r}"))
        if fault := fault_of(full, value):
            raise file.refused(full, *fault)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


_KINDS: dict[Any, tuple[str, Callable[[object], bool]]] = {
    str: ("a string", lambda value: isinstance(value, str)),
    int: ("a whole number", lambda value: type(value) is int),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    tuple[str, ...]: (
        "a list of strings",
        lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
    ),
}


def _suggestion(key: str, prefix: str, kind: type[Any]) -> str:
    from difflib import get_close_matches

    known = [prefix + name for name in kind._fields]
    everywhere = known + [f"{name}.{key}" for name, table in TABLES.items() for key in table._fields]
    near = get_close_matches(prefix + key, everywhere, 1, 0.6)
    elsewhere = [full for full in everywhere if full.rpartition(".")[2] == key]
    if near or elsewhere:
        return f"did you mean {(near or elsewhere)[0]}?"
    return f"known keys here: {', '.join(known)}"


def first_existing(root: Root, candidates: Sequence[str]) -> str:
    """Return the first of the host's default paths that exists under the root, else the first."""
    return next((path for path in candidates if os.path.exists(root.path(path))), candidates[0])


def system_of(root: Root, settings: SystemSettings) -> System:
    """Return what is known of the system below a root, with what is set to be otherwise.

    A tree that does not say what it is, is taken to be for this host; a system that is in no row, for Debian,
    but for the format of its account database, which nobody knows.
    """
    if settings.name:
        return settings.over(SYSTEMS[settings.name])
    for place in (root, Root()):
        if (told := os_release(place.path)) is not None:
            return settings.over(named(told) or UNKNOWN)
    return settings.over(FREEBSD if os.uname().sysname == "FreeBSD" else DEBIAN)


# One installation: root, settings and clock, and what follows from them.


@dataclass(frozen=True)
class Site:
    """Where a use case works and what time it is there.

    Attributes:
        root: what every default path lies under.
        settings: the parsed configuration.
        clock: gives the present as an aware UTC datetime.
        warn: takes one line that the administrator should read, and goes on.
        settings_path: the file the settings were, or would be, read from.
    """

    root: Root
    settings: Settings
    clock: Callable[[], datetime]
    warn: Callable[[str], None]
    settings_path: str = DEFAULT_PATH

    def __post_init__(self) -> None:
        """Give the settings the system's own account database, where they name none."""
        if not self.settings.sasl.database:
            filled = self.settings.sasl._replace(database=self.system.sasldb)
            object.__setattr__(self, "settings", self.settings._replace(sasl=filled))

    @cached_property
    def system(self) -> System:
        """What is known of the operating system that the root holds."""
        return system_of(self.root, self.settings.system)

    def path(self, *parts: str) -> str:
        """Return an absolute default path under the root, joined from its parts."""
        return self.root.path("/".join(parts))

    @property
    def state(self) -> str:
        """The state directory, mode 0700."""
        return self.path(self.settings.state)

    @property
    def ca_directory(self) -> str:
        """Key, certificate and CRL of the authority, mode 0700."""
        return self.path(self.settings.state, "ca")

    @property
    def hosts(self) -> str:
        """Pairs of client hosts that fetch their bundles, mode 0700."""
        return self.path(self.settings.state, "hosts")

    @property
    def inventory(self) -> str:
        """What was issued: the SQLite file, or the URL of the database that several hosts share."""
        return self.settings.inventory or self.path(self.settings.state, "inventory.sqlite3")

    @property
    def machine(self) -> str:
        """Which of the hosts that share the inventory this is; see :meth:`machine_at`."""
        return self.machine_at(self.inventory)

    def machine_at(self, inventory: str) -> str:
        """Return which of the hosts that share an inventory this is; empty for a file, which nobody shares.

        The kernel's name of the host, which needs no name server, and the state directory.
        """
        return f"{os.uname().nodename}:{self.state}" if is_url(inventory) else ""

    @property
    def common(self) -> str:
        """The beginning of recorded directories whose pairs belong to all hosts that share the inventory."""
        return f"{self.root.record(self.hosts)}/"

    @property
    def lock(self) -> str:
        """The lock of all writers of the state directory."""
        return self.path(self.settings.state, "lock")

    @property
    def certificates(self) -> str:
        """The mail server's certificate directory, mode 0700."""
        return self.path(self.settings.cert.directory)

    @property
    def sasldb(self) -> str:
        """The account database: a file below the root, or a URL."""
        database = self.settings.sasl.database
        return database if is_url(database) else self.path(database)

    @cached_property
    def domain(self) -> str:
        """The domain of short names: configured, or this host's, or empty."""
        if self.settings.domain:
            return parse_host(self.settings.domain)
        return host_domain(self.root, lambda: self.own_name)

    @cached_property
    def hub(self) -> str:
        """The relay's full name: configured, or this host's."""
        return self.qualify(self.settings.hub or self.own_name)

    @cached_property
    def own_name(self) -> str:
        """This host's full name where it can be found out, else its short one; asked once."""
        return host_name(self.root, self.settings.domain)

    @property
    def realm(self) -> str:
        """The realm in which the relay looks up bare names: configured, or its own name (``$j``)."""
        return self.settings.sasl.realm or self.hub

    def qualify(self, text: str, *, wildcard: bool = False) -> str:
        """Parse a host name and complete a short one with the domain; without a domain it stays short."""
        name = parse_host(text, wildcard=wildcard)
        return name if is_qualified(name) or not self.domain else f"{name}.{self.domain}"
