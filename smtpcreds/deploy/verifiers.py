"""What Dovecot's passwd-file says of each account. Values are salted, so those that still hold are kept."""

from collections.abc import Iterable, Mapping
from shlex import quote

from ..accounts.forms import first_value
from ..config import Site
from ..errors import DataError, InexpressibleError
from ..files import exists, read_public
from ..mta import dovecot_users
from ..mta.port import Held
from ..passwords import DOVECOT_SCRAM, dovecot_secret, dovecot_verifier, is_dovecot_of
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD
from ..secret import Secret


def verifiers(site: Site, accounts: Iterable[Held], variants: frozenset[str]) -> Mapping[str, Secret]:
    """Return the password field of each account: in the chosen scheme, or the verifier that it is held as.

    Raises:
        InexpressibleError: a secret that Dovecot never accepts; an account that has neither clear text nor a
            SCRAM verifier that Dovecot knows.
        UnavailableError: ARGON2ID, where OpenSSL does not know it.
    """
    scheme = dovecot_users.scheme_of(variants)
    installed = _installed(site)
    return {
        str(held.account): Secret(_field(held, scheme, installed.get(str(held.account)))) for held in accounts
    }


def _field(held: Held, scheme: str, installed: str | Secret | None) -> str:
    clear = held.properties.get(USER_PASSWORD)
    if clear is None:
        return _verifier(held)
    dovecot_users.check_secret(held.account, clear)
    if isinstance(installed, Secret):
        field = installed.reveal().decode()
        if is_dovecot_of(field, clear, scheme):
            return field
    return dovecot_secret(clear, scheme)


def _verifier(held: Held) -> str:
    stored = held.properties.get(AUTH_PASSWORD)
    field = dovecot_verifier(first_value(stored.reveal())) if stored else None
    if field is None:
        name, known = str(held.account), " or ".join(DOVECOT_SCRAM)
        reason = f"has neither clear text nor a verifier for {known}, so Dovecot can't serve it"
        raise InexpressibleError(name, reason, f"smtpcreds sasl passwd {quote(name)} --hashed, or --clear")
    return field


def _installed(site: Site) -> Mapping[str, str | Secret]:
    """Return what the file on this disk says; one that is not there, or not ours, says nothing."""
    path = site.path(dovecot_users.PATH)
    if not exists(path):
        return {}
    try:
        return dovecot_users.parse(read_public(path), path)
    except DataError:
        return {}
