"""What must be refused: a wrong password, a password in clear text, no certificate, a revoked one."""

import secrets
from contextlib import suppress
from dataclasses import replace

from ..errors import DataError, ProtocolError, UnavailableError
from ..secret import Secret
from ..smtp.connection import ClosedError, RefusedError, TlsError
from ..smtp.sasl import EXTERNAL, Login
from .asked import Identity
from .session import CLEAR, NOBODY, STAGES, Server, ServerReport, SmtpSession, may_relay
from .step import Note

NOT_HEARD = {500, 502, 503, 504, 530, 534, 538}
"""Replies that refuse AUTH before the password is looked at."""


REFUSAL = (TlsError, ClosedError, RefusedError)
"""How a server turns a certificate away; TLS 1.3 lets it do so as late as after EHLO."""


class GrantedError(DataError):
    """Something was granted that must be refused."""


def wrong_password(server: Server, mechanism: str, identity: Identity) -> str:
    """Log in with another password; the account itself is real, so that nothing else can be the reason."""
    login = replace(identity.login, secret=Secret(secrets.token_urlsafe(24)))
    try:
        reply = server.anonymous.ask(lambda smtp: smtp.log_in(mechanism, replace(identity, login=login)))
    except RefusedError as error:
        later = error.reply.code < 500
        return Note(f"refused for now: {error.reply}") if later else f"refused: {error.reply}"
    server.anonymous.close()
    raise GrantedError(mechanism, f"a wrong password was accepted: {reply}")


def plain_before_tls(server: Server) -> str:
    """Offer a name and a password that nobody has, without TLS, and see whether they are looked at.

    The connection then serves for what else must be refused.
    """
    login = Login(f"probe-{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(24)))
    smtp = server.open()
    try:
        reply = smtp.through(*CLEAR).log_in("PLAIN", Identity(login))
    except RefusedError as error:
        with suppress(ProtocolError, UnavailableError):
            stages = STAGES[server.asked.target.security]
            server.anonymous.current = smtp.through(*stages[len(CLEAR) :])
        if server.anonymous.current is not smtp:
            smtp.close()
        if error.reply.code in NOT_HEARD or "mechanism" in error.reply.text.lower():
            return f"refused: {error.reply}"
        raise GrantedError("PLAIN", f"is looked at without TLS: {error.reply}") from None
    except BaseException:
        smtp.close()
        raise
    smtp.close()
    raise GrantedError("PLAIN", f"is accepted without TLS: {reply}")


def client_certificate(server: Server, seen: ServerReport, opened: list[str]) -> str:
    """Find out what the certificate earns that nobody gets without it.

    A server does not say whether it trusts a certificate: that shows in whether it talks on, in EXTERNAL, and
    in whom it relays for.
    """
    earned = earned_by(server, seen, opened)
    try:
        free = server.anonymous.ask(privileges)
    except REFUSAL as error:
        return f"accepted; without one: {error}"
    if earned - free:
        return f"accepted; it allows {_list(earned - free)}"
    return Note("presented; whether the server trusts it shows in its log (verify=) only")


def earned_by(server: Server, seen: ServerReport, opened: list[str]) -> set[str]:
    """Return what the connections with the certificate were granted; EXTERNAL is tried if it was not yet."""
    earned = {_RELAYING} if seen.relays else set()
    if EXTERNAL in opened:
        return {*earned, EXTERNAL}
    if EXTERNAL in seen.mechanisms and not seen.is_verified:
        with server.open(server.asked.client) as smtp:
            return earned | privileges(smtp.through())
    return earned


def no_certificate(server: Server) -> str:
    """Ask without a certificate for what certificates earn."""
    try:
        free = server.anonymous.ask(privileges)
    except REFUSAL as error:
        return f"refused: {error}"
    if EXTERNAL in free:
        raise GrantedError("no certificate", "and still EXTERNAL logs in")
    return (
        Note(f"refused to relay, but everybody may write to {_recipient(server)}")
        if free
        else "earns nothing"
    )


def revoked_certificate(server: Server, seen: ServerReport, opened: list[str]) -> str:
    """Ask with a revoked certificate for what certificates earn; what everybody may do does not count."""
    try:
        with server.open(server.asked.revoked) as smtp:
            granted = privileges(smtp.through())
    except REFUSAL as error:
        return f"refused: {error}"
    try:
        free = server.anonymous.ask(privileges)
    except REFUSAL:
        raise GrantedError("revoked certificate", "allows a session that is refused without one") from None
    if granted - free:
        raise GrantedError("revoked certificate", f"and still {_list(granted - free)}")
    if server.asked.client and earned_by(server, seen, opened) - free:
        return "earns nothing"
    return Note("not accepted, but no valid certificate was tried for comparison")


def _recipient(server: Server) -> str:
    return server.asked.envelope.recipient if server.asked.envelope else "anybody"


_RELAYING = "relaying"


def privileges(smtp: SmtpSession) -> set[str]:
    """Return what a connection may do without a password; nobody is to ask more of it if EXTERNAL logs in."""
    found = {_RELAYING} if may_relay(smtp) else set()
    if EXTERNAL not in smtp.after.mechanisms:
        return found
    try:
        smtp.log_in(EXTERNAL, NOBODY)
    except RefusedError:
        return found
    return {*found, EXTERNAL}


def _list(names: set[str]) -> str:
    return " and ".join(sorted(names))
