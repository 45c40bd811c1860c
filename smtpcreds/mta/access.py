"""Lines of Sendmail's access map that deal with certificates and TLS.

Keys and values as in cf/README of sendmail 8.17, sections "ANTI-SPAM CONFIGURATION CONTROL" and "STARTTLS";
what each does was observed. makemap takes the key up to the first blank and folds it to lower case.
"""

import re
from collections.abc import Iterable, Mapping

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import dataclass

PATH = "/etc/mail/smtpcreds/access"
FENCE = ("# smtpcreds: begin", "# smtpcreds: end")
"""Lines around the rules; makemap skips what begins with #."""
MAX_DN = 200
"""Longer ones are cut by sendmail and never match."""

_PEER = r"(?:[A-Za-z0-9._-]+|IPv6:[0-9A-Fa-f:]+)?"
_EXTENSION = r"(?:CN(?::[^\s+]+)?|C[SI]:[^\s+](?:[^\s+]|\+[0-9A-Fa-f]{2}|\+5C\S)*|CITag:\w+)"
_LEVEL = rf"(?:(?:PERM|TEMP)\+)?(?:VERIFY(?::\d+)?|ENCR:\d+)(?:\+{_EXTENSION}(?:\+\+{_EXTENSION})*)?"


@dataclass(frozen=True)
class _Tag:
    subject: re.Pattern[str]
    value: re.Pattern[str]
    example: str


def _tag(subject: str, value: str, example: str) -> _Tag:
    return _Tag(re.compile(subject), re.compile(value), example)


_DN = r"/[!-~]+"
TAGS = {
    "CertIssuer": _tag(_DN, "RELAY|SUBJECT", "CertIssuer:/CN=Lab+20CA RELAY"),
    "CertSubject": _tag(_DN, "RELAY", "CertSubject:/CN=attic.example.org RELAY"),
    "TLS_Clt": _tag(_PEER, _LEVEL, "TLS_Clt:attic.example.org VERIFY"),
    "TLS_Srv": _tag(_PEER, _LEVEL, "TLS_Srv:dmzmail.example.org VERIFY+CN"),
    "TLS_Rcpt": _tag(r"(?:[!-~]+@)?[A-Za-z0-9._-]*", _LEVEL, "TLS_Rcpt:example.org ENCR:112"),
    "Try_TLS": _tag(_PEER, "NO", "Try_TLS:old.example.org NO"),
    "Srv_Features": _tag(_PEER, r"[A-Za-z](?: [A-Za-z])*|TEMP", "Srv_Features:192.0.2 V"),
}
"""What may be asked for, by tag."""


@dataclass(frozen=True, order=True)
class Rule:
    """One line: ``tag:subject value``."""

    tag: str
    subject: str
    value: str

    @property
    def key(self) -> str:
        """The key as it is written in the source."""
        return f"{self.tag}:{self.subject}"

    @property
    def line(self) -> str:
        """The line without its end."""
        return f"{self.key}\t{self.value}"


def parse_rule(text: str) -> Rule:
    """Read ``TAG:SUBJECT VALUE``."""
    key, _, value = text.strip().replace("\t", " ").partition(" ")
    name, colon, subject = key.partition(":")
    tag = next((known for known in TAGS if known.lower() == name.lower()), None)
    if tag is None or not colon:
        raise UsageError(
            text, "is not a rule of the access map", f"TAG:SUBJECT VALUE, TAG one of {', '.join(TAGS)}"
        )
    return checked(Rule(tag, subject, value.strip()))


def checked(rule: Rule) -> Rule:
    """Return a rule whose tag is known."""
    tag = TAGS[rule.tag]
    if tag.subject is TAGS["CertIssuer"].subject and len(rule.subject) > MAX_DN:
        reason = f"has {len(rule.subject)} characters as sendmail writes it, which cuts it at about {MAX_DN}"
        raise InexpressibleError(rule.subject, reason, "issue it with a shorter name")
    for what, pattern, given in (("key", tag.subject, rule.subject), ("value", tag.value, rule.value)):
        if not pattern.fullmatch(given):
            raise InexpressibleError(
                rule.line.replace("\t", " "),
                f"has a {what} that sendmail does not know",
                f"for example: {tag.example}",
            )
    return rule


def relaying(issuers: Iterable[str], subjects: Iterable[str] | None = None) -> tuple[Rule, ...]:
    """Return the rules that let verified client certificates relay without AUTH.

    Args:
        issuers: DNs of the issuing CAs, as ``Description.access_subject`` of their certificates has them.
        subjects: DNs of the hosts that may; None lets every host with a certificate of the CAs.
    """
    value = "RELAY" if subjects is None else "SUBJECT"
    authorities = [checked(Rule("CertIssuer", issuer, value)) for issuer in issuers]
    return (*authorities, *(checked(Rule("CertSubject", subject, "RELAY")) for subject in subjects or ()))


def render(rules: Iterable[Rule]) -> bytes:
    """Return the source lines in their fence."""
    lines = (FENCE[0], *(rule.line for rule in rules), FENCE[1])
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def parse(content: bytes, path: str) -> Mapping[str, str]:
    """Read source lines as makemap does: key to value; comments and empty lines are left out.

    Raises:
        DamagedFileError: a line without a value, by its number.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, *value = line.split(None, 1)
        if not value or line[0].isspace():
            raise DamagedFileError(path, f"line {number} is not 'key value'")
        found[key] = value[0].rstrip()
    return found
