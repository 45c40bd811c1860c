"""A bundle as tar: what any tar extracts, and of which only what was written so is read back.

Before the first member stands a global extended header with a comment, as ``git archive`` has it; every tar
skips it. It holds the label and the SHA-256 of all that follows, so that damage is found before anything is
written. It proves nothing about where the bundle is from.

Reading takes one header at a time, of three kinds of members; so there is no extension, long name or sparse
file by which a crafted archive could mean more than it shows.
"""

import re
import tarfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from io import BytesIO

from ..errors import DamagedFileError, DataError, ForeignFormatError
from .member import Kind, Label, Member

MAX_MEMBER = 16 << 20
"""Octets; a CRL of 100,000 entries is a quarter of it."""
MAX_MEMBERS = 500
_FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE
_HEAD = 2 * _BLOCK
_LABEL = re.compile(
    rb"\d+ comment=smtpcreds bundle (\d+) host=(\S+) program=(\S+) fingerprint=([0-9a-f]*) sha256=(\S+)\n\0*"
)
_KINDS = {kind.value: kind for kind in Kind}
_NAMES = {b"1": "a hard link", b"3": "a device", b"4": "a device", b"6": "a pipe"}


def pack(label: Label, members: Iterable[Member], now: datetime) -> bytes:
    """Return the archive; members keep their order.

    User and group go by name, with the number of root for hosts that do not know the name.

    Args:
        label: whom it is for.
        members: directories before what lies in them.
        now: the time that all members get.
    """
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member in members:
            archive.addfile(_info(member, now), BytesIO(member.content))
    digest = sha256(body.getvalue()).hexdigest()
    text = f"host={label.host} program={label.program} fingerprint={label.fingerprint} sha256={digest}"
    comment = {"comment": f"smtpcreds bundle {_FORMAT} {text}"}
    return tarfile.TarInfo.create_pax_global_header(comment) + body.getvalue()


def unpack(data: bytes, subject: str) -> tuple[Label, tuple[Member, ...]]:
    """Return label and members.

    Args:
        data: the archive.
        subject: its name, for messages.

    Raises:
        ForeignFormatError: no bundle of smtpcreds, or one of a newer version.
        DamagedFileError: it was cut or changed.
        DataError: a member that no bundle has.
    """
    head = _LABEL.fullmatch(data[_BLOCK:_HEAD])
    if not head:
        raise ForeignFormatError(
            subject, "is no bundle of smtpcreds", "on the hub: smtpcreds bundle HOST -o FILE"
        )
    version, host, program, fingerprint, digest = (group.decode(errors="replace") for group in head.groups())
    if version != str(_FORMAT):
        raise ForeignFormatError(subject, f"is a bundle of form {version}; this smtpcreds knows {_FORMAT}")
    if sha256(data[_HEAD:]).hexdigest() != digest:
        raise DamagedFileError(subject, "was cut or changed on its way", "copy it again, and compare sizes")
    return Label(host, program, fingerprint), tuple(_members(data, subject))


def _info(member: Member, now: datetime) -> tarfile.TarInfo:
    info = tarfile.TarInfo(member.path)
    info.type = member.kind.value
    info.mode, info.mtime = member.mode, int(now.timestamp())
    info.size, info.linkname = len(member.content), member.target
    info.uname, info.gname = member.user, member.group
    return info


def _members(data: bytes, subject: str) -> Iterator[Member]:
    offset = _HEAD
    for _ in range(MAX_MEMBERS):
        block = data[offset : offset + _BLOCK]
        if not block.strip(b"\0"):
            return
        info = _header(block, subject)
        offset += _BLOCK
        content = data[offset : offset + info.size]
        if len(content) < info.size:
            raise DamagedFileError(subject, f"{_shown(info.name)} is longer than the archive")
        yield Member(info.name, info.mode, content, _KINDS[info.type], info.linkname, info.uname, info.gname)
        offset += -(-info.size // _BLOCK) * _BLOCK
    raise DataError(subject, f"has over {MAX_MEMBERS} members")


def _header(block: bytes, subject: str) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise DamagedFileError(subject, f"has a broken member ({error})") from None
    name = _shown(info.name)
    if info.type not in _KINDS:
        raise DataError(subject, f"{name} is {_NAMES.get(info.type, 'of a kind')} that no bundle has")
    if not 0 <= info.size <= MAX_MEMBER or (info.size and info.type != Kind.FILE.value):
        raise DataError(subject, f"{name} claims {info.size} octets")
    return info


def _shown(name: str) -> str:
    return ascii(name[:100])[1:-1]
