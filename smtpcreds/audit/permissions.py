"""PERM: owner, mode, ACL and links of everything that holds a secret or decides who is trusted."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from struct import iter_unpack

from ..ca.layout import ca_files
from ..config import DEFAULT_PATH
from ..deploy.files import group_name
from ..errors import UNUSABLE, DataError, UnsafePathError
from ..files import disk, kernel, opened, read_public, real_path, remove, write_all
from ..files.guard import owner as owner_name
from ..files.rights import User, above, barrier, way_in
from ..lazy import dataclass
from ..model import Artifact, Change, Finding, Link, Owner, Repair
from ..mta import auth_info, main_cf, sasl_conf
from ..pki.chains import is_link_name
from ..pki.describe import authority_of
from ..pki.keys import public_id
from ..pki.values import Certificate
from ..postgres import is_url
from ..sasldb import bdb
from ..sasldb.replace import open_regular, wake_readers
from ..shell import quote
from ..systems import DEBIAN
from .finding import Code
from .host import DOVECOT_CONF, MAIN_CF, MASTER_CF, SENDMAIL_CF, SENDMAIL_MC, Host, group_of, user_of
from .sasl_conf import all_places, exim_asks

# What ``--fix`` may do: modes, owners, ACLs, hash links, maps. Each looks again, at the open file.

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
        for name in set(ACLS) & set(kernel.attribute_names(descriptor)):
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

    A second name or a link may lie where somebody else put it, to have a foreign file changed.
    """

    def apply() -> None:
        with opened(path, links_only=True) as descriptor:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                raise UnsafePathError(path, f"has {status.st_nlink} hard links and was not changed")
            disk().note(*step)
            if not disk().is_preview:
                change(descriptor)

    return Repair(path, apply)


# Owner, mode, ACL and links of one file against a rule, and who can read it; what Sendmail makes of that.

GROUP, OTHERS = 0o070, 0o007
_NAMED = {2: "user", 8: "group"}
_MASK = 0x10
_READ, _WRITE = 4, 2


@dataclass(frozen=True)
class Rule:
    """What a file may not be.

    Attributes:
        code: of a mode that gives too much.
        excess: the bits that are too much.
        owners: user numbers that it may belong to.
        effect: what follows from a bad mode, behind the words for it.
    """

    code: Code
    excess: int
    owners: frozenset[int]
    effect: str = ""

    @property
    def is_secret(self) -> bool:
        """Tell whether the file is one that others may not read."""
        return bool(self.excess & 0o004)


PERM008 = Code.error(
    "PERM008",
    "a file with a secret that has a second name (hard link), where other rules may hold",
)


def judge(path: str, rule: Rule) -> Iterator[Finding]:
    """Yield what is wrong with a file; a missing one is somebody else's business."""
    try:
        status = os.lstat(path)
        if is_link := stat.S_ISLNK(status.st_mode):
            status = os.stat(path)
    except OSError:
        return
    if is_link:
        yield from _link(path, is_credential=rule.code is not PERM017)
    if not any(_judged(path, rule, status)):
        return
    target, is_led_astray = _target(path)
    for finding in _judged(target, rule, os.stat(target)):
        yield replace(finding, repair=None) if is_led_astray else finding


def _target(path: str) -> tuple[str, bool]:
    """Return where a path leads, and whether a symbolic link of another user leads there."""
    try:
        return real_path(path, links_only=True), False
    except UnsafePathError:
        return os.path.realpath(path), True


def _judged(path: str, rule: Rule, status: os.stat_result) -> Iterator[Finding]:
    granted = acl(path, ACLS if stat.S_ISDIR(status.st_mode) else ACLS[:1])
    yield from _acl(path, rule, granted)
    yield from _mode(path, rule, status, has_acl=bool(granted))
    yield from _owner(path, rule, status)
    if rule.is_secret and stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        cure = f"find / -xdev -inum {status.st_ino}, and remove the other name"
        yield PERM008.found(path, f"has {status.st_nlink} hard links", cure)


