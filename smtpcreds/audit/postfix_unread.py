"""MTA: what of Postfix is not read: tables in a database or at a server, and other instances.

Source: DATABASE_README, MULTI_INSTANCE_README of Postfix 3.7.
"""

import os
from collections.abc import Iterator

from ..model import Finding
from ..mta import postfix_rules as effect
from ..shell import quote
from .finding import Code
from .host import MAIN_CF, Host
from .postfix_scopes import Scope, senders, servers, words_of

MTA141 = Code.note(
    "MTA141",
    "tables of Postfix in a database or at a server; what they say was not read, so it may refuse accounts, "
    "or let strangers in, unseen",
)
_KINDS = frozenset(
    {
        *("mysql", "pgsql", "sqlite", "mongodb", "ldap", "memcache", "tcp", "socketmap", "nis", "nisplus"),
        *("netinfo", "sdbm", "dbm"),
    }
)
_SET_BY_FILE = frozenset({"mysql", "pgsql", "sqlite", "mongodb", "ldap", "memcache"})
"""Each takes a file that tells where the database is; without it all is answered with 451 (observed)."""
_OF_SERVERS = (
    *("mynetworks", "relay_domains", "relay_clientcerts", "smtpd_sender_login_maps"),
    *("smtpd_discard_ehlo_keyword_address_maps", "smtpd_command_filter", "header_checks", "body_checks"),
)
_OF_CLIENTS = (
    *("smtp_sasl_password_maps", "smtp_tls_policy_maps", "smtp_tls_per_site", "transport_maps"),
    *("sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"),
    *("smtp_discard_ehlo_keyword_address_maps", "smtp_reply_filter"),
)


def is_unread(word: str) -> bool:
    """Tell whether a table, as ``proxy:mysql:/etc/postfix/owners.cf``, is one that can't be read here."""
    kind, colon, _ = word.lstrip("!").removeprefix("proxy:").partition(":")
    return bool(colon) and kind in _KINDS


def without_settings(host: Host, word: str) -> str:
    """Return the file that tells where a table's database is, if it is not there; else nothing."""
    kind, _, path = word.lstrip("!").removeprefix("proxy:").partition(":")
    is_gone = kind in _SET_BY_FILE and path.startswith("/") and not os.path.exists(host.path(path))
    return host.path(path) if is_gone else ""


def unread(host: Host) -> Iterator[Finding]:
    """Each table that a check asks can be read; else it is said that it was not."""
    found = {(table, name): scope for scope, name, table in _named(host) if is_unread(table)}
    for (table, name), scope in found.items():
        if without_settings(host, table):
            continue
        reason = f"has {table} in {name}, and what that says was not read"
        cure = f"look it up as Postfix does: postmap -q KEY {quote(table.removeprefix('proxy:'))}"
        yield MTA141.found(scope.file(name), reason, cure)


MTA145 = Code.error(
    "MTA145",
    "Postfix asks a database, and the file that tells where that is is missing; mail is put off (451)",
)


def nowhere(host: Host) -> Iterator[Finding]:
    """Where the database of a table is can be read."""
    found = {(table, name): scope for scope, name, table in _named(host)}
    for (table, name), scope in found.items():
        if path := without_settings(host, table):
            kind = table.lstrip("!").removeprefix("proxy:").partition(":")[0]
            cure = f"write it ({kind}_table(5)), or take {table} out of {name}"
            yield MTA145.found(path, f"is missing, and {scope.file(name)} names it in {name}", cure)


MTA147 = Code.note(
    "MTA147", "another instance of Postfix, which was not looked at; it may relay for strangers, unseen"
)


def instances(host: Host) -> Iterator[Finding]:
    """One instance of Postfix is all there is; else it is said which was not looked at."""
    main = host.postfix
    named = words_of(main.value("multi_instance_directories")) if main else ()
    for directory in named:
        path = host.path(f"{directory}/main.cf")
        if os.path.exists(path):
            key = f'postfix_directory = "{directory}" in table [system]'
            cure = f"audit it by another configuration (-c) with {key}, and MAIL_CONFIG={quote(directory)}"
            yield MTA147.found(path, f"is of another instance, which {MAIN_CF} names, and was not read", cure)


def _named(host: Host) -> Iterator[tuple[Scope, str, str]]:
    """Yield each table that a check asks, of whatever type, with the parameter and the service."""
    for scope in servers(host):
        yield from ((scope, name, word) for name in _OF_SERVERS for word in words_of(scope.conf.value(name)))
        for name in effect.LISTS:
            yield from (
                (scope, name, word) for rule in effect.rules(scope.conf, name) for word in _words(rule)
            )
    for scope in senders(host):
        yield from ((scope, name, word) for name in _OF_CLIENTS for word in words_of(scope.conf.value(name)))


def _words(rule: effect.Rule) -> tuple[str, ...]:
    """Return the table of a restriction; one can stand without a restriction's name."""
    return (rule.argument,) if rule.name.startswith("check_") else (rule.name,)
