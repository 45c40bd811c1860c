"""The table of kinds, from text to source and from source to secret."""

from collections.abc import Callable

from ..errors import UsageError
from ..files import disk
from ..secret import Secret
from .command import Command
from .environment import Environment
from .generated import Generated
from .path import Credential, File
from .prompt import Prompt
from .protocol import Context, Source
from .stream import Descriptor
from .system_keyring import KeyringEntry

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

    Raises:
        UsageError: no colon, an unknown kind, or an argument that the kind can't take.
    """
    kind, colon, argument = text.partition(":")
    if not colon or kind not in KINDS:
        forms = ", ".join(form for form, _ in KINDS.values())
        raise UsageError("secret source", f"is of no known kind; the kinds are {forms}", _HINT)
    return KINDS[kind][1](argument)


def resolve(source: Source, context: Context) -> Secret:
    """Return the secret that the source gives; a preview asks nobody and runs nothing, but makes one up.

    Raises:
        SmtpcredsError: the class depends on the kind; the message never holds what was read.
    """
    if not is_answered(source):
        return Generated("").read(Context(context.what, new=True))
    return source.read(context)


def is_answered(source: Source) -> bool:
    """Tell whether the source itself answers in this run; a preview makes up what others would say."""
    return not disk().is_preview or isinstance(source, File | Credential | Generated)


def is_generated(source: Source) -> bool:
    """Tell whether the source makes its secrets, so that nobody chose or knows them."""
    return isinstance(source, Generated)
