"""Groups that import a command when it is named, and verbs that take the global options anywhere."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import click

from .session import Session


class LazyGroup(click.Group):
    """A group whose help needs no import of its commands.

    Args:
        table: command name to (module below this package, attribute, one line of help).
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.table:
            return None
        module, attribute, _ = self.table[cmd_name]
        return cast("click.Command", getattr(import_module(f".{module}", __package__), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            ctx.fail(_unknown(args[0], list(self.table)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])


def _unknown(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"no command {name!r}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that the root and every verb take; ``hidden`` keeps them out of a verb's help."""
    flags: dict[str, Any] = {"is_flag": True, "expose_value": False, "hidden": hidden, "callback": _remember}
    words: dict[str, Any] = {"type": Words(), "expose_value": False, "hidden": hidden, "callback": _remember}
    return [
        click.Option(
            ["-c", "--config"], metavar="FILE", help="Read FILE, not /etc/smtpcreds/smtpcreds.toml.", **words
        ),
        click.Option(["--root"], metavar="DIR", help="Let DIR stand for / in every default path.", **words),
        click.Option(["--json", "as_json"], help="Print the answer as JSON.", **flags),
        click.Option(["-n", "--dry-run"], help="Print what a run would change; change nothing.", **flags),
        click.Option(["-q", "--quiet"], help="Print warnings and errors only.", **flags),
        click.Option(["-v", "--verbose"], help="Tell on standard error what happens.", **flags),
    ]


class Words(click.types.StringParamType):
    """Text that is not empty: ``--to "$UNSET"`` must not mean the default."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, if there is any."""
        text = super().convert(value, param, ctx)
        return str(text) if text else self.fail("is empty", param, ctx)


class Verb(click.Command):
    """A command that takes the global options behind its own name too, and no option with an empty value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [p for p in global_options(hidden=True) if not taken & set(p.opts)]
        for option in self.params:
            if isinstance(option, click.Option) and option.type is click.STRING and not option.is_flag:
                option.type = Words()


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> object:
    if value:
        setattr(ctx.ensure_object(Session), parameter.name or "", value)
    return value


def noun(name: str, text: str, table: Mapping[str, tuple[str, str, str]]) -> LazyGroup:
    """Return a group of verbs; ``table`` as for :class:`LazyGroup`."""
    return LazyGroup(name, help=text, table=table, no_args_is_help=True)
