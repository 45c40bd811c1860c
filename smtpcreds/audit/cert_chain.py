"""CERT: the way up from a certificate, and what of it the mail server will send."""

from collections.abc import Iterator

from ..pki.chains import WEAK_HASHES, ChainError, climb, is_self_signed, verify_chain
from ..pki.dn import title
from ..pki.keys import weakness
from .finding import Finding, found
from .holdings import Holding, trusted_by
from .world import World


def closes(world: World) -> Iterator[Finding]:
    """Every certificate leads to a root; its own dates are another check, and so are weak keys."""
    for holding in world.holdings:
        if _is_weak(holding):
            continue
        begin, end = holding.leaf.not_valid_before_utc, holding.leaf.not_valid_after_utc
        at = min(max(world.site.clock(), begin), end)
        try:
            verify_chain(holding.leaf, holding.others, holding.known, at)
        except ChainError as error:
            cure = (
                f"append the missing CA certificate to the CA file; see smtpcreds cert verify {holding.path}"
            )
            yield found("CERT003", holding.path, error.reason, cure)


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


def _is_weak(holding: Holding) -> bool:
    signed = isinstance(holding.leaf.signature_hash_algorithm, WEAK_HASHES)
    return signed or weakness(holding.leaf.public_key()) is not None
