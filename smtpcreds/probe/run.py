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
from .session import BY_PASSWORD, UNPROVEN, Server, ServerReport, log_in, report_server, send
from .step import Record, Step, StoppedError
from .trust import check_own


def connections(asked: ProbeRequest) -> int:
    """Return how many connections a probe has at most; servers limit them (Sendmail: ClientRate).

    Those that a server refused because others were open do not count.
    """
    mechanisms = asked.mechanisms or (asked.identity and asked.identity.served) or tuple(BY_PASSWORD)
    logins = max(1, len(BY_PASSWORD & set(mechanisms))) if asked.identity else 1
    by_certificate = bool(asked.client and asked.identity)
    is_refused = asked.negative or bool(asked.client or asked.revoked)
    wrong_passwords = bool(asked.negative and asked.identity)
    return logins + by_certificate + is_refused + wrong_passwords + bool(asked.revoked)


def intended(asked: ProbeRequest) -> list[Change]:
    """Return what a probe would do out there."""
    identity, envelope = asked.identity, asked.envelope
    note = f"{asked.target.security}, {connections(asked)} times at most"
    found = [Change("connect to", str(asked.target), note=note)]
    if identity:
        found.append(Change("log in as", identity.login.authcid))
    if envelope:
        found.append(Change("send a message to", envelope.recipient))
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
    with closing(Server(asked, [], asked.patience())) as server, suppress(StoppedError):
        if record.run("resolve", partial(_resolve, server)) and (seen := report_server(server, record)):
            opened = log_in(server, record, seen)
            if asked.negative:
                _refusals(server, record, seen, opened)
            if asked.client and asked.target.security is not Security.CLEAR:
                record.run("own certificate", partial(check_own, asked.trust, asked.client.certificate))
                deed = partial(refusals.client_certificate, server, seen, opened)
                record.run("client certificate", deed)
            _send(server, record, seen, opened)
    return record.steps


def _resolve(server: Server) -> str:
    server.endpoints += resolve(server.asked.target.host, server.asked.target.port)
    return ", ".join(map(str, server.endpoints))


def _refusals(server: Server, record: Record, seen: ServerReport, opened: list[str]) -> None:
    asked = server.asked
    if asked.target.security is Security.STARTTLS:
        record.run("PLAIN before TLS", partial(refusals.plain_before_tls, server))
    if asked.identity:
        for mechanism in (name for name in (*opened, *server.untold) if name != EXTERNAL):
            deed = partial(refusals.wrong_password, server, mechanism, asked.identity)
            record.run(f"wrong password, {mechanism}", deed)
    if asked.client or asked.revoked:
        record.run("no certificate", partial(refusals.no_certificate, server))
    if asked.revoked:
        record.run("revoked certificate", partial(refusals.revoked_certificate, server, seen, opened))


def _send(server: Server, record: Record, seen: ServerReport, opened: list[str]) -> None:
    asked = server.asked
    if asked.envelope is None:
        return
    if server.is_unproven:
        record.skip("send", UNPROVEN)
    elif asked.identity and not opened:
        record.skip("send", "no login worked")
    elif not (seen.is_verified or asked.insecure):
        record.skip("send", "the server is not verified")
    else:
        record.run("send", partial(send, server, asked.envelope, opened[0] if opened else None))
