"""What is in a bundle, and in which order: directories, trust, key, certificate, the program's files."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from ..ca.authority import CA
from ..ca.directory import certificate_file, pair_at, rows_here
from ..ca.layout import ALL_CRLS, CRL, Pair, pair_of
from ..ca.requests import SignedCsr
from ..ca.state import RECOVERED
from ..config import TABLES, Settings, Site, parse_settings
from ..deploy.facts import wanted_mechanisms
from ..deploy.files import octets_of
from ..deploy.options import RenderOptions
from ..errors import DataError, ExistsError, MissingInputError
from ..files import read_private
from ..inventory.inventory import Inventory
from ..inventory.rows import CertificateRow as Row
from ..inventory.rows import serial_text
from ..lazy import dataclass
from ..model import Artifact, Link
from ..mta import placed
from ..mta.program import Facts, Include, Program, Rendered, reads_crl
from ..mta.sasl_conf import EXTERNAL
from ..pki.chains import climb
from ..pki.encoding import parse_certificate
from ..pki.keys import PrivateKey, decode_key, encode_key
from ..pki.pair_rules import certificate_of
from ..pki.values import Certificate
from ..secret import Secret
from ..shell import quote
from .archive import README, SETTINGS, Kind, Member

# The certificate of a client host, and its key where the hub has it for a moment or for good.


@dataclass(frozen=True)
class Credentials:
    """What a host shows to others.

    Attributes:
        certificate: itself.
        pem: it and those between it and the root.
        key: PEM, unencrypted; None where the host has it.
    """

    certificate: Certificate
    pem: bytes
    key: Secret | None = field(default=None, repr=False)

    @property
    def serial(self) -> str:
        """The serial number as the inventory has it."""
        return serial_text(self.certificate.serial_number)


class KeySource(Enum):
    """Where papers come from."""

    NEW = "issue"
    """Signed now, for a key that is made now and kept nowhere but in the bundle."""
    REQUEST = "sign"
    """Signed now, for the key of the host's request."""
    PAIR = "copy"
    """A pair that lies on the hub."""
    CERTIFICATE = "look up"
    """A certificate that was issued, for a key that the host has."""


@dataclass(frozen=True)
class CredentialSource:
    """Where the papers of one bundle come from.

    Attributes:
        origin: see there.
        row: the certificate that the host has; None where it has none.
        pair: where it lies, of a PAIR.
    """

    origin: KeySource
    row: Row | None = None
    pair: Pair | None = None

    @property
    def is_signed(self) -> bool:
        """Tell whether the authority has to sign."""
        return self.origin in {KeySource.NEW, KeySource.REQUEST}


@dataclass(frozen=True)
class CertificateOptions:
    """What a person says of the certificate.

    Attributes:
        request: the host keeps its own key, and here is its request.
        new_key: whatever certificate the host has, it gets a new one with a new key.
        with_key: False leaves the key out.
    """

    request: bool = False
    new_key: bool = False
    with_key: bool = True


def choose(site: Site, inventory: Inventory | None, host: str, terms: CertificateOptions) -> CredentialSource:
    """Return where the papers come from."""
    row = inventory.current(host, site.clock()) if inventory else None
    if terms.request or terms.new_key:
        return CredentialSource(KeySource.REQUEST if terms.request else KeySource.NEW, row)
    if row is None:
        if not terms.with_key:
            raise MissingInputError(host, "has no valid certificate", f"smtpcreds bundle {quote(host)}")
        return CredentialSource(KeySource.NEW)
    if not terms.with_key:
        return CredentialSource(KeySource.CERTIFICATE, row)
    pair = pair_at(site, row) if rows_here(site, [row]) else None
    if pair is None and inventory and _was_interrupted(inventory, row):
        return CredentialSource(KeySource.NEW, row)
    if pair is None:
        reason = f"has a certificate until {row.not_after:%Y-%m-%d}, and only {host} has its key"
        hint = "--no-key to send the certificate alone, or --new-key to issue another one"
        raise ExistsError(host, reason, hint)
    return CredentialSource(KeySource.PAIR, row, pair)


def _was_interrupted(inventory: Inventory, row: Row) -> bool:
    """Tell whether the run that signed this certificate was killed: perhaps nobody got its key."""
    events = inventory.events(subject=row.host, what=RECOVERED)
    return any(event.detail == f"serial {row.serial}" for event in events)


def existing_credentials(ca: CA, inventory: Inventory, row: Row, pair: Pair | None) -> Credentials:
    """Return the papers that exist."""
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    key = _key_of(pair, certificate, row.host) if pair else None
    above = climb(certificate, ca.trusted)[1:]
    return Credentials(certificate, certificate_file(certificate, above), key)


def signed_credentials(granted: SignedCsr, key: PrivateKey | None) -> Credentials:
    """Return papers that were signed just now."""
    return Credentials(granted.certificate, granted.pem, Secret(encode_key(key)) if key else None)


