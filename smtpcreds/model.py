"""Frozen values shared by the floors above. No input or output, no clock."""

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import NamedTuple, TypeVar

from .errors import NameRefusedError, SmtpcredsError, quoted
from .lazy import dataclass, pattern
from .secret import Secret

T = TypeVar("T")


class Root(NamedTuple):
    """The directory that stands for ``/`` (``--root``); an empty prefix is the host itself."""

    prefix: str = ""

    def path(self, absolute: str) -> str:
        """Return where a default path of the host lies under this root."""
        return self.prefix.rstrip("/") + absolute

    def record(self, path: str) -> str:
        """Return the form in which a path is remembered.

        A path below the root loses the root and its leading slash, so an image keeps its records when it
        becomes a host; any other path stays absolute.
        """
        prefix = self.prefix.rstrip("/") + "/"
        return path.removeprefix(prefix)

    def locate(self, recorded: str) -> str:
        """Return the path of a record made by :meth:`record`."""
        return recorded if recorded.startswith("/") else self.path("/" + recorded)

    @property
    def is_host(self) -> bool:
        """Tell whether this is the running system, not an image or a scratch directory."""
        return not self.prefix.strip("/")


class Owner(NamedTuple):
    """User and group of a file, by number."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Artifact:
    """One file to be written: where, what, and who may read it.

    ``content`` may hold secrets, so ``repr`` leaves it out. ``owner`` None means the running user; ``note``
    tells a person what is in it.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o600
    owner: Owner | None = None
    note: str = ""


class Link(NamedTuple):
    """A symbolic link to be made or replaced; ``target`` is relative to its directory."""

    path: str
    target: str


class Change(NamedTuple):
    """One deed of a run: what was done, or in a preview would be, to which path, account or database.

    Attributes:
        action: ``make``, ``write``, ``link``, ``remove``, ``record in``, ``run`` and the like.
        mode: of a file or directory that is made.
        note: reason or detail.
    """

    action: str
    target: str
    mode: int | None = None
    note: str = ""


class Severity(StrEnum):
    """How bad a finding is; the order of definition is that of badness."""

    NOTE = "note"
    """Worth knowing."""
    WARNING = "warning"
    """Works today; will stop, or is weaker than it looks."""
    ERROR = "error"
    """A secret is exposed, or mail goes unencrypted, unauthenticated or nowhere."""

    def reaches(self, threshold: "Severity") -> bool:
        """Tell whether this is as bad as the threshold, or worse."""
        order = list(Severity)
        return order.index(self) >= order.index(threshold)


@dataclass(frozen=True)
class Repair:
    """A change of a file or directory that ends a finding and is safe; it looks again first."""

    path: str
    apply: Callable[[], object]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong; the only form in which a verb that looks says so.

    Attributes:
        subject: file, directory, host, account or authority.
        message: what was found there and what follows, without a trailing stop; never a secret.
        cure: the command that ends it, or words where no command does; empty where nothing is known.
        code: the kind, for programs: a code of the audit, a kind of work that is due; empty where a verb has
            one kind only.
        severity: how bad it is.
        count: how many things it speaks of, which have the same cure.
        repair: None where a person has to decide.
    """

    subject: str
    message: str
    cure: str = ""
    code: str = ""
    severity: Severity = Severity.ERROR
    count: int = 1
    repair: Repair | None = field(default=None, repr=False, compare=False)


def as_finding(error: SmtpcredsError, cure: str = "look at it", code: str = "") -> Finding:
    """Return the finding that an error is, where it stops one check only; its own hint is the better cure."""
    return Finding(error.subject, error.reason, error.hint or cure, code)


class Account(NamedTuple):
    """An identity of Cyrus SASL: authcid and realm, both case-sensitive.

    A tuple, since a database may hold a million of them: it is made and compared thrice as fast.
    """

    authcid: str
    realm: str

    def __str__(self) -> str:
        return f"{self.authcid}@{self.realm}"


@dataclass(frozen=True)
class Credential:
    """An account with its secret and the realm in which the relay looks up bare names."""

    account: Account
    secret: Secret
    relay_realm: str

    @property
    def login(self) -> str:
        """The authcid as the relay must be given it.

        Cyrus looks a bare name up in the relay's own realm; any other realm is reached as ``user@realm``.
        """
        if self.account.realm == self.relay_realm:
            return self.account.authcid
        return str(self.account)


_DECIMAL = pattern(r"0*([0-9]{1,18})")


def decimal(text: str) -> int | None:
    """Return the number that a text is; None of another text, and of a number above all that is counted.

    Python itself refuses to read more than 4,300 digits.
    """
    found = _DECIMAL.fullmatch(text)
    return int(found[1]) if found else None


MAX_ACCOUNT_PART = 255
_PLAIN = pattern(r"[a-zA-Z0-9._-]{1,255}")
"""Names that nothing speaks against, nearly all; only the others are looked at closely."""
_FORBIDDEN = {"\0": "a NUL", "\n": "a line feed", "\r": "a carriage return", ":": "a colon", "@": "an @"}


def parse_account(text: str, realm: str) -> Account:
    """Split ``user`` or ``user@realm`` as Cyrus SASL does, at the first ``@``.

    Args:
        text: what the user typed.
        realm: the realm of a bare name.
    """
    authcid, at, given = text.partition("@")
    named = given if at else realm
    if _PLAIN.fullmatch(authcid) and authcid[0] != "-" and _PLAIN.fullmatch(named):
        return Account(authcid, named)
    if "@" in given:
        raise NameRefusedError(quoted(text), "has more than one @; write user or user@realm")
    if at and not given:
        raise NameRefusedError(quoted(text), "has no realm behind the @")
    if authcid.startswith("-"):
        raise NameRefusedError(quoted(text), "begins with a hyphen, so commands take it for an option")
    return Account(_part(authcid, text, "user name"), _part(named, text, "realm"))


def _part(value: str, text: str, what: str) -> str:
    if not value:
        raise NameRefusedError(quoted(text), f"has an empty {what}")
    if len(value.encode(errors="surrogateescape")) > MAX_ACCOUNT_PART:
        raise NameRefusedError(quoted(text), f"{what} is over {MAX_ACCOUNT_PART} octets")
    for character, name in _FORBIDDEN.items():
        if character in value:
            raise NameRefusedError(quoted(text), f"{what} contains {name}")
    if value != value.strip() or not value.isprintable():
        raise NameRefusedError(quoted(text), f"{what} has outer spaces or unprintable characters")
    return value
