"""What the hub on this host offers its client hosts: by ``mta apply``, or as it is configured by hand."""

from collections.abc import Callable, Mapping

from ..ca.layout import has_inventory, reading
from ..config import Site
from ..errors import DataError, DeniedError, MissingInputError
from ..files import read_public
from ..mta import (
    dovecot,
    dovecot_hub,
    exim,
    exim_hub,
    exim_rules,
    main_cf,
    postfix,
    postfix_hub,
    sasl_conf,
    sendmail,
    sendmail_cf,
    sendmail_hub,
)
from ..mta.program import Program, Role
from ..systems import Words
from .facts import wanted_mechanisms
from .options import RenderOptions, applied_programs, in_force

_BY_DOVECOT = "dovecot"
"""The choice of a mail server whose accounts Dovecot checks."""


def applied_hubs(site: Site) -> Mapping[str, tuple[str, ...]]:
    """Return the programs of a hub that ``mta apply`` was run for, with the mechanisms that each offers."""
    if not has_inventory(site):
        return {}
    with reading(site) as inventory:
        hubs = [program for program in applied_programs(inventory) if program.ROLE is Role.HUB]
    return {program.NAME: _mechanisms(site, program) for program in hubs}


def _mechanisms(site: Site, program: Program) -> tuple[str, ...]:
    options = in_force(site, program, RenderOptions()).over(site.settings.mta, program.VARIANTS)
    offered = wanted_mechanisms(options, is_hub=True)
    if program is not dovecot_hub and _BY_DOVECOT not in options.variants:
        return offered
    stored = in_force(site, dovecot_hub, RenderOptions())
    known = dovecot_hub.offered(_text(site, dovecot_hub.FRAGMENT))
    if known and program is postfix_hub:  # which hands on what Dovecot names
        return known
    known = known or dovecot.MECHANISMS[dovecot.scheme_of(stored.variants)]
    return tuple(name for name in offered if name in known)


# A hub that was configured by hand, or applied with another state directory, as its files say.


def configured_hubs(site: Site) -> Mapping[str, tuple[str, ...]]:
    """Return the programs of this host that let clients log in, with the mechanisms that each offers."""
    found = {name: tuple(map(str.upper, look(site))) for name, look in _LOOKS.items()}
    return {name: mechanisms for name, mechanisms in found.items() if mechanisms}


def _text(site: Site, absolute: str) -> str:
    path = site.path(Words(site.system).said(absolute))
    try:
        return read_public(path).decode(errors="replace")
    except (MissingInputError, DeniedError):  # who may not read it learns it from the verbs that need it
        return ""


def _by_sendmail(site: Site) -> tuple[str, ...]:
    conf = sendmail_cf.parse(_text(site, sendmail.RESULT))
    return conf.words("AuthMechanisms") if conf.classes.get("TrustAuthMech") else ()


def _by_postfix(site: Site) -> tuple[str, ...]:
    main = main_cf.MainCf(postfix.in_force(_text(site, postfix.MAIN)))
    if not main.is_on("smtpd_sasl_auth_enable"):
        return ()
    if main.value("smtpd_sasl_type") == "dovecot":
        return _by_dovecot(site)
    conf = _text(site, sasl_conf.PROGRAMS["postfix"].conf)
    try:
        listed = sasl_conf.parse(conf.encode(), "smtpd.conf").get("mech_list", b"")
    except DataError:
        return ()
    return tuple(listed.decode(errors="replace").split())


def _by_dovecot(site: Site) -> tuple[str, ...]:
    text = _text(site, dovecot.CONFIGURATION)
    return dovecot.parse_configuration(f"{text}\n{_text(site, dovecot_hub.CONFIGURATION)}").mechanisms


def _by_exim(site: Site) -> tuple[str, ...]:
    conf = exim_rules.parse(exim.expand(_text(site, exim.GENERATED), lambda path: _text(site, path)))
    servers = (
        options
        for options in conf.authenticators.values()
        if any(name.startswith("server_") for name in options)
    )
    return tuple(options["public_name"] for options in servers if "public_name" in options)


_LOOKS: Mapping[str, Callable[[Site], tuple[str, ...]]] = {
    sendmail_hub.NAME: _by_sendmail,
    postfix_hub.NAME: _by_postfix,
    exim_hub.NAME: _by_exim,
}
