"""Who may relay through the hub by certificate: Sendmail's access map, and lists of keys."""

from ..authority.layout import BUNDLE
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..errors import MissingInputError
from ..files import read_public
from ..inventory import Certificate, State
from ..mta import access
from ..mta.port import Client
from .wishes import Wishes

_CLIENT_PROFILES = {"relay", "client"}


def rules(site: Site, wishes: Wishes, *, is_hub: bool) -> tuple[access.Rule, ...]:
    """Return the lines of Sendmail's access map.

    Raises:
        MissingInputError: a host that may relay has no valid certificate.
    """
    further = tuple(access.parse_rule(text) for text in wishes.access)
    if not is_hub or not (wishes.relay_certificates or wishes.relay_hosts):
        return further
    dn = _issuer(site)
    hosts = None if wishes.relay_certificates else [_subject(site, host) for host in wishes.relay_hosts]
    return (*access.relaying(dn, hosts), *further)


def _issuer(site: Site) -> str:
    """Return the DN of the CA that issues, from the authority or from the bundle, which it leads."""
    from ..authority.ca import certificates, has_authority
    from ..pki.describe import describe
    from ..pki.pem import parse_certificates

    if has_authority(site):
        return describe(certificates(site)[0]).access_subject
    path = f"{site.certificates}/{BUNDLE}"
    return describe(parse_certificates(read_public(path), path).certificates[0]).access_subject


def _subject(site: Site, host: str) -> str:
    """Return the DN of a host's certificate."""
    from ..authority.lookup import find
    from ..pki.describe import describe

    name = site.qualify(host)
    issue = f"smtpcreds cert issue {name}"
    try:
        found = find(site, name, "")
    except MissingInputError:
        raise MissingInputError(name, "has no certificate to relay by", issue) from None
    if found.row and found.row.state is not State.ISSUED:
        reason = f"has no valid certificate to relay by; its last one is {found.row.state}"
        raise MissingInputError(name, reason, issue)
    return describe(found.certificate).access_subject


def clients(site: Site, wishes: Wishes) -> tuple[Client, ...]:
    """Return the certificates that may relay, each key once; what is revoked or expired is left out.

    A host all of whose certificates are gets a warning and no place in the list: for programs that look at
    no CRL, the list that is written now is what ends its relaying.

    Raises:
        MissingInputError: a host that may relay never had a certificate, or there is no inventory.
    """
    if not (wishes.relay_certificates or wishes.relay_hosts):
        return ()
    valid = _valid(site)
    if not wishes.relay_certificates:
        wanted = {site.qualify(host) for host in wishes.relay_hosts}
        _report(site, sorted(wanted - {row.host for row in valid}))
        valid = [row for row in valid if row.host in wanted]
    found = {
        (row.host, row.key_id): Client(row.host, row.key_id or "", row.fingerprint or "") for row in valid
    }
    return tuple(found[key] for key in sorted(found))


def _report(site: Site, hosts: list[str]) -> None:
    """Tell which hosts can't relay by a certificate.

    Raises:
        MissingInputError: one of them never had one.
    """
    with reading(site) as inventory:
        for host in hosts:
            issue = f"smtpcreds cert issue {host}"
            if not any(True for _ in inventory.listing(host=host)):
                raise MissingInputError(host, "has no certificate to relay by", issue)
            site.warn(f"{host}: may not relay, it has no valid certificate; {issue}")


def _valid(site: Site) -> list[Certificate]:
    """Return the certificates that a client may show now.

    A key that any certificate was revoked for is refused with all of them: these programs see the key alone.
    """
    if not has_inventory(site):
        raise MissingInputError(site.inventory, "knows which certificates may relay, and is not there")
    with reading(site) as inventory:
        revoked = {row.key_id for row in inventory.listing(state=State.REVOKED)}
        rows = list(inventory.listing(expires_after=site.clock(), state=State.ISSUED))
    return [row for row in rows if row.profile in _CLIENT_PROFILES and row.key_id not in revoked]
