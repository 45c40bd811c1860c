"""What comes next on the hub, in the words of the mail server that it has."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..config import Site
from ..deploy.own import applied_servers, installed_servers
from ..shell import quote

if TYPE_CHECKING:
    from ..ca.issue import Issued


def servers(site: Site) -> list[str]:
    """Return the mail servers of this hub, by family: those that were applied, else what is installed."""
    return applied_servers(site) or installed_servers(site)


def to_reload(site: Site) -> str:
    """Return how the mail server reads its files again; Sendmail where it is not known."""
    here = installed_servers(site)
    families = (len(here) > 1 and applied_servers(site)) or here
    services = {"exim": site.system.exim_program}
    command = " && ".join(site.system.to_reload(services.get(family, family)) for family in families)
    return f": {command}" if command else f"; Sendmail: {site.system.to_reload('sendmail')}"


def after_issue(site: Site, issued: "Sequence[Issued]") -> Iterator[str]:
    """Yield what to do with a single certificate: of a client host, or of the hub itself."""
    if len(issued) != 1:
        return
    host = issued[0].order.host
    if host != site.hub:
        yield f"next: smtpcreds bundle {quote(host)}"
    elif applied_servers(site):
        yield f"next: let the mail server read it{to_reload(site)}"
    elif families := installed_servers(site):
        yield from (f"next: smtpcreds mta apply {family}-hub --edit --run" for family in families)
    else:
        yield "next: smtpcreds mta list    names the mail programs; then apply that of this host"
