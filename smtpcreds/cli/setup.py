"""``smtpcreds setup``: everything a hub needs, or a client host from a bundle."""

from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .lazy import Verb
from .mta.remaining import remaining_lines, remaining_row
from .secrets import account_secret, ca_source, passphrase_option, warn_of_plain_key
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..deploy.place import Applied
    from ..setup.hub import Hub, Part

_OF_HUBS = ("account", "password", "allow_login_name", "no_passphrase")


@click.command(cls=Verb)
@click.argument("host", required=False)
@click.option("--client", "source", metavar="BUNDLE", help="Make this host a client host, from BUNDLE or -.")
@click.option("--mta", metavar="PROGRAM", help="Also the files of PROGRAM; of a client, what BUNDLE is for.")
@click.option("--account", metavar="NAME", help="The client hosts' account; default: maildroid.")
@click.option("--password", metavar="SOURCE", help="Its secret; default: generate it.")
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@passphrase_option
@click.option("--no-passphrase", is_flag=True, help="Store the CA key unencrypted.")
@click.option(
    "--force", is_flag=True, help="Replace PROGRAM's files that are not ours, or another certificate."
)
@pass_session
@click.pass_context
def setup(
    context: click.Context,
    session: Session,
    /,
    host: str | None,
    source: str | None,
    mta: str | None,
    passphrase: str | None,
    force: bool,
    **of_hubs: Any,
) -> None:
    """Make the hub HOST ready: CA, certificate, relay account, default-auth-info.

    With --client, make this host a client host instead, from what smtpcreds bundle made on the hub.
    What is there already is left as it is; a second run changes nothing.
    """
    if source:
        from .setup_client import setup_client

        for name in filter(of_hubs.get, _OF_HUBS):
            raise UsageError(f"--{name.replace('_', '-')}", "is for a hub, and --client makes a client host")
        setup_client(session, source, host, mta, passphrase, force=force)
    elif host is None:
        raise click.MissingParameter(ctx=context, param_hint="'HOST'", param_type="argument")
    elif force and not mta:
        raise UsageError("--force", "replaces files of a mail program, and none is named", "--mta PROGRAM")
    else:
        _setup_hub(session, host, mta, passphrase, force=force, **of_hubs)


def _setup_hub(
    session: Session,
    host: str,
    mta: str | None,
    passphrase: str | None,
    *,
    account: str | None,
    password: str | None,
    allow_login_name: bool,
    no_passphrase: bool,
    force: bool,
) -> None:
    from ..mta.port import Role
    from ..mta.programs import program_for
    from ..setup.hub import Secrets, hub, set_up

    wanted = hub(session.site(), host, account)
    site = wanted.site
    source = ca_source(passphrase, site, none=no_passphrase)
    secrets = Secrets(
        lambda: source.new(none=no_passphrase),
        account_secret(password or "generate:", f"password for {wanted.account}", site),
    )
    program = program_for(mta, Role.HUB) if mta else None
    done = session.run(
        site,
        lambda work: set_up(work, wanted, secrets, program, allow_login_name=allow_login_name, force=force),
        source.present,
        look_first=True,
    )
    if done is None:
        return
    if done.is_plain:
        warn_of_plain_key(site, None, none=no_passphrase)
    _show(session, wanted, done.parts, done.applied)


def _show(session: Session, wanted: "Hub", parts: "list[Part]", applied: "Applied | None") -> None:
    files = applied.files if applied else ()
    changed = any(part.made for part in parts) or any(written for _, written in files)
    found = [(part.what, part.path, part.made) for part in parts]
    found += [("mail program", path, written) for path, written in files]
    width = max(len(what) for what, _, _ in found)
    left = (applied.includes, applied.commands) if applied else ((), ())
    session.show(
        {
            "host": wanted.host,
            "account": str(wanted.account),
            "changed": changed,
            "parts": [{"what": part.what, "path": part.path, "made": part.made} for part in parts],
            "files": [{"path": path, "written": written} for path, written in files],
            **remaining_row(*left),
        },
        [
            f"{wanted.host}: {'ready' if changed else 'was ready; nothing changed'}",
            *(
                f"  {what:{width}}  {session.described(path)}{'' if made else '  (was there)'}"
                for what, path, made in found
            ),
            *remaining_lines(*left),
            _hand_out(wanted, parts),
            "      smtpcreds cert issue HOST --to DIR    for each client host's own certificate",
            "      or both, and all else that it needs: smtpcreds bundle HOST",
        ],
    )


def _hand_out(wanted: "Hub", parts: "list[Part]") -> str:
    """Say where the client hosts' secret is; of a hashed account only they may have it."""
    from ..accounts import AccountBook

    if any(part.path == wanted.auth_info for part in parts):
        return f"next: copy {wanted.auth_info} to /etc/mail/default-auth-info of each client host, mode 0600"
    name = AccountBook(wanted.site).shown(wanted.account)
    return f"next: smtpcreds sasl auth-info {name} --to FILE --password SOURCE    for each client host"
