"""MTA: Sendmail, most of whose faults it keeps silent about.

What sendmail.cf says of TLS and AUTH; what it is made from; maps, credentials and the access map; whether the
running daemon has read it all.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from ..deploy.facts import PID_FILES, sendmail_pid
from ..deploy.role import of_hub
from ..errors import DamagedFileError, SmtpcredsError, number_of
from ..lazy import pattern
from ..model import Finding
from ..mta import access, auth_info, sendmail, sendmail_client, sendmail_daemon, sendmail_hub
from ..mta.sendmail_cf import SendmailCf
from ..pki.names import title
from ..shell import quote
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host
from .permissions import rebuild
from .rewriting import again, written
from .sendmail_switches import removed

_DEFAULT_MECHANISMS = frozenset({"EXTERNAL", "GSSAPI", "KERBEROS_V4", "DIGEST-MD5", "CRAM-MD5"})
"""Where confAUTH_MECHANISMS is not defined (op.me)."""
_HIDE_PLAINTEXT = frozenset("pamdf")
"""AuthOptions that keep PLAIN and LOGIN from the offer outside TLS (observed)."""
_PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
_LISTS = ("ServerCertFile", "ServerKeyFile", "ClientCertFile", "ClientKeyFile")
_PATHS = (*_LISTS, "CACertFile", "CACertPath", "CRLFile", "CRLPath")
_DIGEST = pattern(
    r"(?:md5|sha1|sha(?:224|256|384|512)|sha512-(?:224|256)|sha3-\d{3}|ripemd160|sm3|blake2\w+)"
)
_UNKNOWN_NAMES = {
    "confTLS_FINGERPRINT_ALGORITHM": "confCERT_FINGERPRINT_ALGORITHM",
    "confCIPHER_SUITES": "O CipherSuites=... behind LOCAL_CONFIG",
}
"""Names that books and habit give to options, and what they are called."""
_DEFINED = pattern(r"^\s*define\(`?(\w+)'?", re.MULTILINE)
_INCLUDED = pattern(r"^\s*s?include\(`?([^')]+)'?\)", re.MULTILINE)
_ENDS = {"hash": ".db", "btree": ".db", "cdb": ".cdb"}
"""Types of maps that makemap makes, and how the name of what it makes ends."""
_STAYS = "mail stays in the queue"
_NEEDED = {
    "access": "each client is put off (451)",
    "mailertable": _STAYS,
    "domaintable": _STAYS,
}
"""Maps that are looked up for every message, and what happens where one can't be opened."""
_OURS = frozenset({"authinfo", "access"})
"""Maps whose text makemap takes as it stands; others may be made in other ways."""
_TAGGED = pattern(rb'"[UIPRM][:=]([^"]*)"')
_SERVER = pattern(r"authinfo:(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|ipv6:[0-9a-f:]+)?")
_RELAY = pattern(r"[\s+]")
_CLOCK = "/proc/stat"


MTA001 = Code.error("MTA001", "TRUST_AUTH_MECH names a mechanism that is not offered")
MTA014 = Code.warning(
    "MTA014",
    "a mechanism that is offered but not trusted: clients that log in with it may still not relay",
)
MTA002 = Code.error("MTA002", "PLAIN or LOGIN offered outside TLS")


def _without_others(host: Host) -> str:
    """Return how lines beside our fragment end that say otherwise; nothing where there is none of them."""
    text, names = host.text(SENDMAIL_MC) or "", {"TRUST_AUTH_MECH", "confAUTH_MECHANISMS"}
    found = sendmail.undoing(text, sendmail_hub.FRAGMENT, names)
    lines = ";".join(f"{number}d" for number, line in found if not sendmail.included_by(line))
    change = f"sed -i {quote(lines)} {quote(host.path(SENDMAIL_MC))}"
    return f"{change} && smtpcreds mta apply sendmail-hub --run" if lines else ""


