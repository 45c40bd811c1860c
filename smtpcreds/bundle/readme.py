"""What a bundle says about itself to the administrator of the client host. Pure text; no secret."""

from collections.abc import Iterator
from datetime import datetime

from ..mta.port import Facts, Include, Program
from .member import SETTINGS
from .papers import Papers


def readme(program: Program, facts: Facts, papers: Papers, now: datetime, crl_end: datetime) -> bytes:
    """Return the text: what this is, what to include, what to run, how to check."""
    lines = [
        *_head(program, facts, now),
        *_ends(facts, papers, crl_end),
        *_work(program, facts),
        *_checks(program, facts),
    ]
    return ("\n".join(lines) + "\n").encode()


def _head(program: Program, facts: Facts, now: datetime) -> Iterator[str]:
    yield f"{facts.host} relays its mail through {facts.hub}"
    yield ""
    yield f"Made by smtpcreds on {now:%Y-%m-%d %H:%M} UTC, for: {program.TITLE}."
    if facts.credential:
        yield f"It logs in as {facts.credential.account}; the secret is in a file that only root can read."
    yield "Delete the archive that this came in: who has it can send mail as this host."


def _ends(facts: Facts, papers: Papers, crl_end: datetime) -> Iterator[str]:
    end = papers.certificate.not_valid_after_utc
    yield ""
    yield f"Its certificate (serial {papers.serial}) is valid to {end:%Y-%m-%d}."
    if papers.key is None:
        yield f"The private key was made here and never left: it belongs in {facts.tls.key}, mode 0600."
    yield f"The list of revoked certificates beside it is valid to {crl_end:%Y-%m-%d}."
    if crl_end < end:
        yield "Mail stops when it ends, so copy a new one from the hub well before, for example each night:"
        yield f"    scp -p root@{facts.hub}:{facts.tls.crl} {facts.tls.crl}"


def _work(program: Program, facts: Facts) -> Iterator[str]:
    work = program.work(facts)
    for include in work.includes:
        yield from _include(include)
    for heading, lines in (("Then run as root:", work.commands), ("Use it as:", work.usage)):
        if lines:
            yield ""
            yield heading
            yield from (f"    {line}" for line in lines)


def _include(include: Include) -> Iterator[str]:
    if include.text:
        yield ""
        yield f"Add to {include.path}{include.where and f', {include.where}'}:"
        yield from (f"    {line}" for line in include.text)


def _checks(program: Program, facts: Facts) -> Iterator[str]:
    yield ""
    yield "To check, where smtpcreds is installed:"
    fingerprint = facts.fingerprint and f" --fingerprint {facts.fingerprint}"
    yield f"    smtpcreds -c /{SETTINGS} mta check {program.NAME}{fingerprint}"
    yield f"    smtpcreds -c /{SETTINGS} probe smtp://{facts.hub}:{facts.port} --client {facts.host}"
    yield "Without it, send a message to an address outside; the log of the hub then shows AUTH=server."