def words(mode: int, excess: int) -> str:
    """Return the mode and what is too much of it: ``mode 0644, readable by everyone``."""
    too_much = mode & excess
    deeds = [word for bit, word in ((_READ, "readable"), (_WRITE, "writable")) if too_much & (bit * 0o11)]
    whose = "everyone" if too_much & OTHERS else "its group"
    return f"mode {mode:04o}, {' and '.join(deeds) or 'open'} by {whose}".replace("open by", "open to")


def acl(path: str, names: Iterable[str] = ACLS) -> dict[str, int]:
    """Return who is named in the ACL, with the effective rights of each; empty where there is no ACL.

    Args:
        path: of a file or directory; a file has no default ACL (acl(5)).
        names: of the ACLs that it can have.
    """
    entries = []
    for name in names:
        try:
            entries += list(iter_unpack("<HHI", kernel.attribute(path, name)[4:]))
        except OSError:
            continue  # none, or a file system without ACLs
    mask = next((rights for tag, rights, _ in entries if tag == _MASK), 7)
    named = {f"{_NAMED[tag]} {number}": rights & mask for tag, rights, number in entries if tag in _NAMED}
    return {who: rights for who, rights in named.items() if rights}


PERM009 = Code.error("PERM009", "an ACL that gives others access to a secret or its directory")


def _acl(path: str, rule: Rule, granted: dict[str, int]) -> Iterator[Finding]:
    wanted = _READ | _WRITE if rule.is_secret else _WRITE
    who = [name for name, rights in granted.items() if rights & wanted]
    if who:
        reason = f"its ACL gives access to {', '.join(who)}"
        yield PERM009.found(path, reason, f"setfacl -b {quote(path)}", drop_acl(path))


def _mode(path: str, rule: Rule, status: os.stat_result, *, has_acl: bool) -> Iterator[Finding]:
    """Judge the mode; with an ACL the bits of the group are its mask, and say nothing of the group."""
    mode = stat.S_IMODE(status.st_mode)
    excess = rule.excess & ~GROUP if has_acl else rule.excess
    if mode & excess:
        reason = words(mode, excess) + (rule.effect and f"; {rule.effect}")
        yield rule.code.found(path, reason, f"chmod {mode & ~excess:04o} {quote(path)}", close(path, excess))


PERM005 = Code.error(
    "PERM005",
    "a credential, certificate or database that belongs to neither root nor the mail server's own user",
)


def _owner(path: str, rule: Rule, status: os.stat_result) -> Iterator[Finding]:
    if status.st_uid in rule.owners:
        return
    directory = os.stat(os.path.dirname(path))
    is_closed = not directory.st_mode & 0o022 and directory.st_uid in rule.owners
    repair = give(path, Owner(0, -1)) if is_closed else None
    yield PERM005.found(path, f"belongs to {owner_name(status)}", f"chown root {quote(path)}", repair)


PERM007 = Code.error(
    "PERM007",
    "a symbolic link to a key or certificate in a directory that others can change; nothing is logged",
)
PERM006 = Code.note(
    "PERM006",
    "a key or certificate that is a symbolic link; Sendmail follows it and does not check the directory "
    "where it leads",
)


def _link(path: str, *, is_credential: bool) -> Iterator[Finding]:
    """Judge where a link leads; packages link configuration, as Debian's sendmail its Sendmail.conf."""
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    mode = stat.S_IMODE(os.stat(directory).st_mode)
    beside = quote(f"{path}.new")  # cp --remove-destination of busybox empties the target (1.35 to 1.38)
    cure = f"cp {quote(target)} {beside} && mv -f {beside} {quote(path)}"
    if mode & 0o022:
        reason = f"leads to {target}, in a directory of {words(mode, 0o022)}"
        yield PERM007.found(path, reason, cure)
    elif is_credential:
        yield PERM006.found(path, f"is a symbolic link to {target}", cure)


