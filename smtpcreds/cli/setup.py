"""``smtpcreds setup``: everything a hub needs."""

import click

from .lazy import Verb
from .secrets import account_secret, ca_source, passphrase_option, warn_of_plain_key
from .session import Session, pass_session


@click.command(cls=Verb)
@click.argument("host")
@click.option("--account", metavar="NAME", help="The client hosts' account; default: maildroid.")
@click.option("--password", metavar="SOURCE", default="generate:", help="Its secret; default: generate it.")
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@passphrase_option
@click.option("--no-passphrase", is_flag=True, help="Store the CA key unencrypted.")
@pass_session
def setup(
    session: Session,
    host: str,
    account: str | None,
    password: str,
    allow_login_name: bool,
    passphrase: str | None,
    no_passphrase: bool,
) -> None:
    """Make the hub HOST ready: CA, certificate, relay account, default-auth-info.

    What is there already is left as it is; a second run changes nothing.
    """
    from functools import cache

    from ..setup import Secrets, hub, plan_hub

    wanted = hub(session.site(), host, account)
    site = wanted.site
    source = ca_source(passphrase, site, none=no_passphrase)
    made = cache(lambda: source.new(none=no_passphrase))
    secrets = Secrets(
        made,
        lambda: made() if made.cache_info().currsize else source.present(),
        cache(account_secret(password, f"password for {wanted.account}", site)),
    )
    parts = session.carry_out(plan_hub(wanted, secrets, allow_login_name=allow_login_name))
    if parts is None:
        return
    if made.cache_info().currsize:
        warn_of_plain_key(site, made(), none=no_passphrase)
    changed = any(part.made for part in parts)
    width = max(len(part.what) for part in parts)
    session.show(
        {
            "host": wanted.host,
            "account": str(wanted.account),
            "changed": changed,
            "parts": [{"what": part.what, "path": part.path, "made": part.made} for part in parts],
        },
        [
            f"{wanted.host}: {'ready' if changed else 'was ready; nothing changed'}",
            *(
                f"  {part.what:{width}}  {session.described(part.path)}{'' if part.made else '  (was there)'}"
                for part in parts
            ),
            f"next: copy {wanted.auth_info} to /etc/mail/default-auth-info of each client host, mode 0600",
            "      smtpcreds cert issue HOST --to DIR    for each client host's own certificate",
        ],
    )
