"""``smtpcreds setup``: everything a hub needs, or a client host from a bundle."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import lazy_click as click
from .mta import applied_lines, applied_row, edit_options
from .secrets import account_secret, bundle_passphrase, ca_source, passphrase_option, warn_of_plain_key
from .session import Session, pass_session, standard_input

if TYPE_CHECKING:
    from ..bundle.install import Client, Ready
    from ..deploy.apply import Applied
    from ..deploy.options import RenderOptions
    from ..hub import Hub, Part


_OF_HUBS = ("account", "password", "allow_login_name", "no_passphrase", "plaintext", "with")


@click.command()
@click.argument("host", required=False)
@click.option(
    "--client", "source", metavar="BUNDLE", help="Make this host a client host, from BUNDLE, - or ssh://HUB."
)
@click.option(
    "--fingerprint", "fingerprints", multiple=True, metavar="HEX", help="SHA-256 of the authority of BUNDLE."
)
@click.option(
    "--mta",
    metavar="PROGRAM",
    multiple=True,
    help="Also the files of PROGRAM; of a client, what BUNDLE is for. Twice for a server and dovecot.",
)
@click.option("--plaintext", is_flag=True, help="PROGRAM also offers PLAIN and LOGIN, inside TLS only.")
@click.option(
    "--with",
    "choices",
    multiple=True,
    metavar="CHOICE",
    help="One of the choices that 'mta list' shows for PROGRAM.",
)
@click.option("--account", metavar="NAME", help="The client hosts' account; default: maildroid.")
@click.option("--password", metavar="SOURCE", help="Its secret; default: generate it.")
@click.option("--allow-login-name", is_flag=True, help="Accept the name of a login account of this host.")
@click.option("--allow-weak", is_flag=True, help="Accept a weak --password or --passphrase.")
@passphrase_option
@click.option("--no-passphrase", is_flag=True, help="Store the CA key unencrypted.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace PROGRAM's files that others wrote, or a certificate that is no use.",
)
@edit_options
@pass_session
def setup(
    session: Session,
    /,
    host: str | None,
    source: str | None,
    fingerprints: tuple[str, ...],
    mta: tuple[str, ...],
    choices: tuple[str, ...],
    passphrase: str | None,
    force: bool,
    edit: bool,
    run: bool,
    **of_hubs: Any,
) -> None:
    """Make the hub HOST ready: CA, certificate, relay account, default-auth-info.

    With --client, make this host a client host instead, from what smtpcreds bundle made on the hub.
    What is there already is left as it is; a second run changes nothing.
    """
    of_hubs["with"] = choices
    if source:
        for name in filter(of_hubs.get, _OF_HUBS):
            raise UsageError(f"--{name.replace('_', '-')}", "is for a hub, and --client makes a client host")
        if len(mta) > 1:
            raise UsageError(f"--mta {mta[1]}", "a bundle is for one program", "leave it out")
        program = mta[0] if mta else None
        setup_client(
            session, source, host, program, passphrase, fingerprints, force=force, edit=edit, run=run
        )
    elif host is None:
        raise UsageError("setup", "missing argument 'HOST'", "smtpcreds setup --help")
    else:
        deeds = {"edit": edit, "run": run, "plaintext": of_hubs["plaintext"], "with": choices}
        for name in filter(deeds.get, deeds):
            if not mta:
                reason = "is about the files of a mail program, and none is named"
                raise UsageError(f"--{name}", reason, "--mta PROGRAM")
        options = _options(of_hubs.pop("plaintext"), of_hubs.pop("with"))
        _setup_hub(
            session, host, mta, passphrase, options=options, force=force, edit=edit, run=run, **of_hubs
        )


def _options(plaintext: bool, choices: tuple[str, ...]) -> "RenderOptions":
    from ..deploy.options import RenderOptions

    return RenderOptions(plaintext=plaintext, variants=frozenset(choices))


def _setup_hub(
    session: Session,
    host: str,
    mta: tuple[str, ...],
    passphrase: str | None,
    *,
    account: str | None,
    password: str | None,
    allow_login_name: bool,
    allow_weak: bool,
    no_passphrase: bool,
    options: "RenderOptions",
    **program_files: bool,
) -> None:
    from ..hub import Secrets, choices, hub, set_up
    from ..mta.program import Role
    from ..mta.programs import program_for

    session.allow_weak = allow_weak
    wanted = hub(session.site(), host, account)
    site = wanted.site
    source = ca_source(passphrase, site, none=no_passphrase)
    secrets = Secrets(
        lambda: source.new(none=no_passphrase),
        account_secret(
            password or "generate:",
            f"password for {wanted.account}",
            site,
            wanted.account,
            allow_weak=allow_weak,
        ),
    )
    programs = [program_for(name, Role.HUB) for name in mta]
    choices(programs, options)
    done = session.run(
        site,
        lambda work: set_up(
            work, wanted, secrets, programs, options, allow_login_name=allow_login_name, **program_files
        ),
        source,
        look_first=True,
    )
    if done is None:
        return
    if done.is_plain:
        warn_of_plain_key(site, None, none=no_passphrase)
    _show_hub(session, wanted, done.parts, done.applied)


def _show_hub(session: Session, wanted: "Hub", parts: "list[Part]", applied: "tuple[Applied, ...]") -> None:
    files = [file for one in applied for file in one.files]
    changed = any(part.made for part in parts) or any(one.changed for one in applied)
    found = [(part.what, part.path, part.made) for part in parts]
    found += [("mail program", path, written) for path, written in files]
    width = max(len(what) for what, _, _ in found)
    session.show(
        {
            "host": wanted.host,
            "account": str(wanted.account),
            "changed": changed,
            "parts": [{"what": part.what, "path": part.path, "made": part.made} for part in parts],
            **applied_row(*applied),
        },
        [
            f"{wanted.host}: {'ready' if changed else 'was ready; nothing changed'}",
            *(
                f"  {what:{width}}  {session.described(path)}{'' if made else '  (was there)'}"
                for what, path, made in found
            ),
            *(line for one in applied for line in applied_lines(one)),
            _hand_out(wanted, parts),
            "      smtpcreds cert issue HOST --to DIR    for each client host's own certificate",
            "      or both, and all else that it needs: smtpcreds bundle HOST",
        ],
    )


def _hand_out(wanted: "Hub", parts: "list[Part]") -> str:
    """Say where the client hosts' secret is; of a hashed account only they may have it."""
    from ..accounts.database import AccountDatabase

    if any(part.path == wanted.auth_info for part in parts):
        return f"next: copy {wanted.auth_info} to /etc/mail/default-auth-info of each client host, mode 0600"
    name = AccountDatabase(wanted.site).shown(wanted.account)
    return f"next: smtpcreds sasl auth-info {name} --to FILE --password SOURCE    for each client host"


