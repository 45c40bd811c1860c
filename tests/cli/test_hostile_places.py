"""Whatever option names the file: nothing is written where another user could change what it leads to."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from admin import CERTS, Admin, snapshot

from smtpcreds.cli.tree import smtpcreds as program

MALLORY = 4711
DROID = "sasl add droid --database {there}/db"

WRITTEN: dict[tuple[str, str], tuple[str, ...]] = {
    ("bundle", "--to"): ("bundle attic --authorize {here}/attic.pub --to {there}/authorized_keys",),
    ("bundle", "-o"): ("bundle attic -o {there}/attic.tar",),
    ("status", "--output"): ("status --format html --output {there}/status.html",),
    ("ca backup", "file"): ("ca backup {there}/backup.age --passphrase file:{here}/passphrase",),
    ("ca crl", "--to"): ("ca crl --to {there}/crl.pem",),
    ("ca export", "--to"): ("ca export --key --to {there}/key.pem",),
    ("cert issue", "--to"): ("cert issue attic --to {there}",),
    ("cert request", "--to"): ("cert request mx --to {there}",),
    ("cert install", "--to"): (
        "cert request mx --to {there}",
        "cert sign {there}/mx.csr --server --client --to {here}/answer.pem",
        "cert install {here}/answer.pem --to {there}",
    ),
    ("cert sign", "--to"): ("cert request mx", "cert sign {certs}/mx.csr --to {there}/answer.pem"),
    ("cert export", "--to"): ("cert export dmzmail --with-key --to {there}/pair.pem",),
    ("sasl add", "--database"): (DROID,),
    ("sasl add", "--keep"): ("sasl add droid --keep file:{there}/kept",),
    ("sasl add", "--auth-info"): ("sasl add droid --hashed --auth-info {there}/info",),
    ("sasl passwd", "--database"): (DROID, "sasl passwd droid --database {there}/db"),
    ("sasl passwd", "--keep"): ("sasl passwd maildroid --keep file:{there}/kept",),
    ("sasl passwd", "--auth-info"): ("sasl passwd maildroid --auth-info {there}/info",),
    ("sasl delete", "--database"): (DROID, "sasl delete droid --database {there}/db"),
    ("sasl convert", "target"): ("sasl convert --to gdbm {there}/converted",),
    ("sasl conf", "--to"): ("sasl conf --to {there}/Sendmail.conf",),
    ("sasl auth-info", "--to"): ("sasl auth-info maildroid --to {there}/info",),
    ("sasl rotate", "--database"): (DROID, "sasl rotate droid --database {there}/db"),
    ("sasl rotate", "--keep"): ("sasl rotate maildroid --keep file:{there}/kept",),
    ("sasl rotate", "--auth-info"): ("sasl rotate maildroid --auth-info {there}/info",),
    ("sasl import", "--database"): (DROID, "-q sasl import {here}/accounts.csv --database {there}/db"),
    ("sasl export", "--to"): ("sasl export --reveal --to {there}/accounts",),
    ("inventory convert", "target"): ("inventory convert {there}/inventory",),
    ("mta render", "--to"): ("mta render sendmail-hub --to {there}/rendered",),
}
"""Options and arguments that name what is written: the run, after others that prepare it."""

READ = {
    *(("setup", "--client"), ("bundle", "--csr"), ("bundle", "--authorize"), ("cert issue", "--from")),
    *((f"cert {verb}", "which") for verb in ("show", "verify", "export", "revoke")),
    *(("ca rollover", "--root-key"), ("ca crl", "--root-key"), ("ca crl", "--take"), ("ca restore", "file")),
    *(("ca import", name) for name in ("directory", "--key", "--cert", "--chain")),
    *(("cert install", name) for name in ("file", "--chain", "--ca", "--key")),
    *(("cert sign", "csr"), ("sasl import", "source")),
    *((f"sasl {verb}", "--database") for verb in ("list", "show", "verify", "convert", "conf", "auth-info")),
    ("sasl export", "--database"),
    *(("probe", name) for name in ("--auth-info", "--bundle", "--cert", "--key", "--ca", "--crl")),
    *(("probe", name) for name in ("--revoked-cert", "--revoked-key")),
    *((f"mta {verb}", "--keytab") for verb in ("apply", "check", "diff", "render")),
    ("sasl conf", "--keytab"),
}
"""What is only read may be anybody's: a request, a bundle; keys, keytabs and secrets are another matter."""

