"""MTA: mail programs of a client host that belong to another hub than the configured one."""

from collections.abc import Iterator

from ..deploy.role import cure_other_hub, left_behind, of_others
from ..model import Finding
from ..shell import quote
from .finding import Code
from .host import Host

MTA150 = Code.note(
    "MTA150",
    "a mail program whose files and secret a bundle of another hub than the configured one brought, or "
    "certificates of a hub that no program uses any more",
)


def others(host: Host) -> Iterator[Finding]:
    """A hub that was renamed leaves behind what its bundles brought under its former name."""
    site = host.site
    for name, hub in of_others(site).items():
        reason = f"is of {hub}, whose bundle brought it, and the hub here is {site.hub}"
        yield MTA150.found(name, reason, cure_other_hub(site, name, hub))
    for path in left_behind(site):
        yield MTA150.found(path, "holds certificates of a hub that no program uses", f"rm -r {quote(path)}")
