"""What each key of smtpcreds.toml may hold, checked when the file is read.

The names that rooms above define are repeated here, since reading the configuration must not load them; a
test compares them with their definitions.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import NameRefusedError, UsageError, nearest, quoted
from .names import BY_PASSWORD, parse_host
from .postgres import is_postgres, is_url, parse_url
from .systems import SYSTEMS

MAX_DAYS = 999_999
"""Lifetimes end long before the year 9999, the last that X.509 can write."""
KEY_TYPES = ("p256", "p384", "rsa2048", "rsa3072", "rsa4096", "ed25519")
FORMATS = ("bdb", "gdbm", "lmdb")
MECHANISMS = ("EXTERNAL", *BY_PASSWORD)
CHOICES = (
    *(
        "argon2id",
        "auth-optional",
        "authinfo-map",
        "clear",
        "dovecot",
        "exim",
        "hand-written",
        "hash",
        "lmdb",
    ),
    *("sha512-crypt", "split", "unchrooted"),
)
"""Of all mail programs together; each takes its own."""
ACCESS_TAGS = ("CertIssuer", "CertSubject", "TLS_Clt", "TLS_Srv", "TLS_Rcpt", "Try_TLS", "Srv_Features")
SOURCES = {
    "prompt": ("prompt:", r""),
    "stdin": ("stdin:", r""),
    "fd": ("fd:N", r"[0-9]+"),
    "file": ("file:PATH", r".+"),
    "env": ("env:NAME", r"[^=]+"),
    "cmd": ("cmd:COMMAND", r".*\S.*"),
    "keyring": ("keyring:SERVICE/NAME", r".+/.+"),
    "credential": ("credential:NAME", r"[^/]+"),
    "generate": ("generate:", r".*"),
}
"""By the word before the colon: the form in help texts, and what may follow the colon."""
PATHS = (
    *("ca_bundle", "dovecot_directory", "exim_conf", "exim_directory", "exim_pid", "opensmtpd_conf"),
    *("postfix_directory", "sasl_directory", "sendmail_pid", "sendmail_source"),
)
NAMES = ("exim_group", "exim_user", "opensmtpd_group", "opensmtpd_service")
COMMANDS = ("install", "restart", "reload")
MAPS = {"postfix_map": ("", "hash", "lmdb", "cdb"), "sendmail_map": ("", "hash", "cdb")}
"""Keys of table ``[system]``."""
SECRET = frozenset({"ca.passphrase", "ca.pin"})
"""Keys whose wrong values are not repeated: somebody may have written the secret itself."""
_MAX_PART = 64
"""Octets in a part of a DN (RFC 5280 appendix A.1, ub-common-name and ub-organization-name)."""

Fault = tuple[str, str | None]
"""What a key takes, and a hint."""
Rule = Callable[[Any], Fault | None]


def fault_of(key: str, value: Any) -> Fault | None:
    """Return what is wrong with a value of the right type; None if nothing is."""
    rule = RULES[key]
    items = value if isinstance(value, list) else [value]
    return next(filter(None, map(rule, items)), None)


def _any(_: Any) -> Fault | None:
    return None


def _place(value: str) -> Fault | None:
    is_good = value.startswith("/") and value.isprintable()
    return None if is_good else (f"takes an absolute path, not {value!r}", None)


def _plain_place(value: str) -> Fault | None:
    """Accept what shells and configurations of mail programs read as it stands."""
    if not value or re.fullmatch(r"/[\w/.@:=+-]*", value, re.ASCII):
        return None
    return f"takes an absolute path of letters, digits and / . _ @ : = + -, not {quoted(value)!r}", None


def _plain_name(value: str) -> Fault | None:
    """Accept a name of a user, group or service, as a shell reads it."""
    if not value or re.fullmatch(r"[\w.][\w.@+-]*", value, re.ASCII):
        return None
    return f"takes a name of letters, digits and . _ @ + -, not {quoted(value)!r}", None


def _database(value: str) -> Fault | None:
    if not value:
        return None
    if is_postgres(value):
        return _url(value)
    if is_url(value):
        return f"takes an absolute path or a postgresql:// URL, not {quoted(_without_login(value))!r}", None
    return _place(value)


def _without_login(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _inventory(value: str) -> Fault | None:
    return _url(value) if value else None


def _url(value: str) -> Fault | None:
    try:
        parse_url(value)
    except UsageError as error:
        return str(error), error.hint
    return None


def _crl_url(value: str) -> Fault | None:
    """RFC 5280 section 4.2.1.13; https would need the very certificate that is to be checked (section 8)."""
    is_plain = not value or re.fullmatch(r"http://[!-~]+", value)
    return None if is_plain else (f"takes http://HOST/PATH, not {value!r}", None)


def _days(value: int) -> Fault | None:
    return None if 1 <= value <= MAX_DAYS else (f"takes 1 to {MAX_DAYS} days, not {value}", None)


def _interval(value: str) -> Fault | None:
    found = re.fullmatch(r"([0-9]{1,5})d", value)
    is_good = not value or (found and int(found[1]))
    return None if is_good else (f"takes days, as in 90d, not {value!r}", None)


def _port(value: int) -> Fault | None:
    return None if 1 <= value <= 65535 else (f"takes a port from 1 to 65535, not {value}", None)


def _host(value: str) -> Fault | None:
    try:
        if value:
            parse_host(value)
    except NameRefusedError as error:
        return str(error), error.hint
    return None


def _part(value: str) -> Fault | None:
    is_good = value.isprintable() and len(value.encode()) <= _MAX_PART
    return None if is_good else (f"takes up to {_MAX_PART} printable characters, not {quoted(value)!r}", None)


def _word(value: str) -> Fault | None:
    is_good = value.isprintable() and value == value.strip()
    return None if is_good else (f"takes a name without blanks at its ends, not {value!r}", None)


def _account(value: str) -> Fault | None:
    return _word(value) if value else ("takes the name of an account, not ''", None)


def _mode(value: str) -> Fault | None:
    if not re.fullmatch(r"0?[0-7]{3}", value):
        return f"takes an octal mode, such as 0640, not {value!r}", None
    if int(value, 8) & 0o7:
        return f"{value} lets everybody read every secret", None
    return None


def _source(value: str) -> Fault | None:
    kind, colon, argument = value.partition(":")
    if not value or (colon and kind in SOURCES and re.fullmatch(SOURCES[kind][1], argument)):
        return None
    near = nearest(kind, SOURCES) if colon else None
    hint = f"did you mean {SOURCES[near][0]}?" if near else "the secret itself goes into a file: file:PATH"
    return f"takes {', '.join(form for form, _ in SOURCES.values())}; the value is not shown", hint


def _one_of(known: Iterable[str], fold: Callable[[str], str] = str) -> Rule:
    words = tuple(known)

    def rule(value: str) -> Fault | None:
        if fold(value) in words:
            return None
        return f"takes {', '.join(filter(None, words))}, not {value!r}", _meant(value, words)

    return rule


def _meant(value: str, words: Iterable[str]) -> str | None:
    near = nearest(value, filter(None, words))
    return f"did you mean {near}?" if near and near != value else None


def _access(value: str) -> Fault | None:
    """Accept ``TAG:SUBJECT VALUE``, the subject possibly empty; see :mod:`smtpcreds.mta.access`."""
    tag = value.partition(":")[0]
    if re.fullmatch(rf"({'|'.join(ACCESS_TAGS)}):\S*\s+\S.*", value.strip(), re.IGNORECASE):
        return None
    return f"takes TAG:SUBJECT VALUE, TAG one of {', '.join(ACCESS_TAGS)}, not {value!r}", _meant(
        tag, ACCESS_TAGS
    )


RULES: Mapping[str, Rule] = {
    "domain": _host,
    "hub": _host,
    "state": _place,
    "inventory": _inventory,
    "ca.name": _part,
    "ca.organization": _part,
    "ca.key_type": _one_of(KEY_TYPES, str.lower),
    "ca.days": _days,
    "ca.passphrase": _source,
    "ca.pin": _source,
    "ca.name_constraints": _any,
    "ca.permitted_domains": _host,
    "ca.crl_url": _crl_url,
    "ca.addresses": _any,
    "ca.rollover": _one_of(("", "when-due")),
    "ca.retire": _one_of(("", "when-unused")),
    "cert.directory": _place,
    "cert.days": _days,
    "cert.key_type": _one_of(KEY_TYPES, str.lower),
    "cert.crl_days": _days,
    "sasl.database": _database,
    "sasl.copies": _place,
    "sasl.realm": _word,
    "sasl.account": _account,
    "sasl.format": _one_of(("", *FORMATS)),
    "sasl.owner": _word,
    "sasl.group": _word,
    "sasl.mode": _mode,
    "sasl.rotate_every": _interval,
    "mta.mechanisms": _one_of(MECHANISMS, str.upper),
    "mta.plaintext": _any,
    "mta.external": _any,
    "mta.saslauthd": _any,
    "mta.relay_certificates": _any,
    "mta.relay_hosts": _host,
    "mta.access": _access,
    "mta.authinfo_map": _any,
    "mta.port": _port,
    "mta.crl": _any,
    "mta.choices": _one_of(CHOICES),
    "system.name": _one_of(("", *SYSTEMS)),
    **dict.fromkeys((f"system.{name}" for name in PATHS), _plain_place),
    **dict.fromkeys((f"system.{name}" for name in NAMES), _plain_name),
    **dict.fromkeys((f"system.{name}" for name in COMMANDS), _word),
    "system.exim_style": _one_of(("", "template", "hand-written")),
    **{f"system.{key}": _one_of(types) for key, types in MAPS.items()},
}
"""By key; each item of a list is checked alone."""
