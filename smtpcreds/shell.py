"""Words of commands that are printed to be typed."""

from collections.abc import Iterable, Iterator


def quote(text: str) -> str:
    """Return a word as a shell reads it.

    One with what a terminal would obey, or octets that are not UTF-8, stands in quotes of bash, with octal
    escapes (POSIX.1-2024 XCU 2.2.4; ksh, zsh and busybox have them too, dash of Debian 12 has not).
    """
    if text.isprintable():
        from shlex import quote as plain

        return plain(text)
    return "$'" + "".join(map(_escaped, text.encode(errors="surrogateescape"))) + "'"


def quote_path(path: str) -> str:
    """Return a path as a shell reads it, so that no command takes it for an option."""
    return quote(f"./{path}" if path.startswith("-") else path)


def _escaped(octet: int) -> str:
    return chr(octet) if 0x20 <= octet < 0x7F and octet not in b"'\\" else f"\\{octet:03o}"


_BUILT_IN = frozenset({"cd", "command", "kill", "umask"})
_BEFORE_COMMAND = frozenset({"&&", "||", ";", "|", "!", "(", ");"})


def absent(commands: Iterable[str]) -> Iterator[str]:
    """Yield the programs that lines for a POSIX shell begin a command with, and that are not on PATH."""
    from shlex import shlex
    from shutil import which

    for line in commands:
        reader = shlex(line, posix=True, punctuation_chars=True)
        reader.whitespace_split = True
        before = ";"
        for word in reader:
            if before in _BEFORE_COMMAND and not {word} & (_BUILT_IN | _BEFORE_COMMAND) and not which(word):
                yield word
            before = word
