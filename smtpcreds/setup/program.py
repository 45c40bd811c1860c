"""The last part of a hub or a client host: the files of its mail program."""

from ..config import Site
from ..deploy.copies import configuration
from ..deploy.gather import gather
from ..deploy.inspection import missing_includes, stale
from ..deploy.place import Applied, plan_apply
from ..deploy.wishes import Wishes
from ..errors import MissingInputError, NoSuchAccountError
from ..model import Plan, Step
from ..mta.port import Facts, Material, Program


def plan_program(
    site: Site,
    program: Program,
    wishes: Wishes,
    *,
    force: bool = False,
    follows: bool = False,
    material: Material | None = None,
) -> Plan[Applied]:
    """Plan the files; the plan is empty where they are right, and applying it then changes nothing.

    Args:
        site: where.
        program: whose files.
        wishes: what is wanted of them.
        force: replace files that are not ours or were edited.
        follows: other parts are made first, so what they make may be missing still.
        material: what the certificate files will say, where they follow.

    Raises:
        ExistsError: a file that is not ours, or was edited, and ``force`` is not given.
        SmtpcredsError: as :func:`smtpcreds.deploy.gather.gather`.
    """

    def apply() -> Applied:
        facts = gather(site, program, wishes)
        if steps or follows:
            return plan_apply(site, program, facts, force=force).apply()
        return _as_it_is(site, program, facts)

    try:
        facts = gather(site, program, wishes, material if follows else None)
        steps = plan_apply(site, program, facts, force=force, pair_follows=follows).steps
    except (MissingInputError, NoSuchAccountError):
        if not follows:
            raise
        steps = (Step("apply", program.NAME, note="its files say what the parts before are"),)
    return Plan(steps, apply)


def _as_it_is(site: Site, program: Program, facts: Facts) -> Applied:
    """Return what is left to do where every file is right."""
    work = program.work(facts)
    paths = (*(item.path for item in program.render(facts)), *(copy.path for copy in work.copies))
    commands = work.commands if stale(site, program, facts) else ()
    files = tuple((site.path(path), False) for path in paths)
    includes = (*missing_includes(site, program, facts), *configuration(site, work.copies))
    return Applied(files, includes, commands, ())
