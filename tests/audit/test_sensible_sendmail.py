"""Configurations of Sendmail that work, as administrators have them: no error and no warning is found."""

import os
import re
import socket
from contextlib import chdir, closing
from pathlib import Path

import pytest
from admin import HUB
from lab import SENDMAIL as SOFTWARE
from lab import Lab
from lab.mc import include

from smtpcreds.audit import sendmail_filters
from smtpcreds.audit.host import Host as AuditedHost
from smtpcreds.cli.session import Session
from smtpcreds.model import Severity

from .scene import ACCESS, CF, MC, Host, base, compile_cf, macros, makemap

OURS = include("/etc/mail/smtpcreds/hub.m4")
SOCKET = "/run/opendkim/opendkim.sock"
CLAMAV = "/run/clamav/clamav-milter.ctl"
TABLES = {
    ACCESS: """\
Connect:localhost\tRELAY
Connect:127.0.0.1\tRELAY
GreetPause:localhost\t0
ClientRate:localhost\t0
ClientRate:\t60
ClientConn:\t30
Connect:198.51.100.7\tREJECT
From:spammer@example.com\tERROR:"550 no thanks"
From:example.net\tOK
To:abuse@\tFRIEND
Spam:postmaster@\tFRIEND
To:example.org\tRELAY
""",
    "/etc/mail/virtusertable": """\
info@polkatistas.org\tfrank
@example.org\t%1@polkatistas.org
nobody@polkatistas.org\terror:nouser User unknown
""",
    "/etc/mail/mailertable": """\
lists.polkatistas.org\tesmtp:[lists.polkatistas.org]
.example.net\tsmtp:relay.example.net
""",
    "/etc/mail/genericstable": "frank\tfrank.zappa@polkatistas.org\n",
    "/etc/mail/domaintable": "old.example.org\tpolkatistas.org\n",
}
LISTS = {
    "/etc/mail/local-host-names": "localhost\npolkatistas.org\n",
    "/etc/mail/relay-domains": "example.org\n",
    "/etc/mail/generics-domains": f"{HUB}\n",
}
INTERNET = """\
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Family=inet,  Name=MTA-v4, Port=smtp')dnl
DAEMON_OPTIONS(`Family=inet6, Name=MTA-v6, Port=smtp, M=O')dnl
"""
CASES = {
    "Debian's own, with a smart host": """\
define(`SMART_HOST', `relay.example.net')dnl
define(`confRELAY_MAILER', `esmtp')dnl
define(`confHELO_NAME', `mail.polkatistas.org')dnl
define(`confINPUT_MAIL_FILTERS', `')dnl
define(`confUSE_MSP', `False')dnl
define(`QUEUE_DIR', `/var/spool/mqueue/q*')dnl
""",
    "tables of an internet provider": """\
FEATURE(`virtusertable', `hash -o /etc/mail/virtusertable.db')dnl
FEATURE(`mailertable', `hash -o /etc/mail/mailertable.db')dnl
FEATURE(`genericstable', `hash -o /etc/mail/genericstable.db')dnl
GENERICS_DOMAIN_FILE(`/etc/mail/generics-domains')dnl
FEATURE(`domaintable', `hash -o /etc/mail/domaintable.db')dnl
FEATURE(`blocklist_recipients')dnl
FEATURE(`dnsbl', `zen.spamhaus.org', `"550 listed at zen.spamhaus.org"', `t')dnl
FEATURE(`masquerade_envelope')dnl
FEATURE(`masquerade_entire_domain')dnl
MASQUERADE_AS(`polkatistas.org')dnl
MASQUERADE_DOMAIN(`polkatistas.org')dnl
EXPOSED_USER(`root')dnl
define(`confMAX_MESSAGE_SIZE', `52428800')dnl
define(`confMAX_RCPTS_PER_MESSAGE', `200')dnl
define(`confMAX_DAEMON_CHILDREN', `200')dnl
define(`confMIN_FREE_BLOCKS', `100')dnl
""",
    "milters that listen": f"""\
INPUT_MAIL_FILTER(`opendkim', `S=local:{SOCKET}, F=T, T=S:30s;R:1m;E:5m')dnl
INPUT_MAIL_FILTER(`clamav', `S=local:{CLAMAV}, F=, T=S:4m;R:4m;E:10m')dnl
define(`confMILTER_MACROS_ENVFROM', confMILTER_MACROS_ENVFROM``, {{auth_type}}, {{auth_authen}}'')dnl
define(`confINPUT_MAIL_FILTERS', `opendkim,clamav')dnl
""",
    "submission beside the MTA": """\
DAEMON_OPTIONS(`Family=inet,  Name=MSA-v4, Port=submission, M=Ea')dnl
DAEMON_OPTIONS(`Family=inet,  Name=TLSMTA, Port=smtps, M=s')dnl
define(`confPRIVACY_FLAGS', `authwarnings,goaway,restrictmailq,restrictqrun')dnl
""",
    "recipients by LDAP": """\
define(`confLDAP_DEFAULT_SPEC', `-h ldap.polkatistas.org -b "dc=polkatistas,dc=org"')dnl
LDAPROUTE_DOMAIN(`polkatistas.org')dnl
FEATURE(`ldap_routing', , , `bounce', `preserve')dnl
""",
    "TLS 1.3 alone, and keys of ours": """\
define(`confCLIENT_SSL_OPTIONS', `+SSL_OP_NO_TLSv1 +SSL_OP_NO_TLSv1_1 +SSL_OP_NO_TLSv1_2')dnl
define(`confSERVER_SSL_OPTIONS', `0x14000000')dnl
define(`confCIPHER_LIST', `HIGH:@SECLEVEL=3')dnl
""",
    "a backup MX": """\
FEATURE(`relay_hosts_only')dnl
define(`confMUST_QUOTE_CHARS', `')dnl
define(`confTRY_NULL_MX_LIST', `True')dnl
define(`confTO_QUEUERETURN', `10d')dnl
define(`confTO_QUEUEWARN', `1d')dnl
define(`confQUEUE_LA', `20')dnl
define(`confREFUSE_LA', `40')dnl
FEATURE(`nocanonify', `canonify_hosts')dnl
FEATURE(`conncontrol', `nodelay', `terminate')dnl
FEATURE(`ratecontrol', `nodelay', `terminate')dnl
""",
}


