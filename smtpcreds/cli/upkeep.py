"""What ``cert renew --due`` says of account secrets and old authorities."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .rotate import document, outcome_lines, warn_of_end
from .session import Session

if TYPE_CHECKING:
    from ..ca.renew import Upkeep
    from ..config import Site


def upkeep_row(site: "Site", kept: "Upkeep") -> dict[str, object]:
    """Return it for JSON."""
    return {
        "rotations": [document(site, row) for row in (*kept.begun, *kept.ended)],
        "authority_made": kept.successor or None,
        "renewed_early": kept.renewed,
        "authorities_retired": kept.authorities,
        "not_done": [str(error) for error in kept.failed],
    }


def upkeep_lines(session: Session, site: "Site", kept: "Upkeep") -> Iterator[str]:
    """Yield it for people; client hosts fetch a new secret by themselves."""
    for row in kept.begun:
        yield f"{row.account}: successor {row.successor}; both work until client hosts have fetched it"
    for row in kept.ended:
        warn_of_end(session, site, row)
        yield from outcome_lines(site, row)
    if kept.successor:
        yield f"{kept.successor}: signs from now on; the old authority is trusted until it is retired"
    yield from (f"{host}: has a certificate of the new authority" for host in kept.renewed)
    yield from (f"{name}: retired" for name in kept.authorities)
