"""MTA: tables of Postfix by which each domain or address is one of its own, or becomes one and the same.

Each was seen with 3.7.11: mail for elsewhere was refused, came back, or went to one mailbox.
"""

from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_tables as tables
from .finding import Code
from .host import Host
from .postfix_lookups import answer
from .postfix_missing import without
from .postfix_scopes import Scope, clients, logins, words_of

MTA149 = Code.error(
    "MTA149",
    "Postfix takes every domain or address for one of its own, or makes one of all; mail for elsewhere is "
    "refused, comes back, or goes to one mailbox",
)
_DOMAIN = "recipient.invalid"
_ADDRESS = f"smtpcreds-asks@{_DOMAIN}"
"""A recipient of no domain that a table would name."""
_DOMAINS = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")
_ADDRESSES = ("virtual_alias_maps", "canonical_maps", "recipient_canonical_maps", "relocated_maps")
_GENERAL = frozenset({tables.STATIC, *tables.PATTERNS})
"""Types of tables that can have an answer for all."""


def ours(host: Host) -> Iterator[Finding]:
    """Domains and addresses elsewhere are left as they are."""
    for scope in {id(scope.conf): scope for scope in (*logins(host), *clients(host))}.values():
        for name in _DOMAINS:
            yield from _all(scope, name, _DOMAIN, "so no mail for other domains leaves")
        if "virtual_mailbox_domains" not in scope.conf.settings:
            yield from _all(scope, "virtual_mailbox_maps", _DOMAIN, "so no mail for other domains leaves")
        for name in (*_ADDRESSES, "smtp_generic_maps"):
            yield from _all(scope, name, _ADDRESS, "so mail for elsewhere does not get there")


def _all(scope: Scope, name: str, asked: str, so: str) -> Iterator[Finding]:
    if name not in scope.conf.settings:
        return
    for word in words_of(scope.conf.value(name)):
        kind = word.removeprefix("proxy:").partition(":")[0]
        said = answer(scope, word, (asked,)) if kind in _GENERAL else ""
        if said and said.lower() != asked:
            reason = f"says {scope.said(name)}, which has {said} for every name, {so}"
            yield MTA149.found(scope.file(name), reason, without(scope, name, word))