def mechanisms(host: Host) -> Iterator[Finding]:
    """What is trusted is offered, what is offered is trusted, and nothing shows a password outside TLS."""
    cf, path = host.sendmail, host.path(SENDMAIL_CF)
    if cf is None:
        return
    trusted = {name.upper() for name in cf.classes.get("TrustAuthMech", ())}
    given = {name.upper() for name in cf.words("AuthMechanisms")}
    offered = given or _DEFAULT_MECHANISMS
    cure = _without_others(host) or _again(host, f"change TRUST_AUTH_MECH in {host.path(SENDMAIL_MC)}")
    if excess := sorted(trusted - offered):
        reason = f"trusts {' '.join(excess)}, which it does not offer"
        yield MTA001.found(path, reason, cure)
    if trusted and (useless := sorted(given - trusted)):
        reason = f"offers {' '.join(useless)}, and does not relay for who used that"
        yield MTA014.found(path, reason, cure)
    shown = sorted(offered & _PLAINTEXT)
    if shown and not _HIDE_PLAINTEXT & set(cf.option("AuthOptions")):
        reason = f"offers {' and '.join(shown)} outside TLS"
        cure = _again(host, f"define(`confAUTH_OPTIONS', `p y')dnl in {host.path(SENDMAIL_MC)}")
        yield MTA002.found(path, reason, cure)


def _again(host: Host, otherwise: str, *options: str) -> str:
    return again(host, sendmail_hub.FAMILY, otherwise, *options)


MTA020 = Code.error(
    "MTA020",
    "EXTERNAL lets clients of another CA relay, because sendmail.cf does not look at the issuer",
)


def external(host: Host) -> Iterator[Finding]:
    """Whoever logs in by EXTERNAL has a certificate of our own authority, whatever CAs Sendmail believes."""
    cf, text = host.sendmail, host.text(SENDMAIL_CF)
    if cf is None or text is None or not host.authorities:
        return
    trusted = {name.upper() for name in cf.classes.get("TrustAuthMech", ())}
    believed = host.certificates_in(host.path(cf.option("CACertFile")))
    others = [title(ca) for ca in believed if ca not in host.authorities]
    bound = "cert_issuer" in text.rpartition(f"S{sendmail.BY_ISSUER}")[2].partition("\nS")[0]
    if "EXTERNAL" in trusted and others and not bound:
        reason = f"trusts EXTERNAL, by which clients of {', '.join(others)} relay"
        cure = _again(host, "smtpcreds mta apply sendmail-hub --external --run", "--external")
        yield MTA020.found(host.path(SENDMAIL_CF), reason, cure)


MTA003 = Code.error(
    "MTA003",
    "a default-auth-info that is never read, because sendmail.cf has a ruleset authinfo or a map of "
    "credentials; mail goes unauthenticated, and nothing is logged",
)


def dead_credentials(host: Host) -> Iterator[Finding]:
    """A default-auth-info that is there, or named, is read."""
    cf, path = host.sendmail, host.default_auth_info
    is_there = host.content(path) is not None and not host.has_sample_auth_info
    if cf is None or not (cf.option("DefaultAuthInfo") or is_there):
        return
    apply = _again(host, "")
    fragment = sendmail_client.FRAGMENT
    is_brought = host.content(host.path(fragment)) is not None
    is_unread = is_brought and fragment not in (host.text(SENDMAIL_MC) or "")
    apply = f"{apply}, or use FEATURE(`authinfo')" if apply else f"rm {quote(path)}"
    if host.relays_by_sendmail:
        apply = f"remove it, if this host logs in nowhere: rm {quote(path)}; or use FEATURE(`authinfo')"
    elif is_unread:  # as tar leaves it
        apply = "smtpcreds mta apply sendmail-client --edit --run"
    if "authinfo" in cf.rulesets:
        reason = "is never read: sendmail.cf has a ruleset authinfo (a line Sauthinfo)"
        yield MTA003.found(path, reason, apply)
    elif not cf.option("DefaultAuthInfo"):
        yield MTA003.found(path, "is never read: sendmail.cf has no DefaultAuthInfo", apply)


