"""``smtpcreds mta``: the files of mail programs."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Any

from . import lazy_click as click
from .framework import noun
from .session import Session, Whole, pass_session

if TYPE_CHECKING:
    from ..config import Site
    from ..deploy.apply import Applied
    from ..deploy.options import RenderOptions
    from ..mta.program import Facts, Include, Program, Rendered
    from ..secret import Secret


mta = noun(
    "mta",
    "The files by which mail programs use certificates and accounts.",
    {
        "list": ("mta", "list_", "List the mail programs, each in one role."),
        "render": ("mta", "render", "Print a program's files, or write them below a directory."),
        "diff": ("mta", "diff", "Show how the files on disk would change."),
        "apply": ("mta", "apply", "Write a program's files, and with --run make them effective."),
        "check": ("mta", "check", "Check that the files are right, included and effective."),
    },
)


# ``smtpcreds mta list``.


@click.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the mail programs, each in one role."""
    from ..deploy.options import applied_options, words
    from ..mta.programs import PROGRAMS

    site, programs = session.site(), PROGRAMS.values()
    applied = {name: words(options) for name, options in applied_options(site, *programs).items()}
    width = max(map(len, PROGRAMS))
    session.show(
        {
            "programs": [
                {
                    "name": p.NAME,
                    "role": p.ROLE.value,
                    "title": p.TITLE,
                    "choices": sorted(p.VARIANTS),
                    "mechanisms": list(p.MECHANISMS),
                    "options": applied.get(p.NAME, ""),
                }
                for p in programs
            ]
        },
        [line for p in programs for line in _described(p, applied.get(p.NAME, ""), width)],
        listed=True,
    )


def _described(program: "Program", options: str, width: int) -> Iterator[str]:
    choices = f"; --with {', '.join(sorted(program.VARIANTS))}" if program.VARIANTS else ""
    yield f"{program.NAME:{width}}  {program.TITLE}{choices}"
    yield f"{'':{width}}  {', '.join(program.MECHANISMS)}"
    yield from (f"{'':{width}}  {line}" for line in applied_line(options))


# What the verbs of ``mta`` take: a program, and what its files are to say.

_CLIENT_OPTIONS = (
    click.option(
        "--account", metavar="NAME[@REALM]", help="What a client host logs in as; default: maildroid."
    ),
    click.option("--password", metavar="SOURCE", help="Its secret, where there is no account database."),
    click.option(
        "--mechanism", "mechanisms", multiple=True, metavar="M", help="A mechanism to offer or try."
    ),
    click.option("--plaintext", is_flag=True, help="Also PLAIN and LOGIN, inside TLS only."),
    click.option("--external", is_flag=True, help="Also EXTERNAL: log in by client certificate."),
    click.option(
        "--access", multiple=True, metavar="RULE", help="A line of the access map: 'TAG:SUBJECT VALUE'."
    ),
    click.option("--authinfo-map", is_flag=True, help="FEATURE(authinfo) instead of default-auth-info."),
    click.option(
        "--with",
        "choices",
        multiple=True,
        metavar="CHOICE",
        help="One of the choices that 'mta list' shows for PROGRAM.",
    ),
    click.option("--port", type=click.IntRange(1, 65535), help="The hub's port, for clients; default: 25."),
    click.option(
        "--crl",
        is_flag=True,
        help="A client host refuses a revoked hub; its mail stops if no new CRLs come.",
    ),
)
_OPTIONS = (
    click.argument("name", metavar="PROGRAM"),
    click.option("--host", metavar="NAME", help="The host that the files are for; default: this one."),
    click.option("--hub", metavar="NAME", help="The hub, instead of the configured one."),
    *_CLIENT_OPTIONS,
    click.option("--saslauthd", is_flag=True, help="Also people with login accounts: ask saslauthd (PAM)."),
    click.option(
        "--keytab", metavar="FILE", help="Also GSSAPI: take Kerberos tickets by this key of the hub."
    ),
    click.option("--role", metavar="ROLE", help="PostgreSQL role that the hub reads accounts as."),
    click.option(
        "--role-password", metavar="SOURCE", help="Where its password comes from; default: the installed one."
    ),
    click.option(
        "--relay-certificates", is_flag=True, help="Relay for every certificate of the CA, without AUTH."
    ),
    click.option(
        "--relay-host",
        "relay_hosts",
        multiple=True,
        metavar="HOST",
        help="Relay for HOST by its certificate.",
    ),
    click.option("--fingerprint", metavar="HEX", help="SHA-256 of the hub's certificate."),
    click.option("--defaults", is_flag=True, help="Without the options that 'mta apply' was given before."),
)


_EDIT_OPTIONS = (
    click.option("--edit", is_flag=True, help="Also edit your own configuration; what it said is kept."),
    click.option("--run", is_flag=True, help="Run the commands that make the files effective."),
)


def edit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb what makes the files of a mail program effective."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_EDIT_OPTIONS), command)


