"""An ordinary command line, read without click.

What is read here, click reads alike, which a test holds for every verb. Whatever is not certain (an error, a
question for help, ``--option=value``, ``-nq``, ``--``) is left to click, which also words the complaint.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from .lazy_click import Command, Group, Parameter, Type


class Call:
    """A verb with its values, and the attributes of the session that options set."""

    def __init__(self, command: Command, values: dict[str, Any], session: dict[str, Any]) -> None:
        self.command, self.values, self.session = command, values, session


class _UncertainError(Exception):
    """Click has to say what this means."""


def read(words: Sequence[str], root: Group, everywhere: Iterable[Parameter]) -> Call | None:
    """Return what a command line means, or None where that is not certain.

    Args:
        words: the arguments.
        root: the program.
        everywhere: options that are taken before the first noun and behind the verb.
    """
    rest, globals_ = deque(words), _Given(everywhere)
    try:
        globals_.take_options(rest)
        command = _below(root, rest)
        while isinstance(command, Group):
            command = _below(command, rest)
        taken = {name for parameter in command.parameters for name in parameter.names}
        given = _Given((*command.parameters, *(p for p in everywhere if not taken & {*p.names})))
        return Call(command, given.values(rest), globals_.session | given.session)
    except _UncertainError:
        return None


def command_of(group: Group, name: str) -> Command | Group:
    """Return the command of a group by its name, which its table has."""
    module, attribute, _ = group.table[name]
    found: Command | Group = getattr(import_module(f".{module}", __package__), attribute)
    return found


def _below(group: Group, rest: deque[str]) -> Command | Group:
    if not rest or rest[0] not in group.table:
        raise _UncertainError
    return command_of(group, rest.popleft())


class _Given:
    """What is given for some parameters; ``session`` has what is for the session, by its attributes."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.options = {name: p for p in self.parameters if p.is_option for name in p.names}
        self.found: dict[str, list[Any]] = {}
        self.session: dict[str, Any] = {}

    def take_options(self, rest: deque[str]) -> None:
        """Take the options that come first."""
        while rest and rest[0].startswith("-"):
            self._take_option(rest)

    def values(self, rest: deque[str]) -> dict[str, Any]:
        """Take all; return the value of each parameter that the verb's function has."""
        free: deque[str] = deque()
        while rest:
            if rest[0].startswith("-"):
                self._take_option(rest)
            else:
                free.append(_certain(rest.popleft()))
        done = {p.key: self._value(p, free) for p in self.parameters if p.settings.get("expose_value", True)}
        if free:
            raise _UncertainError
        return done

    def _take_option(self, rest: deque[str]) -> None:
        option = self.options.get(rest.popleft())
        if option is None or option.settings.get("is_eager"):
            raise _UncertainError
        if is_flag(option):
            value = option.settings.get("flag_value", True)
        else:
            value = _converted(option, _certain(rest.popleft() if rest else ""))
        if option.key in self.found and not option.settings.get("multiple"):
            raise _UncertainError
        self.found.setdefault(option.key, []).append(value)
        if "callback" in option.settings:
            self.session[option.key] = value

    def _value(self, parameter: Parameter, free: deque[str]) -> Any:
        settings = parameter.settings
        if not parameter.is_option:
            return self._argument(parameter, free)
        found = self.found.get(parameter.key)
        if settings.get("multiple"):
            return tuple(found or settings.get("default") or ())
        otherwise = False if settings.get("is_flag") else None
        return found[0] if found else settings.get("default", otherwise)

    def _argument(self, argument: Parameter, free: deque[str]) -> Any:
        if argument.settings.get("nargs") == -1:
            if argument is not [p for p in self.parameters if not p.is_option][-1]:
                raise _UncertainError
            found = tuple(free)
            free.clear()
            return found
        if free:
            return _converted(argument, free.popleft())
        if argument.settings.get("required", "default" not in argument.settings):
            raise _UncertainError
        return argument.settings.get("default")


def is_flag(option: Parameter) -> bool:
    """Tell whether an option takes no value."""
    return bool(option.settings.get("is_flag")) or "flag_value" in option.settings


def _certain(word: str) -> str:
    if not word or word.startswith("-"):
        raise _UncertainError
    return word


def _converted(parameter: Parameter, word: str) -> Any:
    kind = parameter.settings.get("type", str)
    name = kind.name if isinstance(kind, Type) else kind.__name__
    if name not in _READ:
        raise _UncertainError
    return _READ[name](word, kind)


def _number(word: str, kind: Any) -> int:
    if not (word.isascii() and word.isdecimal()) or len(word) > _DIGITS:
        raise _UncertainError
    number = int(word)
    if isinstance(kind, Type):
        bounds = dict(zip(("min", "max"), kind.positional, strict=False)) | kind.named
        low, high = bounds.get("min", 0), bounds.get("max", number)
        if bounds.keys() - {"min", "max"} or not low <= number <= high:
            raise _UncertainError
    return number


_DIGITS = 18


def _choice(word: str, kind: Type) -> str:
    if word not in kind.positional[0]:
        raise _UncertainError
    return word


_READ: dict[str, Callable[[str, Any], Any]] = {
    "str": lambda word, _: word,
    "int": _number,
    "IntRange": _number,
    "Choice": _choice,
}
