"""The end of elders: out of every bundle, once no certificate of theirs is needed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import DeniedError
from ..files import move
from ..inventory import Authority, AuthorityState, Inventory
from ..pki.pem import encode_der
from ..transaction import Transaction
from .ca import short_id
from .everywhere import spread
from .layout import RETIRED

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Retirement:
    """What was retired: the names of the authorities, and the directories whose bundle lost them."""

    names: tuple[str, ...]
    directories: tuple[str, ...]


def retire(work: Transaction, *, force: bool = False) -> Retirement:
    """Trust the authorities no more that were replaced; their files are kept as ``retired-*``.

    Args:
        work: where.
        force: although hosts still use certificates of theirs.

    Raises:
        MissingInputError: there is no authority, or no inventory that tells who needs them.
        DeniedError: hosts still use them; the reason lists them.
    """
    own, inventory = work.ca.certificate, work.require_inventory()
    rows = [
        row
        for row in inventory.authorities()
        if row.state is AuthorityState.CURRENT and row.der != encode_der(own)
    ]
    if not force:
        _refuse_needed(work, rows)
    for elder in work.ca.elders:
        move(elder.files.directory, f"{work.ca.files.directory}/{RETIRED}{short_id(elder.certificate)}")
    work.renewed_authority()
    changed = spread(work.site, inventory, work.ca)
    with inventory.transaction():
        for row in rows:
            inventory.retire_authority(row.id)
        work.record_all("ca retire", [(row.name, f"key identifier {row.ski}") for row in rows])
    return Retirement(tuple(row.name for row in rows), tuple(changed))


def hosts_of(inventory: Inventory, authorities: Collection[int], now: datetime) -> Iterator[str]:
    """Yield the hosts whose newest certificate is valid and was signed by one of these, each once."""
    rows = inventory.listing(latest=True, expires_after=now)
    yield from dict.fromkeys(row.host for row in rows if row.authority in authorities)


def _refuse_needed(work: Transaction, rows: Sequence[Authority]) -> None:
    needed = list(hosts_of(work.inventory, {row.id for row in rows}, work.now))
    if not needed:
        return
    more = f" and {len(needed) - _SHOWN} more" if len(needed) > _SHOWN else ""
    raise DeniedError(
        ", ".join(row.name for row in rows),
        f"still certifies {', '.join(needed[:_SHOWN])}{more}",
        f"smtpcreds cert renew {needed[0]}, and so on; or --force, which stops their certificates",
    )
