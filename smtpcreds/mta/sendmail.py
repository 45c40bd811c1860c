"""Sendmail's formats: fragments of sendmail.mc, and the commands that compile them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import takewhile

from ..errors import DamagedFileError, InexpressibleError
from ..lazy import pattern
from ..shell import quote
from ..systems import System
from . import sendmail_daemon
from .access import FENCE, Rule
from .program import Compiled, Facts, Include

# Fragments of sendmail.mc: settings to m4 lines that mean exactly these settings, and back.
#
# Between its quotes m4 passes everything on, and reads it again when the value comes out. So a value that
# holds a quote, or a word that m4 replaces by itself (``dnl``, ``divert``), would arrive changed; it is
# refused.

DIRECTORY = "/etc/mail/smtpcreds"
SOURCE = "/etc/mail/sendmail.mc"
RESULT = "/etc/mail/sendmail.cf"
ACCESS = "/etc/mail/access"
AUTH_OPTIONS = "p y"
"""No PLAIN or LOGIN outside TLS, nothing anonymous (op.me, AuthOptions); written whatever is offered."""
SPARE_AUTH_INFO = {"Sauthinfo": "Sauthinfo_unused"}
"""The macros always write a ruleset ``authinfo``, and while there is one, sendmail reads no DefaultAuthInfo
(usersmtp.c). The ruleset's name stands unquoted in proto.m4, so that m4 can give it another."""

Settings = Mapping[str, str]
"""``confX`` and other names that m4 defines, TRUST_AUTH_MECH, BY_ISSUER, ``FEATURE(name)``; their values."""

BY_ISSUER = "Local_Relay_Auth"
"""Setting of DNs, spaces between: EXTERNAL lets only those relay whose certificate one of these CAs signed.

Sendmail has one list of CAs for servers and clients, so that AUTH EXTERNAL itself takes all of them.
"""
_RULESET = ("PUSHDIVERT(9)dnl", f"S{BY_ISSUER}", "REXTERNAL\t\t$: <$&{cert_issuer}>")
_RULESET_END = ("R<$*>\t\t$@ NO", "POPDIVERT`'dnl")
_OF_ISSUER = pattern(r"R<`([^`'$]+)'>\t\t\$@ OK")
_DN = pattern(r"[A-Za-z0-9/._@:=+,-]+")

REPLACED = "Local_check_rcpt"
"""Setting of fingerprints, spaces between: certificates of keys that were replaced, by which nobody relays.

CertSubject goes by name, and a renewed certificate has another fingerprint: a list of those that may relay
would stop the mail with each renewal. So the name lets in, and these keep out; ``RelayTLS``, which knows no
key, is told that they were not verified.
"""
_KEPT_OUT = (
    "PUSHDIVERT(9)dnl",
    "Ksmtpcreds macro",
    f"S{REPLACED}",
    "R$*\t\t$: $1 $| $&{cert_fp}",
    "R$* $| EXTERNAL\t\t$: $1 $(smtpcreds {auth_type} $@ $) $|",
    "R$* $| $*\t\t$: $1",
)
_OF_REPLACED = pattern(
    r"R\$\* \$\| ([0-9A-F:]{95})\t\t\$: \$1 \$\(smtpcreds \{verify\} \$@ REPLACED \$\) \$\| \$&\{auth_type\}"
)