MTA004 = Code.error(
    "MTA004",
    "certificates are configured, but confCACERT_PATH or confCACERT is not; there is no TLS, and nothing "
    "is logged",
)


def authorities(host: Host) -> Iterator[Finding]:
    """Certificates need both confCACERT_PATH and confCACERT; one missing turns TLS off."""
    cf = host.sendmail
    if cf is None or not any(cf.option(name) for name in _LISTS):
        return
    for option, name in (("CACertPath", "confCACERT_PATH"), ("CACertFile", "confCACERT")):
        if not cf.option(option):
            reason = f"has certificates and no {option}, so there is no TLS, and nothing is logged"
            value = host.site.settings.cert.directory + ("" if option == "CACertPath" else "/cacert.pem")
            cure = _again(host, f"define(`{name}', `{value}')dnl in {host.path(SENDMAIL_MC)}")
            yield MTA004.found(host.path(SENDMAIL_CF), reason, cure)


MTA005 = Code.error(
    "MTA005",
    "a path of a certificate, key, CA or CRL that does not begin with a slash; there is no TLS, and "
    "nothing is logged",
)
MTA006 = Code.error(
    "MTA006",
    "more than one certificate in confSERVER_CERT or confCLIENT_CERT, with a blank between them, or not as "
    "many keys; there is no TLS",
)


def paths(host: Host) -> Iterator[Finding]:
    """Every path is whole, and lists are separated by a comma alone."""
    cf, path = host.sendmail, host.path(SENDMAIL_CF)
    if cf is None:
        return
    for option in _PATHS:
        for value in map(
            str.strip, cf.option(option).split(",") if option in _LISTS else [cf.option(option)]
        ):
            if value and not value.startswith("/"):
                reason = f"has {option}={value}, which does not begin with a slash, so there is no TLS"
                cure = _again(host, f"write the whole path in {host.path(SENDMAIL_MC)}")
                yield MTA005.found(path, reason, cure)
    for role in ("Server", "Client"):
        if why := _list_fault(cf, f"{role}CertFile", f"{role}KeyFile"):
            words = "separate them by a comma alone, and name as many keys"
            cure = _again(host, f"{words}, in {host.path(SENDMAIL_MC)}")
            yield MTA006.found(path, why, cure)


MTA011 = Code.error(
    "MTA011",
    "a fingerprint algorithm that OpenSSL does not know; there is no TLS, and nothing is logged",
)


def digest(host: Host) -> Iterator[Finding]:
    """The fingerprint algorithm is one that OpenSSL knows; another turns TLS off."""
    name = host.sendmail.option("CertFingerprintAlgorithm") if host.sendmail else ""
    if name and not _DIGEST.fullmatch(name.lower()):
        reason = f"has CertFingerprintAlgorithm={name}, so there is no TLS, and nothing is logged"
        cure = removed(host, "confCERT_FINGERPRINT_ALGORITHM", "confCERT_FINGERPRINT_ALGORITHM")
        yield MTA011.found(host.path(SENDMAIL_CF), reason, cure)


MTA018 = Code.warning(
    "MTA018",
    "mail that goes out in clear where the TLS handshake fails (confTLS_FALLBACK_TO_CLEAR)",
)


def fallback(host: Host) -> Iterator[Finding]:
    """A failed handshake does not make mail go in clear."""
    if host.sendmail and host.sendmail.option("TLSFallbacktoClear").lower() in {
        "true",
        "t",
        "yes",
        "y",
        "1",
    }:
        reason = "has TLSFallbacktoClear: where the handshake fails, mail goes in clear"
        cure = removed(host, "confTLS_FALLBACK_TO_CLEAR", "confTLS_FALLBACK_TO_CLEAR")
        yield MTA018.found(host.path(SENDMAIL_CF), reason, cure)


