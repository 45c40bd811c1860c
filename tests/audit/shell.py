"""Types a cure as it was printed, on a host below a root, where no mail program runs."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from admin import PATIENCE, environment
from lab.debs import library_path, unpacked

from smtpcreds.cli.printed_commands import program, typed
from smtpcreds.model import Finding

from .scene import CF, PACKAGES, Host, macros

EFFECTS = ("doveadm", "postfix", "sendmail", "service", "update-exim4.conf")
"""What tries a configuration or makes a running program read it: here none runs, and none is installed.

They are typed on hosts of the lab, in tests/test_live_settings_*.py.
"""
_COMMAND = re.compile(
    r"(?:chgrp|chmod|chown|cp|ln|install|m4|makemap|mkdir|mv|openssl|postconf|postmap|printf|rm|sed|setfacl|shred"
    r"|smtpcreds) |\(umask |chroot (?:'[^']*'|[^'\s]+) (?!apt-get )"
)
_PLACEHOLDER = re.compile(r"\b(?:ACCOUNT|CERTIFICATE|FILE|HOST|KEY|NAME|NEW)\b")
_MORE = re.compile(r", or (?!: )|, for |; then ")
_CHROOT = r"chroot ('[^']+'|\S+) "
_BY_SHELL = re.compile(rf"""{_CHROOT}sh -c ('[^']*'(?:"'"'[^']*')*)""")
_DIRECT = re.compile(rf"{_CHROOT}(?!sh )([^&;]+)")
_PATH = re.compile(r"(?<=[ :'])(?=/(?:etc|var)/)")


def command(cure: str) -> str:
    """Return the command that a cure begins with, or names as its other way; nothing of a sentence."""
    ways = (_MORE.split(cure)[0], cure.rpartition(", or: ")[2])
    return next((way for way in ways if _COMMAND.match(way) and not _PLACEHOLDER.search(way)), "")


def completed(host: Host, finding: Finding) -> str:
    """Return its cure as ``smtpcreds --root ROOT audit`` prints it."""
    return typed(finding.cure, str(host.root), None, None).replace(f"{program()} ", "smtpcreds ")


def printed(host: Host, finding: Finding) -> str:
    """Return the same but for the words that lead to the root."""
    return completed(host, finding).replace(f"--root {shlex.quote(str(host.root))} ", "")


def type_line(host: Host, line: str) -> None:
    """Type a line; what is of smtpcreds is run by a process that has its imports behind it."""
    steps = (
        re.split(r"(?: && |; )(?=smtpcreds )|(?<=\S)(?: && |; )(?=\S)", line)
        if "smtpcreds " in line
        else [line]
    )
    for step in steps:
        if step.startswith("smtpcreds "):
            _run(host, *shlex.split(step)[1:])
        else:
            _shell(host, step)


def _run(host: Host, *words: str) -> None:
    """Run a command of ours, and what ``mta apply`` then names."""
    ahead = host.ahead.days
    admin = host.program().at(f"{ahead:+d} days") if ahead else host.program()
    is_apply = words[:2] == ("mta", "apply")
    ran = admin.run(*["--json"] * is_apply, *words)
    assert ran.status in ({0, 1} if {"check", "diff"} & {*words} else {0}), f"{words}\n{ran}"
    for line in ran.data["commands"] if is_apply else ():
        _shell(host, line)


def _as_inside(host: Host, text: str) -> str:
    """Return a line for this system, where what is typed by chroot(8) is unpacked beside the root, not in it.

    The root's own paths are put in front of what names files; postconf's values stay as they are.
    """
    root = str(host.root)

    def beyond(found: "re.Match[str]") -> str:
        return root if found.string.count("'", 0, found.start()) % 2 else shlex.quote(root)

    def within(command: str) -> str:
        return command if command.startswith("postconf ") else _PATH.sub(beyond, command)

    text = _BY_SHELL.sub(lambda found: within(shlex.split(found[2])[0]), text)
    return _DIRECT.sub(lambda found: within(found[2]), text)


def _shell(host: Host, text: str) -> None:
    text = _as_inside(host, text)
    path = f"{_effects()}:{environment()['PATH']}"
    done = subprocess.run(
        ["sh", "-c", f"{_functions(host)}\n{text}"],
        env=environment(PATH=path, MAIL_CONFIG=f"{host.root}/etc/postfix"),
        cwd=host.root,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


@cache
def _kept() -> "TemporaryDirectory[str]":
    return TemporaryDirectory()


@cache
def _effects() -> str:
    for name in EFFECTS:
        Path(_kept().name, name).symlink_to("/bin/true")
    known = "compatibility_level = 3.6\nmail_owner = daemon\nsetgid_group = mail\n"
    Path(_kept().name, "main.cf").write_text(known)  # Postfix's own users are not on this system
    return _kept().name


def _functions(host: Host) -> str:
    """Define programs of packages that are unpacked, not installed, and let them see the root as the host."""
    sendmail, postfix = unpacked(*PACKAGES), unpacked("postfix")
    root, makemap = shlex.quote(str(host.root)), sendmail / "usr/libexec/sendmail/makemap"
    fragments = "`/etc/mail/smtpcreds/"
    edits = f"s#/usr/share/sendmail/cf#{macros()}#; s#{fragments}#`{host.root}{fragments[1:]}#"
    group = f'$(sed -n "s/^$1:x:\\([0-9]*\\):.*/\\1/p" {root}/etc/group)'
    library = f"{library_path(postfix)}:{postfix}/usr/lib/postfix"
    lines = [
        f'm4() {{ sed {shlex.quote(edits)} "$1" | command m4 -; }}',
        f'makemap() {{ {shlex.quote(str(makemap))} -C {root}{CF} "$@"; }}',
        f'chgrp() {{ command chgrp "{group}" "$2"; }}',
        "kill() { :; }",
        f'postconf() {{ {library} {postfix}/usr/sbin/postconf "$@"; }}',
        f'postmap() {{ {library} {postfix}/usr/sbin/postmap -c {_effects()} "$@"; }}',
    ]
    return "\n".join(lines)