def debians(case: str) -> str:
    """Return Debian's sendmail.mc that listens for others, with these lines and our include."""
    text = (macros() / "debian/sendmail.mc").read_text()
    text = re.sub(r"^include\(`/etc/mail/m4.*\n", "", text, flags=re.MULTILINE)
    daemons = r"FEATURE\(`no_default_msa'\)dnl\n(?:(?:dnl )?DAEMON_OPTIONS.*\n)+"
    text, count = re.subn(daemons, INTERNET.replace("\\", "\\\\"), text)
    assert count == 1
    text = text.replace(str(macros()), "/usr/share/sendmail/cf")
    return text.replace("MAILER_DEFINITIONS\n", f"{case}{OURS}MAILER_DEFINITIONS\n")


def listens(host: Host, absolute: str) -> None:
    """Leave the socket of a daemon; its path may be longer than the kernel takes."""
    path = host.path(absolute)
    path.parent.mkdir(parents=True, exist_ok=True)
    with chdir(path.parent), closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(path.name)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = base(tmp_path / "root")
    made.program()("setup", HUB, "--no-passphrase")
    made.program()("mta", "apply", "sendmail-hub")
    for path in (SOCKET, CLAMAV):
        listens(made, path)
    for path, text in (LISTS | TABLES).items():
        made.write(path, text)
    return made


@pytest.mark.parametrize("name", CASES)
def test_what_works_is_no_finding(host: Host, name: str) -> None:
    host.write(MC, debians(CASES[name]))
    compile_cf(host)
    for path in TABLES:
        makemap(host, path)
    found = host.findings()
    assert [str(f) for f in found if f.severity is not Severity.NOTE] == []
    assert [f.code for f in found] == ["CERT022"], "it receives mail from the Internet"


@pytest.mark.live
def test_sendmail_takes_each(host: Host) -> None:
    ours = host.path("/etc/mail/smtpcreds/hub.m4").read_text()
    with Lab() as lab:
        machine = lab.host(HUB, SOFTWARE)
        machine.run(("mkdir", "-p", "/etc/mail/smtpcreds"))
        for path, text in {**LISTS, "/etc/mail/smtpcreds/hub.m4": ours}.items():
            machine.write(path, text)
        for text in CASES.values():
            machine.write(MC, debians(text))
            machine.write(CF, machine.run(("m4", MC)))
            for path, rows in TABLES.items():
                machine.write(path, rows)
                machine.run(("makemap", "hash", path), stdin=rows)
            said = machine.run(("/usr/sbin/sendmail", "-C", CF, "-bt"), stdin="3,0 frank@elsewhere.example\n")
            assert re.search(r"^parse +returns: \$#", said, re.MULTILINE), said


def test_a_socket_of_another_user_whose_name_is_no_text_ends_no_audit(tmp_path: Path) -> None:
    """The kernel lists it beside that of the milter, whoever listens there."""
    site = Session().site()
    with closing(socket.socket(socket.AF_UNIX)) as odd, closing(socket.socket(socket.AF_UNIX)) as milter:
        for one, name in ((odd, b"\xff"), (milter, b"milter")):
            one.bind(os.fsencode(tmp_path) + b"/" + name)
            one.listen()
        assert not sendmail_filters._is_dead(AuditedHost(site), f"local:{tmp_path}/milter")
    assert sendmail_filters._is_dead(AuditedHost(site), f"local:{tmp_path}/milter")