def obstacle(host: Host, user: User, path: str) -> tuple[str, str] | None:
    """Return why the user can't read the file, and what ends it, or None; directories are asked too.

    A user of the mail server has a group of the same name.
    """
    found = barrier(user, path, host.top)
    if found is None:
        return None
    mode = stat.S_IMODE(os.stat(found).st_mode)
    why = f"mode {mode:04o} does not let {user.name} read it"
    reason = why if found == path else f"{user.name} can't enter {found}"
    return reason, way_in(user, found, path, group_name(host.site.root, os.stat(found).st_gid))


# PERM: keys, certificates, secrets of accounts, state, configuration, and every directory above them.

_REFUSED = "Sendmail refuses it, and mail goes unencrypted"
_POSES = "anybody who reads it can impersonate this host"
_MAP_ENDS = ("", ".db", ".lmdb", ".cdb", ".dir", ".pag")
_SASL_GROUPS = ("sasl", "postfix")
CONFIGURATION = (
    DEFAULT_PATH,
    SENDMAIL_CF,
    SENDMAIL_MC,
    "/etc/mail/access",
    "/etc/mail/access.db",
    MAIN_CF,
    MASTER_CF,
    DOVECOT_CONF,
)


PERM001 = Code.error(
    "PERM001",
    "a private key that its group or others can read; Sendmail refuses it, and mail goes unencrypted",
)


def keys(host: Host) -> Iterator[Finding]:
    """Judge every private key that is configured, or lies among certificates.

    Debian keeps keys for several programs where a group can read them; Sendmail alone refuses those.
    """
    group_may = {host.path(key) for use in host.uses if use.group_may_read for key in use.keys}
    refused = {host.path(key) for use in host.uses if use.program == "sendmail" for key in use.keys}
    for path in dict.fromkeys((*host.key_files, *_keys_below(host))):
        is_ours = path in refused or _is_below(path, host.own_places) or os.path.basename(path) in _CA_KEYS
        excess = 0o037 if path in group_may or not is_ours else 0o077
        effect = _REFUSED if path in refused else _POSES
        yield from judge(path, Rule(PERM001, excess, host.owners, effect))


def _is_below(path: str, places: Iterable[str]) -> bool:
    return any(path.startswith(f"{place}/") for place in places)


PERM002 = Code.error(
    "PERM002",
    "a certificate, CA or CRL file that its group or others can change; Sendmail refuses it",
)


def others(host: Host) -> Iterator[Finding]:
    """Judge certificates, bundles and CRLs: whoever can change them decides who is believed."""
    secret = set(host.key_files)
    for path in dict.fromkeys((*_configured(host), *host.lying_around)):
        if path not in secret:
            yield from judge(path, Rule(PERM002, 0o022, host.owners, "Sendmail refuses it"))


PERM004 = Code.warning("PERM004", "a certificate directory that others can enter")


def directories(host: Host) -> Iterator[Finding]:
    """Certificate directories are closed to others, by mode and by ACL."""
    shared = {os.path.dirname(host.path(key)) for use in host.uses if use.user != "root" for key in use.keys}
    for path in host.own_places:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        excess = 0o007 if path in shared else 0o077
        granted = acl(path)
        if granted:
            reason = f"its ACL gives access to {', '.join(granted)}"
            yield PERM009.found(path, reason, f"setfacl -b {quote(path)}", drop_acl(path))
        elif mode & excess and not mode & 0o022:
            cure = f"chmod {mode & ~excess:04o} {quote(path)}"
            yield PERM004.found(path, f"mode {mode:04o}; others may enter it", cure, close(path, excess))


PERM015 = Code.error(
    "PERM015",
    "the private key of a CA in a directory of the mail server, or below it; an intruder there could sign "
    "certificates",
)


def ca_key(host: Host) -> Iterator[Finding]:
    """The key of the CA lies where the mail server's keys lie, under whatever name."""
    known = {public_id(ca) for ca in host.authorities}
    others = {public_id(ca) for ca in _other_authorities(host)} - known
    for path in (*host.key_files, *_keys_below(host)):
        try:
            identity = host.key_id_at(path)
        except UNUSABLE:  # encrypted; CERT002 says so of those that are configured
            identity = ""
        if identity in known:
            target = ca_files(host.site).key
            cure = (
                f"mv {quote(path)} {quote(target)}"
                if not os.path.exists(target)
                else f"shred -u {quote(path)}"
            )
            yield PERM015.found(path, "is the private key of the CA", cure)
        elif identity in others or (not identity and os.path.basename(path) in _CA_KEYS):
            cure = f"keep it where no mail server runs, and then: shred -u {quote(path)}"
            yield PERM015.found(path, "is the private key of a CA", cure)


