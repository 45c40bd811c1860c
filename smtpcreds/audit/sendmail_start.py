"""MTA: settings with which Sendmail's daemon does not start, though ``sendmail -bt`` takes its sendmail.cf.

Source: op.me of sendmail 8.17 (DontBlameSendmail, InputMailFilters, QueueDirectory, UseMSP); what each does
was seen with 8.17.1.
"""

import os
import re
from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta.sendmail_cf import SendmailCf
from ..systems import DEBIAN
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_filters import FILTER
from .sendmail_switches import removed

_QUEUE = DEBIAN.sendmail_queue
_WORD = pattern(
    r"safe|assumesafechown|classfileinunsafedirpath|(?:dontwarn)?forwardfileinunsafedirpath(?:safe)?"
    r"|errorheaderinunsafedirpath|(?:filedelivery|writemap|writestats)to(?:hardlink|symlink)"
    r"|(?:forward|include)filein(?:groupwritable|unsafe)dirpath(?:safe)?|groupreadable(?:keyfile|sasldbfile)"
    r"|groupreadabledefaultauthinfofile|groupwritable(?:aliasfile|dirpathsafe|sasldbfile)"
    r"|groupwritable(?:forward|include)file(?:safe)?|helpfileinunsafedirpath|insufficiententropy"
    r"|linked(?:aliasfile|classfile|forwardfile|includefile|map|serviceswitchfile)inwritabledir"
    r"|mapinunsafedirpath|nonrootsafeaddr|runprograminunsafedirpath|runwritableprogram|truststickybit"
    r"|worldwritable(?:alias|forward|include)file|certowner"
)

MTA046 = Code.error(
    "MTA046",
    "Sendmail does not start: it does not know a word of confDONT_BLAME_SENDMAIL, or a filter of "
    "confINPUT_MAIL_FILTERS, has no queue (QUEUE_DIR), or is no daemon (confUSE_MSP)",
)


def starts(host: Host) -> Iterator[Finding]:
    """The daemon is one, has a queue, and knows what it is told."""
    cf = host.sendmail
    if cf is None or not (host.relays_by_sendmail or host.logs_in_by_sendmail):
        return
    for name, why in (*_unknown(cf, host.text(SENDMAIL_CF) or ""), *_lacking(host, cf)):
        yield MTA046.found(
            host.path(SENDMAIL_CF), f"{why}, so it does not start", removed(host, name, name, is_down=True)
        )


def _unknown(cf: SendmailCf, text: str) -> Iterator[tuple[str, str]]:
    """Yield options with a word that Sendmail does not know, and why."""
    value = cf.option("DontBlameSendmail")
    words = value.replace(",", " ").split()
    if unknown := next((word for word in words if not _WORD.fullmatch(word.lower())), ""):
        yield (
            "confDONT_BLAME_SENDMAIL",
            f"has DontBlameSendmail={value}, and Sendmail does not know {unknown}",
        )
    asked, known = cf.option("InputMailFilters"), {"", *(name for name, _ in FILTER.findall(text))}
    if unknown := next((name for name in re.split(r"[\s,;]+", asked) if name not in known), ""):
        yield "confINPUT_MAIL_FILTERS", f"has InputMailFilters={asked}, and no filter {unknown} is defined"


def _lacking(host: Host, cf: SendmailCf) -> Iterator[tuple[str, str]]:
    """Yield options without which there would be a daemon, and a queue."""
    if cf.option("UseMSP")[:1].lower() in {"t", "y", "1"}:
        yield "confUSE_MSP", f"has UseMSP={cf.option('UseMSP')}, by which it is no daemon"
    queue = cf.option("QueueDirectory")
    place = os.path.dirname(queue) if "*" in queue else queue
    if place not in {"", _QUEUE} and not os.path.isdir(host.path(place)):
        yield "QUEUE_DIR", f"has QueueDirectory={queue}, and {place} is not there"
