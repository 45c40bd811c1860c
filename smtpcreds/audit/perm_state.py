"""PERM: what smtpcreds itself keeps, configuration files, and who has to read what."""

import os
import stat
from collections.abc import Iterator

from ..config.settings import DEFAULT_PATH
from ..errors import SmtpcredsError
from ..mta import sasl_conf
from ..postgres import is_url
from .finding import Finding, found
from .modes import Rule, judge
from .repairs import close
from .sasl_files import SENDMAIL_CONFS, SMTPD_CONFS
from .users import User, obstacle, user_of
from .world import DOVECOT_CONF, MAIN_CF, MASTER_CF, SENDMAIL_CF, SENDMAIL_MC, World

CONFIGURATION = (
    DEFAULT_PATH,
    SENDMAIL_CF,
    SENDMAIL_MC,
    "/etc/mail/access",
    "/etc/mail/access.db",
    MAIN_CF,
    MASTER_CF,
    DOVECOT_CONF,
    *SENDMAIL_CONFS,
    *SMTPD_CONFS,
)


def state(world: World) -> Iterator[Finding]:
    """The state directory, the CA's key in it among others, is for its owner alone."""
    for directory, _, files in os.walk(world.site.state, onerror=_raise):
        mode = stat.S_IMODE(os.stat(directory).st_mode)
        is_closed = directory == world.site.state or directory.startswith(world.site.ca_directory)
        excess = 0o077 if is_closed else 0o022
        if mode & excess:
            cure = f"chmod {mode & ~excess:04o} {directory}"
            reason = f"mode {mode:04o}; others may look into it or change it"
            yield found("PERM014", directory, reason, cure, close(directory, excess))
        for name in sorted(files):
            yield from judge(f"{directory}/{name}", Rule("PERM014", 0o077, world.owners))


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def configuration(world: World) -> Iterator[Finding]:
    """Whoever writes a configuration file decides what the mail server believes."""
    for path in map(world.path, CONFIGURATION):
        rule = Rule("PERM017", 0o022, world.owners, "who writes it decides what the mail server does")
        yield from judge(path, rule)


def database_password(world: World) -> Iterator[Finding]:
    """A configuration of Cyrus SASL with ``sql_passwd`` is a secret itself."""
    for path in map(world.path, (*SENDMAIL_CONFS, *SMTPD_CONFS)):
        content = world.content(path)
        if content is None or b"sql_passwd" not in content:
            continue
        try:
            has_password = "sql_passwd" in sasl_conf.parse(content, path)
        except SmtpcredsError:
            has_password = True
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if has_password and mode & 0o007:
            reason = f"mode {mode:04o}, and it holds sql_passwd"
            yield found("PERM018", path, reason, f"chmod {mode & ~7:04o} {path}", close(path, 0o007))


def readers(world: World) -> Iterator[Finding]:
    """Programs that are not root can read what they need."""
    for user, path in dict.fromkeys(_needs(world)):
        if os.path.exists(path) and (why := obstacle(user, path, world.top)):
            yield found("PERM016", path, *why)


def _needs(world: World) -> Iterator[tuple[User, str]]:
    root = world.site.root
    for use in world.uses:
        if use.user != "root" and (user := user_of(root, use.user)):
            yield from ((user, world.path(key)) for key in use.keys)
    if is_url(world.site.sasldb):
        return
    run_as = world.sendmail.option("RunAsUser").partition(":")[0] if world.sendmail else ""
    smtpd = world.postfix.value("mail_owner") if _asks_sasldb(world) and world.postfix else ""
    exim = world.exim_user if _exim_asks_sasldb(world) else ""
    for name, database in ((run_as, world.site.sasldb), (smtpd, _of_smtpd(world)), (exim, world.site.sasldb)):
        if name and (user := user_of(root, name)):
            yield user, database


def _of_smtpd(world: World) -> str:
    """Return the database that smtpd opens: in its chroot a copy, if there is one that is kept in step."""
    copies = world.site.settings.sasl.copies
    jail = world.postfix.value("queue_directory") if world.postfix else ""
    chrooted = any(s.chroot and s.kind == "inet" and s.command == "smtpd" for s in world.services)
    inside = [path for path in copies if path.startswith(f"{jail}/")] if chrooted else []
    return world.path(inside[0]) if inside else world.site.sasldb


def _exim_asks_sasldb(world: World) -> bool:
    authenticators = world.exim[1].authenticators.values() if world.exim else ()
    return any(options.get("driver") == "cyrus_sasl" for options in authenticators)


def _asks_sasldb(world: World) -> bool:
    main = world.postfix
    return (
        main is not None and main.is_on("smtpd_sasl_auth_enable") and main.value("smtpd_sasl_type") == "cyrus"
    )