_CA_KEYS = frozenset({"cakey.pem", "ca.key", "ca-key.pem"})
"""What CA.pl, easy-rsa and cfssl call it."""


def _below(host: Host) -> Iterator[str]:
    """Yield the files in the directories below those of certificates, as CA.pl's demoCA is one."""
    for place in host.own_places:
        for directory, _, files in os.walk(place):
            if directory not in host.own_places:
                yield from (f"{directory}/{name}" for name in sorted(files))


def _keys_below(host: Host) -> Iterator[str]:
    return (path for path in _below(host) if os.path.isfile(path) and host.is_key(path))


def _other_authorities(host: Host) -> Iterator[Certificate]:
    """Yield the CA certificates that lie among those of hosts, or below them."""
    for path in (*host.lying_around, *filter(os.path.isfile, _below(host))):
        if host.may_hold_certificates(path):
            yield from (found for found in host.certificates_in(path) if authority_of(found)[0])


def _configured(host: Host) -> Iterator[str]:
    for use in host.uses:
        for path in (*use.certificates, use.ca_file, use.crl_file):
            if path and os.path.exists(host.path(path)):
                yield host.path(path)


PERM010 = Code.error(
    "PERM010",
    "an account database, or a copy of it, that others can read or change; Sendmail takes it in any mode and "
    "says nothing",
)


def databases(host: Host) -> Iterator[Finding]:
    """sasldb2 is for root, and for one group of mail servers; Debian makes it 0660 root:sasl."""
    settings = host.site.settings.sasl
    groups = {group_of(host.site.root, name) for name in (*_SASL_GROUPS, settings.group)} | {0, os.getegid()}
    for path in databases_of(host):
        if os.path.exists(path):
            readers = {gid for user, needed in _needs(host) if needed == path for gid in user.gids}
            excess = 0o007 if os.stat(path).st_gid in groups | readers else 0o077
            is_copy = path in map(host.path, settings.copies)
            effect = "who reads it can log in" if is_copy else "Sendmail says nothing about it"
            owners = host.owners | owner_of_accounts(host)
            yield from judge(path, Rule(PERM010, excess, owners, effect))


PERM011 = Code.error(
    "PERM011",
    "a default-auth-info that its group or others can read; Sendmail refuses it and defers the mail",
)
PERM012 = Code.error(
    "PERM012",
    "an authinfo map, or its source, that others can read; Sendmail takes any mode and says nothing",
)
PERM013 = Code.error(
    "PERM013",
    "a sasl_passwd map of Postfix, its source, or another file of smtpcreds with a secret, that others can "
    "read",
)


def credentials(host: Host) -> Iterator[Finding]:
    """What client hosts log in with."""
    own = host.owners
    if not host.has_sample_auth_info:
        rule = Rule(PERM011, 0o077, own, "Sendmail refuses it and defers the mail")
        yield from judge(host.default_auth_info, rule)
    for path in _maps(host.path(_authinfo(host))):
        excess = 0o037 if _is_of_root(path) else 0o077
        yield from judge(path, Rule(PERM012, excess, own, "Sendmail says nothing about it"))
    for path in sasl_passwd(host):
        yield from judge(path, Rule(PERM013, 0o037 if _is_of_root(path) else 0o077, own))


def owner_of_accounts(host: Host) -> frozenset[int]:
    """Return the number of the user that the configuration gives the account database to."""
    user = user_of(host.site.root, host.site.settings.sasl.owner)
    return frozenset({user.uid} if user else ())


def secrets(host: Host) -> list[str]:
    """Return every file of accounts and their secrets, there or not."""
    maps = _maps(host.path(_authinfo(host)))
    return [*databases_of(host), host.default_auth_info, *maps, *sasl_passwd(host)]


