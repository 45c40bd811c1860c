"""The services of Postfix, each with what it is told: main.cf, and over it what master.cf says."""

import os
from collections.abc import Iterator, Mapping

from ..lazy import dataclass
from ..mta import main_cf, postfix, postfix_client
from ..mta.main_cf import MainCf, Service
from ..shell import quote
from .host import MAIN_CF, MASTER_CF, Host

RELOAD = "postfix reload"
VERIFYING = frozenset({"verify", "secure", "fingerprint", "dane-only"})
ENCRYPTING = VERIFYING | {"encrypt", "dane"}
_LOOPBACK = ("127.", "localhost:", "[::1]", "::1:", "loopback-only:")
PORTS = {"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465", "ssmtp": "465"}
BY_FILE = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}


@dataclass(frozen=True)
class Scope:
    """One service with the parameters that it gets.

    Attributes:
        host: where.
        service: of master.cf; None where there is no master.cf.
        conf: its parameters.
    """

    host: Host
    service: Service | None
    conf: MainCf

    @property
    def port(self) -> str:
        """The port that it listens on."""
        screens = (s for s in self.host.services if s.command == "postscreen" and s.kind == "inet")
        is_behind = self.service is not None and self.service.kind == "pass"
        service = next(screens, self.service) if is_behind else self.service
        name = service.name.rpartition(":")[2] if service else "smtp"
        return PORTS.get(name, name)

    @property
    def level(self) -> str:
        """The level of TLS as a server."""
        old = "may" if self.conf.is_on("smtpd_use_tls") else ""
        old = "encrypt" if self.conf.is_on("smtpd_enforce_tls") else old
        return self.conf.value("smtpd_tls_security_level") or old

    def is_own(self, name: str) -> bool:
        """Tell whether master.cf says it, for this service alone."""
        return bool(self.service and name in self.service.options)

    def file(self, name: str) -> str:
        """Return the file that sets a parameter, on this disk."""
        return self.host.path(MASTER_CF if self.is_own(name) else MAIN_CF)

    def said(self, name: str) -> str:
        """Return a parameter as it is set, and for which service."""
        where = f" for {self.service.name}" if self.service and self.is_own(name) else ""
        return f"{name}={self.conf.value(name)}{where}"

    def cure(self, name: str, value: str) -> str:
        """Return the commands that give a parameter another value where it is set."""
        return f"{self.setting(name, value)} && {RELOAD}"

    def setting(self, name: str, value: str) -> str:
        """Return the same without the reload, as the first of several."""
        place = f"{self.service.name}/{self.service.kind}/{name}" if self.service else name
        if not self.is_own(name):
            return f"postconf -e {quote(f'{name}={value}')}"
        main = self.host.postfix
        if main and words_of(main.value(name)) == words_of(value):
            return f"postconf -PX {quote(place)}"
        plain = ",".join(words_of(value))  # -P takes no blank
        return f"postconf -P {quote(f'{place}={plain}')}"


def servers(host: Host) -> tuple[Scope, ...]:
    """Return the services that take mail from other hosts."""
    main = host.postfix
    if main is None:
        return ()
    listening = [s for s in host.services if s.kind == "inet" and not s.name.startswith(_LOOPBACK)]
    behind = {s.name for s in listening if s.command == "postscreen"}
    taken = [s for s in listening if s.command == "smtpd"]
    taken += [s for s in host.services if behind and s.kind == "pass" and s.command == "smtpd"]
    if not host.services:
        return (Scope(host, None, main),)
    return tuple(Scope(host, service, main.over(service.options)) for service in taken)


def logins(host: Host) -> tuple[Scope, ...]:
    """Return those at which client hosts are to log in; main.cf means all, or master.cf those alone."""
    main, found = host.postfix, servers(host)
    if main is None:
        return ()
    port = str(host.port)
    for_all = main.is_on("smtpd_sasl_auth_enable")
    return tuple(s for s in found if s.conf.is_on("smtpd_sasl_auth_enable") or (for_all and s.port == port))


