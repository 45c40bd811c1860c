"""MTA: values that keep a service of Postfix from starting, or from taking a message of client hosts.

Source: postconf(5); what each does was seen with 3.7.11, of switches and rates with one or two of the kind.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding, decimal
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_lookups import answer
from .postfix_scopes import RELOAD, Scope, logins, servers, words_of
from .room import MESSAGE, left, too_full, too_small

MTA136 = Code.error(
    "MTA136",
    "Postfix has a number, time, choice or yes-or-no that it can't read, or that is too small; the service "
    "dies, or takes no mail",
)
_SWITCH, _NUMBER = pattern(r"yes|no"), pattern(r"-?\d+")
_NATURAL, _POSITIVE, _LONG = pattern(r"\d+"), pattern(r"0*[1-9]\d*"), pattern(r"0*[1-9]\d*[smhdw]?")
FORMS = {
    **dict.fromkeys(
        (
            *("smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_ask_ccert", "smtpd_tls_req_ccert"),
            *("smtpd_tls_wrappermode", "smtpd_delay_reject", "smtpd_use_tls", "smtpd_enforce_tls"),
            *("tls_append_default_CA", "smtpd_helo_required", "disable_vrfy_command", "soft_bounce"),
            *("smtpd_client_port_logging", "smtpd_delay_open_until_valid_rcpt", "smtpd_peername_lookup"),
            *("smtpd_reject_unlisted_recipient", "smtpd_reject_unlisted_sender"),
            *("smtpd_sasl_authenticated_header", "smtpd_tls_always_issue_session_ids"),
            *("smtpd_tls_received_header", "broken_sasl_auth_clients", "send_cyrus_sasl_authzid"),
            *("tls_preempt_cipherlist", "strict_rfc821_envelopes", "allow_untrusted_routing"),
            *("disable_dns_lookups", "enable_long_queue_ids", "helpful_warnings"),
        ),
        (_SWITCH, "yes or no"),
    ),
    **dict.fromkeys(
        (
            *("smtpd_client_connection_count_limit", "smtpd_client_connection_rate_limit"),
            *("smtpd_client_message_rate_limit", "smtpd_client_recipient_rate_limit"),
            *("smtpd_client_auth_rate_limit", "smtpd_client_new_tls_session_rate_limit"),
            *("smtpd_tls_ccert_verifydepth", "smtpd_policy_service_request_limit"),
        ),
        (_NUMBER, "a number"),
    ),
    **dict.fromkeys(("message_size_limit", "queue_minfree"), (_NATURAL, "a number from 0 on")),
    **dict.fromkeys(
        (
            *("smtpd_hard_error_limit", "smtpd_recipient_limit", "line_length_limit", "hopcount_limit"),
            *("smtpd_soft_error_limit", "smtpd_junk_command_limit", "smtpd_history_flush_threshold"),
            *("smtpd_recipient_overshoot_limit", "smtpd_policy_service_try_limit", "default_process_limit"),
            *("max_use", "header_size_limit", "mime_nesting_limit", "tls_daemon_random_bytes"),
        ),
        (_POSITIVE, "a number from 1 on"),
    ),
    "inet_protocols": (pattern(r"(?:(?:all|ipv4|ipv6)[\s,]*)*"), "all, ipv4 or ipv6"),
    **dict.fromkeys(
        (
            *("smtpd_timeout", "smtpd_starttls_timeout", "smtpd_proxy_timeout", "daemon_timeout"),
            *("smtpd_policy_service_timeout", "smtpd_policy_service_retry_delay", "ipc_timeout", "max_idle"),
            *("smtpd_upstream_proxy_timeout", "milter_connect_timeout", "milter_command_timeout"),
            *("milter_content_timeout", "anvil_rate_time_unit", "anvil_status_update_time"),
        ),
        (_LONG, "a time from 1s on"),
    ),
    "smtpd_error_sleep_time": (pattern(r"\d+[smhdw]?"), "a time from 0s on"),
    "smtpd_banner": (pattern(r".+"), "a text"),
}
_BY_CASE = "inet_protocols"
_WANTED = frozenset({"smtpd_sasl_auth_enable", "smtpd_tls_auth_only", "smtpd_tls_ask_ccert"})


def unset(scope: Scope, name: str) -> str:
    """Return the command that takes a parameter away where it is set, so that the default holds."""
    if not scope.is_own(name) or scope.service is None:
        return f"postconf -X {quote(name)} && {RELOAD}"
    place = f"{scope.service.name}/{scope.service.kind}/{name}"
    return f"postconf -PX {quote(place)} && {RELOAD}"


def readable(host: Host) -> Iterator[Finding]:
    """What a service reads as it starts is of the form that it expects."""
    for scope in servers(host):
        for name, (form, meant) in FORMS.items():
            value = scope.conf.value(name)
            is_set = bool(value) or scope.conf.settings.get(name) == ""
            if is_set and not form.fullmatch(value if name == _BY_CASE else value.lower()):
                reason = f"says {scope.said(name)}, which is not {meant}, so it dies or takes no mail"
                cure = scope.cure(name, "yes") if name in _WANTED else unset(scope, name)
                yield MTA136.found(scope.file(name), reason, cure)


MTA143 = Code.note(
    "MTA143",
    "Postfix defers what it would refuse or return (soft_bounce); senders are told of failures "
    "only after days",
)


def soft(host: Host) -> Iterator[Finding]:
    """What is refused is refused for good."""
    for scope in servers(host):
        if scope.conf.is_on(name := "soft_bounce"):
            reason = f"says {scope.said(name)}, so what it refuses is tried again for days"
            yield MTA143.found(scope.file(name), reason, scope.cure(name, "no"))


MTA137 = Code.error(
    "MTA137",
    "Postfix takes no message of client hosts, for want of room, since each is too large, or since a check "
    "of headers or text refuses all of them",
)
_HEADERS = ("Received: from smtpcreds-asks", "Subject: smtpcreds-asks")
_CHECKS = ("header_checks", "body_checks")


def room(host: Host) -> Iterator[Finding]:
    """A message is taken."""
    for scope in logins(host):
        most, least = (_number(scope, name) for name in ("message_size_limit", "queue_minfree"))
        queue = scope.conf.value("queue_directory")
        state = left(scope.host, queue)
        free = state.f_bavail * state.f_frsize if state else least
        faults = {
            "message_size_limit": too_small(most, MESSAGE),
            "queue_minfree": too_full(queue, free, least, "octets"),
        }
        for name, why in faults.items():
            if why:
                yield MTA137.found(
                    scope.file(name), f"says {scope.said(name)}, and {why}", unset(scope, name)
                )
        yield from _refusing(scope)


def _number(scope: Scope, name: str) -> int:
    return decimal(scope.conf.value(name)) or 0


def _refusing(scope: Scope) -> Iterator[Finding]:
    """Yield tables that refuse each message."""
    for name in _CHECKS:
        for word in words_of(scope.conf.value(name)):
            said = [answer(scope, word, (line,)).upper() for line in _HEADERS]
            if all(one.startswith(("REJECT", "DISCARD", "HOLD")) for one in said):
                others = ", ".join(other for other in words_of(scope.conf.value(name)) if other != word)
                reason = f"says {scope.said(name)}, which refuses every message"
                yield MTA137.found(scope.file(name), reason, scope.cure(name, others))
