"""A bundle as tar, in the clear or encrypted: what any tar extracts, and what is read back of it."""

import re
import tarfile
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime
from enum import Enum
from hashlib import sha256
from io import BytesIO
from typing import Any

from ..ca.layout import FROM_BUNDLE
from ..errors import (
    DamagedFileError,
    DataError,
    ForeignFormatError,
    PasswordRefusedError,
    UnavailableError,
    UsageError,
    WrongPassphraseError,
)
from ..lazy import dataclass, pattern
from ..secret import Secret
from ..shell import quote

# One member of a bundle, and the name under which the whole of it goes.

README = "etc/smtpcreds/README.bundle"
SETTINGS = FROM_BUNDLE[1:]
"""Not smtpcreds.toml, so that tar never replaces what an administrator wrote there."""


class Kind(Enum):
    """What a member is; the value is its type in tar (POSIX.1-2017, pax, ustar header)."""

    FILE = b"0"
    LINK = b"2"
    DIRECTORY = b"5"


@dataclass(frozen=True)
class Member:
    """One member.

    Attributes:
        path: relative to the host's root, without a leading slash.
        mode: permission bits.
        content: of a file.
        kind: what it is.
        target: of a symbolic link.
        user: name of its owner; numbers mean something else on every host.
        group: name of its group.
    """

    path: str
    mode: int
    content: bytes = field(default=b"", repr=False)
    kind: Kind = Kind.FILE
    target: str = ""
    user: str = "root"
    group: str = "root"

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Label:
    """Whom a bundle is for.

    Attributes:
        host: full name of the client host.
        program: name of a mail program in the role of a client.
        fingerprint: SHA-256 of the hub's certificate, hex, for programs that need it; or empty.
    """

    host: str
    program: str
    fingerprint: str = ""


# A bundle as tar: what any tar extracts, and of which only what was written so is read back.
#
# Before the first member stands a global extended header with a comment, as ``git archive`` has it; every tar
# skips it. It holds the label and the SHA-256 of all that follows, so that damage is found before anything is
# written. It proves nothing about where the bundle is from.
#
# Reading takes one header at a time, of three kinds of members, and before a member an extended header that
# says its name and nothing else; so there is no other extension, GNU long name or sparse file by which a
# crafted archive could mean more than it shows.

MAX_MEMBER = 16 << 20
"""Octets; a CRL of 100,000 entries is a quarter of it."""
MAX_MEMBERS = 500
_FORMAT = 1
_BLOCK = tarfile.BLOCKSIZE
_HEAD = 2 * _BLOCK
_LABEL = pattern(
    rb"\d+ comment=smtpcreds bundle (\d+) host=(\S+) program=(\S+) fingerprint=([0-9a-f]*)"
    rb" made=(\d+) sha256=(\S+)\n\0*"
)
_KINDS = {kind.value: kind for kind in Kind}
_NAMED = b"x"
_PATH = pattern(rb"\d+ path=([^\n\0]+)\n")
_NAMES = {b"1": "a hard link", b"3": "a device", b"4": "a device", b"6": "a pipe"}


def pack(label: Label, members: Iterable[Member], now: datetime) -> bytes:
    """Return the archive; members keep their order.

    User and group go by name, with the number of root for hosts that do not know the name.

    Args:
        label: whom it is for.
        members: directories before what lies in them.
        now: the time that all members get.
    """
    text = f"host={label.host} program={label.program} fingerprint={label.fingerprint}"
    text += f" made={int(now.timestamp())}"
    return tar_of(f"smtpcreds bundle {_FORMAT} {text}", members, now)


def tar_of(comment: str, members: Iterable[Member], now: datetime) -> bytes:
    """Return an archive with a comment in front, which gets the SHA-256 of all that follows.

    A name of over 100 octets, or not ASCII, stands in an extended header (POSIX.1-2017, pax).
    """
    body = BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            archive.addfile(_info(member, now), BytesIO(member.content))
    digest = sha256(body.getbuffer()).hexdigest()
    header = tarfile.TarInfo.create_pax_global_header({"comment": f"{comment} sha256={digest}"})
    return header + body.getvalue()


