"""MTA: the files around sendmail.cf: what it is made from, maps, credentials, the access map."""

import os
import re
from collections.abc import Iterator
from functools import partial

from ..errors import DamagedFileError, SmtpcredsError
from ..mta import access, authinfo_map, makemap, sendmail_mc
from .finding import Finding, found
from .perm_accounts import default_auth_info
from .repairs import rebuild
from .world import SENDMAIL_CF, SENDMAIL_MC, World

_INCLUDED = re.compile(r"^\s*s?include\(`?([^')]+)'?\)", re.MULTILINE)
_HASHES = frozenset({"hash", "btree"})
_OURS = frozenset({"authinfo", "access"})
"""Maps whose text makemap takes as it stands; others may be made in other ways."""
_TAGGED = re.compile(rb'"[UIPRM][:=]([^"]*)"')
_SERVER = re.compile(r"authinfo:(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|ipv6:[0-9a-f:]+)?")
_RELAY = re.compile(r"[\s+]")


def compiled(world: World) -> Iterator[Finding]:
    """sendmail.cf is newer than what it is made from."""
    result = world.path(SENDMAIL_CF)
    text = world.text(SENDMAIL_MC)
    if text is None or not os.path.exists(result):
        return
    sources = [SENDMAIL_MC, *(path for path in _INCLUDED.findall(text) if path.startswith("/etc/"))]
    for source in map(world.path, sources):
        if _is_newer(source, result):
            cure = f"m4 {world.path(SENDMAIL_MC)} > {result}.new && mv {result}.new {result}, and restart"
            yield found("MTA008", result, f"is older than {source}", cure)


def maps(world: World) -> Iterator[Finding]:
    """Each map is newer than its source."""
    for name, source in _sources(world):
        path = f"{source}.db"
        if not os.path.exists(source):
            continue
        fault = f"is older than {source}" if os.path.exists(path) else "is missing"
        if not os.path.exists(path) or _is_newer(source, path):
            repair = rebuild(path, source, partial(makemap.records, path=source)) if name in _OURS else None
            yield found("MTA007", path, fault, f"makemap hash {source} < {source}", repair)


def credentials(world: World) -> Iterator[Finding]:
    """default-auth-info says what was meant (usersmtp.c, getauth)."""
    path = default_auth_info(world)
    content = world.content(path)
    if content is None:
        return
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    account = world.site.settings.sasl.account
    cure = f"smtpcreds sasl auth-info {account} --to {path} --force"
    if len(lines) < 3 or not all(lines[:3]):
        yield found("MTA012", path, f"has {len(lines)} lines that count; three are needed", cure)
    elif any(line.endswith(b"\r") for line in lines):
        yield found("MTA012", path, "has a line that ends in a carriage return, which belongs to it", cure)
    elif why := _foreign_realm(world, lines):
        yield found("MTA012", path, why, cure)


def authinfo(world: World) -> Iterator[Finding]:
    """Each entry of the authinfo map is one that sendmail understands, under a key that it looks up."""
    source = world.path((world.sendmail and world.sendmail.map_file("authinfo")) or authinfo_map.DEFAULT_PATH)
    for number, line in enumerate((world.content(source) or b"").split(b"\n"), 1):
        if line.strip() and not line.startswith(b"#") and (why := _entry_fault(line)):
            cure = "smtpcreds mta apply sendmail-client --authinfo-map"
            yield found("MTA015", source, f"line {number} {why}", cure)


def rules(world: World) -> Iterator[Finding]:
    """Each line of the access map that is about certificates has an effect."""
    path = world.path(sendmail_mc.ACCESS)
    lines = (world.content(path) or b"").decode(errors="replace").splitlines()
    tags = {tag.lower() for tag in access.TAGS}
    about = [(n, line) for n, line in enumerate(lines, 1) if line.partition(":")[0].lower() in tags]
    for number, line in about:
        try:
            access.parse_rule(line)
        except SmtpcredsError as error:
            reason = f"line {number} {error.reason}, so it has no effect"
            yield found("MTA013", path, reason, error.hint or "correct the line, and makemap")
    kinds = [tuple(_RELAY.split(f"{line.partition(':')[0]} {line.split()[-1]}".lower())) for _, line in about]
    if ("certsubject", "relay") in kinds and ("certissuer", "subject") not in kinds:
        reason = "has CertSubject without a CertIssuer of value SUBJECT, so that nobody relays by it"
        yield found("MTA013", path, reason, "smtpcreds mta render sendmail-hub --relay-host HOST shows both")


def _sources(world: World) -> Iterator[tuple[str, str]]:
    """Yield name and source of the maps in files, under the root."""
    cf = world.sendmail
    if cf is None:
        return
    for name, value in cf.maps.items():
        if value.split()[:1] and value.split()[0] in _HASHES and (path := cf.map_file(name)):
            yield name, world.path(path)


def _is_newer(source: str, result: str) -> bool:
    return os.path.exists(source) and os.stat(source).st_mtime > os.stat(result).st_mtime


def _foreign_realm(world: World, lines: list[bytes]) -> str | None:
    """Cyrus SASL takes the server's realm for a bare name, whatever the fourth line says (observed)."""
    realm = lines[3].decode(errors="replace") if len(lines) > 3 else ""
    authcid = lines[1].decode(errors="replace")
    if not realm or "@" in authcid or not world.site.settings.hub or realm == world.site.realm:
        return None
    return f"names {authcid} of realm {realm}, and the relay looks bare names up in {world.site.realm}"


def _entry_fault(line: bytes) -> str | None:
    try:
        entries = authinfo_map.parse(line, "authinfo")
    except DamagedFileError:
        return 'is not AuthInfo:host "U:..." "I:..." "P=..."'
    if any(len(value) > authinfo_map.MAX_TEXT for value in _TAGGED.findall(line)):
        return f"has a value of over {authinfo_map.MAX_TEXT} octets, which Sendmail drops without a word"
    key = next(iter(entries)).lower()
    return None if _SERVER.fullmatch(key) else f"has the key {key}, which Sendmail never looks up"
