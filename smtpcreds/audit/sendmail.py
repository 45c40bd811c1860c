"""MTA: sendmail.cf, the files that it names, the daemon that runs, and what was deployed."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from ..ca.layout import has_inventory, reading
from ..config import Site, first_existing
from ..deploy.check import missing_includes, stale
from ..deploy.facts import PID_FILES, RenderOptions, gather
from ..deploy.files import FileStatus, Status, digests, file_statuses_of
from ..errors import DamagedFileError, SmtpcredsError, UsageError
from ..inventory.inventory import Inventory
from ..mta import access, auth_info, sendmail
from ..mta.program import Facts, Program
from ..mta.programs import PROGRAMS
from ..mta.sendmail_cf import SendmailCf
from .finding import Finding, found, unchecked
from .permissions import default_auth_info, rebuild
from .world import SENDMAIL_CF, SENDMAIL_MC, Host

# MTA: what sendmail.cf says of TLS and AUTH, most of which sendmail keeps silent about.

_DEFAULT_MECHANISMS = frozenset({"EXTERNAL", "GSSAPI", "KERBEROS_V4", "DIGEST-MD5", "CRAM-MD5"})
"""Where confAUTH_MECHANISMS is not defined (op.me)."""
_HIDE_PLAINTEXT = frozenset("pamdf")
"""AuthOptions that keep PLAIN and LOGIN from the offer outside TLS (observed)."""
_PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
_LISTS = ("ServerCertFile", "ServerKeyFile", "ClientCertFile", "ClientKeyFile")
_PATHS = (*_LISTS, "CACertFile", "CACertPath", "CRLFile", "CRLPath")
_DIGEST = re.compile(
    r"(?:md5|sha1|sha(?:224|256|384|512)|sha512-(?:224|256)|sha3-\d{3}|ripemd160|sm3|blake2\w+)"
)
_UNKNOWN_NAMES = {
    "confTLS_FINGERPRINT_ALGORITHM": "confCERT_FINGERPRINT_ALGORITHM",
    "confCIPHER_SUITES": "O CipherSuites=... behind LOCAL_CONFIG",
}
"""Names that books and habit give to options, and what they are called."""
_DEFINED = re.compile(r"^\s*define\(`?(\w+)'?", re.MULTILINE)


def mechanisms(world: Host) -> Iterator[Finding]:
    """What is trusted is offered, what is offered is trusted, and nothing shows a password outside TLS."""
    cf, path = world.sendmail, world.path(SENDMAIL_CF)
    if cf is None:
        return
    trusted = {name.upper() for name in cf.classes.get("TrustAuthMech", ())}
    given = {name.upper() for name in cf.words("AuthMechanisms")}
    offered = given or _DEFAULT_MECHANISMS
    if excess := sorted(trusted - offered):
        reason = f"trusts {' '.join(excess)}, which it does not offer"
        yield found("MTA001", path, reason, f"change TRUST_AUTH_MECH in {world.path(SENDMAIL_MC)}")
    if trusted and (useless := sorted(given - trusted)):
        reason = f"offers {' '.join(useless)}, and does not relay for who used that"
        yield found("MTA014", path, reason, f"change TRUST_AUTH_MECH in {world.path(SENDMAIL_MC)}")
    shown = sorted(offered & _PLAINTEXT)
    if shown and not _HIDE_PLAINTEXT & set(cf.option("AuthOptions")):
        reason = f"offers {' and '.join(shown)} outside TLS"
        cure = f"define(`confAUTH_OPTIONS', `p y')dnl in {world.path(SENDMAIL_MC)}"
        yield found("MTA002", path, reason, cure)


def dead_credentials(world: Host) -> Iterator[Finding]:
    """A default-auth-info that is there, or named, is read."""
    cf, path = world.sendmail, default_auth_info(world)
    if cf is None or not (cf.option("DefaultAuthInfo") or world.content(path) is not None):
        return
    apply = "smtpcreds mta apply sendmail-client, or use FEATURE(`authinfo')"
    if "authinfo" in cf.rulesets:
        reason = "is never read: sendmail.cf has a ruleset authinfo (a line Sauthinfo)"
        yield found("MTA003", path, reason, apply)
    elif not cf.option("DefaultAuthInfo"):
        yield found("MTA003", path, "is never read: sendmail.cf has no DefaultAuthInfo", apply)


def authorities(world: Host) -> Iterator[Finding]:
    """Certificates need both confCACERT_PATH and confCACERT; one missing turns TLS off."""
    cf = world.sendmail
    if cf is None or not any(cf.option(name) for name in _LISTS):
        return
    for option, name in (("CACertPath", "confCACERT_PATH"), ("CACertFile", "confCACERT")):
        if not cf.option(option):
            reason = f"has certificates and no {option}, so there is no TLS, and nothing is logged"
            value = world.site.settings.cert.directory + ("" if option == "CACertPath" else "/cacert.pem")
            cure = f"define(`{name}', `{value}')dnl in {world.path(SENDMAIL_MC)}"
            yield found("MTA004", world.path(SENDMAIL_CF), reason, cure)


def paths(world: Host) -> Iterator[Finding]:
    """Every path is whole, and lists are separated by a comma alone."""
    cf, path = world.sendmail, world.path(SENDMAIL_CF)
    if cf is None:
        return
    for option in _PATHS:
        for value in map(
            str.strip, cf.option(option).split(",") if option in _LISTS else [cf.option(option)]
        ):
            if value and not value.startswith("/"):
                reason = f"has {option}={value}, which does not begin with a slash, so there is no TLS"
                yield found("MTA005", path, reason, f"write the whole path in {world.path(SENDMAIL_MC)}")
    for role in ("Server", "Client"):
        if why := _list_fault(cf, f"{role}CertFile", f"{role}KeyFile"):
            cure = f"separate them by a comma alone in {world.path(SENDMAIL_MC)}"
            yield found("MTA006", path, why, cure)


def digest(world: Host) -> Iterator[Finding]:
    """The fingerprint algorithm is one that OpenSSL knows; another turns TLS off."""
    name = world.sendmail.option("CertFingerprintAlgorithm") if world.sendmail else ""
    if name and not _DIGEST.fullmatch(name.lower()):
        reason = f"has CertFingerprintAlgorithm={name}, so there is no TLS, and nothing is logged"
        cure = f"define(`confCERT_FINGERPRINT_ALGORITHM', `sha256')dnl in {world.path(SENDMAIL_MC)}"
        yield found("MTA011", world.path(SENDMAIL_CF), reason, cure)


def fallback(world: Host) -> Iterator[Finding]:
    """A failed handshake does not make mail go in clear."""
    if world.sendmail and world.sendmail.option("TLSFallbacktoClear").lower() in {
        "true",
        "t",
        "yes",
        "y",
        "1",
    }:
        reason = "has TLSFallbacktoClear: where the handshake fails, mail goes in clear"
        cure = f"remove confTLS_FALLBACK_TO_CLEAR from {world.path(SENDMAIL_MC)}"
        yield found("MTA018", world.path(SENDMAIL_CF), reason, cure)


def names(world: Host) -> Iterator[Finding]:
    """sendmail.mc defines nothing that only looks like an option; m4 takes any name."""
    text = world.text(SENDMAIL_MC) or ""
    for name in dict.fromkeys(_DEFINED.findall(text)):
        if name in _UNKNOWN_NAMES:
            reason = f"defines {name}, which the macros do not know"
            yield found("MTA016", world.path(SENDMAIL_MC), reason, f"it is called {_UNKNOWN_NAMES[name]}")


def _list_fault(cf: SendmailCf, certificates: str, keys: str) -> str | None:
    for option in (certificates, keys):
        if len(cf.option(option).split()) > 1:
            return f"has a blank in {option}={cf.option(option)}, so there is no TLS"
    numbers = [len(list(filter(None, cf.option(option).split(",")))) for option in (certificates, keys)]
    if numbers[0] and numbers[0] != numbers[1]:
        return f"has {numbers[0]} files in {certificates} and {numbers[1]} in {keys}, so there is no TLS"
    return None


# MTA: the files around sendmail.cf: what it is made from, maps, credentials, the access map.

_INCLUDED = re.compile(r"^\s*s?include\(`?([^')]+)'?\)", re.MULTILINE)
_HASHES = frozenset({"hash", "btree"})
_OURS = frozenset({"authinfo", "access"})
"""Maps whose text makemap takes as it stands; others may be made in other ways."""
_TAGGED = re.compile(rb'"[UIPRM][:=]([^"]*)"')
_SERVER = re.compile(r"authinfo:(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|ipv6:[0-9a-f:]+)?")
_RELAY = re.compile(r"[\s+]")


def compiled(world: Host) -> Iterator[Finding]:
    """sendmail.cf is newer than what it is made from."""
    result = world.path(SENDMAIL_CF)
    text = world.text(SENDMAIL_MC)
    if text is None or not os.path.exists(result):
        return
    pid_file = first_existing(world.site.root, PID_FILES)
    sources = [SENDMAIL_MC, *(path for path in _INCLUDED.findall(text) if path.startswith("/etc/"))]
    for source in map(world.path, sources):
        if _is_newer(source, result):
            cure = " && ".join(sendmail.rebuild(world.path(SENDMAIL_MC), result, pid_file))
            yield found("MTA008", result, f"is older than {source}", cure)


def maps(world: Host) -> Iterator[Finding]:
    """Each map is newer than its source."""
    for name, source in _sources(world):
        path = f"{source}.db"
        if not os.path.exists(source):
            continue
        fault = f"is older than {source}" if os.path.exists(path) else "is missing"
        if not os.path.exists(path) or _is_newer(source, path):
            repair = rebuild(path, source, partial(sendmail.records, path=source)) if name in _OURS else None
            yield found("MTA007", path, fault, f"makemap hash {source} < {source}", repair)


def credentials(world: Host) -> Iterator[Finding]:
    """default-auth-info says what was meant (usersmtp.c, getauth)."""
    path = default_auth_info(world)
    content = world.content(path)
    if content is None:
        return
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    account = world.site.settings.sasl.account
    cure = f"smtpcreds sasl auth-info {account} --to {path} --force"
    if not world.records:
        cure = f"on the hub: smtpcreds sasl auth-info {account} --to FILE; then copy it to {path}"
    if len(lines) < 3 or not all(lines[:3]):
        yield found("MTA012", path, f"has {len(lines)} lines that count; three are needed", cure)
    elif any(line.endswith(b"\r") for line in lines):
        yield found("MTA012", path, "has a line that ends in a carriage return, which belongs to it", cure)
    elif why := _foreign_realm(world, lines) or _unusable(world, lines):
        yield found("MTA012", path, why, cure)


def authinfo(world: Host) -> Iterator[Finding]:
    """Each entry of the authinfo map is one that sendmail understands, under a key that it looks up."""
    source = world.path((world.sendmail and world.sendmail.map_file("authinfo")) or auth_info.MAP_PATH)
    for number, line in enumerate((world.content(source) or b"").split(b"\n"), 1):
        if line.strip() and not line.startswith(b"#") and (why := _entry_fault(line)):
            cure = "smtpcreds mta apply sendmail-client --authinfo-map"
            yield found("MTA015", source, f"line {number} {why}", cure)


def rules(world: Host) -> Iterator[Finding]:
    """Each line of the access map that is about certificates has an effect."""
    path = world.path(sendmail.ACCESS)
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
        yield found(
            "MTA013", path, reason, "both are in: smtpcreds mta render sendmail-hub --relay-host HOST"
        )


def _sources(world: Host) -> Iterator[tuple[str, str]]:
    """Yield name and source of the maps in files, under the root."""
    cf = world.sendmail
    if cf is None:
        return
    for name, value in cf.maps.items():
        if value.split()[:1] and value.split()[0] in _HASHES and (path := cf.map_file(name)):
            yield name, world.path(path)


def _is_newer(source: str, result: str) -> bool:
    return os.path.exists(source) and os.stat(source).st_mtime > os.stat(result).st_mtime


def _foreign_realm(world: Host, lines: list[bytes]) -> str | None:
    """Cyrus SASL takes the server's realm for a bare name, whatever the fourth line says (observed)."""
    realm = lines[3].decode(errors="replace") if len(lines) > 3 else ""
    authcid = lines[1].decode(errors="replace")
    if not realm or "@" in authcid or not world.site.settings.hub or realm == world.site.realm:
        return None
    return f"names {authcid} of realm {realm}, and the relay looks bare names up in {world.site.realm}"