# ``smtpcreds setup --client``: a client host from a bundle.

STREAM = "-"
SSH = "ssh://"


def setup_client(
    session: Session,
    source: str,
    host: str | None,
    mta: str | None,
    passphrase: str | None,
    fingerprints: tuple[str, ...],
    **program_files: bool,
) -> None:
    """Verify a bundle, put what it holds in place, and tell what is left to do."""
    from ..bundle.install import client, set_up_client
    from ..bundle.open import open_bundle, verify_authorities
    from ..mta.program import Role
    from ..mta.programs import program_for

    site = session.site()
    program = program_for(mta, Role.CLIENT) if mta else None
    is_path = source != STREAM and not source.startswith(SSH)
    name = session.absolute(source) if is_path else "standard input" if source == STREAM else source
    opened = open_bundle(site, bundle_content(name, source, passphrase), name)
    verify_authorities(opened, fingerprints)
    wanted = client(site, opened, program)
    if host and wanted.site.qualify(host) != opened.label.host:
        raise UsageError(host, f"is not the host of the bundle, which is {opened.label.host}")
    done = session.run(
        wanted.site, lambda work: set_up_client(work, wanted, **program_files), look_first=True
    )
    if done is not None:
        _show_client(session, wanted, done)


def bundle_content(name: str, source: str, passphrase: str | None) -> bytes:
    """Return the archive, decrypted if need be.

    Args:
        name: for messages.
        source: absolute path, or ``-`` for standard input.
        passphrase: where it comes from.
    """
    from ..bundle import archive

    data = _read(name, source)
    if not archive.is_encrypted(data):
        if passphrase:
            raise UsageError("--passphrase", f"{name} is not encrypted", "leave it out")
        return data
    ask = bundle_passphrase(passphrase, new=False)
    return Session.latest.patiently(lambda: archive.decrypt(data, ask(), name))


