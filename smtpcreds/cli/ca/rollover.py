"""``smtpcreds ca rollover``."""

from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from ..lazy import Verb
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...authority.rollover import Rolled

_SHOWN = 20


@click.command(cls=Verb)
@click.option("--retire-old", is_flag=True, help="Trust the old authority no more; makes no new one.")
@click.option("--force", is_flag=True, help="Retire it although hosts use certificates of it.")
@click.option("--name", metavar="TEXT", help="Common name; default: that of the present one.")
@click.option("--organization", metavar="TEXT", help="Organisation; default: that of the present one.")
@click.option("--key-type", metavar="TYPE", help="As for ca init; default: that of the present one.")
@click.option("--days", type=int, metavar="N", help="Lifetime; default: that of the present one.")
@click.option("--permit", "permitted", multiple=True, metavar="DOMAIN", help="Certify DOMAIN only.")
@click.option("--no-name-constraints", "unconstrained", is_flag=True, help="Certify any name.")
@click.option("--intermediate", is_flag=True, help="Make a root and an issuing CA where there was one CA.")
@click.option(
    "--new-root", is_flag=True, help="Make a new root too, not only an issuing CA below the old one."
)
@click.option("--root-key", metavar="FILE", help="The root's private key, where it is kept offline.")
@click.option("--root-passphrase", metavar="SOURCE", help="Opens the root key; default: as --passphrase.")
@passphrase_option
@pass_session
def rollover(
    session: Session,
    /,
    retire_old: bool,
    force: bool,
    new_root: bool,
    root_key: str | None,
    root_passphrase: str | None,
    passphrase: str | None,
    **wishes: Any,
) -> None:
    """Replace the authority by a new one, which signs from now on.

    The old one stays in every cacert.pem, so both are trusted while hosts get new certificates. Its key is
    kept with it, and goes on signing its CRL. When every host has changed: ca rollover --retire-old.
    """
    if force and not retire_old:
        raise UsageError("--force", "goes with --retire-old")
    if retire_old:
        _retire(session, force=force)
        return
    from ...authority.rollover import RootKey, roll_over, successor

    site = session.site()
    opens = ca_passphrase(passphrase, site)
    root = RootKey(
        session.absolute(root_key) if root_key else None,
        ca_passphrase(root_passphrase, site) if root_passphrase else None,
        new_root,
    )
    rolled = session.run(site, lambda work: roll_over(work, successor(work, **wishes), root), opens)
    if rolled is not None:
        _show(session, rolled)


def _show(session: Session, rolled: "Rolled") -> None:
    from ...pki.describe import describe

    new, old = describe(rolled.certificate), describe(rolled.old)
    hosts = [f"      smtpcreds cert renew {host}" for host in rolled.hosts[:_SHOWN]]
    more = [f"      and {len(rolled.hosts) - _SHOWN} more"] if len(rolled.hosts) > _SHOWN else []
    session.show(
        {
            "name": new.title,
            "key_type": new.key_type,
            "not_after": new.not_after,
            "fingerprint": new.fingerprint,
            "old_fingerprint": old.fingerprint,
            "directories": rolled.directories,
            "hosts": rolled.hosts,
        },
        [
            f"{new.title}: signs from now on, {new.key_type}, valid to {new.not_after:%Y-%m-%d}",
            f"  the old one (sha256 {old.fingerprint[:16]}) is trusted until it is retired",
            *(f"  both are in {directory}/cacert.pem" for directory in rolled.directories),
            "next: smtpcreds ca export --to FILE    client hosts elsewhere need it first, as cacert.pem",
            *hosts,
            *more,
            "      smtpcreds ca rollover --retire-old    when every host has its new certificate",
        ],
    )


def _retire(session: Session, *, force: bool) -> None:
    from ...authority.retire import retire

    done = session.run(session.site(), lambda work: retire(work, force=force))
    if done is None:
        return
    session.show(
        {"retired": done.names, "directories": done.directories},
        [
            *(f"{name}: retired, and trusted no more" for name in done.names),
            *(f"  taken out of {directory}/cacert.pem" for directory in done.directories),
        ]
        or ["no authority to retire"],
    )
