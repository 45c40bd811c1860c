"""CERT: for which host, for which role, for which public."""

from collections.abc import Iterator

from ..names import covers
from ..pki.chains import is_issued_by
from ..pki.constraints import names_of
from ..pki.dn import title
from ..pki.path_rules import Path, fit_for_purpose, signs_handshakes
from ..pki.profiles import Purpose
from .cert_pair import issue, issue_again
from .finding import Finding, found
from .holdings import Holding
from .world import World

_PROFILES: dict[tuple[Purpose, ...], str] = {
    (Purpose.SERVER,): "server",
    (Purpose.CLIENT,): "client",
}


def names(world: World) -> Iterator[Finding]:
    """A server's certificate is for its name (RFC 9525), and its common name too, for VERIFY+CN."""
    for holding in world.holdings:
        wanted = _hosts(world, holding)
        held = names_of(holding.leaf).dns_names
        fitting = [host for host in wanted if any(host == name or covers(name, host) for name in held)]
        if wanted and not fitting:
            reason = f"is not for {' or '.join(wanted)}; it holds {', '.join(held) or 'no name'}"
            yield found("CERT007", holding.path, reason, issue(world, holding.path, wanted[-1]))
        elif fitting and holding.serves("sendmail") and title(holding.leaf) not in fitting:
            reason = f"has the common name {title(holding.leaf)}, and the host is {fitting[0]}"
            yield found("CERT008", holding.path, reason, issue(world, holding.path, fitting[0]))


def roles(world: World) -> Iterator[Finding]:
    """The extendedKeyUsage and keyUsage allow what the certificate is configured for."""
    for holding in world.holdings:
        path = Path((holding.leaf,), world.site.clock(), holding.roles)
        fault = fit_for_purpose(path) or signs_handshakes(path)
        if fault:
            where = ", ".join(dict.fromkeys(f"{u.program} as {u.role.value}" for u in holding.place.uses))
            reason = fault + (f", and is configured in {where}" if where else "")
            profile = _PROFILES.get(holding.roles, "relay")
            yield found("CERT009", holding.path, reason, issue_again(world, holding, profile))


def public(world: World) -> Iterator[Finding]:
    """A host that takes mail for its domain from anywhere shows a certificate that anybody knows."""
    domain = world.site.domain
    if not domain or domain not in _received(world):
        return
    for holding in world.holdings:
        servers = [program for program in ("sendmail", "postfix") if holding.serves(program)]
        if servers and any(is_issued_by(holding.leaf, ca) for ca in world.authorities):
            reason = f"is of a private CA, and {servers[0]} takes mail for {domain} from strangers"
            yield found("CERT022", holding.path, reason, f"smtpcreds cert request {world.host}")


def _hosts(world: World, holding: Holding) -> tuple[str, ...]:
    """Return the names that clients may ask for; none for a certificate that serves no clients."""
    if holding.serves("sendmail"):
        return world.hosts
    if holding.serves("postfix") and world.postfix:
        own = world.postfix.value("myhostname")
        return (own,) if own else world.hosts
    if holding.place.uses or not holding.row or Purpose.SERVER not in holding.roles:
        return ()
    return (holding.row.host,)


def _received(world: World) -> set[str]:
    """Return the domains for which mail comes in: classes w and R of Sendmail, mydestination of Postfix."""
    found: set[str] = set()
    if world.sendmail:
        for name in ("w", "R"):
            found |= world.sendmail.classes.get(name, frozenset())
            text = world.text(world.sendmail.class_files.get(name, "/nonexistent")) or ""
            found |= {line.strip() for line in text.splitlines() if not line.startswith("#")}
    if world.postfix:
        found |= set(world.postfix.words("mydestination"))
    return {name.lower() for name in found}