def _unusable(world: Host, lines: list[bytes]) -> str | None:
    """Sendmail tries what stands in both lists, its own and that of the file."""
    named = set(lines[4].decode(errors="replace").upper().split()) if len(lines) > 4 else set()
    own = {name.upper() for name in world.sendmail.words("AuthMechanisms")} if world.sendmail else set()
    if not named or not own or named & own:
        return None
    return f"names {' '.join(sorted(named))}, and none of it is in confAUTH_MECHANISMS"


def _entry_fault(line: bytes) -> str | None:
    try:
        entries = auth_info.parse_map(line, "authinfo")
    except DamagedFileError:
        return 'is not AuthInfo:host "U:..." "I:..." "P=..."'
    if any(len(value) > auth_info.MAX_TEXT for value in _TAGGED.findall(line)):
        return f"has a value of over {auth_info.MAX_TEXT} octets, which Sendmail drops without a word"
    key = next(iter(entries)).lower()
    return None if _SERVER.fullmatch(key) else f"has the key {key}, which Sendmail never looks up"


# MTA: whether the running daemon has read what is on disk now.

_CLOCK = "/proc/stat"


def running(world: Host) -> Iterator[Finding]:
    """Sendmail reads certificates, keys and CRLs when it starts, and after SIGHUP, never else.

    After SIGHUP it runs itself again in the same process and writes its pid file anew, so the later of both
    times counts.
    """
    for pid_file in map(world.path, PID_FILES):
        pid = _pid(world, pid_file)
        started = _started(pid) if pid else None
        if pid is None or started is None:
            continue
        since = max(started, os.stat(pid_file).st_mtime)
        for path in _read_once(world):
            if os.path.exists(path) and os.stat(path).st_mtime > since:
                moment = datetime.fromtimestamp(since, UTC)
                reason = f"was changed after the daemon (pid {pid}) read it at {moment:%Y-%m-%d %H:%M:%S} UTC"
                yield found("MTA010", path, reason, f"kill -HUP {pid}")
        return


