"""What Exim's access lists decide for a client from elsewhere with mail for elsewhere.

Source: the Exim specification, chapter 43.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from fnmatch import fnmatchcase

from ..lazy import dataclass, pattern
from . import exim_conditions, exim_hosts
from .exim_conditions import SET
from .exim_rules import Statement, elsewhere

ACLS = {
    "acl_smtp_connect": False,
    "acl_smtp_helo": False,
    "acl_smtp_starttls": False,
    "acl_smtp_auth": False,
    "acl_smtp_mailauth": True,
    "acl_smtp_mail": True,
    "acl_smtp_rcpt": True,
    "acl_smtp_predata": True,
    "acl_smtp_data": True,
}
"""Access lists in the order in which they are asked; whether the client has logged in by then."""
VERIFIED = frozenset({"verify = certificate"})
"""How a list lets a certificate count."""
_MODIFIERS = frozenset(
    {"add_header", "continue", "control", "delay", "endpass", "log_message", "log_reject_target", "logwrite"}
    | {"message", "queue", "remove_header", "set", "udpsend"}
)
"""Of no effect on the decision."""


@dataclass(frozen=True)
class Client:
    """Who asks, at which command, and what conditions refer to.

    Attributes:
        is_authenticated: it logged in.
        is_verified: it showed a certificate that was verified.
        acls: lists that others name.
        address: empty for one that is not known.
        host_lists: what ``+name`` stands for.
        name: of the host; empty for one that is not known.
        port: that it came to; empty for one that is not known.
        authenticators: by whose names one may have logged in.
        missing: files that conditions look up, and that are not there.
        option: that names the list; empty where any may.
        is_liar: it says of sender and HELO what the list wants to hear.
    """

    is_authenticated: bool = False
    is_verified: bool = False
    acls: Mapping[str, list[Statement]] = field(default_factory=dict)
    address: str = ""
    host_lists: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    port: str = ""
    authenticators: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()
    option: str = ""
    is_liar: bool = False

    @property
    def known(self) -> exim_conditions.Known:
        """What variables surely say (11.9); who logs in, or shows a certificate, does it inside TLS."""
        login = SET if self.is_authenticated else ""
        said = dict.fromkeys(("authenticated_id", "sender_host_authenticated"), login)
        if self.is_authenticated or self.is_verified:
            said |= dict.fromkeys(("tls_in_cipher", "tls_cipher", "tls_in_ver"), SET)
        if self.address:
            said["sender_host_address"] = self.address
        if self.port:
            said |= dict.fromkeys(("interface_port", "received_port"), self.port)
        return said


END = "the end of the list"


def is_met(conditions: list[tuple[bool, str, str]], client: Client) -> bool | None:
    """Tell whether all conditions hold; None where nobody can tell."""
    answers = [_answer(condition, client) for condition in conditions]
    return False if False in answers else None if None in answers else True


def refusal(statements: list[Statement], client: Client) -> str:
    """Return the statement that refuses a client, in words; empty where it passes, or nobody can tell."""
    for statement in statements:
        answers = [_answer(condition, client) for condition in statement.conditions]
        holds = is_met(statement.conditions, client)
        if controlled([statement], client, _PRETENDS) or _fails(statement, client):
            return shown(statement)
        if statement.verb in {"accept", "discard"} and (holds or holds is None):
            return shown(statement) if statement.verb == "discard" and holds else ""
        if statement.verb in {"deny", "drop", "defer"} and holds:
            return shown(statement)
        if statement.verb == "require" and False in answers:
            return shown(statement)
    return END


_PRETENDS = frozenset({"fakedefer", "fakereject"})
"""Controls by which the message is refused at its end (43.22)."""


def _fails(statement: Statement, client: Client) -> bool:
    """Tell whether Exim comes to a condition that it can't evaluate, and defers, or ends the session."""
    for place, (_, name, value) in enumerate(statement.conditions):
        is_misplaced = _is_misplaced(name, value, client.option)
        if is_misplaced or _is_broken(name, value, client):  # of a warn, what is broken is passed over
            is_reached = is_met(statement.conditions[:place], client) is True
            return is_reached and (is_misplaced or statement.verb != "warn")
    return False


_LOOKED_UP = pattern(r"lsearch\*?@?\s*(?:;|\{)\s*(/[^\s:{}$]+)")
_EARLY = frozenset({"acl_smtp_connect", "acl_smtp_helo"})
_BEFORE_MAIL = _EARLY | {"acl_smtp_starttls", "acl_smtp_auth"}
_BEFORE_DATA = _BEFORE_MAIL | {"acl_smtp_mail", "acl_smtp_rcpt", "acl_smtp_predata"}
_BUT_RCPT = frozenset(ACLS) - {"acl_smtp_rcpt"}
_NOT_AT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("domains", "local_parts", "recipients", "verify = recipient"), _BUT_RCPT),
    **dict.fromkeys(("senders", "sender_domains", "verify = sender"), _BEFORE_MAIL),
    **dict.fromkeys(("malware", "regex", "spam", "verify = header_syntax"), _BEFORE_DATA),
    **dict.fromkeys(("verify = header_sender", "verify = header_names_ascii"), _BEFORE_DATA),
    **dict.fromkeys(("dkim_signers", "dkim_status"), frozenset(ACLS)),
    "authenticated": _EARLY,
}
"""Conditions, and where they can't be asked (43.25); seen with 4.96."""


