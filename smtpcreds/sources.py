"""Where a secret comes from: one text form, one resolver, one class for each kind."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, Self

from .errors import (
    DataError,
    DeniedError,
    InexpressibleError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    UnsafePathError,
    UsageError,
    WriteError,
)
from .files import check_code, directory_of, disk, trusted_program
from .lazy import dataclass, pattern
from .model import decimal
from .secret import Placeholder, Secret
from .shell import quote

if TYPE_CHECKING:
    from subprocess import Popen

    from keyring.backend import KeyringBackend


# What a kind of source is, and what is known when it is asked.

MAX_SECRET = 65536
"""Octets that are read from any source; more is a mistaken file, not a secret."""


@dataclass(frozen=True)
class Context:
    """What the secret is for.

    Attributes:
        what: named in prompts, as in ``passphrase of the CA key``.
        new: a secret is being set, so prompts ask twice and ``generate:`` is allowed.
        may_be_empty: a person at the prompt may answer with nothing. Other sources never may: an
            empty file is an accident.
    """

    what: str
    new: bool = False
    may_be_empty: bool = False


class Source(Protocol):
    """A place that gives one secret when asked."""

    def read(self, context: Context, /) -> Secret:
        """Return the secret."""
        ...


# From octets that some place gave to one secret.


def read_all(descriptor: int, subject: str) -> Secret:
    """Read a descriptor to its end, and no further than a secret may be long.

    Raises:
        MissingInputError, DataError: as :func:`one_secret`.
    """
    parts: list[bytes] = []
    try:
        while (sum(map(len, parts)) <= MAX_SECRET) and (part := os.read(descriptor, MAX_SECRET + 1)):
            parts.append(part)
    except OSError as error:
        raise WriteError(subject, f"can't be read: {error.strerror}") from None
    return one_secret(b"".join(parts), subject)


def one_secret(value: bytes, subject: str) -> Secret:
    """Drop one line feed from the end, as saslpasswd2 does, and refuse what can't be a secret."""
    if len(value) > MAX_SECRET:
        raise DataError(subject, f"contains more than {MAX_SECRET} octets, which is not a secret")
    if b"\0" in value:
        raise DataError(subject, "contains a NUL, which no secret can")
    if not (value := value.removesuffix(b"\n")):
        raise MissingInputError(subject, "is empty")
    return Secret(value)


# Secrets that another program prints: ``cmd:COMMAND``.


PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "TMPDIR"),
    *("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"),
    *("GNUPGHOME", "GPG_TTY", "PASSWORD_STORE_DIR", "CREDENTIALS_DIRECTORY"),
)
"""Variables that a command gets, where they are set; ``env NAME=VALUE COMMAND`` gives it others."""


@dataclass(frozen=True)
class Command:
    """Standard output of a program, run without a shell, with the variables of :data:`PASSED_ON` alone.

    Its standard error is ours, its input is empty (a program that asks opens the terminal), and there is no
    time limit, since it may wait for a person; it is asked to end when this run is.
    """

    words: tuple[str, ...]

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Split the command as a POSIX shell would, without expanding anything."""
        import shlex

        try:
            words = tuple(shlex.split(argument))
        except ValueError as error:
            raise UsageError("cmd:", f"can't be split into words: {error}") from None
        if not words or not words[0] or "\0" in argument:
            raise UsageError("cmd:", "takes a command, as in cmd:'pass show mail/ca'")
        return cls(words)

    @property
    def subject(self) -> str:
        """The program alone: its arguments may be confidential."""
        return f"cmd:{self.words[0]}"

    def read(self, _context: Context) -> Secret:
        """Return what the program prints, without its final line feed.

        Raises:
            MissingInputError, DataError: as :func:`one_secret`.
            UnsafePathError: root would run what another user can change.
        """
        from subprocess import DEVNULL, PIPE

        from .children import running

        program = trusted_program(self.words[0])
        streams = {"stdin": DEVNULL, "stdout": PIPE}
        try:
            with running(self.words, executable=program, env=_passed_on(), **streams) as child:
                value = _output(child)
        except OSError as error:
            raise UnavailableError(self.subject, f"can't be run: {error.strerror}") from None
        if child.returncode and len(value) <= MAX_SECRET:
            raise UnavailableError(self.subject, _fate(child.returncode))
        return one_secret(value, self.subject)


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def _output(child: "Popen[bytes]") -> bytes:
    """All output, or a little more than a secret may have."""
    from select import select

    value = b""
    if child.stdout is None:
        return value
    while len(value) <= MAX_SECRET:
        if not select([child.stdout], [], [], _GLANCE)[0]:
            continue
        part = os.read(child.stdout.fileno(), MAX_SECRET + 1 - len(value))
        if not part:
            return value
        value += part
    child.kill()
    return value


_GLANCE = 1.0
"""Seconds; Python takes no notice of a signal that came just before a call in which it waits."""


def _fate(status: int) -> str:
    return f"failed with exit status {status}" if status > 0 else f"was killed by signal {-status}"


# Secrets in environment variables: ``env:NAME``.

_NAME = pattern(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Environment:
    """The value of a variable, taken out of the environment when it is named.

    Taking it at the door means that no child process gets it, in whatever order sources are read. It stays
    visible in ``/proc/PID/environ`` to root and this user, as the kernel keeps what exec(2) was given.
    """

    name: str
    value: Secret | None

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the name of ``env:NAME``, and remove the variable from ``os.environ``."""
        if not _NAME.fullmatch(argument):
            raise UsageError("env:", "takes the name of an environment variable, as in env:CA_PASSPHRASE")
        value = os.environb.pop(argument.encode(), None)
        return cls(argument, None if value is None else Secret(value))

    def read(self, _context: Context) -> Secret:
        """Return the value.

        Raises:
            MissingInputError: not set, empty, or named by another source before.
        """
        subject = f"env:{self.name}"
        if self.value is None:
            hint = f"export {self.name}, and name it once; it is removed when it is first named"
            raise MissingInputError(subject, "is not set", hint)
        return one_secret(self.value.reveal(), subject)