OTHERS = {
    *("host", "HOST", "HOST...", "ADDRESS", "ADDRESS[:PORT]", "domain", "DOMAIN", "url", "URI"),
    *("name", "NAME", "NAME[@REALM]", "[NAME[@REALM]]", "REALM", "ROLE", "PROGRAM", "M", "KEY", "TYPE"),
    *("TEXT", "CODE", "CHOICE", "FORMAT", "LIST", "RULE", "REASON", "SERIAL", "SPAN", "DATE|Nd"),
    *("HASH", "HEX", "'U S M HEX'"),
    *("COMMAND", "SOURCE"),
}
"""What an option or argument without a file names; ``COMMAND`` and ``SOURCE`` have tests of their own."""
NUMBERS_AND_WORDS = (click.Choice, click.types.IntParamType, click.types.FloatParamType)

HOSTILE = ("directory", "link")


def options(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Parameter]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from options(below, (*words, name))
    else:
        yield from ((" ".join(words), parameter) for parameter in command.params)


def names_a_file(parameter: click.Parameter) -> bool:
    """Tell whether it may name a file: all that is not known to name something else."""
    if getattr(parameter, "hidden", False):
        return False  # global: --root and --config, which tests of the configuration are about
    if getattr(parameter, "is_flag", False) or isinstance(parameter.type, NUMBERS_AND_WORDS):
        return False
    return (parameter.metavar or parameter.name) not in OTHERS


def test_every_option_that_names_a_file_is_here() -> None:
    found = {(verb, parameter.opts[0]) for verb, parameter in options(program) if names_a_file(parameter)}
    assert found == WRITTEN.keys() | READ


@pytest.fixture
def there(hub: Admin) -> Path:
    there = hub.directory / "there"
    there.mkdir(0o700)
    hub.write("accounts.csv", "joe,S3cret.of.joe,\n")
    hub.write(
        "attic.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHq0Dg0PZMlGrVhBzuVJqKx7p8t0wDRE9Zp0dIwq3yK3 root@attic\n",
    )
    hub.write("passphrase", "Ch1mp? ,03fuzz fl0ppi")
    return there


def turn(there: Path, how: str) -> None:
    """Give the directory to another user, or its name to a link of his."""
    if how == "link":
        there.rename(there.with_name("victim"))
        there.symlink_to("victim")
    else:
        there.chmod(0o777)
    os.lchown(there, MALLORY, MALLORY)


@pytest.mark.parametrize("option", WRITTEN, ids=" ".join)
@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.parametrize("dry", [(), ("-n",)], ids=["", "dry run"])
def test_nothing_is_written_there(
    hub: Admin, there: Path, option: tuple[str, str], how: str, dry: tuple[str, ...]
) -> None:
    places = {"there": there, "here": hub.directory, "certs": hub.path(CERTS)}
    *before, words = (text.format(**places).split() for text in WRITTEN[option])
    for prepared in before:
        hub(*prepared)
    turn(there, how)
    held = snapshot(hub.directory)
    problem = hub.refuses(77, *dry, *words)
    assert "4711" in problem or "symbolic link" in problem
    assert snapshot(hub.directory) == held


@pytest.mark.parametrize("option", WRITTEN, ids=" ".join)
def test_in_a_good_directory_it_is(hub: Admin, there: Path, option: tuple[str, str]) -> None:
    places = {"there": there, "here": hub.directory, "certs": hub.path(CERTS)}
    for text in WRITTEN[option]:
        hub(*text.format(**places).split())
    assert list(there.iterdir())
