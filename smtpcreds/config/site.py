"""One installation: root, settings and clock, and what follows from them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ..model import Root
from ..names import is_qualified, parse_host
from ..postgres import is_url
from .host import host_domain, host_name
from .settings import DEFAULT_PATH, Settings


@dataclass(frozen=True)
class Site:
    """Where a use case works and what time it is there.

    Attributes:
        root: what every default path lies under.
        settings: the parsed configuration.
        clock: gives the present as an aware UTC datetime.
        warn: takes one line that the administrator should read, and goes on.
        settings_path: the file the settings were, or would be, read from.
    """

    root: Root
    settings: Settings
    clock: Callable[[], datetime]
    warn: Callable[[str], None]
    settings_path: str = DEFAULT_PATH

    def path(self, *parts: str) -> str:
        """Return an absolute default path under the root, joined from its parts."""
        return self.root.path("/".join(parts))

    @property
    def state(self) -> str:
        """The state directory, mode 0700."""
        return self.path(self.settings.state)

    @property
    def ca_directory(self) -> str:
        """Key, certificate and CRL of the authority, mode 0700."""
        return self.path(self.settings.state, "ca")

    @property
    def inventory(self) -> str:
        """What was issued: the SQLite file, or the URL of the database that several hosts share."""
        return self.settings.inventory or self.path(self.settings.state, "inventory.sqlite3")

    @property
    def machine(self) -> str:
        """Which of the hosts that share the inventory this is; empty where nobody shares it.

        The kernel's name of the host, which needs no name server, and the state directory.
        """
        return f"{os.uname().nodename}:{self.state}" if self.settings.inventory else ""

    @property
    def lock(self) -> str:
        """The lock of all writers of the state directory."""
        return self.path(self.settings.state, "lock")

    @property
    def certificates(self) -> str:
        """The mail server's certificate directory, mode 0700."""
        return self.path(self.settings.cert.directory)

    @property
    def sasldb(self) -> str:
        """The account database: a file below the root, or a URL."""
        database = self.settings.sasl.database
        return database if is_url(database) else self.path(database)

    @cached_property
    def domain(self) -> str:
        """The domain of short names: configured, or this host's, or empty."""
        if self.settings.domain:
            return parse_host(self.settings.domain)
        return host_domain(self.root)

    @cached_property
    def hub(self) -> str:
        """The relay's full name: configured, or this host's."""
        return self.qualify(self.settings.hub) if self.settings.hub else self.qualify(host_name(self.root))

    @property
    def realm(self) -> str:
        """The realm in which the relay looks up bare names: configured, or its own name (``$j``)."""
        return self.settings.sasl.realm or self.hub

    def qualify(self, text: str, *, wildcard: bool = False) -> str:
        """Parse a host name and complete a short one with the domain; without a domain it stays short."""
        name = parse_host(text, wildcard=wildcard)
        return name if is_qualified(name) or not self.domain else f"{name}.{self.domain}"