_WORD = pattern(r"[A-Za-z0-9/._@:=\[\]-]+")
_MACRO = pattern(r"[A-Za-z_]\w*")
_REPLACED_TEXT = (
    "changecom changequote debugfile debugmode divert divnum dnl dumpdef m4exit sysval traceoff traceon "
    "undivert __file__ __gnu__ __line__ __program__ __unix__ unix lower m4 strcasecmp CONCAT DOL DOMAIN "
    "FEATURE HACK MAILER OSTYPE POPDIVERT PUSHDIVERT SITECONFIG TEMPFILE UUCPSMTP VERSIONID"
)
_REPLACED = frozenset(_REPLACED_TEXT.split())
"""Words that m4 1.4, or the macros of sendmail 8.17, replace though no parenthesis follows (observed)."""
_SENDMAILS = pattern(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*|_\w*|conf[A-Z]\w*")
"""The forms of all other names that the macros of sendmail define."""
_CALLED = frozenset({"TRUST_AUTH_MECH"})
_DEFINE = pattern(r"define\(`(\w+)', `([^`']*)'\)dnl")
_CALL = pattern(r"(\w+)\(`([^`']*)'\)dnl")
_FEATURE = pattern(r"FEATURE\(`(\w+)', `([^`']*)'\)dnl")

_OPTIONS = {
    "confCERT_FINGERPRINT_ALGORITHM": "O CertFingerprintAlgorithm=",
    "confCACERT_PATH": "O CACertPath=",
    "confCACERT": "O CACertFile=",
    "confSERVER_CERT": "O ServerCertFile=",
    "confSERVER_KEY": "O ServerKeyFile=",
    "confCLIENT_CERT": "O ClientCertFile=",
    "confCLIENT_KEY": "O ClientKeyFile=",
    "confCRL": "O CRLFile=",
    "confAUTH_MECHANISMS": "O AuthMechanisms=",
    "confAUTH_OPTIONS": "O AuthOptions=",
    "confAUTH_REALM": "O AuthRealm=",
    "confDEF_AUTH_INFO": "O DefaultAuthInfo=",
    "SMART_HOST": "DS",
    "FEATURE(authinfo)": "Kauthinfo ",
}
"""What a setting becomes in sendmail.cf."""
_TRUSTED = "C{TrustAuthMech}"
RELAY_ARGUMENTS = "RELAY_MAILER_ARGS"
"""The arguments of the mailer for SMART_HOST: ``TCP``, the host, and a port that is not 25."""
_ARGUMENTS = pattern(r"TCP \$h \d+")


def tls_settings(facts: Facts) -> Settings:
    """Return the settings of both TLS roles.

    Without confCACERT_PATH and confCACERT sendmail offers no STARTTLS, and logs nothing about it by default.
    """
    tls = facts.tls
    pair = {"CERT": tls.certificate, "KEY": tls.key}
    return {
        "CERT_DIR": tls.directory,
        "confCACERT_PATH": tls.directory,
        "confCACERT": tls.bundle,
        **({"confCRL": tls.crl} if tls.crl else {}),
        **{f"confSERVER_{kind}": _one_word(path) for kind, path in pair.items()},
        **{f"confCLIENT_{kind}": _one_word(path) for kind, path in pair.items()},
    }


def kept_out(fingerprints: Iterable[str]) -> Settings:
    """Return the settings by which certificates do not relay, although their names may.

    Args:
        fingerprints: SHA-256 of them, lower-case hex.
    """
    written = (":".join(each[at : at + 2].upper() for at in range(0, 64, 2)) for each in fingerprints)
    found = " ".join(sorted(written))
    return {"confCERT_FINGERPRINT_ALGORITHM": "sha256", REPLACED: found} if found else {}


def render(title: str, settings: Settings) -> bytes:
    """Return the fragment."""
    head = f"dnl {title}; written by smtpcreds, do not edit\n"
    return (head + "".join(_line(name, value) for name, value in settings.items())).encode("ascii")


def parse(content: bytes, path: str) -> Settings:
    """Read a fragment.

    Raises:
        DamagedFileError: a line of a kind that is never rendered, by its number.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if line.startswith("dnl ") or not line.strip() or _is_rule(line, found):
            continue
        if feature := _FEATURE.fullmatch(line):
            found[f"FEATURE({feature[1]})"] = feature[2]
        elif setting := _DEFINE.fullmatch(line) or _CALL.fullmatch(line):
            found[setting[1]] = setting[2]
        else:
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
    return found


def _is_rule(line: str, found: dict[str, str]) -> bool:
    """Tell whether a line is of a ruleset of ours; what it names enters the settings."""
    if line == _RULESET[1]:
        found.setdefault(BY_ISSUER, "")
    for name, rule in ((BY_ISSUER, _OF_ISSUER), (REPLACED, _OF_REPLACED)):
        if match := rule.fullmatch(line):
            found[name] = f"{found.get(name, '')} {match[1]}".strip()
            return True
    return line in {*_RULESET, *_KEPT_OUT, *_RULESET_END}


def include(fragment: str) -> Include:
    """Return the line that brings a fragment into sendmail.mc."""
    where = "above the line MAILER_DEFINITIONS or the first MAILER"
    return Include(SOURCE, (f"include(`{fragment}')dnl",), where, ("MAILER(", "MAILER_DEFINITIONS"))


_TRUST = "TRUST_AUTH_MECH"
_HEAD = pattern(r"(?:(?:define|FEATURE)\(`?|(?=TRUST_AUTH_MECH\())(\w+)")
_INCLUDED = pattern(r"\s*s?include\(`?([^')]+)'?\)")


def undoing(text: str, fragment: str, names: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines below the include of a fragment that define its names anew.

    The last definition counts, and m4 takes one below the MAILER lines, too. What TRUST_AUTH_MECH names adds
    up, so that line is yielded wherever it stands. A line that includes another file is yielded, too: it may
    hold one.
    """
    lines = text.splitlines()
    places = (n for n, line in enumerate(lines, 1) if included_by(line) == fragment)
    first = next(places, len(lines))
    for number, line in enumerate(lines if first < len(lines) else (), 1):
        head = _HEAD.match(line.strip())
        name = head[1] if head and head[1] in names else ""
        if name == _TRUST or (number > first and (name or included_by(line).startswith("/etc/"))):
            yield number, line


def included_by(line: str) -> str:
    """Return the file that a line of sendmail.mc includes, or nothing."""
    found = _INCLUDED.match(line)
    return found[1] if found else ""


def makemap(system: System, path: str = ACCESS) -> str:
    """Return the command that makes a table of its source."""
    return f"{system.makemap[0]} {quote(path)} < {quote(path)}"


def include_rules(system: System, rules: Iterable[Rule]) -> Include:
    """Return the lines that go into the access map's source."""
    return Include(ACCESS, tuple(rule.line for rule in rules), fence=FENCE, command=makemap(system))


def compiled(
    system: System,
    fragment: str,
    settings: Settings,
    *,
    access: bool,
    port: int | None = None,
    also: tuple[str, ...] = (),
) -> tuple[Compiled, ...]:
    """Return what m4 has to make of sendmail.mc with a fragment in it, and makemap of the access map.

    Args:
        system: whose makemap it is.
        fragment: its path.
        settings: that must be in force.
        access: lines of the access map count on FEATURE(access_db).
        port: on which other hosts must reach the daemon.
        also: files that the daemon reads when it starts; with sendmail.cf made anew it starts again.
    """

    def faults(text: str) -> Iterable[str]:
        yield from _faults(text, settings, access=access)
        if port and sendmail_daemon.is_closed(sendmail_daemon.in_result(text), port):
            yield f"listens on port {port} of this host alone"

    result = Compiled(RESULT, (SOURCE, fragment, *also), faults, frozenset(settings))
    return (result, *((Compiled(f"{ACCESS}{system.makemap[1]}", (ACCESS,)),) if access else ()))


def commands(facts: Facts, *, access: bool) -> tuple[str, ...]:
    """Return how the fragments become effective; each leaves the old result where it fails."""
    compile_, restart = rebuild(facts.system, facts.host, facts.pid_file)
    table = (makemap(facts.system),) if access else ()
    return (compile_, *table, restart)


def rebuild(system: System, host: str, pid_file: str, prefix: str = "") -> tuple[str, str]:
    """Return how sendmail.cf is made anew, and how the daemon comes to read it.

    The new file is tried by Sendmail itself before it takes the name: m4 makes rubbish, and says nothing, of
    a source that includes no cf.m4, as FreeBSD's don't, or that misspells a name.

    Args:
        system: which knows how.
        host: full name.
        pid_file: of the daemon.
        prefix: of another root.
    """
    steps = f"{system.sendmail_build} && {_tried(system.sendmail_built)} && {system.sendmail_install}"
    compile_ = steps.replace("HOST", host).replace("/etc/mail", quote(prefix) * bool(prefix) + "/etc/mail")
    return compile_, f'kill -HUP "$(head -n 1 {quote(pid_file)})"'


def _tried(made: str) -> str:
    """Return how Sendmail tries a file; what is wrong goes to stdout, above its banner (observed)."""
    attempt = f"sendmail -C {made} -bt < /dev/null"
    return f"({attempt} > /dev/null || ! {attempt} | sed '/^ADDRESS/,$d')"


def rebuild_submission(source: str, result: str) -> str:
    """Return how submit.cf is made anew of its source by m4, and tried as sendmail.cf is."""
    made = quote(f"{result}.new")
    return f"(umask 022; m4 {quote(source)} > {made}) && {_tried(made)} && mv -f {made} {quote(result)}"


def _faults(text: str, settings: Settings, *, access: bool) -> Iterable[str]:
    lines = text.splitlines()
    for name, value in settings.items():
        if name in _OPTIONS and _last(lines, _OPTIONS[name]) != value:
            yield f"has no {_OPTIONS[name]}{value}"
    arguments = settings.get(RELAY_ARGUMENTS)
    if arguments and f"A={arguments}" not in _relay_mailer(lines):
        yield f"has no A={arguments} in its mailer relay"
    if "Sauthinfo" in settings and "Sauthinfo" in lines:
        yield "has a ruleset authinfo, for which sendmail ignores default-auth-info"
    rules = _by_issuer(settings[BY_ISSUER].split()) if BY_ISSUER in settings else ()
    if missing := [line for line in rules if line.replace("`", "").replace("'", "") not in lines]:
        yield f"lacks in {BY_ISSUER} the rule {missing[0]!r}, so other CAs' certificates would relay"
    kept_out = _kept_out(settings.get(REPLACED, "").split())
    if missing := [line for line in kept_out if line not in lines]:
        yield f"lacks in {REPLACED} the rule {missing[0]!r}, so a key that was replaced would relay"
    if access and _last(lines, "Kaccess ") is None:
        yield "has no map access; add FEATURE(`access_db') to sendmail.mc"
    yield from _untrusted(lines)


def _untrusted(lines: list[str]) -> Iterable[str]:
    """SPEC: TRUST_AUTH_MECH is a subset of confAUTH_MECHANISMS, whoever wrote the lines."""
    trusted = {m for line in lines if line.startswith(_TRUSTED) for m in line.removeprefix(_TRUSTED).split()}
    offered = set((_last(lines, _OPTIONS["confAUTH_MECHANISMS"]) or "").split())
    if excess := sorted(trusted - offered):
        yield f"trusts mechanisms that are not offered: {' '.join(excess)}"


def _relay_mailer(lines: list[str]) -> list[str]:
    """Return the equates of the mailer, the first of which names it; later lines begin with a blank."""
    start = max((n for n, line in enumerate(lines) if line.startswith("Mrelay,")), default=len(lines))
    rest = takewhile(lambda line: line[:1].isspace(), lines[start + 1 :])
    return [equate.strip() for line in (*lines[start : start + 1], *rest) for equate in line.split(",")]


def _last(lines: list[str], beginning: str) -> str | None:
    """Return what follows the beginning in the last line that has it, the one that counts."""
    return next(
        (line.removeprefix(beginning) for line in reversed(lines) if line.startswith(beginning)), None
    )


def _by_issuer(issuers: Iterable[str]) -> Iterator[str]:
    """Yield the rules of the ruleset."""
    yield _RULESET[2]
    for issuer in issuers:
        if not _DN.fullmatch(issuer):
            hint = "smtpcreds ca rollover --name TEXT, or leave EXTERNAL out"
            raise InexpressibleError(issuer, "holds a character that a rule of sendmail.cf can't match", hint)
        yield f"R<`{issuer}'>\t\t$@ OK"
    yield _RULESET_END[0]


def _kept_out(fingerprints: Iterable[str]) -> Iterator[str]:
    """Yield the rules that keep these certificates from relaying; the recipient stays what it is."""
    if not (given := tuple(fingerprints)):
        return
    yield _KEPT_OUT[3]
    for each in given:
        yield f"R$* $| {each}\t\t$: $1 $(smtpcreds {{verify}} $@ REPLACED $) $| $&{{auth_type}}"
    yield from _KEPT_OUT[4:]


def _line(name: str, value: str) -> str:
    if name == REPLACED:
        return "\n".join((*_KEPT_OUT[:3], *_kept_out(value.split()), _RULESET_END[1], ""))
    if name == BY_ISSUER:
        return "\n".join((*_RULESET[:2], *_by_issuer(value.split()), _RULESET_END[1], ""))
    _check(name, value)
    if feature := re.fullmatch(r"FEATURE\((\w+)\)", name):
        return f"FEATURE(`{feature[1]}', `{value}')dnl\n"
    return f"{name}(`{value}')dnl\n" if name in _CALLED else f"define(`{name}', `{value}')dnl\n"


def _check(name: str, value: str) -> None:
    words = value.split(" ")
    if name == RELAY_ARGUMENTS and _ARGUMENTS.fullmatch(value):
        return
    if not all(map(_WORD.fullmatch, words)):
        raise InexpressibleError(
            value or name, "holds a character that m4 or sendmail.cf would change", _hint(name)
        )
    for word in _MACRO.findall(value):
        if word in _REPLACED or _SENDMAILS.fullmatch(word):
            raise InexpressibleError(value, f"holds the word {word}, which m4 replaces", _hint(name))


def _one_word(path: str) -> str:
    if "," in path or " " in path:
        raise InexpressibleError(path, "holds a comma or space, between which sendmail looks for two files")
    return path


def _hint(name: str) -> str | None:
    return "set cert.directory to a plain path" if name.startswith(("CERT", "confC", "confS")) else None


# The source of a map as makemap(8) reads it, so that a map can be made without it.

MAX_LINE = 1023


def records(content: bytes, path: str) -> dict[bytes, bytes]:
    """Return the records: keys in lower case, values the rest of the line; of a repeated key the first.

    Raises:
        DamagedFileError: a line that makemap refuses, by its number.
    """
    found: dict[bytes, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        key, *value = line.split(None, 1)
        if not value or line[:1].isspace() or len(line) > MAX_LINE:
            raise DamagedFileError(path, f"line {number} is not 'key value' of up to {MAX_LINE} octets")
        found.setdefault(key.lower(), value[0])
    return found
