"""What tables of Postfix say of hosts, senders and accounts that smtpcreds knows.

Asked are those whose source is text. Of hosts and senders only what is said of the whole domain counts: to
shut out a single host, sender or account by a table is what such a table is for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..lazy import pattern
from ..mta import postfix_rules as effect
from ..mta import postfix_tables as tables
from ..mta.postfix_rules import PERMITS, REFUSES, Rule
from .postfix_scopes import Scope, is_missing, table_of, words_of
from .postfix_unread import without_settings

_REFUSING = pattern(r"(?:reject|defer|discard|hold)(?:\s.*)?|[45]\d\d\s.*", re.IGNORECASE)
_ACTION = pattern(r"dunno|bcc|filter|hold|discard|info|prepend|redirect|warn|warn_if_reject|[45]\d\d")
_PERMITTING = pattern(r"(?:ok|permit|\d+)(?:\s.*)?", re.IGNORECASE)
_OF_CLIENTS = frozenset({"check_client_access", "check_sasl_access", "check_ccert_access"})
_ANY_HOST = "smtpcreds-asks"
"""The name of no host."""


def says(scope: Scope) -> Callable[[Rule], str]:
    """Return what the tables of a service say of every client host of the domain."""

    def of_rule(rule: Rule) -> str:
        if rule.name.startswith("check_") and _is_gone(scope, rule.argument):
            return REFUSES
        keys = _keys(rule.name, scope.host.site.domain)
        said = answer(scope, rule.argument, keys) if keys else ""
        if _REFUSING.fullmatch(said) or _is_unknown(scope, said):
            return REFUSES
        return PERMITS if rule.name in _OF_CLIENTS and _may_permit(scope, rule.argument) else ""

    return of_rule


def _is_unknown(scope: Scope, said: str) -> bool:
    """Tell whether an answer is no action; then each mail is refused with 451 (observed)."""
    word = said.replace(",", " ").split()[0].lower() if said.strip(", ") else "dunno"
    classes = {each.lower() for each in scope.conf.words("smtpd_restriction_classes")}
    is_action = _ACTION.fullmatch(word) or _PERMITTING.fullmatch(word)
    return not (is_action or effect.is_known(word) or word in classes)


def _keys(name: str, domain: str) -> Sequence[str]:
    """Return what is looked up for a client host or a sender of the domain, in the order of access(5)."""
    host = f"{_ANY_HOST}.{domain}"
    keys = {
        "check_client_access": (host, *parents(domain), "0.0.0.0"),  # noqa: S104
        "check_helo_access": (host, *parents(domain)),
        "check_sender_access": (f"{_ANY_HOST}@{host}", host, *parents(domain)),
        "check_recipient_access": (f"{_ANY_HOST}@recipient.invalid", "recipient.invalid"),
        "check_reverse_client_hostname_access": (host, *parents(domain)),
    }
    return keys.get(name, ()) if domain else ()


def _is_gone(scope: Scope, word: str) -> bool:
    """Tell whether a table is not there; then each mail is refused with 451 (observed)."""
    table = table_of(scope.host, scope.conf, word, "postfix-hub") if ":" in word else None
    return bool(without_settings(scope.host, word) or (table and is_missing(table)))


def parents(domain: str) -> tuple[str, ...]:
    """Return a domain, those above it, and what stands for names without one."""
    labels = domain.split(".")
    return tuple(".".join(labels[at:]) for at in range(len(labels)))


def answer(scope: Scope, word: str, keys: Sequence[str]) -> str:
    """Return what a table says of the first of the keys that it has; empty where it has none of them."""
    kind, _, path = word.removeprefix("proxy:").partition(":")
    if kind == tables.STATIC:
        return tables.static(path)
    if kind in tables.PATTERNS:
        found = (line.answers(keys[0]) for line in tables.patterns(_text(scope, path)))
        return next((said for said in found if said is not None), "")
    if kind == tables.NETWORKS:
        lines = tables.networks(_text(scope, path)) if "0.0.0.0" in keys else ()  # noqa: S104
        return next((said for network, said in lines if effect.is_everybody(network)), "")
    entries = entries_of(scope, word)
    return next((entries[key] for key in keys if key in entries), "")


def entries_of(scope: Scope, word: str) -> Mapping[str, str]:
    """Return the entries of a table whose type has keys, in lower case; none of another."""
    if word.startswith(f"{tables.INLINE}:"):
        return tables.inline(word.partition(":")[2])
    table = table_of(scope.host, scope.conf, word, "postfix-hub")
    return {key.lower(): value for key, value in table.entries.items()} if table else {}


def _text(scope: Scope, path: str) -> str:
    if path.startswith("{"):
        return "\n".join(part[1:-1].strip() for part in words_of(path[1:-1]))
    return scope.host.text(path) or ""


def _may_permit(scope: Scope, word: str) -> bool:
    """Tell whether a table lets some clients through, or is one that can't be read here."""
    found = tuple(answers(scope, word))
    return not found or any(map(is_permit, found))


def is_permit(said: str) -> bool:
    """Tell whether an answer of a table permits."""
    return bool(_PERMITTING.fullmatch(said))


def answers(scope: Scope, word: str) -> Iterator[str]:
    """Yield all answers of a table; none of one that can't be read here."""
    kind, _, path = word.removeprefix("proxy:").partition(":")
    if kind == tables.STATIC:
        yield tables.static(path)
    elif kind in tables.PATTERNS:
        yield from (line.answer for line in tables.patterns(_text(scope, path)))
    elif kind == tables.NETWORKS:
        yield from (line.answer for line in tables.networks(_text(scope, path)))
    else:
        yield from entries_of(scope, word).values()


def trusts_everybody(scope: Scope) -> bool:
    """Tell whether ``mynetworks`` is a large part of the internet, by a table, too."""
    words = (word.partition(":") for word in words_of(scope.conf.value("mynetworks")))
    paths = [path for kind, _, path in words if kind == tables.NETWORKS]
    tabled = (found.network for path in paths for found in tables.networks(_text(scope, path)))
    return effect.trusts_everybody(scope.conf) or any(effect.is_everybody(network) for network in tabled)
