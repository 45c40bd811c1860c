"""What differs between operating systems: paths, users, package names and commands, one row a system.

The rest of the program is written in the terms of Debian; :class:`~smtpcreds.systems.Words` turns them into
those of another system where files and commands leave the program. What a host has otherwise is set in table
``[system]`` of smtpcreds.toml (:class:`smtpcreds.config.SystemSettings`).

Sources: Debian's packages (run); the specifications of the packages of Fedora, Alpine, Arch and FreeBSD, and
FreeBSD's source. What each says is in tests/specifications.py, as well as which fields none of them tells.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

from .shell import quote


class System(NamedTuple):
    """One system.

    Attributes:
        name: in smtpcreds.toml.
        ids: of os-release(5), ``ID`` and ``ID_LIKE``.
        syslog: the socket of its daemon.
        sasldb: the database that its Cyrus SASL opens unless told otherwise.
        sasldb_format: of that; empty where only the installed plugin tells.
        sasl_directory: where Cyrus SASL looks for the configuration of a program, and where to write it.
        sasl_search: all such directories, in the order in which they are searched; ``*`` is any machine.
        sasl_packages: plugin without ``lib`` and ``.so`` to its package; the empty name is any other.
        saslauthd_run: where Cyrus SASL looks for the socket of saslauthd; empty where that is not known.
        saslauthd_settings: of its service, lines for a shell.
        ca_bundle: public CAs, one file.
        sendmail_pid: of its daemon.
        sendmail_source: what sendmail.cf is made of; ``HOST`` stands for the host's full name.
        sendmail_build: how. FreeBSD's Makefile does not know of our fragments, so the old result has to go.
        sendmail_built: what that makes.
        sendmail_install: how that becomes sendmail.cf.
        sendmail_owner: may own what Sendmail reads, beside root.
        sendmail_map: type of its tables, as makemap is told.
        sendmail_enable: command that has its daemon started, where that is needed.
        rc_conf: the file in which daemons are switched on, where there is one.
        sendmail_queue: its queue unless it says otherwise.
        exim_directory: of Exim's configuration.
        exim_conf: its configuration where one file holds it all.
        exim_style: ``template`` for Debian's way to keep it, ``hand-written`` for one file.
        exim_user: it runs as.
        exim_group: likewise; empty where it has the name of the user.
        exim_pid: of its daemon.
        exim_spool: its spool.
        exim_program: name of the program.
        exim_answers: what Debian's package was told, of which it makes the configuration.
        exim_defaults: how its daemon is started, beside the configuration.
        exim_generated: what Debian's package makes of template or split files.
        exim_make: the command that makes it; empty where there is none.
        daemons: directory of the programs of daemons.
        postfix_directory: of main.cf.
        postfix_queue: its queue unless main.cf says otherwise; the chroot, where there is one.
        postfix_user: of its processes, and its group.
        postfix_chroot: ``y`` or ``n``, what the package's master.cf says of smtpd.
        postfix_sasl: where smtpd looks for smtpd.conf unless ``cyrus_sasl_config_path`` says otherwise.
        postfix_is_told: ``n`` where smtpd takes no notice of that parameter.
        postfix_map: type of a table that is named without one; without Berkeley DB it is not ``hash``.
        dovecot_directory: of dovecot.conf.
        dovecot_group: of what Dovecot's own processes read.
        dovecot_run: where a socket without a path is.
        msmtp_conf: of the whole host.
        nullmailer_directory: of its configuration.
        nullmailer_user: of its daemon, and its group.
        opensmtpd_conf: smtpd.conf(5).
        opensmtpd_group: reads OpenSMTPD's tables.
        opensmtpd_service: its name as a service.
        opensmtpd_restart: commands, where ``restart`` does not do; ``NAME`` stands for the service.
        packages: what we use, by its own name, to its package; what is not there is in none, or not known.
        token_libraries: of PKCS #11, by the names in ``packages``; ``*`` is any machine.
        join: command that puts a ``USER`` into a ``GROUP``.
        install: command, a package follows.
        restart: a service; ``NAME`` stands for it.
        reload: likewise, and one that does not run is left alone, where the system has a command for that.
    """

    name: str
    ids: frozenset[str]
    syslog: str = "/dev/log"
    sasldb: str = "/etc/sasldb2"
    sasldb_format: str = "bdb"
    sasl_directory: str = "/etc/sasl2"
    sasl_search: tuple[str, ...] = ("/etc/sasl2", "/etc/sasl", "/usr/lib/*/sasl2", "/usr/lib/sasl2")
    sasl_packages: Mapping[str, str] = {}
    saslauthd_run: str = "/var/run/saslauthd"
    saslauthd_settings: str = "/etc/default/saslauthd"
    ca_bundle: str = "/etc/ssl/certs/ca-certificates.crt"
    sendmail_pid: str = "/run/sendmail/mta/sendmail.pid"
    sendmail_source: str = "/etc/mail/sendmail.mc"
    sendmail_build: str = "(umask 022; m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf.new)"
    sendmail_built: str = "/etc/mail/sendmail.cf.new"
    sendmail_install: str = "mv -f /etc/mail/sendmail.cf.new /etc/mail/sendmail.cf"
    sendmail_owner: str = "smmta"
    sendmail_map: str = "hash"
    sendmail_queue: str = "/var/spool/mqueue"
    sendmail_enable: str = ""
    rc_conf: str = ""
    exim_directory: str = "/etc/exim4"
    exim_conf: str = "/etc/exim4/exim4.conf"
    exim_style: str = "template"
    exim_user: str = "Debian-exim"
    exim_group: str = ""
    exim_pid: str = "/run/exim4/exim.pid"
    exim_spool: str = "/var/spool/exim4"
    exim_program: str = "exim4"
    exim_answers: str = "/etc/exim4/update-exim4.conf.conf"
    exim_defaults: str = "/etc/default/exim4"
    exim_generated: str = "/var/lib/exim4/config.autogenerated"
    exim_make: str = "update-exim4.conf"
    daemons: str = "/usr/sbin"
    postfix_directory: str = "/etc/postfix"
    postfix_queue: str = "/var/spool/postfix"
    postfix_user: str = "postfix"
    postfix_chroot: str = "y"
    postfix_sasl: str = "/etc/postfix/sasl"
    postfix_is_told: str = "y"
    postfix_map: str = "hash"
    dovecot_directory: str = "/etc/dovecot"
    dovecot_group: str = "dovecot"
    dovecot_run: str = "/run/dovecot"
    msmtp_conf: str = "/etc/msmtprc"
    nullmailer_directory: str = "/etc/nullmailer"
    nullmailer_user: str = "mail"
    opensmtpd_conf: str = "/etc/smtpd.conf"
    opensmtpd_group: str = "opensmtpd"
    opensmtpd_service: str = "opensmtpd"
    opensmtpd_restart: tuple[str, ...] = (
        "service NAME stop; timeout 30 sh -c 'while pidof smtpd; do sleep 1; done' > /dev/null",
        "service NAME start",
    )
    """Debian's init script does not wait for the end of the old smtpd, and then starts none (6.8.0p2-4)."""
    packages: Mapping[str, str] = {}
    token_libraries: Mapping[str, str] = {}
    join: str = "adduser USER GROUP"
    install: str = "apt-get install"
    restart: str = "service NAME restart"
    reload: str = "systemctl try-reload-or-restart NAME"

    def package(self, plugin: str) -> str:
        """Return the package with a plugin of Cyrus SASL, ``libscram.so`` for example; empty if not known."""
        name = plugin.removeprefix("lib").removesuffix(".so")
        return self.sasl_packages.get(name, self.sasl_packages.get("", ""))

    def to_install(self, plugin: str) -> str:
        """Return how to install the package with a plugin of Cyrus SASL: the command, where it is known."""
        package = self.package(plugin)
        return f"{self.install} {package}" if package else f"install the package that has {plugin}"

    @property
    def makemap(self) -> tuple[str, str]:
        """The command that makes a table of Sendmail, and how the name of what it makes ends."""
        return f"makemap {self.sendmail_map}", ".cdb" if self.sendmail_map == "cdb" else ".db"

    def brought_by(self, thing: str) -> str:
        """Return the command that installs the package with a thing; nothing where that is not known."""
        package = self.packages.get(thing)
        return f"{self.install} {package}" if package else ""

    def typed(self, text: str) -> str:
        """Return a text with commands of GNU and of usermod as the system has them."""
        if self.name in {"alpine", "freebsd"}:
            text = re.sub(_JOINS, lambda found: self.to_join(found[2], found[1]), text)
        return for_bsd(text) if self.name == "freebsd" else text

    def to_join(self, user: str, group: str) -> str:
        """Return the command that puts a user into a group."""
        return self.join.replace("USER", user).replace("GROUP", group)

    def to_restart(self, service: str) -> str:
        """Return the command."""
        return self.restart.replace("NAME", service)

    def to_reload(self, service: str) -> str:
        """Return the command."""
        return self.reload.replace("NAME", service)

    def to_start_saslauthd(self, directory: str, told: str = "") -> str:
        """Return how saslauthd comes to make its socket in a directory; ``told`` is where its settings say.

        Debian's init script starts none without ``START=yes``, which no file of the package says, and stops
        only one whose socket is where the settings say (2.1.28).
        """
        file = self.saslauthd_settings
        if directory == (told or self.saslauthd_run):
            return f"echo START=yes >> {file} && {self.to_restart('saslauthd')}"
        options = re.sub(
            r'(["$`\\])', r"\\\1", f"-c -m {directory}"
        )  # the init script is a shell, and reads them
        lines = f"""START=yes {quote(f'OPTIONS="{options}"')}"""
        return f"service saslauthd stop; printf '%s\\n' {lines} >> {file} && service saslauthd start"

    def to_restart_opensmtpd(self) -> tuple[str, ...]:
        """Return the commands; smtpd has no other way to read its configuration again."""
        name = self.opensmtpd_service
        return tuple(c.replace("NAME", name) for c in self.opensmtpd_restart or (self.restart,))