MTA030 = Code.error(
    "MTA030",
    "a hub whose Sendmail listens on 127.0.0.1 alone, as the packages of Debian and RHEL configure it; no "
    "client host reaches it",
)


def reachable(host: Host) -> Iterator[Finding]:
    """The daemon of a hub listens for other hosts."""
    text, port = host.text(SENDMAIL_CF) or "", host.port
    if host.relays_by_sendmail and sendmail_daemon.is_closed(sendmail_daemon.in_result(text), port):
        reason = f"listens on port {port} of this host alone, so no client host reaches it"
        yield MTA030.found(host.path(SENDMAIL_CF), reason, "smtpcreds mta apply sendmail-hub --edit --run")


MTA016 = Code.warning(
    "MTA016",
    "a name in sendmail.mc that the macros don't know, and m4 ignores silently",
)


def names(host: Host) -> Iterator[Finding]:
    """sendmail.mc defines nothing that only looks like an option; m4 takes any name."""
    text = host.text(SENDMAIL_MC) or ""
    for name in dict.fromkeys(_DEFINED.findall(text)):
        if name in _UNKNOWN_NAMES:
            reason = f"defines {name}, which the macros do not know"
            cure = f"{removed(host, name, name)}, or call it {_UNKNOWN_NAMES[name]}"
            yield MTA016.found(host.path(SENDMAIL_MC), reason, cure)


def _list_fault(cf: SendmailCf, certificates: str, keys: str) -> str | None:
    for option in (certificates, keys):
        if len(cf.option(option).split()) > 1:
            return f"has a blank in {option}={cf.option(option)}, so there is no TLS"
    numbers = [len(list(filter(None, cf.option(option).split(",")))) for option in (certificates, keys)]
    if numbers[0] and numbers[0] != numbers[1]:
        return f"has {numbers[0]} files in {certificates} and {numbers[1]} in {keys}, so there is no TLS"
    return None


MTA008 = Code.warning("MTA008", "a sendmail.cf that is older than sendmail.mc or a file which that includes")


def compiled(host: Host) -> Iterator[Finding]:
    """sendmail.cf is newer than what it is made from."""
    result = host.path(SENDMAIL_CF)
    text = host.text(SENDMAIL_MC)
    if text is None or not os.path.exists(result):
        return
    site, pid_file = host.site, sendmail_pid(host.site)
    sources = [SENDMAIL_MC, *(path for path in _INCLUDED.findall(text) if path.startswith("/etc/"))]
    for source in map(host.path, sources):
        if _is_newer(source, result):
            cure = " && ".join(
                sendmail.rebuild(site.system, host.name, pid_file, site.root.prefix.rstrip("/"))
            )
            yield MTA008.found(result, f"is older than {source}", cure)


MTA007 = Code.warning("MTA007", "a map that is older than its source, or missing")


def maps(host: Host) -> Iterator[Finding]:
    """Each map is newer than its source."""
    for name, kind, source in _sources(host):
        path = f"{source}{_ENDS[kind]}"
        if not os.path.exists(source):
            continue
        fault = f"is older than {source}" if os.path.exists(path) else "is missing"
        if not os.path.exists(path) or _is_newer(source, path):
            is_ours = name in _OURS and kind != "cdb"
            repair = rebuild(path, source, partial(sendmail.records, path=source)) if is_ours else None
            yield MTA007.found(path, fault, _made(kind, source), repair)


def no_maps(host: Host) -> Iterator[Finding]:
    """Nor is one missing with its source, without which nobody gets in or nothing goes out."""
    for name, kind, source in _sources(host):
        path, effect = f"{source}{_ENDS[kind]}", _NEEDED.get(name)
        is_there = os.path.exists(path) or os.path.exists(source)
        if effect and not is_there and not _is_optional(host, name):
            reason = f"is missing, as {source} is, and {effect}"
            yield MTA007.found(path, reason, f"touch {quote(source)} && {_made(kind, source)}")


