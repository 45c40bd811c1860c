"""What a client host fetches its next bundles with: a script for sh, its settings, timer and cron line."""

import os
from collections.abc import Iterable, Iterator
from shlex import quote

from ..ca.layout import FETCHING, pair_of
from ..config import Site
from ..files import exists, names_in, read_public
from ..lazy import pattern
from ..mta.program import Facts, Program
from .archive import Kind, Member

SCRIPT = "etc/smtpcreds/pull.sh"
CONFIGURATION = FETCHING[1:]
KNOWN_HOSTS = "etc/smtpcreds/known_hosts"
KEY = "/etc/smtpcreds/pull-key"
_SERVICE = "etc/systemd/system/smtpcreds-pull.service"
_TIMER = "etc/systemd/system/smtpcreds-pull.timer"
_WANTED = "/etc/systemd/system/timers.target.wants/smtpcreds-pull.timer"
_CRON = "etc/cron.d/smtpcreds-pull"
START = "systemctl enable --now smtpcreds-pull.timer"
PATHS = frozenset({SCRIPT, CONFIGURATION, KNOWN_HOSTS, _SERVICE, _TIMER, _CRON})

_TEXT_OF_SERVICE = f"""\
[Unit]
Description=New certificates and secrets for the mail program, from the hub
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/{SCRIPT}
UMask=0077

# Files of the bundle, and what commands of mail programs write. Other places: ReadWritePaths= in a drop-in.
ProtectSystem=strict
ReadWritePaths=%s
StateDirectory=smtpcreds-pull
StateDirectoryMode=0700
# ssh of root has its settings there.
ProtectHome=read-only
# Files of the bundle have owners; commands of mail programs become their users, and make daemons reload.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID
# By AF_NETLINK mail programs ask for the addresses of the host.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallFilter=@chown @setuid
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
NoNewPrivileges=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
"""
_TEXT_OF_TIMER = """\
[Unit]
Description=Each night: new certificates and secrets for the mail program

[Timer]
OnCalendar=*-*-* 02:00
RandomizedDelaySec=4h
Persistent=true

[Install]
WantedBy=timers.target
"""
_POSTFIX_DATA = "/var/lib/postfix"
_LINE_OF_CRON = f"""\
# Where systemd runs, its timer does this: {START}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
17 2 * * *  root  [ -d /run/systemd/system ] || /{SCRIPT} --timer
"""
_HOST_KEYS = pattern(r"ssh_host_[a-z0-9]+_key\.pub")

_CHECKS = {
    "sendmail-client": 'sendmail -bt -d0; sleep 1; kill -0 "$(head -n 1 {pid_file})"',
    "postfix-client": "postfix check && postfix status",
    "exim-client": "if command -v exim4 >/dev/null; then exim4 -bV; else exim -bV; fi",
    "opensmtpd": "smtpd -n",
}
"""The program's own word on its files; the others read theirs with each message, and have none."""


def fetching(
    site: Site, program: Program, facts: Facts, others: Iterable[Member], login: str
) -> tuple[Member, ...]:
    """Return the members.

    Args:
        site: of the hub, whose host keys for ssh are among them.
        program: of the client host.
        facts: what its files say.
        others: all other members.
        login: the account on the hub that the client host comes to.
    """
    settings = "".join(
        f"{name}={quote(value)}\n" for name, value in _settings(site, program, facts, others, login)
    )
    with open(f"{os.path.dirname(__file__)}/pull.sh", "rb") as file:  # importlib.resources costs 8 ms
        script = file.read()
    known = "".join(f"{facts.hub} {key}\n" for key in host_keys(site))
    service = _TEXT_OF_SERVICE % " ".join(("/etc", *(f"-{place}" for place in _places(facts, others))))
    return (
        Member(SCRIPT, 0o755, script),
        Member(CONFIGURATION, 0o644, settings.encode()),
        *([Member(KNOWN_HOSTS, 0o644, known.encode())] if known else []),
        Member(_SERVICE, 0o644, service.encode()),
        Member(_TIMER, 0o644, _TEXT_OF_TIMER.encode()),
        Member(_CRON, 0o644, _LINE_OF_CRON.encode()),
    )


def how_it_fetches() -> Iterator[str]:
    """Yield what its administrator reads about that."""
    yield f"/{SCRIPT} fetches what is new from the hub each night, once this was typed:"
    yield f"    {START}"
    yield f"Where systemd does not run, cron does it: /{_CRON}."
    yield f"One that does not read that, as busybox's, wants /{SCRIPT} --timer in root's crontab."


def _places(facts: Facts, others: Iterable[Member]) -> list[str]:
    """Return where files are, which may be by a link out of /etc, and where mail programs write."""
    files = [f"/{member.path}" for member in others if member.kind is not Kind.DIRECTORY]
    places = {facts.tls.directory, *(os.path.dirname(file) for file in (*files, facts.system.exim_generated))}
    places |= {_POSTFIX_DATA, facts.system.postfix_queue}
    return sorted(places - {"", "/etc"})


def is_timer_off(site: Site) -> bool:
    """Tell whether systemd runs on this host, which so far does not start what was brought to it."""
    return exists(site.path("/run/systemd/system")) and not exists(site.path(_WANTED))


def host_keys(site: Site) -> list[str]:
    """Return the public keys of this host's sshd, without their comments."""
    directory = site.path("/etc/ssh")
    names = sorted(names_in(directory)) if exists(directory) else []
    texts = (read_public(f"{directory}/{name}").decode() for name in names if _HOST_KEYS.fullmatch(name))
    return [" ".join(text.split()[:2]) for text in texts]


def _settings(
    site: Site, program: Program, facts: Facts, others: Iterable[Member], login: str
) -> Iterator[tuple[str, str]]:
    pair = pair_of(site, facts.host, site.settings.cert.directory)
    own = [member.path + ("/" if member.kind is Kind.DIRECTORY else "") for member in others]
    rest = [path for path in (*own, *sorted(PATHS)) if not path.startswith(f"{facts.tls.directory[1:]}/")]
    pairs = [pair.key[1:], pair.certificate[1:]]
    yield "HOST", facts.host
    yield "PROGRAM", program.NAME
    yield "HUB", f"{login}@{facts.hub}"
    yield "PORT", "22"
    yield "CERTIFICATES", facts.tls.directory
    yield "KEY", pair.key
    yield "CERTIFICATE", pair.certificate
    yield (
        "FILES",
        "|".join(
            path.replace(".", "[.]") for path in (*pairs, f"{facts.tls.directory[1:]}/cacert.pem", *rest)
        ),
    )
    yield "RUN", "\n".join(f"{{ {line}; }} || exit" for line in program.work(facts).commands) or ":"
    yield "CHECK", _CHECKS.get(program.NAME, ":").format(pid_file=facts.pid_file)
