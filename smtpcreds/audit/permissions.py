"""PERM: owner, mode, ACL and links of everything that holds a secret or decides who is trusted."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import iter_unpack

from ..ca.layout import ca_files
from ..config import DEFAULT_PATH
from ..errors import SmtpcredsError, UnsafePathError
from ..files import disk, explained, read_public, remove, write_all
from ..files.guard import owner as owner_name
from ..model import Artifact, Change, Link, Owner
from ..mta import auth_info, sasl_conf
from ..pki.chains import is_link_name
from ..pki.keys import decode_key, public_id
from ..postgres import is_url
from ..sasldb import bdb
from ..sasldb.replace import open_regular, wake_readers
from .accounts import SENDMAIL_CONFS, SMTPD_CONFS
from .finding import Finding, Repair, found
from .world import (
    DOVECOT_CONF,
    MAIN_CF,
    MASTER_CF,
    SENDMAIL_CF,
    SENDMAIL_MC,
    Host,
    User,
    above,
    group_of,
    obstacle,
    user_of,
)

# What ``--fix`` may do: modes, owners, ACLs, hash links, maps. Each looks again, at the open file.

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
ACLS = ("system.posix_acl_access", "system.posix_acl_default")


def close(path: str, excess: int) -> Repair:
    """Take permissions away; never adds any."""

    def apply(descriptor: int) -> None:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & excess:
            os.fchmod(descriptor, mode & ~excess)

    mode = stat.S_IMODE(os.lstat(path).st_mode) & ~excess
    return _on(path, Change("chmod", path, mode), apply)


def give(path: str, owner: Owner) -> Repair | None:
    """Give a file away; None where the running user can't."""
    if os.geteuid() != 0:
        return None

    def apply(descriptor: int) -> None:
        os.fchown(descriptor, owner.uid, owner.gid)

    return _on(path, Change("chown", path, note=f"to {owner.uid}:{owner.gid}"), apply)


def drop_acl(path: str) -> Repair:
    """Remove ACLs, and with them what their mask gave to the group."""

    def apply(descriptor: int) -> None:
        for name in set(ACLS) & set(os.listxattr(descriptor)):
            os.removexattr(descriptor, name)
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        os.fchmod(descriptor, mode & 0o700)

    return _on(path, Change("remove the ACL of", path), apply)


def relink(link: Link) -> Repair:
    """Make a hash link."""
    return Repair(link.path, lambda: write_all([link]))


def unlink(path: str) -> Repair:
    """Remove a symbolic link; anything else is left."""

    def apply() -> None:
        if os.path.islink(path):
            remove(path)

    return Repair(path, apply)


def rebuild(path: str, source: str, records: Callable[[bytes], dict[bytes, bytes]]) -> Repair:
    """Write a map from its source, as makemap would; daemons that have it open notice.

    Args:
        path: of the map.
        source: its text.
        records: reads that text.
    """

    def apply() -> None:
        content = bdb.encode(records(read_public(source)), subject=path)
        old = open_regular(path)
        try:
            status = os.fstat(old) if old is not None else os.stat(source)
            mode = stat.S_IMODE(status.st_mode) & 0o640
            owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
            write_all([Artifact(path, content, mode, owner)])
            if old is not None:
                wake_readers(old, path)
        finally:
            if old is not None:
                os.close(old)

    return Repair(path, apply)


