"""The commands in a cure, each as far as its text goes: to a comma, semicolon, colon, or &&."""

import re
import shlex
from collections.abc import Iterator

import click

from smtpcreds.cli.framework import COMMANDS
from smtpcreds.cli.tree import smtpcreds

COMMAND = re.compile(r"smtpcreds ((?:'[^']*'|://|[^;,:&)'])+)")


def commands(cure: str) -> list[list[str]]:
    """Return the words of each command of smtpcreds."""
    return [_words(found) for found in COMMAND.findall(cure)]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an apostrophe of prose behind it
        return command.split()


def unknown(cure: str) -> Iterator[str]:
    """Yield what the command line does not know; capital words stand for values, which may not fit."""
    for words in commands(cure):
        try:
            _parse(smtpcreds, words)
        except click.exceptions.Exit:  # --help
            continue
        except click.BadParameter as error:
            if isinstance(error, click.MissingParameter):
                yield f"{' '.join(words)}: {error.format_message()}"
        except click.UsageError as error:
            yield f"{' '.join(words)}: {error.format_message()}"


_TYPED = re.compile(
    r"(?:chgrp|chmod|chown|cp|install|kill|m4|makemap|mv|postconf|postmap|rm|sed|sendmail|smtpcreds|touch) .*"
)


def bare(cure: str, directory: str = "polka root") -> Iterator[str]:
    """Yield the commands that a shell splits in the name of a directory, which has a blank."""
    first = directory.partition(" ")[0]
    for command in re.split(r" && |; |, then: |: ", cure):
        if _TYPED.fullmatch(command) and any(word.endswith(f"/{first}") for word in _words(command)):
            yield command


def twice(cure: str) -> set[str]:
    """Return the commands that a cure has more than once."""
    steps = re.split(r" && |; ", cure)
    return {step for step in steps if steps.count(step) > 1}


_ACTS = re.compile(
    r"(?:.*: )?((?:adduser|apt-get|ch(?:grp|mod|own)|cp|dove\w+|echo|exim4?|install|kill|ln|m4|makemap|mkdir"
    r"|mv|openssl|postconf|postfix|postmap|printf|rm|sed|sendmail|service|setfacl|shred|systemctl|touch|"
    r"update-exim4\.conf|usermod|\((?:umask|sendmail)) .*|smtpcreds (?!--root ).*)"
)
_APART = re.compile(r"""(?:'[^']*'|"[^"]*"|\([^()]*\)|[^'"(&;]|&(?!& ))+?(?= && |; |, or |, then: |$)""")


def astray(cure: str, root: str) -> Iterator[str]:
    """Yield the commands of a cure for another root that would change the host where they are typed."""
    for found in _APART.finditer(cure):
        step = found[0].lstrip(" &;,")
        acts = _ACTS.fullmatch(step)
        if acts and root not in acts[1] and not _ELSEWHERE.search(step):
            yield acts[1]


PRINTED = re.compile(r"^(?:  hint: |next: |      (?:or )?)(?!\")(.*smtpcreds .*)$", re.MULTILINE)
_ELSEWHERE = re.compile(r"\bon (?:that host|the hub|the authority|[a-z][\w.-]*)(?: then)?: ")
_OPTIONS = r"(?:(?:--root|-c) (?:'[^']*'|\S+) )*"
_OF_OURS = re.compile(rf"smtpcreds {_OPTIONS}(?:{'|'.join(COMMANDS)})\b")
_COMMENT = re.compile(r" {4}.*")


def refuse_unfit_commands(text: str, ways: tuple[str, ...]) -> None:
    """Fail where a hint or next step is no command, or not one for the installation of the run.

    Args:
        text: all that a run said.
        ways: how commands may begin.
    """
    for line in PRINTED.findall(text):
        for part in filter(_OF_OURS.search, _COMMENT.sub("", line).split(";")):
            if _ELSEWHERE.search(part) or part.endswith("smtpcreds --help"):
                continue
            assert any(way in part for way in ways), f"not for this installation: {line}"
            for way in ways:
                part = part.replace(way, "smtpcreds ")
            assert not [*unknown(part)], (line, [*unknown(part)])


def _parse(command: click.Command, words: list[str], above: click.Context | None = None) -> None:
    context = command.make_context(words[0] if words else "smtpcreds", list(words), parent=above)
    kept = vars(context)
    rest = [*kept.get("_protected_args", kept.get("protected_args", ())), *context.args]
    if isinstance(command, click.Group):
        _, below, rest = command.resolve_command(context, rest)
        assert below is not None
        _parse(below, rest, context)
