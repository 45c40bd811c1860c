"""Which secret and which name an account may have."""

from ..errors import MissingInputError, NameRefusedError, PasswordRefusedError
from ..files import read_public
from ..model import Root
from ..secret import Secret

# SPEC: a secret that somebody chose is neither weak for some consumer nor that of a login account.


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


# SPEC: a relay account shares neither name nor password with a login account.


def refuse_login_name(root: Root, name: str) -> None:
    """Refuse a name that the system under the root knows.

    The host is asked through NSS, so directories count; another root through its own /etc/passwd, where
    it has one.
    """
    if _is_login(root, name):
        raise NameRefusedError(
            name,
            "is a login account on this host; relay accounts must not share its name",
            "choose another name, or pass --allow-login-name",
        )


def login_names(root: Root) -> frozenset[str]:
    """Return the names that the system under the root lists, in one question.

    A directory that does not let itself be listed (LDAP as sssd has it) keeps its names; see
    :func:`refuse_login_name`, which asks for one name.
    """
    import pwd

    if not root.is_host:
        try:
            lines = read_public(root.path("/etc/passwd")).splitlines()
        except MissingInputError:
            pass
        else:
            return frozenset(line.partition(b":")[0].decode(errors="surrogateescape") for line in lines)
    return frozenset(entry.pw_name for entry in pwd.getpwall())


def _is_login(root: Root, name: str) -> bool:
    from ..passwords import is_login_account

    if root.is_host:
        return is_login_account(name)
    try:
        lines = read_public(root.path("/etc/passwd")).splitlines()
    except MissingInputError:
        return is_login_account(name)
    return any(line.partition(b":")[0] == name.encode() for line in lines)