def _key_of(pair: Pair, certificate: Certificate, host: str) -> Secret:
    content = read_private(pair.key)
    key, of = decode_key(content, None, pair.key), f"the certificate that {host} got last"
    certificate_of(key, [certificate], pair.key, of, "--new-key issues another pair")
    return Secret(content)


OURS = "smtpcreds"
"""Last part of the directories that only this program uses; of others no mode is carried."""


def members(
    site: Site,
    program: Program,
    facts: Facts,
    credentials: Credentials,
    around: Iterable[Artifact | Link],
    texts: dict[str, bytes],
) -> tuple[Member, ...]:
    """Return all members.

    Args:
        site: names the certificate directory.
        program: of the client host.
        facts: what its files say.
        credentials: of the host.
        around: bundle, CRLs and links.
        texts: content of what is for people and for smtpcreds itself, by path.
    """
    directory = site.settings.cert.directory
    pair = pair_of(site, facts.host, directory)
    files = [
        *(Member(path, 0o644, texts[path]) for path in (README, SETTINGS)),
        *(_beside(item) for item in around),
        *_pair(pair, credentials),
        *map(_rendered, placed.render(program, facts)),
    ]
    directories = {_relative(directory): 0o700}
    directories |= {path: 0o755 for path in _own(files) if path not in directories}
    return tuple(_in_order(files, directories))


def _in_order(files: Iterable[Member], directories: dict[str, int]) -> Iterator[Member]:
    """Yield each directory before the first file in it."""
    left = dict(directories)
    for file in files:
        if file.directory in left:
            yield Member(file.directory, left.pop(file.directory), kind=Kind.DIRECTORY)
        yield file


def _own(files: Iterable[Member]) -> Iterator[str]:
    return (file.directory for file in files if file.directory.rpartition("/")[2] == OURS)


def _pair(pair: Pair, credentials: Credentials) -> Iterator[Member]:
    if credentials.key:
        yield Member(_relative(pair.key), 0o600, credentials.key.reveal())
    yield Member(_relative(pair.certificate), 0o600, credentials.pem)


def _beside(item: Artifact | Link) -> Member:
    if isinstance(item, Link):
        return Member(_relative(item.path), 0o777, kind=Kind.LINK, target=item.target)
    return Member(_relative(item.path), item.mode, item.content)


def _rendered(item: Rendered) -> Member:
    return Member(_relative(item.path), item.mode, octets_of(item), user=item.user, group=item.group)


def _relative(path: str) -> str:
    return path.lstrip("/")


# What a bundle says about itself to the administrator of the client host. Pure text; no secret.

DELETE = "Delete the archive that this came in: who has it can send mail as this host."


def readme(
    program: Program,
    facts: Facts,
    credentials: Credentials,
    now: datetime,
    crl_end: datetime | None,
    more: Iterable[str],
) -> bytes:
    """Return the text: what this is, and becomes of (``more``), what to include and to run, how to check."""
    lines = [
        *_head(program, facts, now),
        *more,
        *_ends(program, facts, credentials, crl_end),
        *_work(program, facts),
        *_checks(program, facts),
    ]
    return ("\n".join(lines) + "\n").encode()


def _head(program: Program, facts: Facts, now: datetime) -> Iterator[str]:
    yield f"{facts.host} relays its mail through {facts.hub}"
    yield ""
    yield f"Made by smtpcreds on {now:%Y-%m-%d %H:%M} UTC, for: {program.TITLE}."
    if facts.credential:
        yield from _login(program, facts)


def _ends(
    program: Program, facts: Facts, credentials: Credentials, crl_end: datetime | None
) -> Iterator[str]:
    end = credentials.certificate.not_valid_after_utc
    yield ""
    yield f"Its certificate (serial {credentials.serial}) is valid to {end:%Y-%m-%d}."
    if credentials.key is None:
        yield f"The private key was made here and never left: it belongs in {facts.tls.key}, mode 0600."
    if crl_end is None:
        return
    yield f"The list of revoked certificates beside it is valid to {crl_end:%Y-%m-%d}."
    if not reads_crl(program, facts):
        yield f"{program.NAME} does not look at it; only the checks of smtpcreds do."
    elif crl_end < end:
        yield "Mail stops when it ends, so copy a new one from the hub well before, for example each night:"
        yield from (f"    {command}" for command in _copying(program, facts))


def _login(program: Program, facts: Facts) -> Iterator[str]:
    """Say where the secret is, and who can send with it."""
    file = next(
        item
        for item in placed.render(program, facts)
        if item.path in placed.secret_files(program, facts.system)
    )
    readers = f"root and the group {file.group}" if file.mode & 0o040 else "root alone"
    yield f"It logs in as {facts.credential and facts.credential.account}; the secret is in {file.path},"
    yield f"mode {file.mode:04o}, which {readers} can read."