_JOINS = r"\busermod -a -G ('[^']*'|\S+) ([\w.-]+)"
_IN_PLACE = r"""(?<![\w./-])sed -i ((?:-E )?)((?:'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"])+)"""
_TEXT = r"([0-9,]+|\$)([aci]) +(.*)"


def for_bsd(text: str) -> str:
    """Return a text with its commands of GNU as FreeBSD has them.

    Its sed has a word behind -i, and no text on the line of ``a``, ``c`` and ``i``, nor in a further -e: the
    end of each -e ends the text, too (usr.bin/sed of 9.0 and 15.1). It has no shred(1), and its rm(1) no -P.
    """
    text = re.sub(r"(?<![\w./-])shred -u ", "rm ", text)
    return re.sub(_IN_PLACE, lambda found: f"sed -i '' {found[1]}{_edits(found[2])}", text)


def _edits(word: str) -> str:
    from shlex import split

    found = re.fullmatch(_TEXT, split(word)[0].replace("\\`", "`"))
    return quote(f"{found[1]}{found[2]}\\\n{found[3]}") if found else word


DEBIAN = System(
    "debian",
    frozenset({"debian", "ubuntu"}),
    sasl_packages={
        "": "libsasl2-modules",
        "gssapiv2": "libsasl2-modules-gssapi-mit",
        "otp": "libsasl2-modules-otp",
        "sasldb": "libsasl2-modules-db",
        "sql": "libsasl2-modules-sql",
        "ldapdb": "libsasl2-modules-ldap",
    },
    packages={
        "age": "age",
        "dnspython": "python3-dnspython",
        "libpq": "libpq5",
        "lmdb": "python3-lmdb",
        "opensc": "opensc",
        "psycopg": "python3-psycopg",
        "python-pkcs11": "python3-pkcs11",
        "softhsm": "softhsm2",
        "ykcs11": "ykcs11",
    },
    token_libraries={
        "softhsm": "/usr/lib/softhsm/libsofthsm2.so",
        "opensc": "/usr/lib/*/opensc-pkcs11.so",
        "ykcs11": "/usr/lib/*/libykcs11.so.2",
    },
)
_OTHERS = System(
    "",
    frozenset(),
    sasldb="/etc/sasl2/sasldb2",
    sasldb_format="",
    sasl_search=("/etc/sasl2",),
    saslauthd_run="",
    saslauthd_settings="",
    sendmail_pid="/run/sendmail.pid",
    sendmail_owner="root",
    exim_directory="/etc/exim",
    exim_conf="/etc/exim/exim.conf",
    exim_style="hand-written",
    exim_user="exim",
    exim_pid="/run/exim.pid",
    exim_spool="/var/spool/exim",
    exim_program="exim",
    exim_make="",
    postfix_chroot="n",
    postfix_sasl="/etc/sasl2",
    opensmtpd_conf="/etc/smtpd/smtpd.conf",
    opensmtpd_group="smtpd",
    opensmtpd_service="smtpd",
    opensmtpd_restart=(),
    nullmailer_user="nullmail",
    join="usermod -a -G GROUP USER",
    restart="systemctl restart NAME",
)
"""What most systems have that are not made of Debian: programs as their authors configure them."""
RHEL = _OTHERS._replace(
    name="rhel",
    ids=frozenset({"rhel", "fedora", "centos", "rocky", "almalinux"}),
    sasldb_format="gdbm",
    sasl_search=("/usr/lib64/sasl2", "/etc/sasl2"),
    sasl_packages={
        "": "cyrus-sasl-lib",
        "plain": "cyrus-sasl-plain",
        "login": "cyrus-sasl-plain",
        "crammd5": "cyrus-sasl-md5",
        "digestmd5": "cyrus-sasl-md5",
        "scram": "cyrus-sasl-scram",
        "gs2": "cyrus-sasl-gs2",
        "gssapiv2": "cyrus-sasl-gssapi",
        "sql": "cyrus-sasl-sql",
        "ldapdb": "cyrus-sasl-ldap",
    },
    ca_bundle="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    opensmtpd_conf="/etc/opensmtpd/smtpd.conf",
    opensmtpd_service="opensmtpd",
    packages={
        "age": "age",
        "libpq": "libpq",
        "opensc": "opensc",
        "softhsm": "softhsm",
        "ykcs11": "yubico-piv-tool",
    },
    token_libraries={
        "softhsm": "/usr/lib64/pkcs11/libsofthsm2.so",
        "opensc": "/usr/lib64/opensc-pkcs11.so",
        "ykcs11": "/usr/lib64/libykcs11.so.2",
    },
    install="dnf install",
)
ALPINE = _OTHERS._replace(
    name="alpine",
    ids=frozenset({"alpine"}),
    sasldb_format="gdbm",
    postfix_map="lmdb",
    sasl_packages={
        "": "libsasl",
        "login": "cyrus-sasl-login",
        "crammd5": "cyrus-sasl-crammd5",
        "digestmd5": "cyrus-sasl-digestmd5",
        "scram": "cyrus-sasl-scram",
        "gs2": "cyrus-sasl-gs2",
        "gssapiv2": "cyrus-sasl-gssapiv2",
        "ntlm": "cyrus-sasl-ntlm",
        "sql": "cyrus-sasl-sql",
    },
    nullmailer_user="nullmailer",
    packages={
        "age": "age",
        "dnspython": "py3-dnspython",
        "libpq": "libpq",
        "opensc": "opensc",
        "psycopg": "py3-psycopg",
        "python-pkcs11": "py3-pkcs11",
        "softhsm": "softhsm",
        "ykcs11": "yubico-piv-tool-libs",
    },
    token_libraries={
        "softhsm": "/usr/lib/softhsm/libsofthsm2.so",
        "opensc": "/usr/lib/opensc-pkcs11.so",
        "ykcs11": "/usr/lib/libykcs11.so.2",
    },
    join="adduser USER GROUP",
    install="apk add",
    restart="rc-service NAME restart",
    reload="rc-service --ifstarted NAME restart",
)
ARCH = _OTHERS._replace(
    name="arch",
    ids=frozenset({"arch"}),
    sasldb="/etc/sasldb2",
    sasldb_format="gdbm",
    sasl_search=("/etc/sasl2", "/etc/sasl", "/usr/lib/sasl2"),
    sasl_packages={
        "": "libsasl",
        "gs2": "cyrus-sasl-gssapi",
        "gssapiv2": "cyrus-sasl-gssapi",
        "ldapdb": "cyrus-sasl-ldap",
        "sql": "cyrus-sasl-sql",
    },
    exim_conf="/etc/mail/exim.conf",
    daemons="/usr/bin",
    postfix_map="lmdb",
    packages={
        "age": "age",
        "dnspython": "python-dnspython",
        "libpq": "postgresql-libs",
        "lmdb": "python-lmdb",
        "opensc": "opensc",
        "psycopg": "python-psycopg",
        "softhsm": "softhsm",
        "ykcs11": "yubico-piv-tool",
    },
    token_libraries={
        "softhsm": "/usr/lib/pkcs11/libsofthsm2.so",
        "opensc": "/usr/lib/opensc-pkcs11.so",
        "ykcs11": "/usr/lib/libykcs11.so",
    },
    install="pacman -S",
)
FREEBSD = _OTHERS._replace(
    name="freebsd",
    ids=frozenset({"freebsd"}),
    syslog="/var/run/log",
    sasldb="/usr/local/etc/sasldb2",
    sasl_directory="/usr/local/lib/sasl2",
    sasl_search=("/usr/local/lib/sasl2", "/usr/local/etc/sasl2"),
    sasl_packages={
        "": "cyrus-sasl",
        "gssapiv2": "cyrus-sasl-gssapi",
        "sql": "cyrus-sasl-sql",
        "ldapdb": "cyrus-sasl-ldapdb",
    },
    ca_bundle="/etc/ssl/cert.pem",
    sendmail_pid="/var/run/sendmail.pid",
    sendmail_source="/etc/mail/HOST.mc",
    sendmail_build="rm -f /etc/mail/HOST.cf && make -C /etc/mail HOST.cf",
    sendmail_built="/etc/mail/HOST.cf",
    sendmail_install="make -C /etc/mail install-cf",
    sendmail_enable="sysrc sendmail_enable=YES",
    rc_conf="/etc/rc.conf",
    daemons="/usr/local/sbin",
    dovecot_run="/var/run/dovecot",
    exim_directory="/usr/local/etc/exim",
    exim_conf="/usr/local/etc/exim/configure",
    exim_user="mailnull",
    exim_group="mail",
    exim_pid="/var/run/exim.pid",
    postfix_directory="/usr/local/etc/postfix",
    postfix_sasl="/usr/local/lib/sasl2",
    dovecot_directory="/usr/local/etc/dovecot",
    msmtp_conf="/usr/local/etc/msmtprc",
    nullmailer_directory="/usr/local/etc/nullmailer",
    opensmtpd_conf="/usr/local/etc/mail/smtpd.conf",
    opensmtpd_group="_smtpd",
    packages={"age": "age", "opensc": "opensc", "softhsm": "softhsm2", "ykcs11": "yubico-piv-tool"},
    token_libraries={
        "softhsm": "/usr/local/lib/softhsm/libsofthsm2.so",
        "opensc": "/usr/local/lib/opensc-pkcs11.so",
        "ykcs11": "/usr/local/lib/libykcs11.so",
    },
    join="pw groupmod GROUP -m USER",
    install="pkg install",
    restart="service NAME restart",
    reload="service NAME restart",
)
UNKNOWN = DEBIAN._replace(sasldb_format="", sasl_packages={}, packages={}, token_libraries={})
"""One that is in no row, nor made of one that is."""
SYSTEMS = {system.name: system for system in (DEBIAN, RHEL, ALPINE, ARCH, FREEBSD)}

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release", "/var/run/os-release")
"""Where os-release(5) of Linux and FreeBSD lies."""
EXIM_PROGRAMS = tuple(dict.fromkeys(f"{s.daemons}/{s.exim_program}" for s in SYSTEMS.values()))
"""Exim's program on each of them."""
PUBLIC_CERTIFICATES = ("/etc/ssl", "/usr", "/etc/pki")
"""Below these the systems keep the public CAs."""
SASL_HABITS = tuple(
    dict.fromkeys(
        (
            *("/usr/lib/sasl", "/etc/mail/sasl", "/etc/mail", DEBIAN.postfix_sasl),
            *(place for system in SYSTEMS.values() for place in system.sasl_search),
        )
    )
)
"""Where books and habits put configuration of Cyrus SASL, and the directories of all systems."""
PLUGIN_DIRECTORIES = (
    "/usr/lib/*/sasl2",
    "/usr/lib64/sasl2",
    "/usr/lib/sasl2",
    "/usr/local/lib*/sasl2",
    "/usr/pkg/lib/sasl2",
)
"""Where Debian, Fedora, Alpine and Arch, FreeBSD and local builds, and pkgsrc put ``libsasldb.so``."""


