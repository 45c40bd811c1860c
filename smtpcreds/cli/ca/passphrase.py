"""``smtpcreds ca passphrase``."""

import click

from ...errors import UsageError
from ..lazy import Verb
from ..secrets import ca_passphrase, changed_ca_passphrase, passphrase_option
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.option("--new-passphrase", metavar="SOURCE", help="Encrypts the keys; default: asked on a terminal.")
@click.option("--remove", is_flag=True, help="Store the keys unencrypted.")
@passphrase_option
@pass_session
def passphrase(session: Session, new_passphrase: str | None, remove: bool, passphrase: str | None) -> None:
    """Encrypt every key of the authority under another passphrase, all of them or none."""
    from ...authority.ca import proven
    from ...authority.layout import ca_files
    from ...authority.rekey import change_passphrase

    if remove and new_passphrase:
        raise UsageError("--remove", "leaves no place for --new-passphrase")
    site = session.site()
    opens = proven(ca_passphrase(passphrase, site), ca_files(site).key)
    new = (lambda: None) if remove else changed_ca_passphrase(new_passphrase)
    paths = session.run(site, lambda work: change_passphrase(work, new), opens)
    if paths is None:
        return
    if site.settings.ca.passphrase:
        session.warn(
            f"{site.settings_path} says where the passphrase is (ca.passphrase); change it there too"
        )
    state = "unencrypted" if remove else "encrypted with the new passphrase"
    session.show({"keys": paths, "encrypted": not remove}, [f"{path}: {state}" for path in paths])
