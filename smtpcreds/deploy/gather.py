"""The facts of one host for one mail program, from the authority, the accounts and the configuration."""

from dataclasses import replace

from ..authority.layout import BUNDLE, CRL, pair_of
from ..authority.reading import has_inventory, reading
from ..config import Site
from ..config.host import first_existing, host_name
from ..errors import MissingInputError, UsageError
from ..files import exists, read_private, read_public
from ..mechanisms import PLAINTEXT
from ..mta import access
from ..mta.mechanisms import DEFAULT, offer
from ..mta.port import Facts, Material, Need, Program, Role, Tls
from ..mta.programs import check_variants
from ..mta.sasl_conf import Backend, Saslauthd
from ..secret import Secret
from .credentials import credential, held
from .relaying import clients, rules
from .sasl_conf import backend_of_hub
from .verifiers import verifiers
from .wishes import Wishes

PID_FILES = ("/run/sendmail/mta/sendmail.pid", "/run/sendmail.pid", "/var/run/sendmail.pid")
"""Debian's, Fedora's, and what sendmail is built with."""


def gather(site: Site, program: Program, options: Wishes, material: Material | None = None) -> Facts:
    """Return what the program is told.

    Args:
        site: where.
        program: it is told what it needs and no more.
        options: what is wanted of it.
        material: what the host's certificate files will say, where they do not lie on this disk.

    Raises:
        UsageError: a choice the program does not know, or a client host that is the hub itself.
        MissingInputError, NoSuchAccountError: something must be made first; the hint says how.
    """
    check_variants(program, options.variants)
    if options.access and Need.RULES not in program.NEEDS:
        raise UsageError("--access", f"is for Sendmail; {program.NAME} has no access map")
    wishes = options.over(site.settings.mta, program.VARIANTS)
    here = replace(site, settings=site.settings._replace(hub=wishes.hub)) if wishes.hub else site
    host = _host(here, program, wishes)
    is_hub = program.ROLE is Role.HUB
    default = PLAINTEXT if is_hub and wishes.saslauthd else DEFAULT
    accounts = held(here) if program.NEEDS & {Need.ACCOUNTS, Need.VERIFIERS} else ()
    return Facts(
        host=host,
        hub=here.hub,
        realm=here.realm,
        mechanisms=offer(
            wishes.mechanisms, default=default, plaintext=wishes.plaintext, external=wishes.external
        ),
        tls=_tls(here, host),
        pid_file=first_existing(here.root, PID_FILES),
        backend=_backend(here, program, wishes) if is_hub else None,
        credential=credential(here, program, wishes) if Need.CREDENTIAL in program.NEEDS else None,
        rules=_rules(here, program, wishes),
        variants=wishes.variants,
        port=wishes.port or 25,
        material=(material or _material(here, host)) if Need.MATERIAL in program.NEEDS else None,
        accounts=accounts,
        verifiers=verifiers(here, accounts, wishes.variants) if Need.VERIFIERS in program.NEEDS else {},
        clients=clients(here, wishes) if Need.CLIENTS in program.NEEDS else (),
        fingerprint=_fingerprint(here, wishes) if Need.FINGERPRINT in program.NEEDS else "",
    )


def _host(site: Site, program: Program, wishes: Wishes) -> str:
    if program.ROLE is Role.HUB:
        return site.qualify(wishes.host) if wishes.host else site.hub
    host = site.qualify(wishes.host or host_name(site.root))
    if host == site.hub:
        hint = f"name the hub: --hub NAME, or hub in {site.settings_path}; or the client host: --host NAME"
        raise UsageError(host, f"is the hub itself, and {program.NAME} would send its mail in circles", hint)
    return host


def _tls(site: Site, host: str) -> Tls:
    directory = site.settings.cert.directory
    pair = pair_of(site, host, directory)
    return Tls(pair.key, pair.certificate, f"{directory}/{BUNDLE}", directory, f"{directory}/{CRL}")


def _backend(site: Site, program: Program, wishes: Wishes) -> Backend:
    if wishes.saslauthd:
        return Saslauthd()
    return backend_of_hub(site, program.FAMILY, wishes)


def _rules(site: Site, program: Program, wishes: Wishes) -> tuple[access.Rule, ...]:
    if Need.RULES in program.NEEDS:
        return rules(site, wishes, is_hub=program.ROLE is Role.HUB)
    return ()


def _material(site: Site, host: str) -> Material:
    """Return what the host's files say.

    Raises:
        MissingInputError: one of them is not there.
    """
    directory = site.certificates
    pair = pair_of(site, host)
    for path in (pair.key, pair.certificate, f"{directory}/{BUNDLE}", f"{directory}/{CRL}"):
        if not exists(path):
            raise MissingInputError(
                path, f"is missing, so {host} has no TLS to speak of", f"smtpcreds cert issue {host}"
            )
    return Material(
        Secret(read_private(pair.key)),
        read_public(pair.certificate),
        read_public(f"{directory}/{BUNDLE}"),
        read_public(f"{directory}/{CRL}"),
    )


def _fingerprint(site: Site, wishes: Wishes) -> str:
    """Return the fingerprint of the hub's certificate, given or from the inventory.

    Raises:
        UsageError: what was given is no SHA-256 in hex.
        MissingInputError: none was given, and the inventory knows no certificate of the hub.
    """
    if wishes.fingerprint:
        return _parse_fingerprint(wishes.fingerprint)
    if has_inventory(site):
        with reading(site) as inventory:
            current = inventory.current(site.hub, site.clock())
        if current and current.fingerprint:
            return current.fingerprint
    hint = f"on the hub: smtpcreds cert show {site.hub}; here: --fingerprint HEX"
    raise MissingInputError(site.hub, "has no certificate that is known here", hint)


def _parse_fingerprint(text: str) -> str:
    plain = text.replace(":", "").lower()
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise UsageError("--fingerprint", "takes a SHA-256: 64 hex digits, colons between them or not")
    return plain
