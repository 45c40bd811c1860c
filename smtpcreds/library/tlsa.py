"""``smtpcreds tlsa``: DANE."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ..config import Site
from ..errors import MissingInputError
from ..transaction import Transaction
from .arguments import absolute, hook_of

if TYPE_CHECKING:
    from ..ca.issue import Issued
    from ..dane import Begun, Rollover, Zone

DAY = timedelta(days=1)
SMTP = 25


class TlsaReader:
    """The records that belong into a host's zone; ``site.tlsa``.

    >>> import smtpcreds
    >>> site = smtpcreds.Site.load(root="/nonexistent")
    >>> site.tlsa.texts("example.org")[0]
    'Servers on the Internet that deliver to port 25 check it in one of two ways:'
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, host: str, *, ttl: timedelta | None = None) -> "Zone":
        """Return the TLSA records of a host: 3 1 1 of its key, 2 1 1 of the CA that signed (RFC 7672).

        Args:
            host: or a file with its certificate.
            ttl: of the records; default: that of a new key that is half-way.
        """
        from ..dane import zone

        return zone(self._site, host, absolute(host), ttl)

    def plan(self, host: str) -> "Rollover | None":
        """Return how far a new key is, and when the next step may be taken; None where none is half-way."""
        return self.show(host).rollover

    def texts(self, domain: str | None = None) -> list[str]:
        """Return what MTA-STS and TLS reporting need, in lines; default: for the domain of the site.

        Raises:
            MissingInputError: the site has no domain.
        """
        from ..dane import texts
        from ..names import parse_host

        name = parse_host(domain) if domain else self._site.domain
        if not name:
            raise MissingInputError("domain", "is not configured", "name it")
        return texts(name, self._site.hub, self._site.clock())


class Tlsa(TlsaReader):
    """The steps to a new key whose record is published before it is used; ``work.tlsa``."""

    def __init__(self, work: Transaction) -> None:
        super().__init__(work.site)
        self._work = work

    def next_key(
        self, host: str, *, ttl: timedelta = DAY, key_type: str | None = None, force: bool = False
    ) -> "Begun":
        """Make the next key of a host beside the one in use; publish the records of both then.

        Args:
            host: short or full name.
            ttl: of the records, 1 s to 4 weeks.
            key_type: default: that of the key in use.
            force: replace a key that waits.
        """
        from ..dane import NextKey, next_key

        return next_key(self._work, NextKey(host, ttl, key_type, force))

    def switch(
        self,
        host: str,
        *,
        resolver: str | None = None,
        ports: Sequence[int] = (SMTP,),
        reload: str | None = None,
    ) -> "Issued":
        """Renew the certificate of a host with its next key.

        Args:
            host: short or full name.
            resolver: ``ADDRESS[:PORT]`` of a name server that must give the new record.
            ports: of the server.
            reload: tells the mail server; see :class:`.ca.Authority`.

        Raises:
            TooEarlyError: twice the TTL has not passed, or the resolver does not give the record.
        """
        from ..dane import switch
        from ..dns import parse_resolver

        asked = parse_resolver(resolver) if resolver else None
        return switch(self._work, host, hook=hook_of(reload), resolver=asked, ports=tuple(ports))

    def retire(self, host: str, *, at_once: bool = False) -> "Zone":
        """Forget the old key of a host, and return the records without it.

        Raises:
            TooEarlyError: twice the TTL has not passed since the switch, and ``at_once`` is not given.
        """
        from ..dane import retire

        retire(self._work, host, at_once=at_once)
        return self.show(host)