def databases_of(host: Host) -> tuple[str, ...]:
    """Return the account database, its copies, and the default one, which a mail server may read too."""
    site = host.site
    configured = () if is_url(site.sasldb) else (site.sasldb,)
    paths = (*configured, *map(site.path, site.settings.sasl.copies), site.path(site.system.sasldb))
    return tuple(dict.fromkeys(paths))


def sasl_passwd(host: Host) -> tuple[str, ...]:
    """Return the files of smtp_sasl_password_maps, sources and what postmap made of them."""
    named = host.postfix.words("smtp_sasl_password_maps") if host.postfix else ()
    paths = [word.partition(":")[2] for word in named] or [f"{DEBIAN.postfix_directory}/sasl_passwd"]
    return tuple(file for path in paths if path.startswith("/") for file in _maps(host.path(path)))


def _authinfo(host: Host) -> str:
    named = host.sendmail.map_file("authinfo") if host.sendmail else ""
    return named or auth_info.MAP_PATH


def _maps(path: str) -> tuple[str, ...]:
    return tuple(path + end for end in _MAP_ENDS)


def _is_of_root(path: str) -> bool:
    """Tell whether a file belongs to root's own group, which makemap's 0640 gives nothing to."""
    return os.path.exists(path) and os.stat(path).st_gid == 0


PERM014 = Code.error("PERM014", "a file or directory of smtpcreds' own state that others can use")


def state(host: Host) -> Iterator[Finding]:
    """The state directory, the CA's key in it among others, is for its owner alone."""
    for directory, _, files in os.walk(host.site.state, onerror=_raise):
        mode = stat.S_IMODE(os.stat(directory).st_mode)
        is_closed = directory == host.site.state or directory.startswith(host.site.ca_directory)
        excess = 0o077 if is_closed else 0o022
        if mode & excess:
            cure = f"chmod {mode & ~excess:04o} {quote(directory)}"
            reason = f"mode {mode:04o}; others may look into it or change it"
            yield PERM014.found(directory, reason, cure, close(directory, excess))
        for name in sorted(files):
            if not _is_hash_link(f"{directory}/{name}"):
                yield from judge(f"{directory}/{name}", Rule(PERM014, 0o077, host.owners))


def _is_hash_link(path: str) -> bool:
    """Tell whether it is one of the links to authorities and CRLs beside them, as OpenSSL names them."""
    is_named_so = is_link_name(os.path.basename(path))
    return is_named_so and os.path.islink(path) and "/" not in os.readlink(path)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


PERM017 = Code.error(
    "PERM017",
    "a configuration file that others can change; Sendmail skips such a Sendmail.conf and goes on with "
    "defaults",
)


def configuration_files(host: Host) -> tuple[str, ...]:
    """Return the files by which mail servers and Cyrus SASL are configured, there or not."""
    return (*map(host.path, CONFIGURATION), *all_places(host))


def configuration(host: Host) -> Iterator[Finding]:
    """Whoever writes a configuration file decides what the mail server believes."""
    for path in configuration_files(host):
        rule = Rule(PERM017, 0o022, host.owners, "who writes it decides what the mail server does")
        yield from judge(path, rule)


PERM018 = Code.error(
    "PERM018",
    "a configuration file of Cyrus SASL that holds a password of the database and that others can read",
)


def database_password(host: Host) -> Iterator[Finding]:
    """A configuration of Cyrus SASL with ``sql_passwd`` is a secret itself."""
    for path in all_places(host):
        content = host.content(path)
        if content is None or b"sql_passwd" not in content:
            continue
        try:
            has_password = "sql_passwd" in sasl_conf.parse(content, path)
        except DataError:
            has_password = True
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if has_password and mode & 0o007:
            reason = f"mode {mode:04o}, and it holds sql_passwd"
            yield PERM018.found(path, reason, f"chmod {mode & ~7:04o} {quote(path)}", close(path, 0o007))


PERM016 = Code.error(
    "PERM016",
    "a file that the program which needs it can't read, as the user that it runs as",
)


