"""``smtpcreds ca export``."""

import click

from ...errors import UsageError
from ..lazy import Verb
from ..secrets import ca_passphrase, changed_ca_passphrase, passphrase_option
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.option("--to", "target", metavar="FILE", help="Write a new file; default: standard output.")
@click.option("--key", "what", flag_value="key", help="Copy the private key that signs, as a backup.")
@click.option("--root-key", "what", flag_value="root-key", help="Copy the root's private key.")
@click.option("--remove", is_flag=True, help="Take the root key off this host once the copy is proven.")
@click.option("--new-passphrase", metavar="SOURCE", help="Encrypts the copy; default: as the key is.")
@passphrase_option
@pass_session
def export(
    session: Session,
    target: str | None,
    what: str | None,
    remove: bool,
    new_passphrase: str | None,
    passphrase: str | None,
) -> None:
    """Write all CA certificates that clients need, as PEM; or copy a private key to a safe place."""
    if remove and what != "root-key":
        raise UsageError("--remove", "goes with --root-key; the key that signs has to stay")
    if what:
        _key(session, what == "root-key", target, remove, new_passphrase, passphrase)
    elif new_passphrase:
        raise UsageError("--new-passphrase", "goes with --key or --root-key; certificates are no secret")
    else:
        _certificates(session, target)


def _certificates(session: Session, target: str | None) -> None:
    from ...authority.ca import CA
    from ...authority.export_ca import bundle, export_bundle

    site = session.site()
    if target is None:
        text = bundle(CA(site)).decode()
        session.show({"certificates": text}, [text.removesuffix("\n")])
        return
    place = session.absolute(target)
    path = session.run(site, lambda work: export_bundle(work, place), state=False)
    if path is not None:
        session.show({"file": path}, [session.described(path)])


def _key(
    session: Session,
    root: bool,
    target: str | None,
    remove: bool,
    new_passphrase: str | None,
    passphrase: str | None,
) -> None:
    from ...authority.ca import proven
    from ...authority.export_ca import KeyCopy, export_key
    from ...authority.layout import ca_files

    if target is None:
        raise UsageError("ca export", "writes a private key to a file only", "give --to FILE")
    site = session.site()
    files = ca_files(site)
    opens = proven(ca_passphrase(passphrase, site), files.root_key if root else files.key)
    new = changed_ca_passphrase(new_passphrase) if new_passphrase else None
    copy = KeyCopy(root, session.absolute(target), new, remove)
    exported = session.run(site, lambda work: export_key(work, copy), opens)
    if exported is None:
        return
    if not exported.encrypted:
        session.warn(f"{exported.path}: this private key is not encrypted")
    gone = (
        [f"removed {exported.removed}; keep the copy offline, rollover needs it"] if exported.removed else []
    )
    session.show(
        {"file": exported.path, "encrypted": exported.encrypted, "removed": exported.removed},
        [session.described(exported.path), *gone],
    )
