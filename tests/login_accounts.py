"""People with a login account on a hub, who log in through saslauthd, which asks PAM."""

import smtplib
import ssl

from admin import HUB
from lab import Host
from mail_hosts import CLIENT, FOREIGN, SENDER, MailHost

PERSON, PASSWORD = "anne", "Umbr3lla of anne"


def add_person(host: Host) -> None:
    """Make a login account, which PAM knows as the service smtp."""
    host.run(("useradd", PERSON))
    host.run(("chpasswd",), stdin=f"{PERSON}:{PASSWORD}\n")


START = "echo START=yes >> /etc/default/saslauthd && service saslauthd restart"
"""As Debian starts it, with its socket where every program looks that is in no chroot."""


def answer_to(hub: MailHost, mechanism: str, password: str) -> int:
    """Log in as a person does, inside TLS, and return the answer to a recipient elsewhere."""
    context = ssl.create_default_context(cafile=hub.host.path("/etc/mail/certs/cacert.pem"))
    with hub.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as session:
        session._host = HUB  # type: ignore[attr-defined]
        session.starttls(context=context)
        session.ehlo(CLIENT)
        session.user, session.password = PERSON, password
        method = {"PLAIN": session.auth_plain, "LOGIN": session.auth_login}[mechanism]
        try:
            session.auth(mechanism, method)
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code
        session.mail(SENDER)
        return session.rcpt(FOREIGN)[0]


def answers_to(hub: MailHost) -> list[tuple[int, int]]:
    """Return the answers to the right and to a wrong password, by each mechanism that people use."""
    return [(answer_to(hub, name, PASSWORD), answer_to(hub, name, "wrong")) for name in ("PLAIN", "LOGIN")]
