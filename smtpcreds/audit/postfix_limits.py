"""MTA: limits of Postfix by which a client host has hardly a session. Each was seen with 3.7.11."""

from collections.abc import Iterator

from ..model import Finding, decimal
from ..mta.postfix_tables import network_of
from .finding import Code
from .host import Host
from .postfix_scopes import Scope, logins, words_of
from .postfix_values import unset

MTA151 = Code.warning(
    "MTA151",
    "Postfix lets each client host have one connection at a time, or one connection, message, recipient, "
    "login or TLS session in a while (anvil_rate_time_unit)",
)
_LIMITS = {
    "smtpd_client_connection_count_limit": "one connection at a time",
    "smtpd_client_connection_rate_limit": "one connection in {}",
    "smtpd_client_message_rate_limit": "one message in {}",
    "smtpd_client_recipient_rate_limit": "one recipient in {}",
    "smtpd_client_auth_rate_limit": "one login in {}",
    "smtpd_client_new_tls_session_rate_limit": "one TLS session in {}",
}


_SPARED = "smtpd_client_event_limit_exceptions"


def limits(host: Host) -> Iterator[Finding]:
    """Client hosts may come as often as they have mail."""
    for scope in logins(host):
        unit = scope.conf.value("anvil_rate_time_unit") or "60s"
        for name, most in _LIMITS.items() if unit != "1s" and not _spares_some(scope) else ():
            if decimal(scope.conf.value(name)) == 1:
                reason = f"says {scope.said(name)}, so each client host gets {most.format(unit)}"
                yield MTA151.found(scope.file(name), reason, unset(scope, name))


def _spares_some(scope: Scope) -> bool:
    """Tell whether other hosts than this one have no limits: client hosts may be among them."""
    value = scope.conf.value(_SPARED) if _SPARED in scope.conf.settings else scope.conf.value("mynetworks")
    found = map(network_of, words_of(value))
    return not all(network and network.is_loopback for network in found)
