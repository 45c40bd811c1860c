"""``smtpcreds mta``: the files of mail programs."""

from ..lazy import noun

mta = noun(
    "mta",
    "The files by which mail programs use certificates and accounts.",
    {
        "list": ("mta.list", "list_", "List the mail programs, each in one role."),
        "render": ("mta.render", "render", "Print a program's files, or write them below a directory."),
        "diff": ("mta.compare", "diff", "Show how the files on disk would change."),
        "apply": ("mta.apply", "apply", "Write a program's files, and with --run make them effective."),
        "check": ("mta.compare", "check", "Check that the files are right, included and effective."),
    },
)
