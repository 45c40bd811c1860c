"""Which mechanisms a mail server offers by what lies on disk, before our files take their place."""

from ..config import Site
from ..errors import DamagedFileError
from ..files import exists, read_public
from ..mta import main_cf, postfix, sasl_conf, sendmail, sendmail_cf
from ..mta.program import Facts, Program, Role
from ..names import PLAINTEXT
from ..shell import quote
from ..systems import Words


def withdrawn(site: Site, program: Program, facts: Facts) -> tuple[str, ...]:
    """Return what the hub's mail server offers now and will not, once our files count."""
    if program.ROLE is not Role.HUB or program.FAMILY not in _OFFERED:
        return ()
    limit = _mech_list(site, program.FAMILY)
    offered = _OFFERED[program.FAMILY](site)
    now = offered & limit if limit else offered
    return tuple(name for name in sorted(now) if name not in facts.mechanisms)


def to_keep(site: Site, program: Program, names: tuple[str, ...], facts: Facts) -> str:
    """Return how they are kept; empty for those that we never offer."""
    both = {*names, *facts.mechanisms}
    keytab = facts.keytab or (_keytab(site, program.FAMILY) if sasl_conf.GSSAPI in names else "")
    by_ticket = (f"--keytab {quote(keytab)}",) if keytab else ()
    known = [name for name in sasl_conf.STRONGEST_FIRST if name in both]
    if not set(names) & {*known, *([sasl_conf.GSSAPI] if keytab else [])}:
        return ""
    more = tuple(f"--mechanism {name}" for name in known)
    if set(names) <= {*PLAINTEXT, sasl_conf.GSSAPI}:
        more = ("--plaintext",) if set(names) & set(PLAINTEXT) else ()
    return " ".join(("smtpcreds mta apply", program.NAME, *by_ticket, *more))


def _of_sendmail(site: Site) -> set[str]:
    return set(sendmail_cf.parse(_text(site, sendmail.RESULT)).option("AuthMechanisms").upper().split())


def _of_postfix(site: Site) -> set[str]:
    """Return what is offered unless smtpd.conf says otherwise, as far as people depend on it."""
    path = Words(site.system).said(postfix.MAIN)
    main = main_cf.parse(_text(site, path), site.path(path))
    is_cyrus = main.value("smtpd_sasl_type") == "cyrus" and main.is_on("smtpd_sasl_auth_enable")
    return set(PLAINTEXT) if is_cyrus else set()


_OFFERED = {"sendmail": _of_sendmail, "postfix": _of_postfix}


def _mech_list(site: Site, family: str) -> set[str]:
    """Return what Cyrus SASL limits the offer to; empty for no limit."""
    return set(_said(site, family, "mech_list").upper().split())


def _keytab(site: Site, family: str) -> str:
    """Return the keytab that the mail server was told of, else the host's own."""
    return _said(site, family, "keytab") or sasl_conf.KEYTAB


def _said(site: Site, family: str, key: str) -> str:
    path = Words(site.system).said(sasl_conf.PROGRAMS[family].conf)
    try:
        found = sasl_conf.parse(_text(site, path).encode(), path).get(key, b"")
    except DamagedFileError:
        return ""
    return found.decode(errors="replace")


def _text(site: Site, path: str) -> str:
    there = site.path(path)
    return read_public(there).decode(errors="replace") if exists(there) else ""
