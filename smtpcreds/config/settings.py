"""smtpcreds.toml as frozen settings: every key has a default, an unknown key gets a suggestion."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_type_hints

from ..errors import ConfigError, NameRefusedError, UsageError
from ..names import parse_host
from ..postgres import is_postgres, is_url, parse_url

DEFAULT_PATH = "/etc/smtpcreds/smtpcreds.toml"
MAX_DAYS = 999_999
"""Lifetimes end long before the year 9999, the last that X.509 can write."""


class CaSettings(NamedTuple):
    """Table ``[ca]``: how ``ca init`` makes the authority, and where its passphrase comes from."""

    name: str = ""
    organization: str = ""
    key_type: str = "p256"
    days: int = 3650
    passphrase: str = ""
    name_constraints: bool = True
    permitted_domains: tuple[str, ...] = ()


class CertSettings(NamedTuple):
    """Table ``[cert]``: defaults of ``cert issue``."""

    directory: str = "/etc/mail/certs"
    days: int = 365
    key_type: str = "p256"
    crl_days: int = 30


class SaslSettings(NamedTuple):
    """Table ``[sasl]``: the account database of the relay."""

    database: str = "/etc/sasldb2"
    copies: tuple[str, ...] = ()
    realm: str = ""
    account: str = "maildroid"
    format: str = ""
    owner: str = ""
    group: str = ""
    mode: str = "0600"


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


TABLES: dict[str, type[CaSettings | CertSettings | SaslSettings | MtaSettings]] = {
    "ca": CaSettings,
    "cert": CertSettings,
    "sasl": SaslSettings,
    "mta": MtaSettings,
}


def parse_settings(text: str, path: str) -> Settings:
    """Read TOML.

    Raises:
        ConfigError: the line that is no TOML, an unknown key with the nearest known one, or a value of
            the wrong type.
    """
    import tomllib

    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, f"is not TOML: {error}") from None
    tables = {name: _table(kind, given.pop(name, {}), path, f"{name}.") for name, kind in TABLES.items()}
    top = _checked(Settings, given, path, "")
    settings = Settings(**top, **tables)
    if settings.sasl.copies and is_url(settings.sasl.database):
        raise ConfigError(path, "sasl.copies: are of a file, and sasl.database is a URL")
    return settings


def _table(kind: type[Any], given: object, path: str, prefix: str) -> Any:
    if not isinstance(given, dict):
        raise ConfigError(path, f"{prefix[:-1]}: is a table; write [{prefix[:-1]}]")
    return kind(**_checked(kind, given, path, prefix))


def _checked(kind: type[Any], given: Mapping[str, object], path: str, prefix: str) -> dict[str, Any]:
    types = get_type_hints(kind)
    for key, value in given.items():
        if key not in types:
            raise ConfigError(path, f"{prefix}{key}: unknown key", _suggestion(key, prefix, kind))
        if not _KINDS[types[key]][1](value):
            raise ConfigError(path, f"{prefix}{key}: takes {_KINDS[types[key]][0]}, not {value!r}")
        if fault := _RULES.get(prefix + key, _no_fault)(value):
            raise ConfigError(path, f"{prefix}{key}: {fault}")
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


def _no_fault(_: object) -> str | None:
    return None


def _place_fault(value: Any) -> str | None:
    return None if value.startswith("/") else f"takes an absolute path, not {value!r}"


def _places_fault(value: Any) -> str | None:
    return next(filter(None, map(_place_fault, value)), None)


def _database_fault(value: Any) -> str | None:
    """Accept a path, or a URL; of what kind the database may be is known where it is opened."""
    return _url_fault(value) if is_postgres(value) else None if is_url(value) else _place_fault(value)


def _inventory_fault(value: Any) -> str | None:
    return _url_fault(value) if value else None


def _url_fault(value: Any) -> str | None:
    try:
        parse_url(value)
    except UsageError as error:
        return str(error)
    return None


def _days_fault(value: Any) -> str | None:
    return None if 1 <= value <= MAX_DAYS else f"takes 1 to {MAX_DAYS} days, not {value}"


def _host_fault(value: Any) -> str | None:
    try:
        for name in [value] if isinstance(value, str) else value:
            if name:
                parse_host(name)
    except NameRefusedError as error:
        return str(error)
    return None


def _port_fault(value: Any) -> str | None:
    return None if 1 <= value <= 65535 else f"takes a port from 1 to 65535, not {value}"


_RULES: dict[str, Callable[[Any], str | None]] = {
    "domain": _host_fault,
    "hub": _host_fault,
    "state": _place_fault,
    "inventory": _inventory_fault,
    "ca.days": _days_fault,
    "ca.permitted_domains": _host_fault,
    "cert.directory": _place_fault,
    "cert.days": _days_fault,
    "cert.crl_days": _days_fault,
    "sasl.database": _database_fault,
    "sasl.copies": _places_fault,
    "mta.relay_hosts": _host_fault,
    "mta.port": _port_fault,
}
"""What is wrong with a value of the right type, by key."""


def _suggestion(key: str, prefix: str, kind: type[Any]) -> str:
    from difflib import get_close_matches

    known = [prefix + name for name in kind._fields]
    everywhere = known + [f"{name}.{key}" for name, table in TABLES.items() for key in table._fields]
    near = get_close_matches(prefix + key, everywhere, 1, 0.6)
    elsewhere = [full for full in everywhere if full.rpartition(".")[2] == key]
    if near or elsewhere:
        return f"did you mean {(near or elsewhere)[0]}?"
    return f"known keys here: {', '.join(known)}"
