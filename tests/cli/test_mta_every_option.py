"""Every option of ``mta`` changes what is written or told for a role, or is refused there by its name."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
import pytest
from admin import CONFIG, Admin, issued_hub

from smtpcreds.cli.mta import render, wishes_of
from smtpcreds.cli.tree import made, smtpcreds
from smtpcreds.config import Site, parse_settings
from smtpcreds.deploy.facts import told
from smtpcreds.errors import SmtpcredsError
from smtpcreds.model import Root
from smtpcreds.mta.program import File, masked
from smtpcreds.mta.programs import PROGRAMS

SCENES = {
    "": set(),
    "plaintext = true\n": {"--plaintext"},
    'mechanisms = ["SCRAM-SHA-512"]\n': {"--mechanism SCRAM-SHA-512"},
    "port = 587\n": {"--port 587"},
    "external = true\ncrl = true\n": {"--external", "--crl"},
    'mechanisms = ["EXTERNAL", "PLAIN", "CRAM-MD5"]\nrelay_certificates = true\n': {
        "--external",
        "--relay-certificates",
    },
}
"""Settings, each with the options that say no more than they do."""
CRAM_MD5 = "--mechanism CRAM-MD5"
NO_MORE = {
    "exim-client": {CRAM_MD5},
    "swaks": {CRAM_MD5},
    "msmtp": {CRAM_MD5},
    "dovecot-hub": {"--mechanism PLAIN"},
}
"""What a program does already in some of the scenes, as it knows nothing else of what is wanted there."""
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
    "--with": ("nobodys",),
    "--port": ("587", "465"),
    "--saslauthd": ("",),
    "--role": ("postfix",),
    "--role-password": ("{secret}",),
    "--relay-certificates": ("",),
    "--relay-host": ("tuba",),
    "--fingerprint": ("5e" * 32,),
    "--crl": ("",),
}
NOTHING = "changes nothing"
NOT_OF_FILES = {"--defaults", "--to", "--reveal", "--force"}
NOT_OF_OPTIONS = {"name", "target", "reveal", "force", "defaults", *(p.name for p in smtpcreds.params)}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    """A host where everything is at hand, for hubs and client hosts; an account is not in its database."""
    hub = issued_hub(tmp_path_factory.mktemp("walk") / "root")
    hub("cert", "issue", "attic", "tuba", "mx")
    for account in ("maildroid", "scanner", "maildroid@mx.polkatistas.org"):
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
        _, facts = told(site, program, wishes_of(**given))
        files = program.render(facts)
    except SmtpcredsError as error:
        return str(error), None
    texts = [(f.path, masked(f.content) if isinstance(f, File) else sorted(f.records)) for f in files]
    secret = facts.credential and (facts.credential.login, facts.credential.secret.reveal())
    schemes = {field.reveal().partition(b"}")[0] for field in facts.verifiers.values()}
    work = program.work(facts)
    listening = "DAEMON_OPTIONS(`Port=smtp, Addr=127.0.0.1, Name=MTA')dnl\n"
    premises = [list(premise.faults(listening)) for premise in work.premises]
    said = (facts.host, premises, work.includes, work.commands, work.usage, work.copies, work.readers)
    return "", (texts, secret, schemes, [re.sub(r" at 0x\w+", "", repr(item)) for item in said])


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_option_changes_something_or_is_refused_by_name(hub: Admin, name: str) -> None:
    base = () if name.endswith("-hub") else ("--host", "attic")
    unheard = [
        (scene, words, why)
        for scene, said in SCENES.items()
        for words in cases(hub, name)
        if (why := is_unheard(hub.root, name, scene, base, words))
        and not (why == NOTHING and " ".join(words) in said | NO_MORE.get(name, set()))
    ]
    assert unheard == []


def cases(hub: Admin, name: str) -> Iterator[tuple[str, ...]]:
    """Yield each option with the words that a person types; of choices one that the program does not know."""
    for option, values in OPTIONS.items():
        own = sorted(PROGRAMS[name].VARIANTS) if option == "--with" else ()
        for value in (*values, *own):
            given = value.format(secret=f"file:{hub.directory}/secret")
            yield (option, *([given] if given else []))


def is_unheard(root: Path, name: str, scene: str, base: tuple[str, ...], words: tuple[str, ...]) -> str:
    """Return what is wrong, if anything."""
    refusal, said = outcome(root, name, scene, *base, *words)
    before, was = outcome(root, name, scene, *base)
    if refusal:
        return "" if re.search(rf"(?<![\w-]){words[0]}\b", refusal) or refusal == before else refusal
    return "" if before or said != was else NOTHING
