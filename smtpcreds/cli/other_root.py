"""Commands of other programs, as they are typed for a system below another root: inside it, by chroot(8).

They go by paths, users and daemons of the system that runs them. What only names files by their whole paths
is typed outside.
"""

import os
import re

from ..lazy import pattern
from ..shell import quote
from ..systems import OF_ONE_SYSTEM

_WORD = pattern(r"""(?<![^\s=(<])(?:'[^'\n]*'(?:"'"'[^'\n]*')*|\$'[^'\n]*')|"[^"\n]*"|\(umask [^()\n]*\)""")
_STEP = pattern(r"( && |; |, or |\n)")
_COMMAND = pattern(rf"((?:.*?: )? *)((?:{OF_ONE_SYSTEM}).*)")
_OF_ONE_SYSTEM = pattern(rf"(?<![\w./-])(?:{OF_ONE_SYSTEM})")
_PLACE = pattern(r"\0(\d+)\0")
_SHELLS = pattern(r"[<>|$`(]")


def is_of_one_system(text: str) -> bool:
    """Tell whether a text may hold a command of another program."""
    return bool(_OF_ONE_SYSTEM.search(text))


def inside(text: str, root: str, elsewhere: "re.Pattern[str]") -> str:
    """Return a text with its commands of other programs as they reach a system below a root.

    Args:
        text: one line or more.
        root: as it was given.
        elsewhere: what stands before a command that is typed on another host.
    """
    words: list[str] = []

    def keep(found: "re.Match[str]") -> str:
        words.append(found[0])
        return f"\0{len(words) - 1}\0"

    def whole(step: str) -> str:
        return _PLACE.sub(lambda found: words[int(found[1])], step)

    steps = map(whole, _STEP.split(_WORD.sub(keep, text))) if is_of_one_system(text) else [text]
    return "".join(_inside(step, root, elsewhere) for step in steps)


def _inside(step: str, root: str, elsewhere: "re.Pattern[str]") -> str:
    found = _COMMAND.fullmatch(step)
    if found is None or elsewhere.search(found[1]):
        return step
    place = os.path.abspath(root)
    within = found[2].replace(f"{quote(place)}/", "/").replace(f"{place}/", "/")
    shell = f"sh -c {quote(within)}" if _SHELLS.search(within) else within
    return f"{found[1]}chroot {quote(root)} {shell}"