def _fetched(source: str) -> bytes:
    """Return what the hub hands this host, over ssh with the key that it knows."""
    import re

    from ..bundle.client_files import KEY, KNOWN_HOSTS
    from ..bundle.pull import LOGIN
    from ..children import run_bounded
    from ..errors import DataError, UnavailableError
    from ..files import trusted_program
    from ..files.guard import MAX_READ

    found = re.fullmatch(r"ssh://(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?/?", source)
    if found is None or any(str(part).startswith("-") for part in found.groups()):
        raise UsageError(source, "is no ssh://[USER@]HUB[:PORT]")
    known = f"UserKnownHostsFile=~/.ssh/known_hosts /{KNOWN_HOSTS}"
    options = ("-T", "-i", KEY, "-o", "IdentitiesOnly=yes", "-o", known, "-p", found[3] or "22")
    command = ("ssh", *options, f"{found[1] or LOGIN}@{found[2]}", "bundle")
    program = trusted_program("ssh")
    done = run_bounded(command, given=b"have none\n", most=MAX_READ, executable=program)
    if max(len(done.stdout), len(done.stderr)) > MAX_READ:
        raise DataError(source, f"sent over {MAX_READ} octets")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        lines = [line for line in said if line.startswith("smtpcreds: ")] or said[-1:] or ["said nothing"]
        reason = lines[0].removeprefix("smtpcreds: ").rstrip(".")
        raise UnavailableError(source, reason, _hint(reason, found[2]))
    return done.stdout


def _hint(reason: str, hub: str) -> str | None:
    """Return what helps against the two refusals of ssh that a new client host meets."""
    from ..bundle.client_files import KEY, KNOWN_HOSTS

    if "Host key verification failed" in reason:
        return f"ssh-keyscan {hub} >> /{KNOWN_HOSTS}; compare it with /etc/ssh/ssh_host_*_key.pub of the hub"
    if "Permission denied" in reason:
        what = f"smtpcreds bundle HOST --authorize {KEY.rpartition('/')[2]}.pub --to FILE"
        return f"on the hub: {what}; its account there, and where sshd looks for FILE: man smtpcreds-bundle"
    return None


def _read(name: str, source: str) -> bytes:
    """Return what is in the file, or comes from standard input."""
    from ..errors import DataError
    from ..files import read_public
    from ..files.guard import MAX_READ

    if source.startswith(SSH):
        return _fetched(source)
    if source != STREAM:
        return read_public(name)
    data = standard_input(name, MAX_READ)
    if not data:
        hint = "the command at the other end of the pipe failed; its own message tells why"
        raise DataError(name, "gave nothing", hint)
    return data


def _show_client(session: Session, wanted: "Client", done: "Ready") -> None:
    credential = wanted.site.settings.sasl.account
    session.show(
        {
            "host": wanted.opened.label.host,
            "hub": wanted.site.hub,
            "program": wanted.program.NAME,
            "account": credential,
            "authority": {"sha256": wanted.opened.fingerprint},
            "changed": done.changed,
            "parts": [{"what": part.what, "path": part.path, "made": part.made} for part in done.parts],
            **applied_row(done.applied),
        },
        _lines(session, wanted, done),
    )


def _lines(session: Session, wanted: "Client", done: "Ready") -> Iterator[str]:
    from ..bundle.client_files import START, is_timer_off

    state = "ready" if done.changed else "was ready; nothing changed"
    yield f"{wanted.opened.label.host}: {state}"
    yield f"  authority SHA-256 {wanted.opened.fingerprint}"
    rows = [(part.what, part.path, part.made) for part in done.parts]
    rows += [(wanted.program.NAME, path, written) for path, written in done.applied.files]
    width = max(len(what) for what, _, _ in rows)
    for what, path, made in rows:
        yield f"  {what:{width}}  {session.described(path)}{'' if made else '  (was there)'}"
    yield from applied_lines(done.applied)
    host, fingerprint = wanted.opened.label.host, wanted.render_options.fingerprint
    here = wanted.site.qualify(wanted.site.own_name)
    options = [f" --host {host}"] if host != here else []
    options += [f" --fingerprint {fingerprint}"] if fingerprint else []
    yield f"check with: smtpcreds mta check {wanted.program.NAME}{''.join(options)}"
    if wanted.opened.fetching and is_timer_off(wanted.site):
        yield f"next: {START}"
