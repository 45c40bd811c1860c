"""A system filter of Exim: what it does with every message (Exim's interfaces to mail filtering, 3)."""

from ..lazy import pattern

_FILTER = pattern(r"#\s*exim\s+filter\b", flags=2)
_PLAIN = pattern(r'"(?:\\.|[^"\\])*"|#[^\n]*')
_AS_A_RULE = ("first_delivery", "then")
"""A condition that is met when a message comes in."""
_ENDS = {"fail": "fails every message", "freeze": "freezes every message"}
_DELIVERS = frozenset({"deliver", "pipe", "save"})


def harm(text: str) -> str:
    """Return what becomes of every message, in words; nothing where it goes on, or nobody can tell.

    Commands inside a condition are passed over; behind one that may finish, nobody can tell.
    """
    if not _FILTER.match(text):
        return ""
    words = _PLAIN.sub(" ", text).split()
    inside: list[bool] = []  # for each open condition: may it not be met
    for place, word in enumerate(words):
        if word == "if":
            inside.append(tuple(words[place + 1 : place + 3]) != _AS_A_RULE)
        elif word in {"elif", "else"} and inside:
            inside[-1] = True
        elif word == "endif" and inside:
            inside.pop()
        elif word == "finish" or word in _DELIVERS:
            is_drop = word == "finish" and words[place - 1] == "seen" and not any(inside)
            return "drops every message" if is_drop else ""
        elif word in _ENDS and not any(inside):
            return _ENDS[word]
    return ""