def named(os_release: str) -> System | None:
    """Return the system that os-release(5) speaks of; None for one that is in no row."""
    pairs = (line.split("=", 1) for line in os_release.splitlines() if re.match(r"\w+=", line))
    found = {name: value.strip().strip("\"'").lower() for name, value in pairs}
    for word in (found.get("ID", ""), *found.get("ID_LIKE", "").split()):
        for system in SYSTEMS.values():
            if word in system.ids:
                return _released(system, found)
    return None


def _released(system: System, found: Mapping[str, str]) -> System:
    """Return the system as its release has it."""
    if any(found.get(name) in _NOT_TOLD for name in _CODENAMES):
        return system._replace(postfix_is_told="n")
    platform = re.fullmatch(r"platform:([a-z]+)(\d+)", found.get("PLATFORM_ID", ""))
    if platform and int(platform[2]) >= _WITHOUT_BERKELEY_DB.get(platform[1], sys.maxsize):
        system = system._replace(postfix_map="lmdb")
        return system._replace(sendmail_map="cdb") if platform[1] == "el" else system
    return system


_WITHOUT_BERKELEY_DB = {"el": 10, "f": 43}
"""The first releases whose Postfix has no ``hash``: RHEL and its rebuilds, Fedora.

Source: packages of postfix-3.8.5-8.el10; sendmail.spec, which builds ``makemap`` for cdb alone if rhel >= 10.
"""


