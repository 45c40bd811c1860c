"""MTA: whether Sendmail takes a message of client hosts: there is room, and it is none too large.

Source: op.me of sendmail 8.17 (MaxMessageSize, MinFreeBlocks, MaxHeadersLength); what each does
was seen with 8.17.1.
"""

import os
from collections.abc import Callable, Iterator, Mapping

from ..model import Finding
from ..systems import DEBIAN
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_switches import removed

MTA043 = Code.error(
    "MTA043",
    "Sendmail takes no message of client hosts, for want of room or since each is too large "
    "(confMIN_FREE_BLOCKS, confMAX_MESSAGE_SIZE, confMAX_HEADERS_LENGTH)",
)
_QUEUE = DEBIAN.sendmail_queue
_SMALLEST = 4096
"""Octets that a message of a few lines has with its headers, as far as it comes to the hub."""
_HEADERS = 512
"""Octets of the headers of such a message."""


def room(host: Host) -> Iterator[Finding]:
    """A message is taken."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail:
        return
    for (option, name), look in _ROOM.items():
        value = cf.option(option)
        if value.isdecimal() and (why := look(host, int(value))):
            reason = f"has {option}={value}, and {why}"
            yield MTA043.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))


def _blocks(host: Host, least: int) -> str:
    queue = (host.sendmail and host.sendmail.option("QueueDirectory")) or _QUEUE
    try:
        free = os.statvfs(host.path(queue)).f_bavail
    except OSError:
        return ""
    return f"{queue} has {free} blocks left, so it takes no message" if free < least else ""


def _octets(_: Host, most: int) -> str:
    return "a message of a few lines has more octets" if 0 < most < _SMALLEST else ""


def _headers(_: Host, most: int) -> str:
    return "the headers of a message have more octets" if 0 < most < _HEADERS else ""


_ROOM: Mapping[tuple[str, str], Callable[[Host, int], str]] = {
    ("MinFreeBlocks", "confMIN_FREE_BLOCKS"): _blocks,
    ("MaxMessageSize", "confMAX_MESSAGE_SIZE"): _octets,
    ("MaxHeadersLength", "confMAX_HEADERS_LENGTH"): _headers,
}
"""Option and the name of it in sendmail.mc; what is wrong with a value, in words."""
