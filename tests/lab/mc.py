"""The few lines of sendmail.mc around the fragments that are under test."""

import re

BUSY = """\
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
"""
"""A host of the lab shares the load of this machine, at which Sendmail would refuse mail."""

HEAD = f"""\
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=smtp')dnl
define(`confTO_IDENT', `0')dnl
{BUSY}"""

TAIL = """\
FEATURE(`local_lmtp')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
"""

AUTHINFO = re.compile(r"^Sauthinfo\n(?:R.*\n|\s+.*\n|\n)*", re.MULTILINE)


def hub(*fragments: str, smart_host: str) -> str:
    """Return the sendmail.mc of a relay that hands foreign mail to the address `smart_host`."""
    return _assemble(fragments, f"[{smart_host}]")


def client(*fragments: str, hub: str) -> str:
    """Return the sendmail.mc of a host that sends all foreign mail to the host named `hub`."""
    return _assemble(fragments, f"[{hub}]")


def _assemble(fragments: tuple[str, ...], smart_host: str) -> str:
    return "".join([HEAD, f"define(`SMART_HOST', `{smart_host}')dnl\n", *fragments, TAIL])


def include(path: str) -> str:
    """Return the line that includes a fragment that stands in a file of the host."""
    return f"include(`{path}')dnl\n"


def defines(**values: str) -> str:
    """Return one `define` line for each option; no value may hold a quote of m4's."""
    return "".join(f"define(`{name}', `{value}')dnl\n" for name, value in values.items())


def relaying(*mechanisms: str) -> str:
    """Return the hub's lines that offer these mechanisms, and relay for who used one of them."""
    names = " ".join(mechanisms)
    return f"TRUST_AUTH_MECH(`{names}')dnl\n" + defines(confAUTH_MECHANISMS=names)


def without_authinfo(cf: str) -> str:
    """Take the ruleset `authinfo` out of a sendmail.cf: by existing it disables DefaultAuthInfo."""
    shorter, count = AUTHINFO.subn("", cf)
    if count != 1:
        raise ValueError("not the one ruleset authinfo that the macros of sendmail 8.17 produce")
    return shorter
