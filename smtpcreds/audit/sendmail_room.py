"""MTA: whether Sendmail takes a message, of client hosts or users: there is room, and it is none too large.

Source: op.me of sendmail 8.17 (MaxMessageSize, MinFreeBlocks, MaxHeadersLength); what each does
was seen with 8.17.1.
"""

from collections.abc import Callable, Iterator, Mapping

from ..model import Finding, decimal
from ..systems import DEBIAN
from .finding import Code
from .host import SENDMAIL_CF, Host
from .room import HEADERS, HOPS, MESSAGE, TOO_FAR, left, too_full, too_small
from .sendmail_switches import removed

MTA043 = Code.error(
    "MTA043",
    "Sendmail takes no message of client hosts or users, for want of room or time, or since each is too "
    "large or came too far (confMIN_FREE_BLOCKS, confMAX_MESSAGE_SIZE, confMAX_HEADERS_LENGTH, confMAX_HOP, "
    "confTO_DATABLOCK)",
)
_QUEUE = DEBIAN.sendmail_queue


def room(host: Host) -> Iterator[Finding]:
    """A message is taken."""
    cf = host.sendmail
    if cf is None or not (host.relays_by_sendmail or host.logs_in_by_sendmail):
        return
    for (option, name), look in _ROOM.items():
        value = decimal(cf.option(option))
        if value is not None and (why := look(host, value)):
            reason = f"has {option}={cf.option(option)}, and {why}"
            yield MTA043.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))


def _blocks(host: Host, least: int) -> str:
    queue = (host.sendmail and host.sendmail.option("QueueDirectory")) or _QUEUE
    state = left(host, queue)
    return too_full(queue, state.f_bavail, least, "blocks") if state else ""


def _hops(host: Host) -> int:
    """Return the Received: lines of a message; one of users has one less than what client hosts hand on."""
    return HOPS if host.relays_by_sendmail else HOPS - 1


_ROOM: Mapping[tuple[str, str], Callable[[Host, int], str]] = {
    ("MinFreeBlocks", "confMIN_FREE_BLOCKS"): _blocks,
    ("MaxMessageSize", "confMAX_MESSAGE_SIZE"): lambda _, most: too_small(most, MESSAGE),
    ("MaxHopCount", "confMAX_HOP"): lambda host, most: TOO_FAR if most < _hops(host) else "",
    ("Timeout.datablock", "confTO_DATABLOCK"): lambda _, time: "" if time else "no message comes in no time",
    ("MaxHeadersLength", "confMAX_HEADERS_LENGTH"): lambda _, most: too_small(most, HEADERS),
}
"""Option and the name of it in sendmail.mc; what is wrong with a value, in words."""
