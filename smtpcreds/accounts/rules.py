"""Which secret and which name an account may have."""

from collections.abc import Iterable

from ..errors import MissingInputError, NameRefusedError, PasswordRefusedError, quoted
from ..files import read_public
from ..model import Account, Root
from ..passwords import text_fault, weakness
from ..secret import Secret
from .columns import is_column_name

# SPEC: a secret that somebody chose is neither weak for some consumer nor that of a login account.


def check_chosen_secret(
    root: Root,
    secret: Secret,
    subject: str = "password",
    *,
    logins: bool = True,
    account: Account | None = None,
) -> None:
    """Refuse a chosen secret that some consumer would change, that is soon guessed, or that opens a login.

    Logins are tried only where /etc/shadow is readable; each hash costs about 20 ms.

    Args:
        root: whose logins are meant.
        secret: what somebody chose.
        subject: what messages call it.
        logins: whether to try the logins.
        account: whose it is to be; None accepts a weak one.
    """
    from ..passwords import check_chosen, login_password_of

    check_chosen(secret, subject)
    login = login_password_of(secret, root.path("/etc/shadow")) if logins else None
    if login:
        raise PasswordRefusedError(
            subject,
            f"is that of the login account {login}; a relay's secret is stored in clear text on other hosts",
            "choose another one, or leave --password out to have one generated",
        )
    if account and (fault := weakness_of(account, secret.reveal())):
        hint = "leave --password out to have a strong one generated, or accept a weak one: --allow-weak"
        raise PasswordRefusedError(subject, fault, hint)


def weakness_of(account: Account, secret: bytes) -> str | None:
    """Return why a chosen secret of the account is soon guessed, or None."""
    if is_column_name(secret):
        return "is among the first passwords that attackers try"
    return weakness(secret, *account)


# What a new account may be called.


def check_new_name(account: Account) -> None:
    """Refuse a name that clients would change (SASLprep, as for secrets), or that is taken for an option.

    Raises:
        NameRefusedError: with the rule it breaks.
    """
    for part in account:
        if part[:1] == "-" or not part.isascii():
            _check_part(account, part)


def _check_part(account: Account, part: str) -> None:
    if part.startswith("-"):
        fault: str | None = "begins with a hyphen, and every program would take it for an option"
    else:
        fault = text_fault(part.encode(errors="surrogateescape"))
    if fault:
        raise NameRefusedError(quoted(str(account)), fault)


def of_capitals(accounts: Iterable[Account]) -> str | None:
    """Return a warning about realms with capitals, under which nobody's bare name is looked up; or None."""
    found = [account for account in accounts if account.realm != account.realm.lower()]
    if not found:
        return None
    others = f", and {len(found) - 1} more likewise" if len(found) > 1 else ""
    return f"{found[0]} has to log in as {found[0]}: Cyrus SASL tells capitals of a realm apart{others}"


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