def program_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the argument PROGRAM and the options of :func:`asked`."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def client_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb those options that say something of a client host."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_CLIENT_OPTIONS), command)


def asked(session: Session, **options: Any) -> "tuple[Site, Program, RenderOptions, Facts]":
    """Return the site, the program, the options with those of the last ``mta apply``, and what it is told.

    Raises:
        UsageError: an unknown program, or a choice that it does not know.
        SmtpcredsError: see :func:`smtpcreds.deploy.facts.gather`.
    """
    from ..deploy.facts import told

    defaults = options.pop("defaults")
    site, program, given = named(session, **options)
    return site, program, *told(site, program, given, defaults=defaults)


def named(session: Session, name: str, **options: Any) -> "tuple[Site, Program, RenderOptions]":
    """Return the site, the program, and what this run wants of its files."""
    from ..mta.programs import program_named

    program = program_named(name)
    return session.site(), program, wishes_of(**options)


def wishes_of(
    *, password: str | None, role: str | None = None, role_password: str | None = None, **options: Any
) -> "RenderOptions":
    """Return the options of a verb as wishes; the secrets' sources are parsed now."""
    from ..deploy.options import RenderOptions

    variants = frozenset(
        [*options.pop("choices"), *(["authinfo-map"] if options.pop("authinfo_map") else [])]
    )
    return RenderOptions(
        **options,
        role=role,
        secret=_secret(password),
        role_password=_role_password(role_password, role),
        variants=variants,
    )


def _secret(source: str | None) -> "Callable[[], Secret] | None":
    """Return the question for a secret that exists already."""
    from ..sources import Context, parse_source, resolve

    if source is None:
        return None
    parsed = parse_source(source)
    return lambda: resolve(parsed, Context("secret of the account"))


def _role_password(source: str | None, role: str | None) -> "Secret | None":
    if source is None:
        return None
    from .secrets import role_password

    return role_password(source, role or "root")


# ``smtpcreds mta diff`` and ``check``; their answer "no" is exit status 1.


@click.command()
@program_options
@pass_session
def diff(session: Session, /, **options: Any) -> None:
    """Show how the files of PROGRAM on disk would change, as a unified diff without secrets.

    In a file with secrets, lines that are not ours are not shown. The exit status is 1 if anything differs.
    """
    from ..deploy.files import differences, file_statuses
    from ..deploy.options import words

    site, program, wanted, facts = asked(session, **options)
    found = differences(file_statuses(site, program, facts))
    session.show(
        {
            "program": program.NAME,
            "options": words(wanted),
            "different": bool(found),
            "files": [{"path": d.path, "status": d.status.value, "diff": d.lines} for d in found],
        },
        (line for difference in found for line in difference.lines),
        verbatim=True,
    )
    if found:
        raise SystemExit(1)


@click.command()
@program_options
@pass_session
def check(session: Session, /, **options: Any) -> None:
    """Check that the files of PROGRAM are what they should be, included, and effective.

    The program's other settings, which may switch them off, are checked too. The exit status is 1 if anything
    is wrong.
    """
    from ..audit.run import around
    from ..deploy.check import inspect
    from ..deploy.files import file_statuses
    from ..deploy.options import words

    site, program, wanted, facts = asked(session, **options)
    found = inspect(site, program, facts, file_statuses(site, program, facts))
    found += around(site, program, facts.port)
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "options": words(wanted),
            "ok": not found,
            "findings": [{"path": f.subject, "what": f.message, "hint": f.cure} for f in found],
        },
        [
            *(line for f in found for line in (f"BAD  {f.subject} {f.message}", Whole(f"     {f.cure}"))),
            *([] if found else [f"ok   {program.NAME} on {facts.host}"]),
            *applied_line(words(wanted)),
        ],
        listed=True,
    )
    if found:
        raise SystemExit(1)


# What people and JSON are told of the options, and of what is left to do by hand.


def applied_line(options: str) -> list[str]:
    """Return what people are told of the options that hold, if there are any."""
    return [f"as applied with: {options}"] if options else []


def remaining_row(
    includes: "Iterable[Include]", commands: Iterable[str], usage: Iterable[str] = ()
) -> dict[str, object]:
    """Return what JSON tells of what is left to do."""
    return {
        "include": [{"file": i.path, "lines": i.text, "where": i.where} for i in includes if i.text],
        "commands": list(commands),
        "usage": list(usage),
    }


def applied_row(*applied: "Applied") -> dict[str, object]:
    """Return what JSON tells of the files of programs; nothing of them where none was named."""
    return {
        "files": [{"path": path, "written": written} for one in applied for path, written in one.files],
        "edited": [{"path": path, "former": kept} for one in applied for path, kept in one.edited],
        "unmet": [
            {"path": f.subject, "what": f.message, "hint": f.cure} for one in applied for f in one.unmet
        ],
        "ran": [command for one in applied for command in one.ran],
        **remaining_row(
            (include for one in applied for include in one.includes),
            (command for one in applied for command in one.commands),
            (usage for one in applied for usage in one.usage),
        ),
    }


