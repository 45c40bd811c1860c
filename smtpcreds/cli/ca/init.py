"""``smtpcreds ca init``."""

from typing import Any

import click

from ..lazy import Verb
from ..secrets import new_ca_passphrase, passphrase_option, warn_of_plain_key
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.option("--name", metavar="TEXT", help="Common name; default: the domain and 'Mail CA'.")
@click.option("--organization", metavar="TEXT", help="Organisation; default: none, which keeps the DN short.")
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 3650.")
@passphrase_option
@click.option("--no-passphrase", is_flag=True, help="Store the key unencrypted.")
@click.option("--permit", "permitted_domains", multiple=True, metavar="DOMAIN", help="Certify DOMAIN only.")
@click.option("--no-name-constraints", "unconstrained", is_flag=True, help="Certify any name.")
@click.option("--intermediate", is_flag=True, help="Make a root and an issuing CA below it.")
@pass_session
def init(session: Session, /, passphrase: str | None, no_passphrase: bool, **wishes: Any) -> None:
    """Make the authority: a private key, and the certificate that signs others."""
    from ...authority.create import create, new_authority
    from ...pki.describe import describe

    site = session.site()
    wanted = new_authority(site, **wishes)
    secret = new_ca_passphrase(passphrase, site, none=no_passphrase)
    created = session.run(site, lambda work: create(work, wanted, secret))
    if created is None:
        return
    if not created.is_encrypted:
        warn_of_plain_key(site, None, none=no_passphrase)
    found = describe(created.certificate)
    limits = f"  certifies only {', '.join(found.permitted_domains)}" if found.permitted_domains else ""
    session.show(
        {
            "name": found.title,
            "key_type": found.key_type,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "permitted_domains": found.permitted_domains,
            "encrypted": created.is_encrypted,
            "directory": site.ca_directory,
        },
        [
            f"{found.title}: certificate authority, {found.key_type}, valid to {found.not_after:%Y-%m-%d}",
            f"  {session.described(site.ca_directory)}",
            *([limits] if limits else []),
            "next: smtpcreds cert issue HOST",
        ],
    )