def _copying(program: Program, facts: Facts) -> Iterator[str]:
    """Yield the commands that bring new CRLs to where the program reads them."""
    directory = facts.tls.directory
    there = re.sub(r"[^\w/.@:=+-]", r"\\\g<0>", directory, flags=re.ASCII)  # scp expands it as a pattern
    yield f"scp -p {quote(f'root@{facts.hub}:{there}/*crl*.pem')} {quote(directory)}"
    for item in placed.render(program, facts):
        name = os.path.basename(item.path)
        if not item.path.startswith(f"{directory}/") and name in {CRL, ALL_CRLS}:
            owner = f"-o {item.user} -g {item.group} -m {item.mode:04o}"
            yield f"install {owner} {quote(f'{directory}/{ALL_CRLS}')} {quote(item.path)}"


def _work(program: Program, facts: Facts) -> Iterator[str]:
    work = placed.work(program, facts)
    for include in work.includes:
        yield from _include(include)
    for heading, lines in (("Then run as root:", work.commands), ("Use it as:", work.usage)):
        if lines:
            yield ""
            yield heading
            yield from (f"    {line}" for line in lines)


def _include(include: Include) -> Iterator[str]:
    if include.text:
        yield ""
        yield f"Add to {include.path}{include.where and f', {include.where}'}:"
        yield from (f"    {line}" for line in include.text)


def _checks(program: Program, facts: Facts) -> Iterator[str]:
    yield ""
    yield "To check, where smtpcreds is installed:"
    fingerprint = facts.fingerprint and f" --fingerprint {facts.fingerprint}"
    yield f"    smtpcreds -c /{SETTINGS} mta check {program.NAME}{fingerprint}"
    yield f"    smtpcreds -c /{SETTINGS} probe smtp://{facts.hub}:{facts.port} --client {facts.host}"
    yield "Without it, send a message to an address outside; the log of the hub then shows AUTH=server."


# The hub's word on a client host, in the form of its smtpcreds.toml.

Values = dict[str, dict[str, object]]
"""Table, "" for the top, to key to value."""

_ALLOWED = {
    "": {"domain", "hub"},
    "cert": {"directory"},
    "sasl": {"account", "realm"},
    "mta": {"access", "choices", "crl", "external", "mechanisms", "plaintext", "port"},
}
"""What a hub may say; nothing of where a client host keeps its state."""


def render_settings(site: Site, program: Program, facts: Facts, render_options: RenderOptions) -> bytes:
    """Return the file: what is not a default, and neither a secret nor the business of the hub alone."""
    wanted = render_options.over(site.settings.mta, program.VARIANTS)
    if facts.mechanisms != wanted_mechanisms(wanted, is_hub=False):  # the account can't be served by all
        narrowed = tuple(name for name in facts.mechanisms if name != EXTERNAL)
        wanted = replace(wanted, mechanisms=narrowed, plaintext=False)
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
            "crl": wanted.crl,
            "external": wanted.external,
            "mechanisms": wanted.mechanisms,
            "plaintext": wanted.plaintext,
            "port": facts.port,
        },
    }
    return "".join(_lines(values)).encode()


def read_settings(text: bytes, subject: str) -> Settings:
    """Read the file of a bundle."""
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
    if own.sasl.account != given.sasl.account == Settings().sasl.account:
        changed.append(("sasl", "account", given.sasl.account))
    made = own
    for table, key, value in changed:
        one: dict[str, Any] = {key: value}
        made = made._replace(**({table: getattr(made, table)._replace(**one)} if table else one))
    return made, [f"{'.'.join(filter(None, where))} = {_toml(value)}" for *where, value in changed]


def grown(text: bytes, own: Settings, wanted: Settings) -> bytes | None:
    """Return a client host's file with what the hub says besides.

    None where anybody has edited the file since ``setup --client``, or if it would lose what it says, but for
    ``mta.crl``, since a list that no bundle brings any more ends, and stops all mail, and for the account.

    Args:
        text: the file.
        own: what it says.
        wanted: what it should say.
    """
    if not own.hub or settings_text(own) != text:
        return None
    lasting = own._replace(
        mta=own.mta._replace(crl=wanted.mta.crl), sasl=own.sasl._replace(account=wanted.sasl.account)
    )
    says, would_say = _differing(Settings(), lasting), _differing(Settings(), wanted)
    kept = (keys.items() <= would_say.get(table, {}).items() for table, keys in says.items())
    return settings_text(wanted) if all(kept) else None


def settings_text(settings: Settings) -> bytes:
    """Return what a hub can say of a client host, as its smtpcreds.toml."""
    values: Values = {}
    for table, keys in _ALLOWED.items():
        said = getattr(settings, table) if table else settings
        values[table] = {key: getattr(said, key) for key in sorted(keys)}
    return "".join(_lines(values)).encode()


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
