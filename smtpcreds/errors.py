"""Everything that can go wrong, as classes: what, why, the way out, the exit status.

Statuses are those of sysexits.h. Status 1 is an answer ("no"), never an error, so no class here has it.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SUBJECT = 80
"""Characters."""


class SmtpcredsError(Exception):
    """Root of all errors that a user can cause or cure.

    Attributes:
        subject: the file, host or account the message is about.
        reason: why it was refused, without a trailing stop.
        hint: a sentence with the command to type, or None.
    """

    exit_status: ClassVar[int] = 70

    def __init__(self, subject: str, reason: str, hint: str | None = None) -> None:
        super().__init__(subject, reason, hint)
        self.subject = subject
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.subject.removesuffix(':')}: {self.reason}"

    @property
    def advice(self) -> str:
        """The message with the hint, if there is one, behind it: for a warning."""
        return f"{self}; {self.hint}" if self.hint else str(self)


class UsageError(SmtpcredsError):
    """The words of the command line do not fit together (EX_USAGE)."""

    exit_status = 64


class DataError(SmtpcredsError):
    """Input that was understood and can't be accepted (EX_DATAERR)."""

    exit_status = 65


class NameRefusedError(DataError):
    """A host, domain or account name that some consumer would misread."""


class PasswordRefusedError(DataError):
    """A secret that some mechanism or file format would change or truncate."""


class InexpressibleError(DataError):
    """A value that a file format has no way to write."""


class DamagedFileError(DataError):
    """A file of the right kind whose content contradicts itself."""


class ForeignFormatError(DataError):
    """A file of another kind than the one expected."""


class LintError(DataError):
    """A certificate that broke a rule before the CA key signed it."""


class AmbiguousError(DataError):
    """A short form that fits more than one thing; the reason lists them."""


class MissingInputError(SmtpcredsError):
    """A file or object that the command needs does not exist (EX_NOINPUT)."""

    exit_status = 66


class NoSuchAccountError(SmtpcredsError):
    """The account is not in the database (EX_NOUSER)."""

    exit_status = 67


class UnavailableError(SmtpcredsError):
    """Something outside that the command needs is not there or did not answer (EX_UNAVAILABLE)."""

    exit_status = 69


class ExistsError(SmtpcredsError):
    """The thing to be made is there already and is not overwritten (EX_CANTCREAT)."""

    exit_status = 73


class WriteError(SmtpcredsError):
    """The disk or the kernel refused a read or write; nothing was changed (EX_IOERR)."""

    exit_status = 74


class LockHeldError(SmtpcredsError):
    """Another run holds the lock; trying later will do (EX_TEMPFAIL)."""

    exit_status = 75


class TooEarlyError(SmtpcredsError):
    """What was asked would be right later; the reason says when (EX_TEMPFAIL)."""

    exit_status = 75


class ProtocolError(SmtpcredsError):
    """A peer on the network broke its protocol (EX_PROTOCOL)."""

    exit_status = 76


class DeniedError(SmtpcredsError):
    """The operating system or a rule of ours forbids it to this user (EX_NOPERM)."""

    exit_status = 77


class WrongPassphraseError(DeniedError):
    """The passphrase does not open the key.

    Attributes:
        again: which secret a person may type once more in the same run; empty where that is a risk.
    """

    again = "passphrase"


class UnsafePathError(DeniedError):
    """A file or directory whose owner, mode or kind would expose a secret."""


class ConfigError(SmtpcredsError):
    """A configuration file or state directory that this version can't follow (EX_CONFIG)."""

    exit_status = 78


class StateVersionError(ConfigError):
    """State written by a newer version of the program."""


def half_done(error: SmtpcredsError, consequence: str) -> SmtpcredsError:
    """Return an error of the same kind that also says what is so since it came in the middle."""
    return type(error)(error.subject, f"{error.reason}; {consequence}", error.hint)


def nearest(word: str, known: "Iterable[str]") -> str | None:
    """Return the known word that was probably meant; None where none is like it."""
    from difflib import get_close_matches

    words = {each.lower(): each for each in known}
    longer = [each for each in words if word and each.startswith(word.lower())]
    found = longer if len(longer) == 1 else get_close_matches(word.lower(), words, 1)
    return words[found[0]] if found else None


def suggestion(word: str, known: "Iterable[str]") -> str:
    """Return the hint to a word that is not known: the one that was probably meant, or all."""
    words = list(known)
    near = nearest(word, words)
    return f"did you mean {near}?" if near else f"known: {', '.join(words)}"


def number_of(number: int, noun: str) -> str:
    """Return ``1 account``, ``2 accounts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def quoted(text: str) -> str:
    """Return what a user typed as the subject of an error: short, printable, quoted where it seems empty."""
    shown = text[:MAX_SUBJECT] if text.isprintable() else ascii(text[:MAX_SUBJECT])[1:-1]
    shown += "..." * (len(text) > MAX_SUBJECT)
    return shown if text and text == text.strip() else f'"{shown}"'


def shown(text: str) -> str:
    """Return a line without what a terminal or a log would obey, and without octets that are not UTF-8.

    A TAB stays.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in text)


UNUSABLE = (DataError, DeniedError, MissingInputError)
"""A file can't be used for what is in it, who may change it, or since it is not there; the disk is well."""
