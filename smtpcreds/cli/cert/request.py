"""``smtpcreds cert request``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.argument("host")
@click.option(
    "--san", "alternatives", multiple=True, metavar="NAME", help="One more host name or IP address."
)
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--new-key", is_flag=True, help="Make a new key, though there is one.")
@click.option("--to", "target", metavar="DIR", help="Write into DIR, not into /etc/mail/certs.")
@click.option("--force", is_flag=True, help="Let a new key replace one that waits for its certificate.")
@pass_session
def request(
    session: Session,
    host: str,
    alternatives: tuple[str, ...],
    key_type: str | None,
    new_key: bool,
    target: str | None,
    force: bool,
) -> None:
    """Make a key for HOST, and the request that another CA makes its certificate from.

    A key that is there is taken again. The answer is installed with cert install.
    """
    from ...authority.orders import Wishes, order
    from ...authority.requests import Wish
    from ...authority.requests import request as ask
    from ...pki.keys import parse_key_type

    site = session.site()
    directory = session.absolute(target) if target else None
    wanted = order(site, host, Wishes(alternatives=alternatives, key_type=key_type, directory=directory))
    asked_type = parse_key_type(key_type) if key_type else None
    wish = Wish(wanted, asked_type, new_key or force, force)
    asked = session.run(site, lambda work: ask(work, wish))
    if asked is None:
        return
    path = wanted.pair.request
    was = "" if asked.made_key else "  (was there)"
    session.show(
        {
            "host": wanted.host,
            "names": wanted.names,
            "key_type": asked.key_label,
            "key": asked.key_path,
            "made_key": asked.made_key,
            "request": path,
            "changed": asked.changed,
            "pem": asked.pem.decode("ascii"),
        },
        [
            f"{wanted.host}: request for {', '.join(wanted.names)}, {asked.key_label}",
            f"  {session.described(asked.key_path)}{was}",
            f"  {session.described(path)}{'' if asked.changed else '  (unchanged)'}",
            "next: send the request to the CA; then: smtpcreds cert install FILE" + _place(target),
        ],
    )


def _place(target: str | None) -> str:
    return f" --to {target}" if target else ""
