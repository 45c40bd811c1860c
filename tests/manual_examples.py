"""The commands that manual pages show on lines of their own."""

import re
from collections.abc import Mapping

from place import TOP

NOTHING: Mapping[str, object] = {}
_DISPLAYS = re.compile(r"^\.Dl (.*)\n|^\.Bd -literal.*\n((?:.*\n)*?)\.Ed\n", re.MULTILINE)
_TYPED = re.compile(r"(?:|\w+=\S+ |.*(?:[|;&] |/bin/|@\w+ ))smtpcreds(?: [-a-z].*|)")


def page_lines(page: str, meant: Mapping[str, object] = NOTHING) -> list[str]:
    """Return what a page shows to be typed, in its order, without prompts.

    These are the lines in which a command of ours is, and the others behind a prompt.

    Args:
        page: its file name.
        meant: what is typed in place of a text; each of these has to be there.
    """
    source = (TOP / "man" / page).read_text().replace(r"\(dq", '"')
    lines = list[str]()
    for line, block in _DISPLAYS.findall(re.sub(r"\\e\n *", "", source)):
        if line[:2] in {"# ", "$ "} or _TYPED.fullmatch(line):
            lines.append(line)
        lines += [one for one in block.splitlines() if _TYPED.fullmatch(one.lstrip("#$ "))]
    text = "\n".join(line.removeprefix("# ").removeprefix("$ ") for line in lines)
    for word, other in meant.items():
        assert word in text, f"{word} is in no command of {page}"
        text = text.replace(word, str(other))
    return text.splitlines()
