"""``smtpcreds probe``: from arguments to what is tried."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config import Site
from ..errors import UsageError
from ..secret import Secret

if TYPE_CHECKING:
    from ..probe.asked import Envelope, ProbeRequest


def request_of(
    site: Site,
    url: str,
    *,
    account: str | None,
    secret: Secret | None,
    client: str | None,
    name: str | None,
    trusted: tuple[str | None, str | None],
    tlsa: Sequence[str],
    mechanisms: Sequence[str],
    negative: bool | None,
    addresses: tuple[str | None, str | None],
    timeout: float,
) -> "ProbeRequest":
    """Return what :meth:`.site.Site.probe` tries.

    ``trusted`` names the files of CAs and of a CRL, ``addresses`` sender and recipient.
    """
    from ..deploy.role import at_hub
    from ..pki.tlsa import parse_association
    from ..probe.asked import ProbeRequest, parse_mechanism, parse_name, parse_target
    from ..probe.session import of_account, of_host
    from ..probe.trust import gather

    target = parse_target(site, url)
    if account and target.account:
        raise UsageError("account", "contradicts the account in the URL; give one of them")
    who = account or target.account
    if secret and not who:
        raise UsageError("secret", "needs an account", "name the account")
    envelope = _envelope(site, *addresses)
    server = parse_name(site, name or target.host)
    site = at_hub(site, str(server))
    trust = gather(site, server, *trusted)
    identity = of_account(site, who, (lambda: secret) if secret else None) if who else None
    presented = of_host(site, client) if client else None
    return ProbeRequest(
        target=target,
        trust=trust,
        hello=site.own_name,
        identity=identity,
        client=presented,
        tlsa=tuple(map(parse_association, tlsa)),
        mechanisms=tuple(map(parse_mechanism, mechanisms)),
        negative=bool(identity or presented) if negative is None else negative,
        envelope=envelope,
        seconds=timeout,
    )


def _envelope(site: Site, sender: str | None, recipient: str | None) -> "Envelope | None":
    from ..probe.asked import Envelope, parse_mailbox

    if recipient is None:
        return None
    return Envelope(parse_mailbox(sender or f"postmaster@{site.own_name}"), parse_mailbox(recipient))