def readers(host: Host) -> Iterator[Finding]:
    """Programs that are not root can read what they need."""
    for user, path in dict.fromkeys(_needs(host)):
        if os.path.exists(path) and (why := obstacle(host, user, path)):
            yield PERM016.found(path, *why)


def _needs(host: Host) -> Iterator[tuple[User, str]]:
    root = host.site.root
    for use in host.uses:
        if use.user != "root" and use.program != "sendmail" and (user := user_of(root, use.user)):
            yield from ((user, host.path(key)) for key in use.keys)
    if is_url(host.site.sasldb):
        return
    smtpd = host.postfix.value("mail_owner") if _asks_sasldb(host) and host.postfix else ""
    exim = host.exim_user if exim_asks(host) else ""
    for name, database in ((smtpd, _of_smtpd(host)), (exim, host.site.sasldb)):
        if name and (user := user_of(root, name)):
            yield user, database


def _of_smtpd(host: Host) -> str:
    """Return the database that smtpd opens: in its chroot a copy, if there is one that is kept in step."""
    copies = host.site.settings.sasl.copies
    jail = host.postfix.value("queue_directory") if host.postfix else ""
    chrooted = any(service.chroot for service in main_cf.servers(host.services))
    inside = [path for path in copies if path.startswith(f"{jail}/")] if chrooted else []
    return host.path(inside[0]) if inside else host.site.sasldb


def _asks_sasldb(host: Host) -> bool:
    main = host.postfix
    return (
        main is not None and main.is_on("smtpd_sasl_auth_enable") and main.value("smtpd_sasl_type") == "cyrus"
    )


PERM003 = Code.error(
    "PERM003",
    "a directory, on the way to a credential, that its group or others can change; Sendmail refuses all "
    "files below it, also where the directory is sticky",
)
PERM019 = Code.warning(
    "PERM019",
    "a directory, on the way to a credential, that belongs to an ordinary user, who can put other files "
    "there; Sendmail accepts it",
)


def parents(host: Host) -> Iterator[Finding]:
    """Who can change a directory can put another file in the place of each one below it."""
    known = host.owners | owner_of_accounts(host)
    for directory in _directories(host):
        status = os.stat(directory)
        mode = stat.S_IMODE(status.st_mode)
        if directory not in host.own_places:
            yield from _open_acl(directory)
        if mode & 0o022:
            sticky = ", sticky" if mode & stat.S_ISVTX else ""
            repair = close(directory, 0o022) if directory in _ours(host) else None
            reason = f"{words(mode, 0o022)}{sticky}; Sendmail refuses keys and credentials below it"
            yield PERM003.found(directory, reason, f"chmod go-w {quote(directory)}", repair)
        elif status.st_uid not in known:
            reason = f"belongs to {owner_name(status)}, who can put other files there"
            yield PERM019.found(directory, reason, f"chown root {quote(directory)}")


def _open_acl(directory: str) -> Iterator[Finding]:
    """Those of certificate directories are another check, which lets nobody in."""
    if writers := [who for who, rights in acl(directory).items() if rights & 2]:
        reason = f"its ACL lets {', '.join(writers)} change it"
        yield PERM009.found(directory, reason, f"setfacl -b {quote(directory)}")


def _directories(host: Host) -> Iterator[str]:
    """Yield the directories above what is configured, what lies there, and what is ours; deepest first."""
    named = (host.path(path) for use in host.uses for path in (*use.paths, use.config))
    own = (f"{host.site.state}/any", f"{host.site.certificates}/any", host.path(SENDMAIL_CF))
    read = filter(os.path.exists, (*map(host.path, CONFIGURATION), *all_places(host)))
    watched = (*named, *host.key_files, *secrets(host), *own, *read)
    nearest = dict.fromkeys(map(os.path.dirname, watched))
    found = dict.fromkeys(
        directory for place in nearest for directory in above(os.path.join(place, "any"), host.top)
    )
    yield from sorted(filter(os.path.isdir, found), key=lambda path: (-path.count("/"), path))


def _ours(host: Host) -> set[str]:
    return {*host.own_places, host.site.state, host.site.ca_directory}
