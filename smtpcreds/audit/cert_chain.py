"""CERT: the way up from a certificate, and what of it the mail server will send."""

import os
from collections.abc import Iterator

from ..authority.ca import has_authority
from ..authority.layout import BUNDLE
from ..pki.chains import WEAK_HASHES, ChainError, climb, is_self_signed, verify_chain
from ..pki.dn import title
from ..pki.keys import weakness
from .cert_pair import issue, issue_again
from .finding import Finding, found
from .holdings import Holding, is_makeshift, trusted_by
from .world import World


def closes(world: World) -> Iterator[Finding]:
    """Every certificate leads to a root; its own dates are another check, and so are weak keys."""
    for holding in world.holdings:
        if _is_weak(holding):
            continue
        try:
            verify_chain(holding.leaf, holding.others, holding.known, world.site.clock(), undated=True)
        except ChainError as error:
            yield _open_ended(world, holding, error.reason)


def sent(world: World) -> Iterator[Finding]:
    """Sendmail sends the first certificate of its file, and of those above it what it finds elsewhere."""
    for holding in world.holdings:
        for use in holding.place.uses:
            if use.program != "sendmail":
                continue
            at_hand = trusted_by(world, use)
            above = climb(holding.leaf, (*at_hand, *holding.others))[1:]
            for missing in (ca for ca in above if not is_self_signed(ca) and ca not in at_hand):
                reason = f"holds {title(missing)}, which Sendmail does not send, so peers find no chain"
                cure = f"append {title(missing)} to {world.path(use.ca_file)}"
                yield found("CERT021", holding.path, reason, cure)


def _open_ended(world: World, holding: Holding, reason: str) -> Finding:
    if is_makeshift(world, holding):
        reason = "is self-signed: enough for strangers, who verify nothing, and for nobody who does"
        return found("CERT024", holding.path, reason, issue(world, holding.path, world.name))
    bundle = next((use.ca_file for use in holding.place.uses if use.ca_file), "")
    bundle = world.path(bundle) if bundle else f"{os.path.dirname(holding.path)}/{BUNDLE}"
    issuer = holding.leaf.issuer.rfc4514_string()
    if has_authority(world.site):
        cure = f"{issue_again(world, holding)}, or append the certificate of {issuer} to {bundle}"
    else:
        cure = f"copy {BUNDLE} of the authority to {bundle}, or append the certificate of {issuer}"
    return found("CERT003", holding.path, reason, cure)


def _is_weak(holding: Holding) -> bool:
    signed = isinstance(holding.leaf.signature_hash_algorithm, WEAK_HASHES)
    return signed or weakness(holding.leaf.public_key()) is not None
