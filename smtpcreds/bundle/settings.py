"""The hub's word on a client host, in the form of its smtpcreds.toml."""

import json
from collections.abc import Iterator
from typing import Any

from ..config import TABLES, Settings, Site, parse_settings
from ..deploy.wishes import Wishes
from ..errors import DataError
from ..mta.port import Facts, Program

Values = dict[str, dict[str, object]]
"""Table, "" for the top, to key to value."""

_ALLOWED = {
    "": {"domain", "hub"},
    "cert": {"directory"},
    "sasl": {"account", "realm"},
    "mta": {"access", "choices", "external", "mechanisms", "plaintext", "port"},
}
"""What a hub may say; nothing of where a client host keeps its state."""


def render_settings(site: Site, program: Program, facts: Facts, wishes: Wishes) -> bytes:
    """Return the file: what is not a default, and neither a secret nor the business of the hub alone."""
    wanted = wishes.over(site.settings.mta, program.VARIANTS)
    values: Values = {
        "": {"domain": site.domain, "hub": facts.hub},
        "cert": {"directory": site.settings.cert.directory},
        "sasl": {
            "account": facts.credential.login if facts.credential else "",
            "realm": "" if facts.realm == facts.hub else facts.realm,
        },
        "mta": {
            "access": wanted.access,
            "choices": tuple(sorted(wanted.variants)),
            "external": wanted.external,
            "mechanisms": wanted.mechanisms,
            "plaintext": wanted.plaintext,
            "port": facts.port,
        },
    }
    return "".join(_lines(values)).encode()


def read_settings(text: bytes, subject: str) -> Settings:
    """Read the file of a bundle.

    Raises:
        ConfigError: no TOML, or an unknown key.
        DataError: a key that is the client host's own business.
    """
    settings = parse_settings(text.decode(errors="replace"), subject)
    for table, keys in _differing(Settings(), settings).items():
        for key in sorted(keys.keys() - _ALLOWED.get(table, set())):
            raise DataError(subject, f"says {'.'.join(filter(None, (table, key)))}, which no hub does")
    return settings


def merged(own: Settings, given: Settings) -> tuple[Settings, list[str]]:
    """Return the host's settings with those that the hub gave, and the lines that the host's file lacks."""
    differing = _differing(own, given)
    changed = [
        (table, key, value)
        for table, keys in _differing(Settings(), given).items()
        for key, value in keys.items()
        if key in differing.get(table, {})
    ]
    made = own
    for table, key, value in changed:
        one: dict[str, Any] = {key: value}
        made = made._replace(**({table: getattr(made, table)._replace(**one)} if table else one))
    return made, [f"{'.'.join(filter(None, where))} = {_toml(value)}" for *where, value in changed]


def _differing(one: Any, other: Any) -> Values:
    """Return what the other says differently, by table."""
    found: Values = {}
    for name in one._fields:
        before, after = getattr(one, name), getattr(other, name)
        if name in TABLES:
            keys = _differing(before, after).get("", {})
            if keys:
                found[name] = keys
        elif before != after:
            found.setdefault("", {})[name] = after
    return found


def _lines(values: Values) -> Iterator[str]:
    defaults = Settings()
    for table, keys in values.items():
        standard = getattr(defaults, table) if table else defaults
        said = {key: value for key, value in keys.items() if value and value != getattr(standard, key)}
        if said and table:
            yield f"\n[{table}]\n"
        yield from (f"{key} = {_toml(value)}\n" for key, value in said.items())


def _toml(value: object) -> str:
    """Return a value as TOML 1.0 writes it: a basic string escapes as JSON does, but for DEL."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
