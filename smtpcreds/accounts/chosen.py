"""SPEC: a secret that somebody chose is neither weak for some consumer nor that of a login account."""

from ..errors import PasswordRefusedError
from ..model import Root
from ..secret import Secret


def check_chosen_secret(
    root: Root, secret: Secret, subject: str = "password", *, logins: bool = True
) -> None:
    """Refuse a chosen secret that some consumer would change, or that opens a login account of the host.

    Logins are tried only where /etc/shadow is readable; each hash costs about 20 ms.

    Args:
        root: whose logins are meant.
        secret: what somebody chose.
        subject: what messages call it.
        logins: whether to try the logins.

    Raises:
        PasswordRefusedError: with the reason, without the secret.
    """
    from ..passwords import check_chosen, login_password_of

    check_chosen(secret, subject)
    login = login_password_of(secret, root.path("/etc/shadow")) if logins else None
    if login:
        raise PasswordRefusedError(
            subject,
            f"is that of the login account {login}; a relay's secret lies readable on other hosts",
            "choose another one, or leave --password out to have one generated",
        )