def _made(kind: str, source: str) -> str:
    """Return the command that makes a map."""
    return f"makemap {kind} {quote(source)} < {quote(source)}"


def _is_optional(host: Host, name: str) -> bool:
    """Tell whether a map may be missing: FreeBSD's access map is ``hash -o -T<TMPF> /etc/mail/access``."""
    return host.sendmail is not None and "-o" in host.sendmail.maps[name].split()


MTA012 = Code.error(
    "MTA012",
    "a default-auth-info that does not say what was meant: too few lines, a line that ends in a carriage "
    "return, a bare name in another realm than the relay's, or mechanisms of which none may be used; mail "
    "goes unauthenticated",
)


def credentials(host: Host) -> Iterator[Finding]:
    """default-auth-info says what was meant (usersmtp.c, getauth)."""
    path = host.default_auth_info
    content = host.content(path)
    if content is None:
        return
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    account = host.site.settings.sasl.account
    command = f"smtpcreds sasl auth-info {quote(str(account))}"
    cure = f"{command} --to {quote(path)} --force"
    if not host.records:
        cure = f"on the hub: {command} --to FILE; then copy it to {quote(path)}"
    if host.has_sample_auth_info:
        if host.sendmail and host.sendmail.option("DefaultAuthInfo"):
            yield MTA012.found(
                path, "is the sample of Debian's package, with an account that nobody has", cure
            )
    elif len(lines) < 3 or not all(lines[:3]):
        yield MTA012.found(
            path,
            f"has {number_of(len(lines), 'line')} that count{'s' * (len(lines) == 1)}; three are needed",
            cure,
        )
    elif any(line.endswith(b"\r") for line in lines):
        yield MTA012.found(path, "has a line that ends in a carriage return, which belongs to it", cure)
    elif why := _foreign_realm(host, lines) or _unusable(host, lines):
        yield MTA012.found(path, why, cure)


MTA015 = Code.error(
    "MTA015",
    "an entry of the authinfo map that Sendmail drops, or a key that it never looks up; mail goes "
    "unauthenticated, and nothing is logged",
)


def authinfo(host: Host) -> Iterator[Finding]:
    """Each entry of the authinfo map is one that sendmail understands, under a key that it looks up."""
    source = host.path((host.sendmail and host.sendmail.map_file("authinfo")) or auth_info.MAP_PATH)
    for number, line in enumerate((host.content(source) or b"").split(b"\n"), 1):
        if line.strip() and not line.startswith(b"#") and (why := _entry_fault(line)):
            cure = written(host, source, "smtpcreds mta apply sendmail-client --authinfo-map --run")
            yield MTA015.found(source, f"line {number} {why}", cure)


MTA013 = Code.warning(
    "MTA013",
    "a line of the access map about certificates that never has an effect; nothing is logged",
)


def rules(host: Host) -> Iterator[Finding]:
    """Each line of the access map that is about certificates has an effect."""
    path = host.path(sendmail.ACCESS)
    lines = (host.content(path) or b"").decode(errors="replace").splitlines()
    tags = {tag.lower() for tag in access.TAGS}
    about = [(n, line) for n, line in enumerate(lines, 1) if line.partition(":")[0].lower() in tags]
    for number, line in about:
        try:
            access.parse_rule(line)
        except SmtpcredsError as error:
            reason = f"line {number} {error.reason}, so it has no effect"
            yield MTA013.found(path, reason, error.hint or "correct the line, and makemap")
    kinds = [tuple(_RELAY.split(f"{line.partition(':')[0]} {line.split()[-1]}".lower())) for _, line in about]
    if ("certsubject", "relay") in kinds and ("certissuer", "subject") not in kinds:
        reason = "has CertSubject without a CertIssuer of value SUBJECT, so that it allows no relaying"
        yield MTA013.found(path, reason, "both are in: smtpcreds mta render sendmail-hub --relay-host HOST")


