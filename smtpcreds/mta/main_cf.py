"""main.cf and master.cf as Postfix reads them, as far as credentials depend on them (postconf(5), master(5)).

Defaults are those of Postfix 3.7. Not followed: ``${name?value}`` and ``include``-like maps. What master.cf
gives to one service with ``-o`` is put over main.cf by :meth:`MainCf.over`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from ..errors import DamagedFileError
from ..lazy import dataclass, pattern
from ..systems import DEBIAN
from .main_cf_values import expand

DEFAULTS = {
    "smtpd_sasl_auth_enable": "no",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_local_domain": "",
    "smtpd_sasl_security_options": "noanonymous",
    "smtpd_sasl_tls_security_options": "$smtpd_sasl_security_options",
    "smtpd_sasl_exceptions_networks": "",
    "smtpd_sasl_mechanism_filter": "!external, static:rest",
    "smtpd_discard_ehlo_keywords": "",
    "smtpd_discard_ehlo_keyword_address_maps": "",
    "smtpd_delay_reject": "yes",
    "smtpd_milters": "",
    "milter_default_action": "tempfail",
    "content_filter": "",
    "smtpd_proxy_filter": "",
    "smtpd_command_filter": "",
    "smtpd_noop_commands": "",
    "smtpd_upstream_proxy_protocol": "",
    "postscreen_upstream_proxy_protocol": "",
    "smtpd_authorized_xclient_hosts": "",
    "smtpd_sender_login_maps": "",
    "compatibility_level": "0",
    "mynetworks_style": "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
    "relay_domains": "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
    "virtual_alias_domains": "$virtual_alias_maps",
    "virtual_mailbox_domains": "$virtual_mailbox_maps",
    "defer_transports": "",
    "master_service_disable": "",
    "tls_random_source": "dev:/dev/urandom",
    "smtpd_tls_ask_ccert": "no",
    "smtpd_tls_req_ccert": "no",
    "smtpd_tls_wrappermode": "no",
    "smtpd_tls_ciphers": "medium",
    "smtpd_tls_mandatory_ciphers": "medium",
    "smtpd_tls_protocols": ">=TLSv1",
    "smtpd_tls_mandatory_protocols": ">=TLSv1",
    "tls_append_default_CA": "no",
    "smtpd_tls_auth_only": "no",
    "smtpd_tls_security_level": "",
    "smtpd_use_tls": "no",
    "smtpd_enforce_tls": "no",
    "smtpd_tls_cert_file": "",
    "smtpd_tls_key_file": "$smtpd_tls_cert_file",
    "smtpd_tls_chain_files": "",
    "smtpd_tls_CAfile": "",
    "smtpd_tls_CApath": "",
    "smtp_sasl_auth_enable": "no",
    "smtp_sasl_password_maps": "",
    "smtp_sasl_security_options": "noplaintext, noanonymous",
    "smtp_sasl_tls_security_options": "$smtp_sasl_security_options",
    "smtp_sasl_tls_verified_security_options": "$smtp_sasl_tls_security_options",
    "smtp_sasl_mechanism_filter": "",
    "smtp_sender_dependent_authentication": "no",
    "smtp_never_send_ehlo": "no",
    "smtp_discard_ehlo_keywords": "",
    "smtp_tls_wrappermode": "no",
    "smtp_tls_ciphers": "medium",
    "smtp_tls_mandatory_ciphers": "medium",
    "smtp_tls_secure_cert_match": "nexthop, dot-nexthop",
    "smtp_tls_verify_cert_match": "hostname",
    "smtp_tls_protocols": ">=TLSv1",
    "smtp_tls_mandatory_protocols": ">=TLSv1",
    "default_transport": "smtp",
    "smtp_tls_security_level": "",
    "smtp_use_tls": "no",
    "smtp_enforce_tls": "no",
    "smtp_tls_policy_maps": "",
    "smtp_tls_cert_file": "",
    "smtp_tls_key_file": "$smtp_tls_cert_file",
    "smtp_tls_chain_files": "",
    "smtp_tls_CAfile": "",
    "smtp_tls_CApath": "",
    "relayhost": "",
    "mail_owner": DEBIAN.postfix_user,
    "queue_directory": DEBIAN.postfix_queue,
    "config_directory": DEBIAN.postfix_directory,
    "mydestination": "",
    "myhostname": "",
    "default_database_type": "hash",
}
_NUMBER = pattern(r"\d+")
_ARGUMENTS = pattern(r"\{[^{}]*\}|\S+")
_INNER = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_BRACES = rf"\{{(?:[^{{}}]|{_INNER})*\}}"
_WORDS = pattern(rf"{_BRACES}|(?:[^\s,{{}}]|{_BRACES})+")


@dataclass(frozen=True)
class MainCf:
    """The parameters that are set, each as it stands in the file."""

    settings: Mapping[str, str]

    def value(self, name: str) -> str:
        """Return a parameter, the default where it is not set, with others put in for ``$name``."""
        return expand(self._raw(name), self._raw)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of a parameter that holds a list."""
        return tuple(self.value(name).replace(",", " ").split())

    def is_on(self, name: str) -> bool:
        """Tell whether a parameter is ``yes``."""
        return self.value(name).lower() == "yes"

    @property
    def level(self) -> tuple[int, ...]:
        """``compatibility_level``, of which defaults depend; 0 where it is not set."""
        return tuple(map(int, _NUMBER.findall(self.value("compatibility_level"))[:2])) or (0,)

    @property
    def is_chrooting(self) -> bool:
        """Tell whether a service runs in the chroot whose column in master.cf says ``-`` (seen with 3.10)."""
        return self.level < (1,)

    def over(self, options: Mapping[str, str]) -> "MainCf":
        """Return the parameters of a service with these options in master.cf."""
        return MainCf({**self.settings, **options})

    def _raw(self, name: str) -> str:
        return self.settings.get(name, DEFAULTS.get(name, ""))