# Secrets made on the spot: ``generate:`` and ``generate:words``.


@dataclass(frozen=True)
class Generated:
    """A new random secret, as characters or as words."""

    style: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the style: nothing, or ``words``."""
        if argument not in {"", "words"}:
            raise UsageError("generate:", "takes nothing behind the colon, or words")
        return cls(argument)

    def read(self, context: Context) -> Secret:
        """Return a secret that never was before."""
        if not context.new:
            raise UsageError("generate:", f"can't know the {context.what}; it only makes new secrets")
        from .passwords import generate, generate_words

        return generate_words() if self.style else generate()


# Secrets in files: ``file:PATH`` and systemd's ``credential:NAME``.

_DIRECTORY = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True)
class File:
    """A regular file of root or this user that nobody else may read, or put another one in the place of.

    A symbolic link is followed if it belongs to root or this user.
    """

    path: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the path of ``file:PATH``."""
        if not argument or "\0" in argument:
            raise UsageError("file:", "takes a path, as in file:/root/ca-passphrase")
        return cls(argument)

    def read(self, _context: Context) -> Secret:
        """Return the content without its final line feed.

        Raises:
            MissingInputError: no such file, or an empty one.
        """
        try:
            with directory_of(self.path, follow=True) as (at, name), _opened(self.path, at, name) as opened:
                _require_private(self.path, os.fstat(opened))
                return read_all(opened, self.path)
        except SmtpcredsError as error:
            if isinstance(error.__cause__, OSError):
                raise _unopened(self.path, error.__cause__) from None
            raise


