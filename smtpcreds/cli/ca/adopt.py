"""``smtpcreds ca import``."""

import click

from ..lazy import Verb
from ..secrets import import_passphrases, warn_of_plain_key
from ..session import Session, pass_session


@click.command("import", cls=Verb)
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--key", metavar="FILE", help="The CA's private key, in PEM.")
@click.option("--cert", "certificate", metavar="FILE", help="The CA's certificate.")
@click.option("--chain", metavar="FILE", help="The certificates above it, where it is no root.")
@click.option("--import-passphrase", metavar="SOURCE", help="Opens the key; default: as --passphrase.")
@click.option("--passphrase", metavar="SOURCE", help="Encrypts the key from now on; default: what opens it.")
@click.option("--no-passphrase", is_flag=True, help="Store the key unencrypted.")
@pass_session
def import_(
    session: Session,
    directory: str | None,
    key: str | None,
    certificate: str | None,
    chain: str | None,
    import_passphrase: str | None,
    passphrase: str | None,
    no_passphrase: bool,
) -> None:
    """Take over the authority in DIR, or that of --key and --cert.

    DIR is of easy-rsa (pki), openssl ca (demoCA), step, mkcert, minica or certstrap. Certificates,
    revocations and the CRL number that are found there go on from where they are. DIR is not changed.
    """
    from ...authority.adopt import adopt
    from ...authority.foreign import Named, survey
    from ...pki.describe import describe

    site = session.site()
    paths = (path and session.absolute(path) for path in (directory, key, certificate, chain))
    secrets = import_passphrases(import_passphrase, passphrase, site, none=no_passphrase)
    theirs = survey(Named(*paths))
    adopted = session.run(site, lambda work: adopt(work, theirs, secrets.keeping), secrets.opening)
    if adopted is None:
        return
    if not adopted.encrypted:
        warn_of_plain_key(site, None, none=no_passphrase)
    found = describe(adopted.certificate)
    end = f"valid to {found.not_after:%Y-%m-%d}"
    session.show(
        {
            "name": found.title,
            "from": adopted.peer,
            "key_type": found.key_type,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "certificates": adopted.certificates,
            "revoked": adopted.revoked,
            "crl_number": adopted.crl_number,
            "encrypted": adopted.encrypted,
            "directory": site.ca_directory,
        },
        [
            f"{found.title}: imported from {adopted.peer}, {found.key_type}, {end}",
            f"  {session.described(site.ca_directory)}",
            f"  certificates known: {adopted.certificates}, revoked: {adopted.revoked}",
            "next: use the other program no more with this CA, and take its copy of the key off this host",
            "      smtpcreds cert issue HOST",
        ],
    )