def _read_once(world: Host) -> Iterator[str]:
    named = (
        path
        for use in world.uses
        if use.program == "sendmail"
        for path in (*use.certificates, *use.keys, use.ca_file, use.crl_file)
        if path
    )
    yield from dict.fromkeys(map(world.path, named))


def _pid(world: Host, path: str) -> int | None:
    """Return the number of a process that is there and called sendmail."""
    words = (world.content(path) or b"").split()
    if not words or not words[0].isdigit():
        return None
    name = world.content(f"/proc/{int(words[0])}/comm")
    return int(words[0]) if name is not None and name.startswith(b"sendmail") else None


def _started(pid: int) -> float | None:
    """Return when a process was made, in seconds since 1970 (proc(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat, open(_CLOCK, "rb") as clock:
            ticks = int(stat.read().rpartition(b")")[2].split()[19])
            boot = next(int(line.split()[1]) for line in clock if line.startswith(b"btime"))
    except OSError:
        return None  # it ended meanwhile
    return boot + ticks / os.sysconf("SC_CLK_TCK")


# MTA: what smtpcreds wrote for mail programs, against what it would write now and what is in force.

_FAULTS = {
    Status.OUTDATED: "is as smtpcreds wrote it once; now it would be different",
    Status.EDITED: "was edited since smtpcreds wrote it",
    Status.MISSING: "was written by smtpcreds and is gone",
}
_AGE = "is older than"
"""MTA008 says so of every sendmail.cf, and MTA007 of maps."""


def written(world: Host) -> Iterator[Finding]:
    """Each file that was written is still what would be written."""
    if not has_inventory(world.site):
        return
    with reading(world.site) as inventory:
        for program in _applied(inventory):
            yield from _of_program(world, program, inventory)


def _applied(inventory: Inventory) -> list[Program]:
    """Return the programs that ``mta apply`` was ever run for."""
    names = {event.subject for event in inventory.events() if event.what == "mta apply"}
    return [program for name, program in PROGRAMS.items() if name in names]


def _of_program(world: Host, program: Program, inventory: Inventory) -> Iterator[Finding]:
    site = world.site
    try:
        facts = gather(site, program, RenderOptions())
        standings = file_statuses_of(site, program.render(facts), inventory)
    except UsageError:
        return  # for another role than that of this host: the inventory is shared
    except SmtpcredsError as error:
        yield unchecked(error)
        return
    known = [s for s in standings if digests(site, inventory, s.path)]
    for standing in known:
        if standing.status in _FAULTS:
            yield _finding(site, program, standing)
    if known and not any(s.status is Status.OUTDATED for s in known):
        yield from _in_force(world, program, facts)


def _in_force(world: Host, program: Program, facts: Facts) -> Iterator[Finding]:
    """Look at the compiled file, where there is one: settings that are not there were not included.

    Not asked where files are to be written anew, for what is in force can be what they say now.
    """
    check, tasks = f"smtpcreds mta check {program.NAME}", program.work(facts)
    for include in missing_includes(world.site, tasks):
        path = world.path(include.path)
        if include.lines and os.path.exists(path):
            yield found("MTA017", path, f"lacks {'; '.join(include.lines)}", check)
    for path, fault in stale(world.site, tasks):
        if os.path.exists(path) and _AGE not in fault:
            yield found("MTA017", path, fault, check)


def _finding(site: Site, program: Program, standing: FileStatus) -> Finding:
    """Options of ``mta apply`` are not remembered, so an outdated file may well be right."""
    force = " --force" if standing.status is Status.EDITED else ""
    cure = f"smtpcreds mta diff {program.NAME}; smtpcreds mta apply {program.NAME}{force}"
    if standing.status is Status.OUTDATED:
        cure += f", or keep the options that it was made with in [mta] of {site.settings_path}"
    return found("MTA009", standing.path, _FAULTS[standing.status], cure)