def unpack(data: bytes, subject: str) -> tuple[Label, tuple[Member, ...]]:
    """Return label and members.

    Args:
        data: the archive.
        subject: its name, for messages.
    """
    head = _LABEL.fullmatch(data[_BLOCK:_HEAD])
    if not head:
        raise ForeignFormatError(
            subject, "is not a bundle of smtpcreds", "on the hub: smtpcreds bundle HOST -o FILE"
        )
    version, host, program, fingerprint, _, digest = (
        group.decode(errors="replace") for group in head.groups()
    )
    if version != str(_FORMAT):
        raise ForeignFormatError(subject, f"is a bundle of form {version}; this smtpcreds knows {_FORMAT}")
    return Label(host, program, fingerprint), members_of(data, digest, subject)


def comment_of(data: bytes) -> bytes:
    """Return the record that stands in front of an archive of :func:`tar_of`; anything, in another file."""
    return data[_BLOCK:_HEAD]


def members_of(
    data: bytes, digest: str, subject: str, most: int = MAX_MEMBERS, longest: int = MAX_MEMBER
) -> tuple[Member, ...]:
    """Return the members of an archive of :func:`tar_of`.

    Args:
        data: the archive.
        digest: SHA-256 of what follows the comment, hex.
        subject: its name, for messages.
        most: members.
        longest: octets of one.
    """
    if sha256(memoryview(data)[_HEAD:]).hexdigest() != digest:
        raise DamagedFileError(subject, "was cut or changed on its way", "copy it again, and compare sizes")
    return tuple(_members(data, subject, most, longest))


def _info(member: Member, now: datetime) -> tarfile.TarInfo:
    info = tarfile.TarInfo(member.path)
    info.type = member.kind.value
    info.mode, info.mtime = member.mode, int(now.timestamp())
    info.size, info.linkname = len(member.content), member.target
    info.uname, info.gname = member.user, member.group
    return info


def _members(data: bytes, subject: str, most: int, longest: int) -> Iterator[Member]:
    offset, name, left = _HEAD, "", most
    while left:
        block = data[offset : offset + _BLOCK]
        if not block.strip(b"\0"):
            return
        info = _header(block, subject, longest)
        offset += _BLOCK
        content = data[offset : offset + info.size]
        if len(content) < info.size:
            raise DamagedFileError(subject, f"{_shown(info.name)} is longer than the archive")
        offset += -(-info.size // _BLOCK) * _BLOCK
        if info.type == _NAMED:
            name = _long_name(content, subject)
            continue
        kind, path = _KINDS[info.type], name or info.name
        name, left = "", left - 1
        yield Member(path, info.mode, content, kind, info.linkname, info.uname, info.gname)
    raise DataError(subject, f"has over {most} members")


def _header(block: bytes, subject: str, longest: int) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.TarError, ValueError) as error:
        raise DamagedFileError(subject, f"has a broken member ({error})") from None
    name = _shown(info.name)
    if info.type not in {*_KINDS, _NAMED}:
        raise DataError(subject, f"{name} is {_NAMES.get(info.type, 'of a kind')} that no bundle has")
    if not 0 <= info.size <= longest or (info.size and info.type not in {Kind.FILE.value, _NAMED}):
        raise DataError(subject, f"{name} claims {info.size} octets")
    return info


def _long_name(content: bytes, subject: str) -> str:
    found = _PATH.fullmatch(content)
    name = found[1].decode(errors="replace") if found else ""
    if not name or "\ufffd" in name:
        raise DataError(subject, "has an extended header that is more than a name")
    return name


def _shown(name: str) -> str:
    return ascii(name[:100])[1:-1]


# A bundle in the form of age (age-encryption.org/v1), which the program ``age`` opens.
#
# The cryptography library writes CMS for RSA recipients only and knows no passphrases there; PKCS #12 holds
# no files. So the optional package ``pyrage`` does it: the age library of Rust.

_MAGIC = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_SCRYPT = pattern(rb"^-> scrypt \S+ ([0-9]+)$", re.MULTILINE)
_MAX_HEADER = 4096
"""Octets; a passphrase has one recipient, and no other beside it."""
MAX_WORK = 20
"""log2(N): a gigabyte and some seconds. The age library takes what lasts a second, age itself 18."""
SUFFIX = ".age"
NAME = "age"


def is_encrypted(data: bytes) -> bool:
    """Tell whether the data is a file of age."""
    return data.startswith((_MAGIC, _ARMOR))


