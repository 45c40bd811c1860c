"""MTA: tables of Postfix in files that are missing.

Each was given to 3.7.11 by its parameter: a client host's session ended, or its mail put off, or none left.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from operator import itemgetter

from ..model import Finding
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_scopes import BY_FILE, PASSWORDS, RELOAD, Scope, own_passwords, senders, servers, words_of

MTA146 = Code.error(
    "MTA146",
    "Postfix asks a table whose file is missing; it ends the sessions of client hosts, puts their mail off "
    "(451), or hands none to the relay",
)
_LISTS_OF_SERVERS = (
    *("smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_authorized_verp_clients"),
    *("smtpd_sasl_exceptions_networks", "smtpd_sasl_mechanism_filter", "mynetworks"),
)
_LISTS_OF_ALL = (
    *("virtual_alias_domains", "virtual_mailbox_domains", "relay_domains", "mydestination"),
    "parent_domain_matches_subdomains",
)
_LISTS_OF_SENDERS = ("smtp_sasl_mechanism_filter", "authorized_submit_users")
LISTS = frozenset({*_LISTS_OF_SERVERS, *_LISTS_OF_ALL, *_LISTS_OF_SENDERS})
"""A word of these is a pattern, the file of some, or a table."""
_OF_SERVERS = (
    *("smtpd_command_filter", "smtpd_discard_ehlo_keyword_address_maps", "local_header_rewrite_clients"),
    *(*_LISTS_OF_SERVERS, "tls_server_sni_maps"),
)
_OF_ALL = (
    *("virtual_alias_maps", "virtual_mailbox_maps", "canonical_maps", "sender_canonical_maps"),
    *(*_LISTS_OF_ALL, "recipient_canonical_maps"),
    *("transport_maps", "relocated_maps", "header_checks", "body_checks", "sender_bcc_maps"),
    *("recipient_bcc_maps", "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"),
)
"""They are read by services that see the mail of each host, with its own programs, too."""
_OF_SENDERS = (
    *("smtp_header_checks", "smtp_body_checks", "smtp_generic_maps", "smtp_reply_filter"),
    *(*_LISTS_OF_SENDERS, "smtp_discard_ehlo_keyword_address_maps"),
)
_ELSEWHERE = ("smtp_tls_policy_maps", PASSWORDS)
"""Of these MTA118 tells, as far as tables have a source."""
OF_SERVERS, OF_SENDERS = (*_OF_SERVERS, *_OF_ALL), (*_OF_ALL, *_OF_SENDERS, *_ELSEWHERE)
_WHOLE = frozenset({"pcre", "regexp", "cidr", *(kind for kind, end in BY_FILE.items() if not end)})
"""Types of tables that are read as they were written."""


def words_in(
    host: Host, of_servers: Collection[str] = OF_SERVERS, of_senders: Collection[str] = OF_SENDERS
) -> Mapping[tuple[str, str], Scope]:
    """Return each word of the parameters that are set, with its parameter, to a service that reads it."""
    found: dict[tuple[str, str], Scope] = {}
    for scopes, names in ((servers(host), of_servers), (senders(host), of_senders)):
        for scope in scopes:
            for name in scope.conf.settings.keys() & {*names}:
                found |= {(word, name): scope for word in words_of(scope.conf.value(name))}
    return dict(sorted(found.items(), key=itemgetter(0)))


def gone(host: Host) -> Iterator[Finding]:
    """Each table that is asked about sessions and mail is there."""
    for (word, name), scope in words_in(host).items():
        kind, _, path = word.lstrip("!").removeprefix("proxy:").partition(":")
        if name in LISTS and kind.startswith("/"):
            kind, path = "texthash", word.lstrip("!")
        file = path + BY_FILE.get(kind, "")
        if name in _ELSEWHERE and kind in BY_FILE:
            continue
        if kind in _WHOLE | BY_FILE.keys() and path.startswith("/") and not os.path.exists(host.path(file)):
            reason = f"is missing, and {scope.file(name)} names it in {name}"
            yield MTA146.found(host.path(file), reason, _cure(scope, name, word, f"{kind}:{path}"))


def _cure(scope: Scope, name: str, word: str, table: str) -> str:
    """Return what makes a table of its source, or what takes out one that has none."""
    path = table.partition(":")[2]
    if os.path.exists(scope.host.path(path)):
        return f"postmap {quote(table)} && {RELOAD}"
    if name == PASSWORDS:
        return own_passwords(scope)
    return without(scope, name, word)


def without(scope: Scope, name: str, word: str, instead: str = "") -> str:
    """Return the commands that take a word out of a parameter, or put another one in its place."""
    others = (instead if other == word else other for other in words_of(scope.conf.value(name)))
    return scope.cure(name, ", ".join(filter(None, others)))


def without_table(scope: Scope, name: str, table: str) -> str:
    """Return the commands that take a table out of a list of restrictions, with the one that it is for."""
    pairs = pairwise((*words_of(scope.conf.value(name)), ""))
    left = (
        one
        for one, then in pairs
        if one != table and not (then == table and one.lower().startswith("check_"))
    )
    return scope.cure(name, ", ".join(left))