def _sources(host: Host) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and source of the maps in files, under the root."""
    cf = host.sendmail
    if cf is None:
        return
    for name, value in cf.maps.items():
        kind = value.split()[0] if value.split() else ""
        if kind in _ENDS and (path := cf.map_file(name)):
            yield name, kind, host.path(path)


def _is_newer(source: str, result: str) -> bool:
    return os.path.exists(source) and os.stat(source).st_mtime > os.stat(result).st_mtime


def _foreign_realm(host: Host, lines: list[bytes]) -> str | None:
    """Cyrus SASL takes the server's realm for a bare name, whatever the fourth line says (observed)."""
    realm = lines[3].decode(errors="replace") if len(lines) > 3 else ""
    authcid = lines[1].decode(errors="replace")
    hub, site = host.hub_of(sendmail_client.NAME), of_hub(host.site, sendmail_client)
    wanted = replace(site, settings=site.settings._replace(hub=hub)).realm if hub else realm
    if not realm or "@" in authcid or realm == wanted:
        return None
    return f"names {authcid} of realm {realm}, and the relay looks bare names up in {wanted}"


def _unusable(host: Host, lines: list[bytes]) -> str | None:
    """Sendmail tries what stands in both lists, its own and that of the file."""
    named = set(lines[4].decode(errors="replace").upper().split()) if len(lines) > 4 else set()
    own = {name.upper() for name in host.sendmail.words("AuthMechanisms")} if host.sendmail else set()
    if not named or not own or named & own:
        return None
    return f"names {' '.join(sorted(named))}, and none of it is in confAUTH_MECHANISMS"


def _entry_fault(line: bytes) -> str | None:
    try:
        entries = auth_info.parse_map(line, "authinfo")
    except DamagedFileError:
        return 'is not AuthInfo:host "U:..." "I:..." "P=..."'
    if any(len(value) > auth_info.MAX_TEXT for value in _TAGGED.findall(line)):
        return f"has a value of over {auth_info.MAX_TEXT} octets, which Sendmail drops silently"
    key = next(iter(entries)).lower()
    return None if _SERVER.fullmatch(key) else f"has the key {key}, which Sendmail never looks up"


MTA010 = Code.warning(
    "MTA010",
    "a daemon that started before the certificate, key, CA or CRL that it uses was changed",
)


def running(host: Host) -> Iterator[Finding]:
    """Sendmail reads certificates, keys and CRLs when it starts, and after SIGHUP, never else.

    After SIGHUP it runs itself again in the same process and writes its pid file anew, so the later of both
    times counts.
    """
    for pid_file in map(host.path, PID_FILES):
        pid = _pid(host, pid_file)
        started = _started(pid) if pid else None
        if pid is None or started is None:
            continue
        since = max(started, os.stat(pid_file).st_mtime)
        for path in _read_once(host):
            if os.path.exists(path) and os.stat(path).st_mtime > since:
                moment = datetime.fromtimestamp(since, UTC)
                reason = f"was changed after the daemon (pid {pid}) read it at {moment:%Y-%m-%d %H:%M:%S} UTC"
                yield MTA010.found(path, reason, f"kill -HUP {pid}")
        return


def _read_once(host: Host) -> Iterator[str]:
    named = (
        path
        for use in host.uses
        if use.program == "sendmail"
        for path in (*use.certificates, *use.keys, use.ca_file, use.crl_file)
        if path
    )
    yield from dict.fromkeys(map(host.path, named))


def _pid(host: Host, path: str) -> int | None:
    """Return the number of a process that is there and called sendmail."""
    words = (host.content(path) or b"").split()
    if not words or not words[0].isdigit():
        return None
    name = host.content(f"/proc/{int(words[0])}/comm")
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