def looked_up(value: str) -> list[str]:
    """Return the files that a value looks something up in, unless it asks whether they are there."""
    return [] if "exists" in value else _LOOKED_UP.findall(value)


def _is_misplaced(name: str, value: str, option: str) -> bool:
    what = f"{name} = {value.partition('/')[0].strip()}" if name == "verify" else name
    return option in _NOT_AT.get(what, ())


def _is_broken(name: str, value: str, client: Client) -> bool:
    is_none = name == "condition" and exim_conditions.is_broken(value)
    return is_none or not client.missing.isdisjoint(looked_up(value))


def controlled(statements: list[Statement], client: Client, names: frozenset[str]) -> str:
    """Return the control of these that a client's message surely gets (43.22); empty where it gets none.

    One of another list counts, whatever that list decides.
    """
    for statement in statements:
        for place, (_, name, value) in enumerate(statement.conditions):
            said = _controls(name, value, client, names)
            if said and is_met(statement.conditions[:place], client):
                return said
        if statement.verb in {"accept", "discard"} and is_met(statement.conditions, client) is not False:
            return ""
    return ""


def _controls(name: str, value: str, client: Client, names: frozenset[str]) -> str:
    """Return the control of these that is one condition, or that is in the list which that names."""
    if name == "control" and value.partition("/")[0].strip() in names:
        return f"control = {value}"
    other = value.partition(" ")[0]
    if name != "acl" or other not in client.acls:
        return ""
    rest = {key: acl for key, acl in client.acls.items() if key != other}
    return controlled(client.acls[other], replace(client, acls=rest), names)


def _nested(value: str, client: Client) -> bool | None:
    """Tell whether another list accepts (Exim specification, 43.24); arguments are not looked at."""
    name = value.split()[0] if value.split() else ""
    if name not in client.acls:
        return None
    rest = {key: acl for key, acl in client.acls.items() if key != name}
    return _decision(client.acls[name], replace(client, acls=rest))


def _decision(statements: list[Statement], client: Client) -> bool | None:
    for statement in statements:
        holds = is_met(statement.conditions, client)
        wanted = statement.verb != "require"
        if statement.verb == "warn" or holds is (not wanted):
            continue
        if holds is None or statement.verb in {"accept", "discard"}:
            return holds
        return False
    return False


def accepts(statements: list[Statement], names: frozenset[str]) -> bool:
    """Tell whether a list accepts by a condition, as ``verify = certificate``."""
    return any(
        statement.verb == "accept"
        and any(f"{name} = {value}" in names for _, name, value in statement.conditions)
        for statement in statements
    )


def in_doubt(statement: Statement, client: Client) -> bool:
    """Tell whether nobody can tell what a statement does for a client."""
    answers = [_answer(condition, client) for condition in statement.conditions]
    return None in answers and False not in answers


def shown(statement: Statement) -> str:
    """Return the verb and the first condition."""
    words = (f"{'!' if negated else ''}{name} = {value}" for negated, name, value in statement.conditions)
    return f"{statement.verb} {next(words, '')}".strip()


def _answer(condition: tuple[bool, str, str], client: Client) -> bool | None:
    """Return whether a condition holds; None where nobody can tell."""
    negated, name, value = condition
    if name in _MODIFIERS:
        return True
    answer = _CONDITIONS.get(name)
    found = answer(value, client) if answer else None
    return found if found is None else found != negated


def _from(value: str, client: Client) -> bool | None:
    if client.address:
        return exim_hosts.includes(value, client.address, client.host_lists, client.name)
    return elsewhere(value)


def _authenticated(value: str, client: Client) -> bool | None:
    """Tell whether the authenticators that a client can have used are in a list (43.25)."""
    items = [item.strip() for item in value.split(":")]
    if not client.is_authenticated or "*" in items:
        return client.is_authenticated
    if not client.authenticators or any(set(item) & set("!+@^;$") for item in items):
        return None
    named = {any(fnmatchcase(name, item) for item in items) for name in client.authenticators}
    return named.pop() if len(named) == 1 else None


def _every(value: str, _: Client) -> bool | None:
    return True if value.strip() == "*" else None


def _sender(value: str, client: Client) -> bool | None:
    """Tell whether a list has the sender; one that a client may choose is in any that names one."""
    is_chosen = client.is_liar and not set(value) & set("!+;$") and value.strip(" :")
    return True if is_chosen else _every(value, client)


def _verified(value: str, client: Client) -> bool | None:
    """Tell what is verified: certificates, and addresses elsewhere, which mail can be sent to."""
    what = value.partition("/")[0].strip()
    if what in {"recipient", "sender"}:
        return True if client.is_liar and "/" not in value else None
    return client.is_verified if what == "certificate" else None


_CONDITIONS: dict[str, Callable[[str, Client], bool | None]] = {
    "acl": _nested,
    "authenticated": _authenticated,
    "condition": lambda value, client: exim_conditions.constant(value, client.known),
    "domains": lambda value, _: elsewhere(value),
    "encrypted": _every,
    "hosts": _from,
    "local_parts": _every,
    "recipients": _every,
    "sender_domains": _sender,
    "senders": _sender,
    "verify": _verified,
}
