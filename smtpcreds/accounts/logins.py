"""SPEC: a relay account shares neither name nor password with a login account."""

from ..errors import MissingInputError, NameRefusedError
from ..files import read_public
from ..model import Root


def refuse_login_name(root: Root, name: str) -> None:
    """Refuse a name that the system under the root knows.

    The host is asked through NSS, so directories count; another root through its own /etc/passwd, where
    it has one.

    Raises:
        NameRefusedError: it is a login account.
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
