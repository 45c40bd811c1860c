"""Which hub a mail program of a client host belongs to: that whose bundle brought its files and secret."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from ..ca.layout import BUNDLE, has_inventory, reading
from ..ca.told import tell, told_here
from ..config import Settings, Site, parse_settings
from ..errors import DamagedFileError, DeniedError, SmtpcredsError, UsageError
from ..files import exists, is_directory, names_in
from ..inventory.rows import OF_HUB
from ..mta.program import Program, Role
from ..mta.programs import PROGRAMS
from ..transaction import Transaction
from .options import RenderOptions, applied_options


def remember_hub(work: Transaction, program: Program, text: str) -> None:
    """Record what the bundle of a program says in the form of smtpcreds.toml, if it is something new."""
    tell(work, OF_HUB, program.NAME, text)


def brought(site: Site, *programs: Program) -> dict[str, Settings]:
    """Return by program what the hub says whose bundle brought its files; nothing of those that none brought.

    Who may not look into the state directory set nothing up.
    """
    try:
        if not has_inventory(site):
            return {}
        with reading(site) as inventory:
            found = {one.NAME: told_here(site, inventory, OF_HUB, one.NAME) for one in programs}
    except DeniedError:
        return {}
    return {name: _settings(text, name) for name, text in found.items() if text is not None}


def _settings(text: str, name: str) -> Settings:
    try:
        return parse_settings(text, name)
    except SmtpcredsError as error:  # whoever can write to the inventory can put anything there
        hint = "set it up anew: smtpcreds setup --client BUNDLE"
        raise DamagedFileError("the inventory", f"has no settings of the hub of {error}", hint) from None


def hubs(site: Site) -> dict[str, str]:
    """Return by client program the hub whose bundle brought its files."""
    clients = [program for program in PROGRAMS.values() if program.ROLE is Role.CLIENT]
    return {name: site.qualify(settings.hub) for name, settings in brought(site, *clients).items()}


def of_hub(site: Site, program: Program) -> Site:
    """Return the site as the hub of this program sees it; of the configured hub it is the same.

    The certificates of a further hub are in a directory of their own, unless it was the configured one.
    """
    given = brought(site, program).get(program.NAME) if program.ROLE is Role.CLIENT else None
    if given is None or site.qualify(given.hub) == site.hub:
        return site
    settings = further(site, given)
    has_own = exists(site.path(settings.cert.directory, BUNDLE))
    return replace(site, settings=settings if has_own else settings._replace(cert=site.settings.cert))


def at_hub(site: Site, server: str) -> Site:
    """Return the site as this server sees it, if a mail program here belongs to it; else as it is.

    An inventory that can't be read says nothing of that; whoever needs it is told.
    """
    with suppress(SmtpcredsError):
        for name, hub in hubs(site).items():
            if hub == server.lower():
                return of_hub(site, PROGRAMS[name])
    return site


def of_this_hub(site: Site) -> Iterator[Program]:
    """Yield the mail programs whose secrets are not those of another hub."""
    own = hubs(site)
    yield from (program for name, program in PROGRAMS.items() if own.get(name, site.hub) == site.hub)


def further(site: Site, given: Settings) -> Settings:
    """Return the settings of a program whose hub is not the configured one, whose word counts for its own."""
    own, hub = site.settings, site.qualify(given.hub)
    sasl = own.sasl._replace(account=given.sasl.account, realm=given.sasl.realm)
    cert = own.cert._replace(directory=f"{own.cert.directory}/{hub}")
    return own._replace(hub=hub, domain=given.domain or own.domain, mta=given.mta, sasl=sasl, cert=cert)


def refuse_other_hub(site: Site, program: Program, given: RenderOptions) -> None:
    """Accept that a secret goes to the hub that it came from, or one that is given with the other hub.

    Raises:
        UsageError: it would be sent to another hub, and nothing says that this knows it.
    """
    if not given.hub or given.secret:
        return
    own, hub = hubs(site).get(program.NAME), site.qualify(given.hub)
    if own in {None, hub} or _named(site, program.NAME).get(program.NAME) == hub:
        return
    reason = f"the secret of {program.NAME} is for {own}, whose bundle brought it"
    host = given.host or site.qualify(site.own_name)
    bundle = f"smtpcreds bundle {host} --mta {program.NAME} --new-key --force"
    hint = f"on {hub}: {bundle}; or, if that knows it: --password SOURCE"
    raise UsageError(f"--hub {given.hub}", reason, hint)


def _named(site: Site, *names: str) -> dict[str, str]:
    """Return by program the hub that ``mta apply`` was given."""
    told = applied_options(site, *(PROGRAMS[name] for name in names))
    return {name: site.qualify(options.hub) for name, options in told.items() if options.hub}


def is_named(site: Site, program: Program) -> bool:
    """Tell whether ``mta apply`` was given a hub for this program."""
    return bool(_named(site, program.NAME))


def of_others(site: Site) -> dict[str, str]:
    """Return by program the hub that is not the configured one, unless it was named for the program."""
    found = {name: hub for name, hub in hubs(site).items() if hub != site.hub}
    named = _named(site, *found)
    return {name: hub for name, hub in found.items() if named.get(name) != hub}


def left_behind(site: Site) -> list[str]:
    """Return the directories of certificates of further hubs to which no program here belongs any more."""
    own, used = site.certificates, set(hubs(site).values())
    names = sorted(names_in(own)) if used and is_directory(own) else []
    return [f"{own}/{name}" for name in names if name not in used and exists(f"{own}/{name}/{BUNDLE}")]


def cure_other_hub(site: Site, name: str, hub: str) -> str:
    """Return what to do with a program of a hub that is not the configured one."""
    host = site.qualify(site.own_name)
    bundle = f"smtpcreds bundle {host} --mta {name} --new-key --force"
    moved = f"on {site.hub}: {bundle}; then here: smtpcreds setup --client BUNDLE --force"
    both = f"smtpcreds mta apply {name} --hub {hub}"
    return f"if {site.hub} has taken its place: {moved}; if both are hubs of this host: {both}"
