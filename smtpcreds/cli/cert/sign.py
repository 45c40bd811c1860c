"""``smtpcreds cert sign``."""

from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...authority.sign_request import Granted


@click.command(cls=Verb)
@click.argument("csr")
@click.option("--server", "profile", flag_value="server", help="For the server role only.")
@click.option("--client", "profile", flag_value="client", help="For the client role only.")
@click.option(
    "--san", "only", multiple=True, metavar="NAME", help="Certify only this of the names that CSR asks for."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 365.")
@click.option("--to", "target", metavar="FILE", help="Write FILE; default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@passphrase_option
@pass_session
def sign(
    session: Session,
    csr: str,
    profile: str | None,
    only: tuple[str, ...],
    days: int | None,
    target: str | None,
    force: bool,
    passphrase: str | None,
) -> None:
    """Sign CSR, the request of a host that keeps its own key.

    Names and key are taken from it, after proof that the host has the key. All else follows from the roles:
    both, server and client, unless --server or --client says otherwise.
    """
    from ...authority.sign_request import read_petition, sign_request
    from ...pki.profiles import parse_profile

    site = session.site()
    petition = read_petition(
        site,
        session.absolute(csr),
        parse_profile(profile or "relay"),
        days=days,
        only=only,
        target=session.absolute(target) if target else None,
    )
    for item in petition.ignored:
        session.warn(f"{csr}: ignored: {item}")
    granted = session.run(
        site, lambda work: sign_request(work, petition, force=force), ca_passphrase(passphrase, site)
    )
    if granted is not None:
        _show(session, granted)


def _show(session: Session, granted: "Granted") -> None:
    from ...pki.describe import describe

    petition, found = granted.petition, describe(granted.certificate)
    if petition.target is None and not session.as_json:
        click.echo(granted.pem, nl=False)
        return
    end = f"valid to {found.not_after:%Y-%m-%d}{' (the end of the CA)' if granted.shortened else ''}"
    session.show(
        {
            "host": petition.request.name,
            "profile": petition.profile.name,
            "names": petition.names,
            "key_type": found.key_type,
            "serial": found.serial,
            "not_before": found.not_before,
            "not_after": found.not_after,
            "shortened": granted.shortened,
            "fingerprint": found.fingerprint,
            "ignored": petition.ignored,
            "file": petition.target,
            "pem": granted.pem.decode("ascii"),
        },
        [
            f"{petition.request.name}: {petition.profile.label}, {found.key_type}, {end}",
            f"  for {', '.join(petition.names)}",
            *([f"  {session.described(petition.target)}"] if petition.target else []),
        ],
    )
