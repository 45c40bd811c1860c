"""What must be refused: a wrong password, a password in clear text, no certificate, a revoked one."""

import secrets
from collections.abc import Callable
from dataclasses import replace

from ..errors import DataError
from ..secret import Secret
from ..smtp import verbs
from ..smtp.connection import ClientFiles, ClosedError, RefusedError, Reply, TlsError
from ..smtp.sasl import EXTERNAL, Login
from .asked import Identity
from .session import CLEAR, NOBODY, SmtpSession, Target, attempt
from .step import Note

NOT_HEARD = {500, 502, 503, 504, 530, 534, 538}
"""Replies that refuse AUTH before the password is looked at."""


REFUSAL = (TlsError, ClosedError, RefusedError)
"""How a server turns a certificate away; TLS 1.3 lets it do so as late as after EHLO."""


class GrantedError(DataError):
    """Something was granted that must be refused."""


def wrong_password(line: Target, mechanism: str, identity: Identity) -> str:
    """Log in with another password; the account itself is real, so that nothing else can be the reason."""
    login = replace(identity.login, secret=Secret(secrets.token_urlsafe(24)))
    try:
        reply = attempt(line, mechanism, replace(identity, login=login))
    except RefusedError as error:
        later = error.reply.code < 500
        return Note(f"refused for now: {error.reply}") if later else f"refused: {error.reply}"
    raise GrantedError(mechanism, f"a wrong password was accepted: {reply}")


def plain_before_tls(line: Target) -> str:
    """Offer a name and a password that nobody has, without TLS, and see whether they are looked at."""
    login = Login(f"probe-{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(24)))
    try:
        with line.open() as call:
            call.through(*CLEAR)
            reply = call.log_in("PLAIN", Identity(login))
    except RefusedError as error:
        if error.reply.code in NOT_HEARD or "mechanism" in error.reply.text.lower():
            return f"refused: {error.reply}"
        raise GrantedError("PLAIN", f"is looked at without TLS: {error.reply}") from None
    raise GrantedError("PLAIN", f"is accepted without TLS: {reply}")


def client_certificate(line: Target) -> str:
    """Find out what the certificate earns that nobody gets without it.

    A server does not say whether it trusts a certificate: that shows in whether it talks on, in EXTERNAL, and
    in whom it relays for.
    """
    earned = privileges(line, line.asked.client)
    try:
        free = privileges(line, None)
    except REFUSAL as error:
        return f"accepted; without one: {error}"
    if earned - free:
        return f"accepted; it earns {_list(earned - free)}"
    return Note("presented; whether the server trusts it shows in its log (verify=) only")


def no_certificate(line: Target) -> str:
    """Ask without a certificate for what certificates earn."""
    try:
        free = privileges(line, None)
    except REFUSAL as error:
        return f"refused: {error}"
    if EXTERNAL in free:
        raise GrantedError("no certificate", "and still EXTERNAL logs in")
    return Note(f"earns nothing, but everybody may write to {_recipient(line)}") if free else "earns nothing"


def revoked_certificate(line: Target) -> str:
    """Ask with a revoked certificate for what certificates earn; what everybody may do does not count."""
    try:
        granted = privileges(line, line.asked.revoked)
    except REFUSAL as error:
        return f"refused: {error}"
    try:
        free = privileges(line, None)
    except REFUSAL:
        raise GrantedError("revoked certificate", "opens a session that nobody without one gets") from None
    if granted - free:
        raise GrantedError("revoked certificate", f"and still {_list(granted - free)}")
    if line.asked.client and privileges(line, line.asked.client) - free:
        return "earns nothing"
    return Note("earns nothing, but no good certificate is known to earn more")


def _recipient(line: Target) -> str:
    return line.asked.letter.recipient if line.asked.letter else "anybody"


def privileges(line: Target, client: ClientFiles | None) -> set[str]:
    """Return what a connection with this certificate, or none, may do without a password."""
    with line.open(client) as call:
        call.through()
        return {name for name, attempt_ in _PRIVILEGES.items() if _may(attempt_, call)}


def _may(deed: Callable[[SmtpSession], object], call: SmtpSession) -> bool:
    try:
        deed(call)
    except RefusedError:
        return False
    return True


def _relay(call: SmtpSession) -> None:
    """Name the recipient of the message to send, and take it back."""
    letter = call.line.asked.letter
    if letter is None:
        raise RefusedError(call.connection.peer, Reply(550, ("nobody to send to",)))
    verbs.admitted(call.connection, letter.sender, letter.recipient)


_PRIVILEGES: dict[str, Callable[[SmtpSession], object]] = {
    "relaying": _relay,
    EXTERNAL: lambda call: call.log_in(EXTERNAL, NOBODY),
}


def _list(names: set[str]) -> str:
    return " and ".join(sorted(names))