@dataclass(frozen=True)
class Service:
    """One line of master.cf.

    Attributes:
        name: as ``smtp`` or ``submission``.
        kind: as ``inet``.
        chroot: whether it runs inside the queue directory.
        command: the program.
        options: what ``-o`` sets for it.
    """

    name: str
    kind: str
    chroot: bool
    command: str
    options: Mapping[str, str]


def parse(text: str, path: str) -> MainCf:
    """Read main.cf; the last line of a parameter counts.

    Raises:
        DamagedFileError: a line that is no ``name = value``, by its beginning.
    """
    settings = {}
    for line in logical_lines(text):
        name, sign, value = line.partition("=")
        if not sign or not name.strip():
            raise DamagedFileError(path, f"has a line that is not 'name = value': {line.split()[0]}")
        settings[name.strip()] = value.strip()
    return MainCf(settings)


def parse_master(text: str, path: str, main: MainCf) -> tuple[Service, ...]:
    """Read master.cf, with the main.cf beside it.

    Raises:
        DamagedFileError: a line with fewer than eight fields.
    """
    inside = {"y", "-"} if main.is_chrooting else {"y"}
    return tuple(_service(line, path, inside) for line in logical_lines(text))


def servers(services: Iterable[Service]) -> list[Service]:
    """Return each smtpd that takes mail by SMTP, with those behind postscreen."""
    listening = [each for each in services if each.kind == "inet"]
    kinds = {"inet", "pass"} if any(each.command == "postscreen" for each in listening) else {"inet"}
    return [each for each in services if each.kind in kinds and each.command == "smtpd"]


def _service(line: str, path: str, inside: Container[str]) -> Service:
    fields = line.split()
    if len(fields) < 8:
        raise DamagedFileError(path, f"has a line with fewer than eight fields: {fields[0]}")
    name, kind, _, _, chroot, _, _, command = fields[:8]
    arguments = [found[0] for found in _ARGUMENTS.finditer(line)][8:]
    given = (word.strip("{} ") for flag, word in pairwise(arguments) if flag == "-o")
    settings = (word.partition("=") for word in (*given, *_glued(arguments)))
    options = {key.strip(): value.strip() for key, _, value in settings}
    return Service(name, kind, chroot in inside, command, options)


def _glued(arguments: Sequence[str]) -> Iterator[str]:
    """Yield what stands in one word with its ``-o``."""
    return (word[2:] for word in arguments if word.startswith("-o") and len(word) > 2)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a list, divided by blanks and commas; ``{ ... }`` is one word."""
    return tuple(found[0] for found in _WORDS.finditer(text))


def logical_lines(text: str) -> Iterator[str]:
    """Yield logical lines: comments and empty lines go, and one that begins with a blank continues.

    Postfix ends a line at a line feed alone, and a logical one is over at a NUL (both seen with postconf).
    """
    return filter(None, (line.partition("\0")[0].strip() for line in _whole_lines(text)))


def _whole_lines(text: str) -> Iterator[str]:
    held = ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            held += " " + line.strip()
            continue
        if held:
            yield held
        held = line.strip()
    if held:
        yield held