@dataclass(frozen=True)
class Credential:
    """A file in the directory that systemd passes to a service (systemd.exec(5), CREDENTIALS).

    systemd guards the directory; the files' group bits may be the mask of an ACL for ``User=``, so only
    their kind is checked.
    """

    name: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the name of ``credential:NAME``."""
        if argument in {"", ".", ".."} or "/" in argument or "\0" in argument:
            raise UsageError("credential:", "takes a name without slash, as in credential:ca-passphrase")
        return cls(argument)

    def read(self, _context: Context) -> Secret:
        """Return the content without its final line feed.

        Raises:
            MissingInputError: not run by systemd with credentials, no such one, or an empty one.
        """
        subject = f"credential:{self.name}"
        if not (directory := os.environ.get(_DIRECTORY)):
            hint = f"add LoadCredential={self.name}:PATH to the systemd unit"
            raise MissingInputError(subject, f"${_DIRECTORY} is not set", hint)
        path = os.path.join(directory, self.name)
        with _opened(path) as descriptor:
            _require_regular(path, os.fstat(descriptor))
            return read_all(descriptor, path)


@contextmanager
def _opened(path: str, at: int | None = None, name: str = "") -> Iterator[int]:
    try:
        # NONBLOCK, so that a FIFO is refused below instead of waited for.
        descriptor = os.open(name or path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=at)
    except OSError as error:
        raise _unopened(path, error) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unopened(path: str, error: OSError) -> SmtpcredsError:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        hint = "use fd:N for a pipe" if path.startswith(("/dev/", "/proc/")) else None
        return MissingInputError(path, "there is no such file", hint)
    return DeniedError(path, f"can't be opened: {error.strerror}")


def _require_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePathError(path, "is not a regular file", "use fd:N for a pipe")


def _require_private(path: str, status: os.stat_result) -> None:
    from .shell import quote_path as quote

    _require_regular(path, status)
    if status.st_uid not in {0, os.geteuid()}:
        raise UnsafePathError(
            path, f"belongs to user {status.st_uid}, who could change it", f"chown root {quote(path)}"
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafePathError(path, f"has mode {mode:04o}, so others may read it", f"chmod 600 {quote(path)}")


# Secrets from descriptors that the caller has opened: ``stdin:`` and ``fd:N``.

MAX_DESCRIPTOR = 65535


@dataclass(frozen=True)
class Descriptor:
    """Everything up to the end of an open descriptor.

    It gives one secret: at a second reading it is at its end, which is refused as empty. A terminal is
    refused, because it would echo.
    """

    number: int
    subject: str

    @classmethod
    def stdin(cls, argument: str) -> Self:
        """Parse ``stdin:``, which takes no argument."""
        if argument:
            raise UsageError("stdin:", "takes nothing behind the colon")
        return cls(0, "stdin:")

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the number of ``fd:N``."""
        number = decimal(argument)
        if number is None or number > MAX_DESCRIPTOR:
            raise UsageError("fd:", "takes the number of an open descriptor, as in fd:3")
        return cls(number, f"fd:{number}")

    def read(self, _context: Context) -> Secret:
        """Return the rest of the stream.

        Raises:
            MissingInputError: not open, or at its end (one stream holds one secret).
        """
        try:
            os.fstat(self.number)
        except OSError:
            raise MissingInputError(self.subject, "is not open") from None
        if os.isatty(self.number):
            raise DeniedError(self.subject, "is a terminal, which would show the secret", "use prompt:")
        try:
            return read_all(self.number, self.subject)
        except MissingInputError as error:
            hint = "one stream holds one secret; use file: or another fd: for a second one"
            raise MissingInputError(error.subject, error.reason, hint) from None


# Secrets that a person types: ``prompt:``.

TERMINAL = "/dev/tty"
_PROMPT_HINT = "without a terminal use file:, fd:, env:, cmd:, keyring: or credential:"


@dataclass(frozen=True)
class Prompt:
    """The controlling terminal, with echo off; a new secret is asked for twice."""

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse ``prompt:``, which takes no argument."""
        if argument:
            raise UsageError("prompt:", "takes nothing behind the colon")
        return cls()

    def read(self, context: Context) -> Secret:
        """Return what was typed; empty only where the context allows it.

        Raises:
            MissingInputError: nothing was typed, or the terminal was closed.
        """
        typed = _asked(f"{_capital(context.what)}: ", context)
        if context.new and typed != _asked(f"{_capital(context.what)}, again: ", context):
            raise DataError(context.what, "the two entries differ")
        return typed


def _asked(question: str, context: Context) -> Secret:
    from .terminal import MAX_LINE, ask

    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise UnavailableError(
            "prompt:", f"there is no terminal to ask for the {context.what}", _PROMPT_HINT
        ) from None
    try:
        line = ask(terminal, question)
    finally:
        os.close(terminal)
    if not line.endswith(b"\n"):
        raise MissingInputError(context.what, "the terminal was closed before the line was complete")
    if len(line) >= MAX_LINE:
        raise DataError(context.what, "is longer than a line of the terminal can be", "use file:PATH")
    return Secret(b"") if line == b"\n" and context.may_be_empty else one_secret(line, context.what)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Secrets in the system's keyring: ``keyring:SERVICE/NAME``.

_REFUSED_MODULES = {"keyring.backends.fail", "keyring.backends.null"}
_REFUSED_CLASSES = {"PlaintextKeyring"}
"""keyrings.alt has several of this name; their files hold the password in base64."""


@dataclass(frozen=True)
class KeyringEntry:
    """One entry of the keyring, through the backend that the ``keyring`` library selects."""

    service: str
    name: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse ``SERVICE/NAME``; the name may hold further slashes."""
        service, _, name = argument.partition("/")
        if not service or not name:
            raise UsageError("keyring:", "takes service and name, as in keyring:smtpcreds/ca")
        return cls(service, name)

    @property
    def subject(self) -> str:
        """The source as it was written."""
        return f"keyring:{self.service}/{self.name}"

    def read(self, _context: Context) -> Secret:
        """Return the entry.

        Raises:
            MissingInputError: no such entry, or an empty one.
        """
        with _plainly(self.subject):
            backends = _safe_backends(self.subject)
            found = (backend.get_password(self.service, self.name) for backend in backends)
            value = next((value for value in found if value is not None), None)
        if value is None:
            hint = f"store it with: keyring set {quote(self.service)} {quote(self.name)}"
            raise MissingInputError(self.subject, "there is no such entry in the keyring", hint)
        return one_secret(value.encode(), self.subject)


