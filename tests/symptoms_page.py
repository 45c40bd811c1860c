"""The entries of smtpcreds-symptoms(7)."""

import re

from place import TOP

PAGE = TOP / "man/smtpcreds-symptoms.7"
HEAD = r'\.It (?:Cm "(.+):" )?Li "(.*)"\n'
ENTRY = re.compile(rf"^((?:{HEAD})+)(.*)\n\.br\nRemedy: (.*)\n", re.MULTILINE)


def plain(text: str) -> str:
    return text.replace(r"\&", "").replace(r"\e", "\\")


def entries() -> list[tuple[list[tuple[str, str]], str, str]]:
    """Return of each entry its steps and texts, the cause and the remedy, as the page has them."""
    found = ENTRY.findall(PAGE.read_text())
    return [(re.findall(HEAD, plain(heads)), plain(cause), plain(cure)) for heads, _, _, cause, cure in found]


def told(line: str) -> str:
    """Return the remedy that the page has for a line of a log; empty where it has none."""
    for heads, _, remedy in entries():
        for step, text in heads:
            if not step and re.search(".*".join(map(re.escape, text.split("..."))), line):
                return remedy
    return ""
