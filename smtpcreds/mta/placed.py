"""A mail program's files and tasks in the terms of the system that they are for.

The modules of mail programs speak of Debian's paths, users and commands; here they become those of
:class:`smtpcreds.systems.System`, and what stands on disk is read back in Debian's terms.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace

from ..errors import InexpressibleError
from ..secret import Secret
from ..systems import SYSTEMS, System, Words
from .program import Compiled, Content, Copy, Facts, Include, Map, Premise, Program, Rendered, Work


def render(program: Program, facts: Facts) -> tuple[Rendered, ...]:
    """Return the program's files, those with secrets first."""
    spoken = _words(facts)
    found = program.render(facts)
    return found if spoken.are_debians else tuple(_rendered(spoken, item) for item in found)


def work(program: Program, facts: Facts) -> Work:
    """Return what is left to do once the files are in place."""
    spoken = _words(facts)
    found = program.work(facts)
    return found if spoken.are_debians else _work(spoken, found)


def _words(facts: Facts) -> Words:
    """Return the system's words; what the administrator chose stays as it is, so none may stand in it."""
    spoken = Words(facts.system, facts.host)
    for text in () if spoken.are_debians else _texts(facts):
        if (other := spoken.said(text)) != text:
            reason = f"has a name that on this system is another, {other}"
            raise InexpressibleError(text, reason, "choose another in smtpcreds.toml")
    return spoken


def _texts(value: object) -> Iterator[str]:
    """Yield what a value holds; of the system nothing, and no secret."""
    if isinstance(value, str | bytes):
        yield value if isinstance(value, str) else value.decode("latin-1")
    elif isinstance(value, Mapping):
        yield from _texts(tuple(value.items()))
    elif isinstance(value, Iterable) and not isinstance(value, System):
        for item in value:
            yield from _texts(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))


def parse(program: Program, system: System, path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the program's files back; see :meth:`smtpcreds.mta.program.Program.parse`."""
    return program.parse(Words(system).understood(path), content)


def secret_files(program: Program, system: System) -> tuple[str, ...]:
    """Return the paths of the program's files that hold a client's credential."""
    return tuple(map(Words(system).said, program.SECRET_FILES))


def understood(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that a hub of some system made for a client host, by their paths on Debian."""
    return {_understood(path): content for path, content in files.items()}


def _understood(path: str) -> str:
    meant = (Words(system).understood(path) for system in SYSTEMS.values())
    return next((other for other in meant if other != path), path)


def _rendered(spoken: Words, item: Rendered) -> Rendered:
    path, user, group = spoken.said(item.path), spoken.user(item.user), spoken.group(item.group)
    if isinstance(item, Map):
        return replace(item, path=path, user=user, group=group, source=spoken.said(item.source))
    return replace(item, path=path, user=user, group=group, content=_content(spoken, item.content))


def _content(spoken: Words, content: Content) -> Content:
    """Return the content with other paths; secrets, and what is no text of ours, stay as they are."""
    return tuple(
        piece if isinstance(piece, Secret) else spoken.said(piece.decode("latin-1")).encode("latin-1")
        for piece in content
    )


def _work(spoken: Words, found: Work) -> Work:
    def said(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(spoken.said, texts))

    return replace(
        found,
        includes=tuple(_include(spoken, item) for item in found.includes),
        compiled=tuple(
            Compiled(spoken.said(item.path), said(item.sources), _phrases(spoken, item.faults))
            for item in found.compiled
        ),
        commands=said(found.commands),
        premises=tuple(_premise(spoken, item) for item in found.premises),
        copies=tuple(
            Copy(spoken.said(item.path), item.mode, spoken.user(item.user), spoken.group(item.group))
            for item in found.copies
        ),
        readers=tuple(replace(item, user=spoken.user(item.user)) for item in found.readers),
        usage=said(found.usage),
    )


def _include(spoken: Words, item: Include) -> Include:
    return replace(
        item,
        path=spoken.said(item.path),
        lines=tuple(map(spoken.said, item.lines)),
        where=spoken.said(item.where),
        fence=tuple(map(spoken.said, item.fence)),
        lacking=None if item.lacking is None else _lines(spoken, item.lacking),
    )


def _lines(spoken: Words, lacking: Callable[[str], Iterable[str]]) -> Callable[[str], tuple[str, ...]]:
    return lambda text: tuple(map(spoken.said, lacking(spoken.understood(text))))


def _phrases(spoken: Words, faults: Callable[[str], Iterable[str]]) -> Callable[[str], Iterable[str]]:
    return lambda text: map(spoken.said, faults(spoken.understood(text)))


def _premise(spoken: Words, item: Premise) -> Premise:
    def faults(text: str) -> Iterable[tuple[str, str]]:
        return [(spoken.said(what), spoken.said(hint)) for what, hint in item.faults(spoken.understood(text))]

    return Premise(
        spoken.said(item.path), faults, item.mended, spoken.said(item.command), has_code=item.has_code
    )
