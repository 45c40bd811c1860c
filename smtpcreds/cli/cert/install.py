"""``smtpcreds cert install``."""

from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...authority.install_answer import Installed


@click.command(cls=Verb)
@click.argument("file")
@click.option("--host", metavar="HOST", help="Whose certificate it is; default: found by its key.")
@click.option("--chain", metavar="FILE", help="More CA certificates above it.")
@click.option("--ca", metavar="FILE", help="The root of the CA, and others.")
@click.option("--server", "profile", flag_value="server", help="For the server role only.")
@click.option("--client", "profile", flag_value="client", help="For the client role only.")
@click.option("--to", "target", metavar="DIR", help="The key is in DIR, not in /etc/mail/certs.")
@pass_session
def install(
    session: Session,
    file: str,
    host: str | None,
    chain: str | None,
    ca: str | None,
    profile: str | None,
    target: str | None,
) -> None:
    """Install the certificate in FILE, which another CA made from a request.

    It must belong to a key that is here, be for the host and both roles, and lead to a root: of FILE, of
    --chain or --ca, or one that is trusted already. Nothing is changed unless all of that holds.
    """
    from ...authority.answers import Sources
    from ...authority.install_answer import install_answer
    from ...pki.profiles import parse_profile

    site = session.site()
    more = tuple(session.absolute(path) for path in (chain, ca) if path)
    directory = session.absolute(target) if target else None
    sources = Sources(session.absolute(file), parse_profile(profile or "relay"), host, directory, more)
    installed = session.run(site, lambda work: install_answer(work, sources))
    if installed is not None:
        _show(session, installed, sources.profile.name, sources.profile.label)


def _show(session: Session, installed: "Installed", profile: str, label: str) -> None:
    from ...pki.describe import describe

    answer = installed.answer
    found = describe(answer.certificate)
    added = [describe(ca) for ca in installed.added]
    session.show(
        {
            "host": answer.host,
            "profile": profile,
            "names": [*found.dns_names, *found.addresses],
            "serial": found.serial,
            "issuer": found.issuer,
            "not_before": found.not_before,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "key": answer.pair.key,
            "certificate": answer.pair.certificate,
            "trusted": [{"subject": ca.subject, "fingerprint": ca.fingerprint} for ca in added],
        },
        [
            f"{answer.host}: {label} of {found.issuer}, valid to {found.not_after:%Y-%m-%d}",
            f"  {session.described(answer.pair.key)}",
            f"  {session.described(answer.pair.certificate)}",
            *(f"  cacert.pem now also holds {ca.subject}, SHA-256 {ca.fingerprint}" for ca in added),
            "next: reload the mail server",
        ],
    )