def words_of(value: str) -> tuple[str, ...]:
    """Return the words of a list."""
    return main_cf.words(value)


@dataclass(frozen=True)
class Table:
    """A table of a parameter; ``path`` of its source on this disk, empty for one that is no file."""

    kind: str
    path: str
    entries: Mapping[str, str]
    owner: str


def tables_of(host: Host, conf: MainCf, name: str) -> Iterator[Table]:
    """Yield the tables in files whose type has a source that can be read."""
    owner = "postfix-client" if name.startswith("smtp_") else "postfix-hub"
    found = (table_of(host, conf, word, owner) for word in words_of(conf.value(name)))
    return (table for table in found if table)


def table_of(host: Host, conf: MainCf, word: str, owner: str) -> Table | None:
    """Return a table in a file whose type has a source that can be read, as ``hash:/etc/postfix/table``."""
    kind, colon, path = word.removeprefix("proxy:").partition(":")
    if not colon:
        kind, path = conf.settings.get("default_database_type", host.site.system.postfix_map), kind
    if kind not in BY_FILE or not path.startswith("/"):
        return None
    content = host.content(host.path(path)) or b""
    return Table(kind, host.path(path), dict(_entries(content)), owner)


def is_missing(table: Table) -> bool:
    """Tell whether neither its source nor what is made of it is there."""
    made = table.path + BY_FILE.get(table.kind, "")
    return not os.path.exists(table.path) and not os.path.exists(made)


def _entries(content: bytes) -> Iterator[tuple[str, str]]:
    for line in content.decode(errors="replace").splitlines():
        if line.strip() and line[0] not in "# \t":
            key, *rest = line.split(None, 1)
            yield key, rest[0].strip() if rest else ""


def senders(host: Host) -> tuple[Scope, ...]:
    """Return the service that hands mail to the relay, whether it logs in there or not."""
    main = host.postfix
    if main is None:
        return ()
    name = main.value("default_transport").partition(":")[0]
    there = [s for s in host.services if s.kind == "unix" and s.name == name and s.command == "smtp"]
    if not there:
        return (Scope(host, None, main),)
    return tuple(Scope(host, service, main.over(service.options)) for service in there)


def clients(host: Host) -> tuple[Scope, ...]:
    """Return it where it is to log in."""
    main = host.postfix
    return tuple(
        scope
        for scope in senders(host)
        if scope.conf.is_on("smtp_sasl_auth_enable") or (main and main.is_on("smtp_sasl_auth_enable"))
    )


PASSWORDS = "smtp_sasl_password_maps"


def own_passwords(scope: Scope) -> str:
    """Return how a service gets the passwords that smtpcreds wrote, or that it needs some."""
    said = postfix.in_force(scope.host.text(scope.host.said(postfix_client.FRAGMENT)) or "")
    table = said.get(PASSWORDS)
    return scope.cure(PASSWORDS, table) if table else f"name a table with the password in {PASSWORDS}"


def keywords_hidden(scope: Scope, name: str) -> str:
    """Return which of AUTH and STARTTLS a list of discarded keywords takes away, in words."""
    return " and ".join(
        word.upper() for word in scope.conf.words(name) if word.lower() in {"auth", "starttls"}
    )


def without_hidden(scope: Scope, name: str) -> str:
    """Return that list without these."""
    return ", ".join(word for word in scope.conf.words(name) if word.lower() not in {"auth", "starttls"})


def port_of(relay: str) -> str:
    """Return the port of a relayhost, by number."""
    name = relay.rpartition(":")[2] if ":" in relay.rpartition("]")[2] else "smtp"
    return PORTS.get(name.lower(), name)


def lacks_service(scope: Scope, said: str) -> bool:
    """Tell whether master.cf has no service by the name of a transport, as ``scan:[127.0.0.1]:10024``."""
    there = {service.name for service in scope.host.services if service.kind == "unix"}
    return bool(scope.host.services) and said.partition(":")[0] not in there | {"", "smtp", "relay", "error"}
