"""Every option of ``mta`` changes what is written or told for a role, or is refused there by its name."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
import pytest
from admin import CONFIG, Admin, issued_hub

from smtpcreds.cli.mta import render, wishes_of
from smtpcreds.cli.tree import made, smtpcreds
from smtpcreds.config import Site, parse_settings
from smtpcreds.deploy.facts import gather
from smtpcreds.errors import SmtpcredsError
from smtpcreds.model import Root
from smtpcreds.mta.program import File, masked
from smtpcreds.mta.programs import PROGRAMS

SCENES = (
    "",
    "plaintext = true\n",
    'mechanisms = ["SCRAM-SHA-512"]\n',
)
"""Settings that an option can count over: what is the default already changes nothing."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "--host": ("tuba",),
    "--hub": ("mx.polkatistas.org",),
    "--account": ("scanner",),
    "--password": ("{secret}",),
    "--mechanism": ("CRAM-MD5", "SCRAM-SHA-512", "PLAIN", "EXTERNAL"),
    "--plaintext": ("",),
    "--external": ("",),
    "--keytab": ("/etc/smtp.keytab",),
    "--access": ("Try_TLS:old.example.org NO",),
    "--authinfo-map": ("",),
    "--with": tuple(sorted({name for program in PROGRAMS.values() for name in program.VARIANTS})),
    "--port": ("587", "465"),
    "--saslauthd": ("",),
    "--role": ("postfix",),
    "--role-password": ("{secret}",),
    "--relay-certificates": ("",),
    "--relay-host": ("tuba",),
    "--fingerprint": ("5e" * 32,),
    "--crl": ("",),
}
NOT_OF_FILES = {"--defaults", "--to", "--reveal", "--force"}
NOT_OF_OPTIONS = {"name", "target", "reveal", "force", "defaults", *(p.name for p in smtpcreds.params)}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    """A host where everything is at hand, for hubs and client hosts; an account is not in its database."""
    hub = issued_hub(tmp_path_factory.mktemp("walk") / "root")
    hub("cert", "issue", "attic", "tuba", "mx")
    for account in ("maildroid", "scanner"):
        hub("sasl", "add", account)
    hub.secret("secret")
    return hub


def test_no_option_is_forgotten() -> None:
    everywhere = {p.name for p in smtpcreds.params}
    known = {
        p.opts[0] for p in made(render).params if isinstance(p, click.Option) and p.name not in everywhere
    }
    assert known == {*OPTIONS, *NOT_OF_FILES}


@cache
def outcome(root: Path, name: str, scene: str, *words: str) -> tuple[str, object]:
    """Return why it is refused, or what is said to the program and to the administrator."""
    settings = parse_settings(f"{CONFIG}[mta]\n{scene}", "smtpcreds.toml")
    site = Site(Root(str(root)), settings, lambda: datetime.now(UTC), lambda _: None)
    with made(render).make_context("render", [name, *words]) as context:
        given = {key: value for key, value in context.params.items() if key not in NOT_OF_OPTIONS}
    program = PROGRAMS[name]
    try:
        facts = gather(site, program, wishes_of(**given))
        files = program.render(facts)
    except SmtpcredsError as error:
        return str(error), None
    texts = [(f.path, masked(f.content) if isinstance(f, File) else sorted(f.records)) for f in files]
    secret = facts.credential and (facts.credential.login, facts.credential.secret.reveal())
    schemes = {field.reveal().partition(b"}")[0] for field in facts.verifiers.values()}
    work = program.work(facts)
    listening = "DAEMON_OPTIONS(`Port=smtp, Addr=127.0.0.1, Name=MTA')dnl\n"
    premises = [list(premise.faults(listening)) for premise in work.premises]
    told = (facts.host, premises, work.includes, work.commands, work.usage, work.copies, work.readers)
    return "", (texts, secret, schemes, [repr(item) for item in told])


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_option_changes_something_or_is_refused(hub: Admin, name: str) -> None:
    base = () if name.endswith("-hub") else ("--host", "attic")
    unheard = []
    for option, values in OPTIONS.items():
        for value in values:
            words = (option, *([value.format(secret=f"file:{hub.directory}/secret")] if value else ()))
            if not any(is_heard(hub.root, name, scene, base, words) for scene in SCENES):
                unheard.append(" ".join(words))
    assert unheard == []


def is_heard(root: Path, name: str, scene: str, base: tuple[str, ...], words: tuple[str, ...]) -> bool:
    refusal, said = outcome(root, name, scene, *base, *words)
    before, was = outcome(root, name, scene, *base)
    if refusal:
        named = [word.strip("-").partition(":")[0].lower() for word in (*words, "secret")]
        return not before and any(name in refusal.lower() for name in named)
    return bool(before) or said != was
