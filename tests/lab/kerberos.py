"""Debian's KDC of Kerberos (MIT's) on a host of the lab, and what other hosts of its realm need."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory

REALM = "POLKATISTAS.ORG"
ADMIN = "root/admin"
PASSWORD = "Ch1mp? ,03fuzz"
"""Of the administrator of the realm."""
TICKETS = ("libsasl2-modules-gssapi-mit", "krb5-user")
"""What a host needs to take tickets, or to get and show them."""
KRB5_CONF = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_canonicalize_hostname = false
[realms]
{realm} = {{
  kdc = {kdc}
  admin_server = {kdc}
}}
"""
CACHE = ("env", "KRB5CCNAME=/run/krb5cc")
"""The default is below /tmp, which all hosts of the lab share."""
NO_CACHE = ("env", "KRB5CCNAME=/run/nothing")


def _lay(unpacked: Path, layer: Path) -> None:
    """Make the directories of the packages."""
    directory(layer / "etc/krb5kdc", 0o700)
    directory(layer / "var/lib/krb5kdc", 0o700)
    _lay_alternatives(unpacked, layer)


def _lay_alternatives(unpacked: Path, layer: Path) -> None:
    """Give programs the names that Debian 13 makes by update-alternatives: kinit for kinit.mit."""
    for program in (unpacked / "usr/bin").glob("*.mit"):
        directory(layer / "usr/bin")
        (layer / "usr/bin" / program.stem).symlink_to(program.name)


KDC = Software(("krb5-kdc", "krb5-admin-server", "krb5-user"), _lay)


def with_tickets(software: Software) -> Software:
    """Return a mail program with what it takes to log in by GSSAPI, or to let others do."""

    def lay(unpacked: Path, layer: Path) -> None:
        software.lay(unpacked, layer)
        _lay_alternatives(unpacked, layer)

    return Software((*software.packages, *TICKETS), lay)


class Kerberos:
    """A realm with its KDC, and the hosts that are told of it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.join(host)
        host.write("/etc/krb5kdc/kadm5.acl", f"*/admin@{REALM} *\n", 0o600)
        host.run(("kdb5_util", "create", "-s", "-r", REALM, "-P", PASSWORD))
        host.run(("kadmin.local", "-q", f'addprinc -pw "{PASSWORD}" {ADMIN}'))
        host.shell("krb5kdc < /dev/null > /dev/null 2>&1; kadmind < /dev/null > /dev/null 2>&1")
        host.await_port(88)
        host.await_port(749)

    def join(self, host: Host) -> None:
        """Tell a host of the realm."""
        host.write("/etc/krb5.conf", KRB5_CONF.format(realm=REALM, kdc=self.host.name))


def typed_with_password(host: Host, commands: str) -> None:
    """Type commands of kadmin, as a hint has them; each asks for the password of the administrator."""
    for command in commands.split("; "):
        host.run((*NO_CACHE, "sh", "-c", command), stdin=f"{PASSWORD}\n")


def get_ticket(host: Host, principal: str) -> None:
    """Let a principal that is made now have a ticket on a host, by a keytab as a daemon would."""
    keytab = f"/run/{principal}.keytab"
    typed_with_password(
        host, f"kadmin -q 'addprinc -randkey {principal}'; kadmin -q 'ktadd -k {keytab} {principal}'"
    )
    host.run((*CACHE, "kinit", "-k", "-t", keytab, principal))
