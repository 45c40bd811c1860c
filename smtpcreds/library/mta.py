"""``smtpcreds mta``: the files of mail programs."""

from typing import TYPE_CHECKING

from ..config import Site
from ..transaction import Transaction
from .arguments import FilePath, absolute

if TYPE_CHECKING:
    from ..deploy.apply import Applied
    from ..deploy.files import Difference, FileStatus
    from ..deploy.options import RenderOptions
    from ..model import Finding
    from ..mta.program import Facts, Program, Rendered


class MailProgramReader:
    """The files of mail programs, and how they stand; ``site.mta``.

    A program is one of :meth:`programs`, such as ``sendmail-hub``; options that are not given, of
    :class:`smtpcreds.RenderOptions`, are those of the last ``apply``, or of the configuration.

    >>> import smtpcreds
    >>> site = smtpcreds.Site.load(root="/nonexistent")
    >>> site.mta.programs()["msmtp"].ROLE.value
    'client'
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def programs(self) -> "dict[str, Program]":
        """Return the mail programs, each in one role, by name."""
        from ..mta.programs import PROGRAMS

        return dict(PROGRAMS)

    def render(self, program: str, options: "RenderOptions | None" = None) -> "tuple[Rendered, ...]":
        """Return a program's files as they would be written: path, mode, owner, content.

        A content is a tuple of octets and of secrets, which only :meth:`smtpcreds.Secret.reveal` gives.
        """
        from ..mta import placed

        found, facts = self._facts(program, options)
        return placed.render(found, facts)

    def diff(self, program: str, options: "RenderOptions | None" = None) -> "list[Difference]":
        """Return how the files on disk would change, as unified diffs without secrets."""
        from ..deploy.files import differences, file_statuses

        return differences(file_statuses(self._site, *self._facts(program, options)))

    def check(self, program: str, options: "RenderOptions | None" = None) -> "list[Finding]":
        """Return what is wrong with the files, their inclusion, what is compiled from them, and around."""
        from ..audit.run import around
        from ..deploy.check import inspect
        from ..deploy.files import file_statuses

        found, facts = self._facts(program, options)
        wrong = inspect(self._site, found, facts, file_statuses(self._site, found, facts))
        return wrong + around(self._site, found, facts.port)

    def _facts(self, name: str, options: "RenderOptions | None") -> "tuple[Program, Facts]":
        from ..deploy.facts import as_applied
        from ..mta.programs import program_named

        program = program_named(name)
        return program, as_applied(self._site, program, options)


class MailPrograms(MailProgramReader):
    """The files of mail programs, to be written; ``work.mta``."""

    def __init__(self, work: Transaction) -> None:
        super().__init__(work.site)
        self._work = work

    def apply(
        self,
        program: str,
        options: "RenderOptions | None" = None,
        *,
        defaults: bool = False,
        force: bool = False,
        run: bool = False,
    ) -> "Applied":
        """Write a program's files where it looks for them; the result says what is left to do by hand.

        Args:
            program: its name.
            options: what is wanted of the files; remembered for later runs.
            defaults: forget what was wanted before.
            force: replace files that are not ours, or were edited.
            run: the commands that make the files effective; on the host itself only.

        Raises:
            ExistsError: a file is not ours, or was edited.
        """
        from ..deploy.apply import apply
        from ..deploy.options import RenderOptions
        from ..mta.programs import program_named

        given, how = options or RenderOptions(), {"defaults": defaults, "force": force, "run": run}
        return apply(self._work, program_named(program), given, **how)

    def copy_to(
        self,
        directory: FilePath,
        program: str,
        options: "RenderOptions | None" = None,
        *,
        force: bool = False,
    ) -> "list[FileStatus]":
        """Write a program's files below a directory, to be carried to their host; return those written.

        Raises:
            ExistsError: there are others below the directory, and ``force`` is not given.
        """
        from ..deploy.files import copy_to

        return copy_to(self._work, *self._facts(program, options), absolute(directory), force=force)
