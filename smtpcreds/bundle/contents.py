"""What is in a bundle, and in which order: directories, trust, key, certificate, the program's files."""

from collections.abc import Iterable, Iterator

from ..authority.layout import Pair, pair_of
from ..config import Site
from ..deploy.standing import octets_of
from ..model import Artifact, Link
from ..mta.port import Facts, Program, Rendered
from .member import README, SETTINGS, Kind, Member
from .papers import Papers

OURS = "smtpcreds"
"""Last part of the directories that only this program uses; of others no mode is carried."""


def members(
    site: Site,
    program: Program,
    facts: Facts,
    papers: Papers,
    around: Iterable[Artifact | Link],
    texts: dict[str, bytes],
) -> tuple[Member, ...]:
    """Return all members.

    Args:
        site: names the certificate directory.
        program: of the client host.
        facts: what its files say.
        papers: of the host.
        around: bundle, CRLs and links.
        texts: content of what is for people and for smtpcreds itself, by path.
    """
    directory = site.settings.cert.directory
    pair = pair_of(site, facts.host, directory)
    files = [
        *(Member(path, 0o644, texts[path]) for path in (README, SETTINGS)),
        *(_beside(item) for item in around),
        *_pair(pair, papers),
        *map(_rendered, program.render(facts)),
    ]
    directories = {_relative(directory): 0o700}
    directories |= {path: 0o755 for path in _own(files) if path not in directories}
    return tuple(_in_order(files, directories))


def _in_order(files: Iterable[Member], directories: dict[str, int]) -> Iterator[Member]:
    """Yield each directory before the first file in it."""
    left = dict(directories)
    for file in files:
        if file.directory in left:
            yield Member(file.directory, left.pop(file.directory), kind=Kind.DIRECTORY)
        yield file


def _own(files: Iterable[Member]) -> Iterator[str]:
    return (file.directory for file in files if file.directory.rpartition("/")[2] == OURS)


def _pair(pair: Pair, papers: Papers) -> Iterator[Member]:
    if papers.key:
        yield Member(_relative(pair.key), 0o600, papers.key.reveal())
    yield Member(_relative(pair.certificate), 0o600, papers.pem)


def _beside(item: Artifact | Link) -> Member:
    if isinstance(item, Link):
        return Member(_relative(item.path), 0o777, kind=Kind.LINK, target=item.target)
    return Member(_relative(item.path), item.mode, item.content)


def _rendered(item: Rendered) -> Member:
    return Member(_relative(item.path), item.mode, octets_of(item), user=item.user, group=item.group)


def _relative(path: str) -> str:
    return path.lstrip("/")
