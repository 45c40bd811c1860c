"""The part of click with which verbs are declared, written down; click is imported when it is needed.

Importing click takes three times as long as starting Python. A file of verbs has these declarations instead:
:mod:`.quick` reads an ordinary command line by them, :mod:`.tree` makes click's commands for the rest.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Type:
    """A type of click, by its name and the arguments that it is made with."""

    def __init__(self, name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.name, self.positional, self.named = name, positional, named


def Choice(*positional: Any, **named: Any) -> Type:  # noqa: N802
    """See ``click.Choice``."""
    return Type("Choice", positional, named)


def IntRange(*positional: Any, **named: Any) -> Type:  # noqa: N802
    """See ``click.IntRange``."""
    return Type("IntRange", positional, named)


def FloatRange(*positional: Any, **named: Any) -> Type:  # noqa: N802
    """See ``click.FloatRange``."""
    return Type("FloatRange", positional, named)


class Parameter:
    """An option or an argument: its names as they are given to click, and the keywords."""

    def __init__(self, names: tuple[str, ...], settings: dict[str, Any], *, is_option: bool) -> None:
        self.names, self.settings, self.is_option = names, settings, is_option

    @property
    def key(self) -> str:
        """The name by which a verb's function gets the value, by click's rule."""
        named = [name for name in self.names if name.isidentifier()]
        longest = max(self.names, key=lambda name: name.startswith("--")).partition("/")[0]
        return (named[0] if named else longest.lstrip("-")).replace("-", "_").lower()


class Command:
    """A verb: the name where it is not that of the function, the function, and its parameters."""

    def __init__(self, name: str | None, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function
        self.parameters: tuple[Parameter, ...] = tuple(getattr(function, _DECLARED, ()))

    def __call__(self, **values: Any) -> Any:
        """Do it."""
        return self.function(**values)


class Group:
    """Commands below a noun.

    Attributes:
        name: the noun.
        help: one line.
        table: command name to (module of this package, attribute, one line of help).
        usual: the command that is meant where none is named; empty where one has to be.
    """

    def __init__(
        self, name: str, text: str, table: Mapping[str, tuple[str, str, str]], usual: str = ""
    ) -> None:
        self.name, self.help, self.table, self.usual = name, text, table, usual


_DECLARED = "__declared__"


def command(name: str | None = None) -> Callable[[Callable[..., Any]], Command]:
    """See ``click.command``."""
    return lambda function: Command(name, function)


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """See ``click.option``."""
    return _adding(Parameter(names, settings, is_option=True))


def argument(name: str, **settings: Any) -> Callable[[F], F]:
    """See ``click.argument``."""
    return _adding(Parameter((name,), settings, is_option=False))


def _adding(parameter: Parameter) -> Callable[[F], F]:
    def add(function: F) -> F:
        vars(function).setdefault(_DECLARED, []).insert(0, parameter)
        return function

    return add


def echo(text: str | bytes = "", *, nl: bool = True, err: bool = False) -> None:
    """Write text or octets, and a line feed with ``nl``, to standard output or standard error, at once."""
    stream = sys.stderr if err else sys.stdout
    if isinstance(text, bytes):
        stream.buffer.write(text + b"\n" if nl else text)
    else:
        stream.write(f"{text}\n" if nl else text)
    stream.flush()
