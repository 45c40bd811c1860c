"""``smtpcreds mta render``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..lazy import Verb
from ..session import Session, pass_session
from .options import asked, program_options
from .remaining import remaining_lines, remaining_row

if TYPE_CHECKING:
    from ...config import Site
    from ...mta.port import Facts, Program, Rendered


@click.command(cls=Verb)
@program_options
@click.option("--to", "target", metavar="DIR", help="Write the files below DIR, as they lie on the host.")
@click.option("--reveal", is_flag=True, help="Print secrets too.")
@click.option("--force", is_flag=True, help="Replace other files below DIR.")
@pass_session
def render(session: Session, /, target: str | None, reveal: bool, force: bool, **options: Any) -> None:
    """Print the files of PROGRAM, their secrets left out, or write them below a directory."""
    from ...mta.port import masked, octets

    site, program, facts = asked(session, **options)
    if target:
        _copy(session, site, program, facts, session.absolute(target), force=force)
        return
    rendered = program.render(facts)
    if reveal:
        session.reveal(b"\n".join(_heading(r).encode() + b"\n" + octets(_text(r)) for r in rendered))
        return
    work = program.work(facts)
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "files": [_row(item) for item in rendered],
            **remaining_row(work.includes, work.commands, work.usage),
        },
        [*_lines(rendered, masked), *remaining_lines(work.includes, work.commands, work.usage)],
    )


def _copy(
    session: Session, site: "Site", program: "Program", facts: "Facts", directory: str, *, force: bool
) -> None:
    """Write the files below a directory, and tell what to do with them."""
    from ...deploy.writing import copy_to

    written = session.run(
        site, lambda work: copy_to(work, program, facts, directory, force=force), state=False
    )
    if written is None:
        return
    work = program.work(facts)
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "files": [standing.path for standing in written],
            **remaining_row(work.includes, work.commands, work.usage),
        },
        [
            f"{program.NAME}: files for {facts.host}",
            *(f"  {session.described(standing.path)}" for standing in written),
            f"next: carry what is below {directory} to {facts.host}, with owners and modes; there",
            *remaining_lines(work.includes, work.commands, work.usage),
        ],
    )


def _lines(rendered: "tuple[Rendered, ...]", shown: Any) -> Iterator[str]:
    for item in rendered:
        yield _heading(item)
        yield shown(_text(item)).decode(errors="backslashreplace")


def _heading(item: "Rendered") -> str:
    return f"==> {item.path}  {item.mode:04o} {item.user}:{item.group}"


def _text(item: "Rendered") -> Any:
    from ...deploy.standing import wanted_text

    return wanted_text(item)


def _row(item: "Rendered") -> dict[str, object]:
    from ...mta.port import Map, is_secret, masked

    content = _text(item)
    return {
        "path": item.path,
        "mode": f"{item.mode:04o}",
        "owner": f"{item.user}:{item.group}",
        "kind": "map" if isinstance(item, Map) else "text",
        "secret": is_secret(content),
        "content": masked(content).decode(errors="backslashreplace"),
    }