def store_in_keyring(service: str, name: str, secret: Secret) -> None:
    """Store the secret in the system's keyring, and read it back."""
    entry = KeyringEntry(service, name)
    disk().note("store", entry.subject, note="the secret")
    if disk().is_preview:
        return
    try:
        value = secret.reveal().decode()
    except UnicodeDecodeError:
        raise InexpressibleError(entry.subject, "a keyring holds text, and the secret is not UTF-8") from None
    with _plainly(entry.subject):
        backend = _safe_backends(entry.subject)[0]
        backend.set_password(service, name, value)
        kept = backend.get_password(service, name)
    if kept != value:
        raise UnavailableError(entry.subject, f"{_title(backend)} did not keep the secret")


@contextmanager
def _plainly(subject: str) -> Iterator[None]:
    """Make one line of what backends raise: errors of D-Bus and files, a wrong master password or setting."""
    try:
        yield
    except SmtpcredsError:
        raise
    except Exception as error:  # noqa: BLE001  # backends are plug-ins, named in a file of the user's
        lines = str(error).splitlines() or [type(error).__name__]
        raise UnavailableError(subject, f"the keyring failed: {lines[0]}", _OTHERS) from None


_OTHERS = "use file:, credential: or cmd: where there is no keyring"


def _safe_backends(subject: str) -> "list[KeyringBackend]":
    """The selected backend, or the chained ones, without those that store nothing or store plain text."""
    _check_configuration()
    import keyring
    from keyring.backends.chainer import ChainerBackend

    selected = keyring.get_keyring()
    chained: list[KeyringBackend] = selected.backends if isinstance(selected, ChainerBackend) else [selected]
    safe = [backend for backend in chained if not _is_refused(backend)]
    if not safe:
        names = ", ".join(_title(backend) for backend in chained) or "none"
        raise UnavailableError(subject, f"no keyring here protects its entries (found: {names})", _OTHERS)
    return safe


def _check_configuration() -> None:
    """Refuse a keyringrc.cfg of another user: it names code, and HOME may be that of whoever called sudo.

    keyring obeys it when it is imported (keyring.core, ``_config_path``, ``_load_keyring_path``).
    """
    from configparser import Error, RawConfigParser

    above = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    path = os.path.join(above, "python_keyring/keyringrc.cfg")
    if not os.path.exists(path):
        return
    check_code(path)
    settings = RawConfigParser()
    with suppress(Error):
        settings.read(path, encoding="utf-8")
    code = os.path.expanduser(settings.get("backend", "keyring-path", fallback="").strip())
    if code and os.path.exists(code):
        check_code(code)


def _is_refused(backend: "KeyringBackend") -> bool:
    return any(
        kind.__module__ in _REFUSED_MODULES or kind.__name__ in _REFUSED_CLASSES
        for kind in type(backend).__mro__
    )


def _title(backend: "KeyringBackend") -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


# The table of kinds, from text to source and from source to secret.

KINDS: dict[str, tuple[str, Callable[[str], Source]]] = {
    "prompt": ("prompt:", Prompt.parse),
    "stdin": ("stdin:", Descriptor.stdin),
    "fd": ("fd:N", Descriptor.parse),
    "file": ("file:PATH", File.parse),
    "env": ("env:NAME", Environment.parse),
    "cmd": ("cmd:COMMAND", Command.parse),
    "keyring": ("keyring:SERVICE/NAME", KeyringEntry.parse),
    "credential": ("credential:NAME", Credential.parse),
    "generate": ("generate:", Generated.parse),
}
"""Word before the colon, its form in help texts, and the parser of what follows the colon."""

_HINT = "a secret is never an argument; write prompt: to be asked for it, or file:PATH to have it read"


def parse_source(text: str) -> Source:
    """Parse ``KIND:ARGUMENT``.

    Text of no known kind is never repeated in the message: it may be a password, typed by mistake.
    """
    kind, colon, argument = text.partition(":")
    if not colon or kind not in KINDS:
        forms = ", ".join(form for form, _ in KINDS.values())
        raise UsageError("secret source", f"unknown; use {forms}", _HINT)
    return KINDS[kind][1](argument)


def resolve(source: Source, context: Context) -> Secret:
    """Return the secret that the source gives; a preview asks nobody and runs nothing, but makes one up."""
    if disk().is_preview and not isinstance(source, File | Credential | Generated):
        return Placeholder(Generated("").read(Context(context.what, new=True)).reveal())
    return source.read(context)


def is_generated(source: Source) -> bool:
    """Tell whether the source makes its secrets, so that nobody chose or knows them."""
    return isinstance(source, Generated)