OF_ONE_SYSTEM = (
    r"(?:apt-get|dnf|pkg) install |apk add |pacman -S |sysrc |systemctl |rc-service "
    r"|service \S+ (?:re)?(?:start|stop)\b|adduser |usermod |pw groupmod |chgrp "
    r"|chmod g\+r /(?:usr/local/)?etc/|update-exim4\.conf\b|exim4? -bV|\(umask |\(sendmail -C |makemap "
    r"|(?:mv|rm) -f /|make -C |postconf -|postmap |postfix reload|doveconf >|doveadm reload|smtpd -n"
    r"|kill -HUP |echo START|timeout \d+ sh "
)
"""Pattern of how commands begin that go by the system where they run: its programs, users and daemons."""

_CODENAMES = ("VERSION_CODENAME", "DEBIAN_CODENAME", "UBUNTU_CODENAME")
"""The first is a system's own; one made of Debian or Ubuntu has theirs, too, or the same."""
_NOT_TOLD = frozenset({"buster", "bullseye", "bookworm", "focal", "jammy", "noble"})
"""Releases whose Postfix does not read ``cyrus_sasl_config_path``; 3.7 of Debian 12 does not (observed)."""


_TRANSLATED = (
    *("exim_conf", "exim_directory", "exim_pid", "exim_spool", "exim_user"),
    *("postfix_directory", "dovecot_directory", "msmtp_conf", "nullmailer_directory", "opensmtpd_conf"),
    *("sasl_directory", "sendmail_source", "dovecot_run"),
)


