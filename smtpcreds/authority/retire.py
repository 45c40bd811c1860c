"""The end of elders: out of every bundle, once no certificate of theirs is needed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DeniedError
from ..files import move
from ..inventory import Authority, AuthorityState, Inventory
from ..model import Plan, Step
from ..pki.values import Certificate
from .ca import certificates
from .elders import elders, short_id
from .everywhere import spread
from .layout import RETIRED
from .ledger import at_work, record, row_of
from .reading import reading

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Retirement:
    """What was retired: the names of the authorities, and the directories whose bundle lost them."""

    names: tuple[str, ...]
    directories: tuple[str, ...]


def plan_retire(site: Site, *, force: bool = False) -> Plan[Retirement]:
    """Plan to trust the authorities no more that were replaced; their files are kept as ``retired-*``.

    Args:
        site: where.
        force: although hosts still use certificates of theirs.

    Raises:
        MissingInputError: there is no authority, or no inventory.
        DeniedError: hosts still use them; the reason lists them.
    """
    with reading(site) as inventory:
        _refuse_needed(site, inventory, force=force)
    older = elders(site)
    steps = [
        Step("move", elder.files.directory, 0o700, f"to {_home(site, elder.certificate)}") for elder in older
    ]
    steps += [Step("take the old CA out of", f"{site.certificates}/cacert.pem", 0o600)] if older else []
    return Plan(tuple(steps), lambda: _retire(site, force=force))


def hosts_of(inventory: Inventory, authorities: Collection[int], now: datetime) -> Iterator[str]:
    """Yield the hosts whose newest certificate is valid and was signed by one of these, each once."""
    rows = inventory.listing(latest=True, expires_after=now)
    yield from dict.fromkeys(row.host for row in rows if row.authority in authorities)


def superseded(site: Site, inventory: Inventory) -> list[Authority]:
    """Return the rows of authorities of ours that are not retired and do not sign."""
    own = row_of(inventory, certificates(site)[0])
    rows = (row for row in inventory.authorities() if row.state is AuthorityState.CURRENT)
    return [row for row in rows if own is None or row.id != own.id]


def _retire(site: Site, *, force: bool) -> Retirement:
    with at_work(site) as inventory:
        _refuse_needed(site, inventory, force=force)
        rows = superseded(site, inventory)
        for elder in elders(site):
            move(elder.files.directory, _home(site, elder.certificate))
        changed = spread(site, inventory)
        with inventory.transaction():
            for row in rows:
                inventory.retire_authority(row.id)
                record(site, inventory, "ca retire", row.name, f"key identifier {row.ski}")
        return Retirement(tuple(row.name for row in rows), tuple(changed))


def _refuse_needed(site: Site, inventory: Inventory, *, force: bool) -> None:
    rows = superseded(site, inventory)
    needed = list(hosts_of(inventory, {row.id for row in rows}, site.clock()))
    if not needed or force:
        return
    more = f" and {len(needed) - _SHOWN} more" if len(needed) > _SHOWN else ""
    raise DeniedError(
        ", ".join(row.name for row in rows),
        f"still certifies {', '.join(needed[:_SHOWN])}{more}",
        f"smtpcreds cert renew {needed[0]}, and so on; or --force, which stops their certificates",
    )


def _home(site: Site, certificate: Certificate) -> str:
    return f"{site.ca_directory}/{RETIRED}{short_id(certificate)}"
