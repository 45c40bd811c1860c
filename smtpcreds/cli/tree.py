"""The command line as click has it, made of the declarations: help, completion, errors, all unusual words."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import UsageError
from . import lazy_click
from .framework import DANGEROUS, EPILOG, EVERYWHERE, ROOT, USAGE
from .quick import command_of
from .session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_ALIKE = 0.75


def run(words: Sequence[str], session: Session) -> Any:
    """Carry out a command line; return what its verb returns, or a status.

    Raises:
        UsageError: it is not one of ours.
        KeyboardInterrupt: the run was interrupted.
    """
    try:
        return smtpcreds.main(words, prog_name="smtpcreds", standalone_mode=False, obj=session)
    except click.UsageError as error:
        raise _refusal(error) from None
    except click.Abort:
        raise KeyboardInterrupt from None


def _refusal(error: click.UsageError) -> UsageError:
    path = error.ctx.command_path.partition(" ")[2] if error.ctx else ""
    message = _option(error) if isinstance(error, click.NoSuchOption) else error.format_message()
    message = message.rstrip(".").replace("\n", " ")
    return UsageError(path, message[:1].lower() + message[1:], f"smtpcreds {path}".strip() + " --help")


def _option(error: click.NoSuchOption) -> str:
    from difflib import get_close_matches

    harmless = [name for name in error.possibilities or [] if name not in DANGEROUS]
    near = get_close_matches(error.option_name, harmless, 1, _ALIKE)
    return f"no such option {error.option_name!r}" + (f"; did you mean {near[0]}?" if near else "")


# From a declaration to click's command.


def made(declared: "lazy_click.Command | lazy_click.Group") -> click.Command:
    """Return click's command; the same each time."""
    if isinstance(declared, lazy_click.Group):
        return _group(declared.name, declared.help, declared.usual, tuple(declared.table.items()))
    return _verb(declared)


@cache
def _verb(declared: lazy_click.Command) -> click.Command:
    function = declared.function

    def carry_out(**values: Any) -> Any:
        return function(**values)

    carry_out.__name__, carry_out.__doc__ = function.__name__, function.__doc__
    carry_out.__click_params__ = [*map(_parameter, reversed(declared.parameters))]  # type: ignore[attr-defined]
    return click.command(declared.name, cls=Verb)(carry_out)


@cache
def _group(name: str, text: str, usual: str, table: tuple[Any, ...]) -> "LazyGroup":
    return LazyGroup(name, help=text, table=dict(table), usual=usual, no_args_is_help=not usual)


def _parameter(declared: lazy_click.Parameter, *, hidden: bool | None = None) -> click.Parameter:
    settings = dict(declared.settings)
    kind = settings.get("type")
    if isinstance(kind, lazy_click.Type):
        settings["type"] = getattr(click, kind.name)(*kind.positional, **kind.named)
    if hidden is not None:
        settings["hidden"] = hidden
    return (click.Option if declared.is_option else click.Argument)(declared.names, **settings)


class LazyGroup(click.Group):
    """A group whose help needs no import of its commands; see :class:`.lazy_click.Group`."""

    def __init__(
        self, *args: Any, table: Mapping[str, tuple[str, str, str]], usual: str = "", **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.table, self.usual = table, usual

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.table:
            return None
        return made(command_of(lazy_click.Group("", "", self.table), cmd_name))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the options, or the names of the table, none of which is imported for that."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        from click.shell_completion import CompletionItem

        known = self.table.items()
        return [CompletionItem(name, help=row[2]) for name, row in known if name.startswith(incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Answer a call without a command with the help, as an error; to click 8.1 it is a success."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        is_unknown = args and args[0] not in self.table and not args[0].startswith("-")
        if is_unknown and self.usual:
            return super().resolve_command(ctx, [self.usual, *args])
        if is_unknown:
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
    found = [_parameter(declared, hidden=hidden) for declared in EVERYWHERE]
    for option in found:
        if option.type is click.STRING:
            option.type = Words()
    return found


class Text(click.types.StringParamType):
    """Text that a shell completes by what the parameter is for."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """Return what could be meant."""
        from .completion import values

        return values(ctx, param, incomplete)


class Words(Text):
    """Text that is not empty: ``--to "$UNSET"`` must not mean the default."""

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
        for parameter in self.params:
            if isinstance(parameter, click.Argument) and parameter.type is click.STRING:
                parameter.type = Text()
            elif parameter.type is click.STRING and not getattr(parameter, "is_flag", False):
                parameter.type = Words()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; ``--json-schema`` needs none of them."""
        options = args[: args.index("--")] if "--" in args else args
        if ctx.ensure_object(Session).json_schema or "--json-schema" in options:
            click.echo(_schema(ctx))
            ctx.exit()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what is printed for typing names the database that it was given."""
        ctx.ensure_object(Session).database = ctx.params.get("database")
        return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return its options, and the global ones that its help leaves out."""
        from click.shell_completion import CompletionItem

        hidden = (option for option in self.params if isinstance(option, click.Option) and option.hidden)
        found = [CompletionItem(name, help=option.help) for option in hidden for name in option.opts]
        here = [item for item in found if incomplete and item.value.startswith(incomplete)]
        return [*super().shell_complete(ctx, incomplete), *here]


def _schema(ctx: click.Context) -> str:
    import json

    from .answers import schema_of
    from .session import SCHEMA

    names = [str(each.info_name) for each in _with_parents(ctx)]
    return json.dumps(schema_of(" ".join(names[1:]), SCHEMA), indent=2)


def _with_parents(ctx: click.Context) -> list[click.Context]:
    return [*(_with_parents(ctx.parent) if ctx.parent else []), ctx]


# The root command and the table of everything below it.


class Root(LazyGroup):
    """The program itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options(hidden=False)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away ends it without a word.

        click would end the program with status 1, which is an answer of ours.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(0) from None


@click.command(
    cls=Root, table=ROOT.table, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="smtpcreds %(version)s")
@click.pass_context
def smtpcreds(ctx: click.Context) -> None:
    """Certificates and SMTP AUTH accounts for mail relays."""
    ctx.ensure_object(Session)