def _on(path: str, step: Change, change: Callable[[int], None]) -> Repair:
    """Change a file or directory through a descriptor of it.

    A second name may lie in a directory where somebody else put it, to have a foreign file changed.
    """

    def apply() -> None:
        disk().note(*step)
        if disk().is_preview:
            return
        with explained(path):
            descriptor = os.open(path, _OPEN)
            try:
                status = os.fstat(descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    raise UnsafePathError(path, f"has {status.st_nlink} hard links and was left alone")
                change(descriptor)
            finally:
                os.close(descriptor)

    return Repair(path, apply)


# Owner, mode, ACL, links of one file against a rule; the findings say what Sendmail makes of it.

GROUP, OTHERS = 0o070, 0o007
_NAMED = {2: "user", 8: "group"}
_MASK = 0x10
_READ, _WRITE = 4, 2


@dataclass(frozen=True, slots=True)
class Rule:
    """What a file may not be.

    Attributes:
        code: of a mode that gives too much.
        excess: the bits that are too much.
        owners: user numbers that it may belong to.
        effect: what follows from a bad mode, behind the words for it.
    """

    code: str
    excess: int
    owners: frozenset[int]
    effect: str = ""

    @property
    def is_secret(self) -> bool:
        """Tell whether the file is one that others may not read."""
        return bool(self.excess & 0o004)


def judge(path: str, rule: Rule) -> Iterator[Finding]:
    """Yield what is wrong with a file; a missing one is somebody else's business."""
    if not os.path.exists(path):
        return
    if os.path.islink(path):
        yield from _link(path)
        path = os.path.realpath(path)
    status = os.stat(path)
    granted = acl(path)
    yield from _acl(path, rule, granted)
    yield from _mode(path, rule, status, has_acl=bool(granted))
    yield from _owner(path, rule, status)
    if rule.is_secret and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        cure = f"find / -xdev -inum {status.st_ino}, and remove the other name"
        yield found("PERM008", path, f"has {status.st_nlink} hard links", cure)


def words(mode: int, excess: int) -> str:
    """Return the mode and what is too much of it: ``mode 0644, readable by everyone``."""
    too_much = mode & excess
    deeds = [word for bit, word in ((_READ, "readable"), (_WRITE, "writable")) if too_much & (bit * 0o11)]
    whose = "everyone" if too_much & OTHERS else "its group"
    return f"mode {mode:04o}, {' and '.join(deeds) or 'open'} by {whose}".replace("open by", "open to")


def acl(path: str) -> dict[str, int]:
    """Return who is named in the ACL, with the effective rights of each; empty where there is no ACL."""
    entries = []
    for name in ACLS:
        try:
            entries += list(iter_unpack("<HHI", os.getxattr(path, name)[4:]))
        except OSError:
            continue  # none, or a file system without ACLs
    mask = next((rights for tag, rights, _ in entries if tag == _MASK), 7)
    named = {f"{_NAMED[tag]} {number}": rights & mask for tag, rights, number in entries if tag in _NAMED}
    return {who: rights for who, rights in named.items() if rights}


def _acl(path: str, rule: Rule, granted: dict[str, int]) -> Iterator[Finding]:
    wanted = _READ | _WRITE if rule.is_secret else _WRITE
    who = [name for name, rights in granted.items() if rights & wanted]
    if who:
        reason = f"its ACL gives access to {', '.join(who)}"
        yield found("PERM009", path, reason, f"setfacl -b {path}", drop_acl(path))


def _mode(path: str, rule: Rule, status: os.stat_result, *, has_acl: bool) -> Iterator[Finding]:
    """Judge the mode; with an ACL the bits of the group are its mask, and say nothing of the group."""
    mode = stat.S_IMODE(status.st_mode)
    excess = rule.excess & ~GROUP if has_acl else rule.excess
    if mode & excess:
        reason = words(mode, excess) + (rule.effect and f"; {rule.effect}")
        yield found(rule.code, path, reason, f"chmod {mode & ~excess:04o} {path}", close(path, excess))


def _owner(path: str, rule: Rule, status: os.stat_result) -> Iterator[Finding]:
    if status.st_uid in rule.owners:
        return
    directory = os.stat(os.path.dirname(path))
    is_closed = not directory.st_mode & 0o022 and directory.st_uid in rule.owners
    repair = give(path, Owner(0, -1)) if is_closed else None
    yield found("PERM005", path, f"belongs to {owner_name(status)}", f"chown root {path}", repair)


def _link(path: str) -> Iterator[Finding]:
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    mode = stat.S_IMODE(os.stat(directory).st_mode)
    cure = f"put the file itself there: cp --remove-destination {target} {path}"
    if mode & 0o022:
        reason = f"leads to {target}, in a directory of {words(mode, 0o022)}"
        yield found("PERM007", path, reason, cure)
    else:
        yield found("PERM006", path, f"is a symbolic link to {target}", cure)


# PERM: account databases, and files with secrets of accounts.

_MAP_ENDS = ("", ".db", ".lmdb", ".cdb", ".dir", ".pag")
_SASL_GROUPS = ("sasl", "postfix")


def databases(world: Host) -> Iterator[Finding]:
    """sasldb2 is for root, and for one group of mail servers; Debian makes it 0660 root:sasl."""
    settings = world.site.settings.sasl
    groups = {group_of(world.site.root, name) for name in (*_SASL_GROUPS, settings.group)} | {0, os.getegid()}
    for path in databases_of(world):
        if os.path.exists(path):
            excess = 0o007 if os.stat(path).st_gid in groups else 0o077
            rule = Rule(
                "PERM010", excess, world.owners | owner_of_accounts(world), "Sendmail says nothing about it"
            )
            yield from judge(path, rule)


def credentials(world: Host) -> Iterator[Finding]:
    """What client hosts log in with."""
    own = world.owners
    rule = Rule("PERM011", 0o077, own, "Sendmail refuses it and defers the mail")
    yield from judge(default_auth_info(world), rule)
    for path in _maps(world.path(_authinfo(world))):
        excess = 0o037 if _is_of_root(path) else 0o077
        yield from judge(path, Rule("PERM012", excess, own, "Sendmail says nothing about it"))
    for path in sasl_passwd(world):
        yield from judge(path, Rule("PERM013", 0o037 if _is_of_root(path) else 0o077, own))


def owner_of_accounts(world: Host) -> frozenset[int]:
    """Return the number of the user that the configuration gives the account database to."""
    user = user_of(world.site.root, world.site.settings.sasl.owner)
    return frozenset({user.uid} if user else ())


def secrets(world: Host) -> list[str]:
    """Return every file of accounts and their secrets, there or not."""
    maps = _maps(world.path(_authinfo(world)))
    return [*databases_of(world), default_auth_info(world), *maps, *sasl_passwd(world)]


def databases_of(world: Host) -> tuple[str, ...]:
    """Return the account database, and the default one, which a mail server may read all the same."""
    configured = () if is_url(world.site.sasldb) else (world.site.sasldb,)
    return tuple(dict.fromkeys((*configured, world.path("/etc/sasldb2"))))


def default_auth_info(world: Host) -> str:
    """Return the file that sendmail.cf names, else the usual one."""
    named = world.sendmail.option("DefaultAuthInfo") if world.sendmail else ""
    return world.path(named if named.startswith("/") else auth_info.DEFAULT_PATH)


def sasl_passwd(world: Host) -> tuple[str, ...]:
    """Return the files of smtp_sasl_password_maps, sources and what postmap made of them."""
    named = world.postfix.words("smtp_sasl_password_maps") if world.postfix else ()
    paths = [word.partition(":")[2] for word in named] or ["/etc/postfix/sasl_passwd"]
    return tuple(file for path in paths if path.startswith("/") for file in _maps(world.path(path)))


def _authinfo(world: Host) -> str:
    named = world.sendmail.map_file("authinfo") if world.sendmail else ""
    return named or auth_info.MAP_PATH


def _maps(path: str) -> tuple[str, ...]:
    return tuple(path + end for end in _MAP_ENDS)


def _is_of_root(path: str) -> bool:
    """Tell whether a file belongs to root's own group, which makemap's 0640 gives nothing to."""
    return os.path.exists(path) and os.stat(path).st_gid == 0


# PERM: what smtpcreds itself keeps, configuration files, and who has to read what.

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


def state(world: Host) -> Iterator[Finding]:
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


def configuration(world: Host) -> Iterator[Finding]:
    """Whoever writes a configuration file decides what the mail server believes."""
    for path in map(world.path, CONFIGURATION):
        rule = Rule("PERM017", 0o022, world.owners, "who writes it decides what the mail server does")
        yield from judge(path, rule)


def database_password(world: Host) -> Iterator[Finding]:
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


def readers(world: Host) -> Iterator[Finding]:
    """Programs that are not root can read what they need."""
    for user, path in dict.fromkeys(_needs(world)):
        if os.path.exists(path) and (why := obstacle(user, path, world.top)):
            yield found("PERM016", path, *why)


def _needs(world: Host) -> Iterator[tuple[User, str]]:
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


def _of_smtpd(world: Host) -> str:
    """Return the database that smtpd opens: in its chroot a copy, if there is one that is kept in step."""
    copies = world.site.settings.sasl.copies
    jail = world.postfix.value("queue_directory") if world.postfix else ""
    chrooted = any(s.chroot and s.kind == "inet" and s.command == "smtpd" for s in world.services)
    inside = [path for path in copies if path.startswith(f"{jail}/")] if chrooted else []
    return world.path(inside[0]) if inside else world.site.sasldb


def _exim_asks_sasldb(world: Host) -> bool:
    authenticators = world.exim[1].authenticators.values() if world.exim else ()
    return any(options.get("driver") == "cyrus_sasl" for options in authenticators)


def _asks_sasldb(world: Host) -> bool:
    main = world.postfix
    return (
        main is not None and main.is_on("smtpd_sasl_auth_enable") and main.value("smtpd_sasl_type") == "cyrus"
    )


# PERM: keys, certificates, CA bundles and CRLs, and the directories that they lie in.

_KEY_MARK = b"PRIVATE KEY-----"
_REFUSED = "Sendmail refuses it, and mail goes unencrypted"
_PERM_TLS_READ = "who reads it can pose as this host"


def keys(world: Host) -> Iterator[Finding]:
    """Judge every private key that is configured, or lies among certificates.

    Debian keeps keys for several programs where a group can read them; Sendmail alone refuses those.
    """
    group_may = {world.path(key) for use in world.uses if use.group_may_read for key in use.keys}
    refused = {world.path(key) for use in world.uses if use.program == "sendmail" for key in use.keys}
    for path in key_files(world):
        is_ours = path in refused or os.path.dirname(path) in world.own_places
        excess = 0o037 if path in group_may or not is_ours else 0o077
        effect = _REFUSED if path in refused else _PERM_TLS_READ
        yield from judge(path, Rule("PERM001", excess, world.owners, effect))


def others(world: Host) -> Iterator[Finding]:
    """Judge certificates, bundles and CRLs: whoever can change them decides who is believed."""
    secret = set(key_files(world))
    for path in dict.fromkeys((*_configured(world), *_lying_around(world))):
        if path not in secret:
            yield from judge(path, Rule("PERM002", 0o022, world.owners, "Sendmail refuses it"))


def directories(world: Host) -> Iterator[Finding]:
    """Certificate directories are closed to others, by mode and by ACL."""
    shared = {
        os.path.dirname(world.path(key)) for use in world.uses if use.user != "root" for key in use.keys
    }
    for path in world.own_places:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        excess = 0o007 if path in shared else 0o077
        granted = acl(path)
        if granted:
            reason = f"its ACL gives access to {', '.join(granted)}"
            yield found("PERM009", path, reason, f"setfacl -b {path}", drop_acl(path))
        elif mode & excess and not mode & 0o022:
            cure = f"chmod {mode & ~excess:04o} {path}"
            yield found("PERM004", path, f"mode {mode:04o}; others may enter it", cure, close(path, excess))


def ca_key(world: Host) -> Iterator[Finding]:
    """The key of the CA lies where the mail server's keys lie, under whatever name."""
    known = {public_id(ca) for ca in world.authorities}
    for path in key_files(world):
        try:
            key = decode_key(world.content(path) or b"", None, path)
        except SmtpcredsError:
            continue  # CERT002 says so of those that are configured
        if public_id(key) in known:
            target = ca_files(world.site).key
            cure = f"mv {path} {target}" if not os.path.exists(target) else f"shred -u {path}"
            yield found("PERM015", path, "is the private key of the CA", cure)


def key_files(world: Host) -> Iterator[str]:
    """Yield the private keys that are configured, and those that lie in a certificate directory."""
    named = [world.path(key) for use in world.uses for key in use.keys]
    lying = (path for path in _lying_around(world) if _KEY_MARK in (world.content(path) or b""))
    yield from dict.fromkeys((*filter(os.path.exists, named), *lying))


def describe_open(mode: int) -> str:
    """Return what is too much of a directory's mode."""
    return words(mode, 0o022)


def _configured(world: Host) -> Iterator[str]:
    for use in world.uses:
        for path in (*use.certificates, use.ca_file, use.crl_file):
            if path and os.path.exists(world.path(path)):
                yield world.path(path)


def _lying_around(world: Host) -> Iterator[str]:
    """Yield the files of the certificate directories; hash links lead to these."""
    for directory in world.own_places:
        for name in world.names(directory):
            path = f"{directory}/{name}"
            if os.path.isfile(path) and not (os.path.islink(path) and is_link_name(name)):
                yield path


# PERM: every directory from a credential up to ``/``, once each.


def parents(world: Host) -> Iterator[Finding]:
    """Who can change a directory can put another file in the place of each one below it."""
    known = world.owners | owner_of_accounts(world)
    for directory in _directories(world):
        status = os.stat(directory)
        mode = stat.S_IMODE(status.st_mode)
        if directory not in world.own_places:
            yield from _perm_paths_acl(directory)
        if mode & 0o022:
            sticky = ", sticky" if mode & stat.S_ISVTX else ""
            repair = close(directory, 0o022) if directory in _ours(world) else None
            reason = f"{words(mode, 0o022)}{sticky}; Sendmail refuses keys and credentials below it"
            yield found("PERM003", directory, reason, f"chmod go-w {directory}", repair)
        elif status.st_uid not in known:
            reason = f"belongs to {owner_name(status)}, who can put other files there"
            yield found("PERM019", directory, reason, f"chown root {directory}")


def _perm_paths_acl(directory: str) -> Iterator[Finding]:
    """Those of certificate directories are another check, which lets nobody in."""
    if writers := [who for who, rights in acl(directory).items() if rights & 2]:
        reason = f"its ACL lets {', '.join(writers)} change it"
        yield found("PERM009", directory, reason, f"setfacl -b {directory}")


def _directories(world: Host) -> Iterator[str]:
    """Yield the directories above what is configured, what lies there, and what is ours; deepest first."""
    named = (world.path(path) for use in world.uses for path in (*use.paths, use.config))
    own = (f"{world.site.state}/any", f"{world.site.certificates}/any", world.path(SENDMAIL_CF))
    read = filter(os.path.exists, map(world.path, CONFIGURATION))
    watched = (*named, *key_files(world), *secrets(world), *own, *read)
    found = dict.fromkeys(directory for path in watched for directory in above(path, world.top))
    yield from sorted(filter(os.path.isdir, found), key=lambda path: (-path.count("/"), path))


def _ours(world: Host) -> set[str]:
    return {*world.own_places, world.site.state, world.site.ca_directory}
