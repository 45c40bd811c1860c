"""What is wanted of a mail program's files: options over configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..config import MtaSettings
from ..secret import Secret


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options of one run; an empty one leaves it to the configuration.

    Attributes:
        host: that the files are for; default is the hub itself, or this client host.
        hub: instead of the configured one.
        account: of a client host.
        secret: of that account, where it is not in a database here.
        mechanisms: to offer or try.
        plaintext: also PLAIN and LOGIN, inside TLS.
        external: also EXTERNAL.
        saslauthd: accounts are login accounts, asked of saslauthd.
        role: that a hub reads accounts in PostgreSQL as.
        role_password: of that role.
        relay_certificates: every certificate of the CA may relay without AUTH.
        relay_hosts: these hosts may, by their certificates.
        access: further rules, ``TAG:SUBJECT VALUE``.
        variants: choices that only some programs know.
        port: of the hub.
        fingerprint: SHA-256 of the hub's certificate, where the inventory does not know it.
    """

    host: str | None = None
    hub: str | None = None
    account: str | None = None
    secret: Callable[[], Secret] | None = None
    mechanisms: tuple[str, ...] = ()
    plaintext: bool = False
    external: bool = False
    saslauthd: bool = False
    role: str | None = None
    role_password: Secret | None = None
    relay_certificates: bool = False
    relay_hosts: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    variants: frozenset[str] = frozenset()
    port: int | None = None
    fingerprint: str | None = None

    def over(self, settings: MtaSettings, known: frozenset[str]) -> Self:
        """Complete the options from the table ``[mta]``.

        Args:
            settings: the table.
            known: variants that the program knows; the configuration's others are for other programs.
        """
        from dataclasses import replace

        configured = {*settings.choices, *(["authinfo-map"] if settings.authinfo_map else [])}
        return replace(
            self,
            mechanisms=self.mechanisms or settings.mechanisms,
            plaintext=self.plaintext or settings.plaintext,
            external=self.external or settings.external,
            saslauthd=self.saslauthd or settings.saslauthd,
            relay_certificates=self.relay_certificates or settings.relay_certificates,
            relay_hosts=self.relay_hosts or settings.relay_hosts,
            access=self.access or settings.access,
            variants=self.variants | (configured & known),
            port=self.port or settings.port,
        )