class Words:
    """Debian's paths and names into those of a system, and back.

    Args:
        system: which.
        host: full name of the host, of which some paths are made.
    """

    def __init__(self, system: System, host: str = "") -> None:
        self._there = {
            getattr(DEBIAN, name): getattr(system, name).replace("HOST", host) for name in _TRANSLATED
        } | {
            f"{DEBIAN.exim_program} -bV": f"{system.exim_program} -bV",
            DEBIAN.to_restart("postfix"): system.to_restart("postfix"),
            DEBIAN.to_join("USER", "mail"): system.to_join("USER", "mail"),
        }
        self._there = {here: there for here, there in self._there.items() if here != there}
        self._users = {DEBIAN.exim_user: system.exim_user}
        self._groups = {
            DEBIAN.exim_user: system.exim_group or system.exim_user,
            DEBIAN.opensmtpd_group: system.opensmtpd_group,
        }

    @cached_property
    def _forth(self) -> Callable[[str], str]:
        return _replacing(self._there)

    @cached_property
    def _back(self) -> Callable[[str], str]:
        return _replacing({there: here for here, there in self._there.items()})

    @property
    def are_debians(self) -> bool:
        """Tell whether nothing has another name."""
        named = (*self._users.items(), *self._groups.items())
        return not self._there and all(here == there for here, there in named)

    def said(self, text: str) -> str:
        """Return text of ours as the system would have it."""
        return self._forth(text)

    def understood(self, text: str) -> str:
        """Return text of the system as we would have it."""
        return self._back(text)

    def user(self, name: str) -> str:
        """Return a user."""
        return self._users.get(name, name)

    def group(self, name: str) -> str:
        """Return a group."""
        return self._groups.get(name, name)


def _replacing(table: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that replaces whole paths, beginnings of paths, and words, the longest first."""
    if not table:
        return lambda text: text
    longest = sorted(table, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, longest))})(?![\w.-])")
    return lambda text: pattern.sub(lambda found: str(table[found[0]]), text)
