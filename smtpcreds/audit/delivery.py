"""MTA: whether a mail program that relays through us, or for us, sends mail to other hosts at all."""

from collections.abc import Iterator

from ..model import Finding
from ..mta import exim, postfix
from ..mta.program import Premise
from .finding import Code
from .host import Host

MTA140 = Code.error(
    "MTA140",
    "a Postfix that returns mail for other hosts, as Debian configures it for local mail only",
)
MTA240 = Code.error(
    "MTA240",
    "a hub whose Exim returns mail for other hosts, as Debian's package configures it until it is told more",
)


def delivering(host: Host) -> Iterator[Finding]:
    """Mail for other hosts is not returned by the configuration of the package."""
    main = host.postfix
    if main and (main.is_on("smtpd_sasl_auth_enable") or main.is_on("smtp_sasl_auth_enable")):
        yield from _unmet(host, MTA140, postfix.delivering())
    named = host.exim[1].authenticators.values() if host.exim else ()
    if any(name.startswith("server_") for options in named for name in options):
        yield from _unmet(host, MTA240, exim.delivering())


def _unmet(host: Host, code: Code, premise: Premise) -> Iterator[Finding]:
    path = host.path(premise.path)
    for what, cure in premise.faults_at(path, host.text(premise.path) or ""):
        yield code.found(path, what, cure)
