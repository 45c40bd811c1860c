"""Owner, mode, ACL, links of one file against a rule; the findings say what Sendmail makes of it."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from struct import iter_unpack

from ..files.owner import owner as owner_name
from ..model import Owner
from .finding import Finding, found
from .repairs import ACLS, close, drop_acl, give

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
