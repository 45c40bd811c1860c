"""A whole probe: the order of its steps."""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

from ..errors import UsageError
from ..model import Change
from ..smtp.connection import resolve
from ..smtp.sasl import EXTERNAL
from . import refusals
from .asked import ProbeRequest, Security
from .session import UNPROVEN, ServerReport, Target, log_in, report_server, send
from .step import Record, Step, StoppedError
from .trust import check_own

_AT_ONCE = {"CRAM-MD5", "PLAIN", "LOGIN"}
"""Mechanisms that can't be tried without logging in, after which no other may be tried on the connection."""


def connections(asked: ProbeRequest) -> int:
    """Return how many connections a probe opens at most; servers limit them (Sendmail: ClientRate)."""
    mechanisms = asked.mechanisms or (asked.identity and asked.identity.served) or tuple(_AT_ONCE)
    logins = max(1, len(_AT_ONCE & set(mechanisms))) if asked.identity else 1
    by_certificate = bool(asked.client and asked.identity)
    is_refused = asked.negative or bool(asked.client or asked.revoked)
    wrong_passwords = bool(asked.negative and asked.identity)
    return logins + by_certificate + is_refused + wrong_passwords + bool(asked.revoked)


def intended(asked: ProbeRequest) -> list[Change]:
    """Return what a probe would do out there."""
    identity, letter = asked.identity, asked.letter
    note = f"{asked.target.security}, {connections(asked)} times at most"
    found = [Change("connect to", str(asked.target), note=note)]
    if identity:
        found.append(Change("log in as", identity.login.authcid))
    if letter:
        found.append(Change("send a message to", letter.recipient))
    return found


def verify_allowed(asked: ProbeRequest) -> None:
    """Refuse to send a password to whoever listens."""
    if asked.identity and asked.target.security is Security.CLEAR and not asked.insecure:
        raise UsageError("--no-tls", "no password is sent without TLS", "--insecure-send-password sends it")


def probe(asked: ProbeRequest, tell: Callable[[Step], None]) -> list[Step]:
    """Run all steps that make sense and return them; ``tell`` is given each as it ends.

    The first question that the server does not answer now ends it, for the next ones would keep the mail of
    this host waiting.
    """
    verify_allowed(asked)
    record = Record(asked.target.host, tell)
    with closing(Target(asked, [], asked.patience())) as line, suppress(StoppedError):
        if record.run("resolve", partial(_resolve, line)) and (seen := report_server(line, record)):
            opened = log_in(line, record, seen)
            if asked.negative:
                _refusals(line, record, seen, opened)
            if asked.client and asked.target.security is not Security.CLEAR:
                record.run("own certificate", partial(check_own, asked.trust, asked.client.certificate))
                deed = partial(refusals.client_certificate, line, seen, opened)
                record.run("client certificate", deed)
            _send(line, record, seen, opened)
    return record.steps


def _resolve(line: Target) -> str:
    line.endpoints += resolve(line.asked.target.host, line.asked.target.port)
    return ", ".join(map(str, line.endpoints))


def _refusals(line: Target, record: Record, seen: ServerReport, opened: list[str]) -> None:
    asked = line.asked
    if asked.target.security is Security.STARTTLS:
        record.run("PLAIN before TLS", partial(refusals.plain_before_tls, line))
    if asked.identity:
        for mechanism in (name for name in (*opened, *line.untold) if name != EXTERNAL):
            deed = partial(refusals.wrong_password, line, mechanism, asked.identity)
            record.run(f"wrong password, {mechanism}", deed)
    if asked.client or asked.revoked:
        record.run("no certificate", partial(refusals.no_certificate, line))
    if asked.revoked:
        record.run("revoked certificate", partial(refusals.revoked_certificate, line, seen, opened))


def _send(line: Target, record: Record, seen: ServerReport, opened: list[str]) -> None:
    asked = line.asked
    if asked.letter is None:
        return
    if line.is_unproven:
        record.skip("send", UNPROVEN)
    elif asked.identity and not opened:
        record.skip("send", "no login worked")
    elif not (seen.is_verified or asked.insecure):
        record.skip("send", "the server is not verified")
    else:
        record.run("send", partial(send, line, asked.letter, opened[0] if opened else None))