def encrypt_by_passphrase(data: bytes, passphrase: Secret) -> bytes:
    """Encrypt the data; its key is derived by scrypt, which takes about a second."""
    sealed: bytes = _age().passphrase.encrypt(data, _text(passphrase))
    return sealed


def encrypt_to(data: bytes, recipients: Iterable[str]) -> bytes:
    """Encrypt the data so that each of the recipients can open it; see :func:`check_recipients`."""
    sealed: bytes = _age().encrypt(data, _parsed(recipients))
    return sealed


def check_recipients(recipients: Iterable[str]) -> None:
    """Accept public keys: ``age1...``, or a line of SSH (``ssh-ed25519 ...``, ``ssh-rsa ...``)."""
    _parsed(recipients)


MAKES_BUNDLE = "smtpcreds bundle HOST -o - | age -p"
OPENS_BUNDLE = "smtpcreds setup --client -"


def check_available(instead: str = MAKES_BUNDLE) -> None:
    """Raise UnavailableError where the package is not installed; ``instead`` does without it."""
    _age(instead)


def check_passphrase(passphrase: Secret) -> None:
    """Raise PasswordRefusedError for a passphrase that is empty, or that nobody can type."""
    _text(passphrase)


def decrypt(data: bytes, passphrase: Secret, subject: str, then: str = OPENS_BUNDLE) -> bytes:
    """Decrypt a file that was encrypted under a passphrase.

    Args:
        data: the file.
        passphrase: its own.
        subject: its path, for messages.
        then: the command that reads the archive from standard input.
    """
    factors, is_alone = _work_factors(data)
    if not factors:
        reason = "was encrypted for a key, not under a passphrase"
        raise DataError(subject, reason, f"age -d -i KEYFILE {quote(subject)} | {then}")
    if max(factors) > MAX_WORK:
        reason = f"asks for 2^{max(factors)} rounds of scrypt; what smtpcreds and age write, for 2^18 or so"
        raise DataError(subject, reason, f"if you trust it: age -d {quote(subject)} | {then}")
    if not is_alone:  # the library's time grows with the square of their number
        raise DataError(subject, "has more in its header than the one passphrase that a file of age may have")
    age = _age(f"age -d {quote(subject)} | {then}")
    try:
        plain: bytes = age.passphrase.decrypt(data, _text(passphrase))
    except age.DecryptError:
        raise WrongPassphraseError(subject, "the passphrase does not open it, or it was altered") from None
    return plain


def _work_factors(data: bytes) -> tuple[list[int], bool]:
    """Return log2(N) of each scrypt stanza in the header of a file of age (age.md of C2SP).

    Returns:
        Also whether the header ends after one stanza, as one with a passphrase must.
    """
    header, end, _ = _beginning(data).partition(b"\n--- ")
    return [int(found[:4]) for found in _SCRYPT.findall(header)], bool(end) and header.count(b"\n-> ") == 1


def _beginning(data: bytes) -> bytes:
    if not data.startswith(_ARMOR):
        return data[:_MAX_HEADER]
    text = b"".join(data[len(_ARMOR) : 2 * _MAX_HEADER].partition(b"-----END")[0].split())
    try:
        return b64decode(text[: len(text) // 4 * 4])
    except ValueError:
        return b""


def _text(passphrase: Secret) -> str:
    try:
        text = passphrase.reveal().decode()
    except UnicodeDecodeError:
        raise PasswordRefusedError(NAME, "the passphrase is not UTF-8, so age can't be given it") from None
    if not text or not text.isprintable():
        reason = "the passphrase has characters that can't be typed" if text else "the passphrase is empty"
        raise PasswordRefusedError(NAME, reason)
    return text


def _parsed(recipients: Iterable[str]) -> list[Any]:
    age = _age()
    found = []
    for text in recipients:
        kind = age.ssh if text.startswith("ssh-") else age.x25519
        try:
            found.append(kind.Recipient.from_str(text))
        except age.RecipientError:
            reason = f"takes age1... or ssh-ed25519 ..., not {text[:60]!r}"
            raise UsageError("--recipient", reason) from None
    return found


def _age(instead: str = MAKES_BUNDLE) -> Any:
    try:
        import pyrage
    except ImportError:
        from ..extras import how_to_install, in_package

        hint = f"{how_to_install('pyrage')}; or let the program age{in_package('age')} do it: {instead}"
        raise UnavailableError(NAME, "the Python package pyrage is not installed", hint) from None
    return pyrage