def applied_lines(applied: "Applied") -> Iterator[str]:
    """Yield what a person is told of what was done to their own files, and of what is left to do."""
    for path, kept in applied.edited:
        yield f"edited: {path}" + (f"    (before: {kept})" if kept else "")
    yield from (f"ran: {command}" for command in applied.ran)
    for finding in applied.unmet:
        yield f"BAD  {finding.subject} {finding.message}"
        yield f"     {finding.cure}"
    yield from remaining_lines(
        applied.includes, applied.commands, applied.usage, "then run, or let --run do it:"
    )


def remaining_lines(
    includes: "Iterable[Include]",
    commands: Iterable[str],
    usage: Iterable[str] = (),
    then: str = "then run:",
) -> Iterator[str]:
    """Yield what a person is told: lines to add, and commands, each ready to be copied."""
    for include in includes:
        if not include.text:
            continue
        yield f"add to {include.path}{include.where and f', {include.where}'}:"
        yield from (f"  {line}" for line in include.text)
    for heading, lines in ((then, list(commands)), ("use it as:", list(usage))):
        if lines:
            yield heading
            yield from (f"  {line}" for line in lines)


# ``smtpcreds mta apply``.


@click.command()
@program_options
@edit_options
@click.option(
    "--force", is_flag=True, help="Replace files that smtpcreds did not write, or that were edited."
)
@pass_session
def apply(session: Session, /, edit: bool, run: bool, force: bool, defaults: bool, **options: Any) -> None:
    """Write the files of PROGRAM where it looks for them.

    Files that are right already are left alone, and so are those of others, but for --edit. Options are
    remembered, but for secrets; --defaults forgets those that were given before.
    """
    from ..deploy.apply import apply as write

    site, program, wanted = named(session, **options)
    how = {"defaults": defaults, "force": force, "edit": edit, "run": run}
    applied = session.run(site, lambda work: write(work, program, wanted, **how), look_first=True)
    if applied is None:
        return
    session.show(
        {
            "program": program.NAME,
            "host": applied.host,
            "options": applied.options,
            "changed": applied.changed,
            **applied_row(applied),
        },
        [
            f"{program.NAME}: files for {applied.host}",
            *(
                f"  {session.described(p)}{'' if written else '  (unchanged)'}"
                for p, written in applied.files
            ),
            *applied_line(applied.options),
            *applied_lines(applied),
        ],
    )


# ``smtpcreds mta render``.


@click.command()
@program_options
@click.option("--to", "target", metavar="DIR", help="Write the files below DIR, as they lie on the host.")
@click.option("--reveal", is_flag=True, help="Print secrets too.")
@click.option("--force", is_flag=True, help="Replace other files below DIR.")
@pass_session
def render(session: Session, /, target: str | None, reveal: bool, force: bool, **options: Any) -> None:
    """Print the files of PROGRAM, their secrets left out, or write them below a directory."""
    from ..deploy.options import words
    from ..mta import placed
    from ..mta.program import masked, octets

    site, program, wanted, facts = asked(session, **options)
    if target:
        _copy(session, site, program, facts, session.absolute(target), force=force)
        return
    rendered = placed.render(program, facts)
    if reveal:
        text = b"\n".join(_heading(r).encode() + b"\n" + octets(_text(r)) for r in rendered)
        session.reveal(text, "mta render --reveal", f"{program.NAME} for {facts.host}")
        return
    work = placed.work(program, facts)
    session.show(
        {
            "program": program.NAME,
            "host": facts.host,
            "options": words(wanted),
            "files": [_row(item) for item in rendered],
            **remaining_row(work.includes, work.commands, work.usage),
        },
        [
            *_lines(rendered, masked),
            *applied_line(words(wanted)),
            *remaining_lines(work.includes, work.commands, work.usage),
        ],
        verbatim=True,
    )


def _copy(
    session: Session, site: "Site", program: "Program", facts: "Facts", directory: str, *, force: bool
) -> None:
    """Write the files below a directory, and tell what to do with them."""
    from ..deploy.files import copy_to
    from ..mta import placed

    written = session.run(
        site, lambda work: copy_to(work, program, facts, directory, force=force), state=False
    )
    if written is None:
        return
    work = placed.work(program, facts)
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
            f"next: copy everything below {directory} to {facts.host}, with owners and modes; there",
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
    from ..deploy.files import wanted_text

    return wanted_text(item)


def _row(item: "Rendered") -> dict[str, object]:
    from ..mta.program import Map, is_secret, masked

    content = _text(item)
    return {
        "path": item.path,
        "mode": f"{item.mode:04o}",
        "owner": f"{item.user}:{item.group}",
        "kind": "map" if isinstance(item, Map) else "text",
        "secret": is_secret(content),
        "content": masked(content).decode(errors="backslashreplace"),
    }
