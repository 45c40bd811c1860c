"""What ``mta check`` calls BAD of a file that ``mta apply`` wrote, ``audit`` tells too."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import Admin

from smtpcreds import Site
from smtpcreds.errors import SmtpcredsError
from smtpcreds.model import Finding, Severity, as_finding

IDS = {"Debian-exim": 126, "postfix": 122, "mail": 8, "nullmail": 130, "opensmtpd": 131, "dovecot": 132}
OWN = {
    "/etc/passwd": "".join(f"{name}:x:{number}:{number}::/:\n" for name, number in IDS.items()),
    "/etc/group": "".join(f"{name}:x:{number}:\n" for name, number in IDS.items()),
    "/etc/postfix/main.cf": "compatibility_level = 3.6\n",
    "/etc/postfix/master.cf": "smtp inet n - y - - smtpd\n",
    "/etc/exim4/exim4.conf.template": "".join(
        f"begin {section}\n\n" for section in ("acl\nacl_check_rcpt:\n  accept", "routers", "transports")
    )
    + "begin authenticators\n\n",
    "/etc/mail/sendmail.mc": "MAILER(`smtp')dnl\n",
    "/etc/dma/dma.conf": "MAILNAME attic\n",
}
HUBS = ("sendmail-hub", "postfix-hub", "exim-hub")
CLIENTS = ("sendmail-client", "postfix-client", "exim-client", "msmtp", "dma")


def spoilt(path: Path) -> dict[str, Callable[[], object]]:
    return {
        "open to all": lambda: path.chmod(0o666),
        "readable by all": lambda: path.chmod(0o644),
        "of another group": lambda: os.chown(path, 0, 1),
        "edited": lambda: path.write_bytes(path.read_bytes() + b"\n"),
        "gone": path.unlink,
    }


def files_below(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(root / "var/lib")}


@pytest.fixture(scope="module")
def template(hub_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Admin(hub_tree).copy(tmp_path_factory.mktemp("both") / "root").root


def made(hub: Admin, program: str) -> Admin:
    for path, text in OWN.items():
        hub.write(path, text, 0o644)
    if program in HUBS:
        hub("mta", "apply", program, "--edit")
        return hub
    hub("bundle", "attic", "--mta", program, "--new-key", "-o", "attic.tar")
    attic = Admin(hub.root.parent / "attic")
    for path, text in {**OWN, "/etc/hostname": "attic.polkatistas.org\n"}.items():
        attic.write(path, text, 0o644)
    attic("setup", "--client", hub.directory / "attic.tar", "--edit")
    return attic


COMPILED = """\
O ServerCertFile=/etc/mail/certs/dmzmail-cert.pem
O ServerKeyFile=/etc/mail/certs/dmzmail-key.pem
O CACertFile=/etc/mail/certs/cacert.pem
O CACertPath=/etc/mail/certs
O CRLFile=/etc/mail/certs/all-crls.pem
"""


@pytest.mark.parametrize("program", ["sendmail-hub", "postfix-hub"])
def test_both_say_that_a_certificate_is_no_good_any_more(
    template: Path, tmp_path: Path, program: str
) -> None:
    hub = made(Admin(template).copy(tmp_path / "hub"), program)
    if program == "sendmail-hub":
        hub.write("/etc/mail/sendmail.cf", COMPILED, 0o644)
    certificate, crl = (hub.certs / name for name in ("dmzmail-cert.pem", "crl.pem"))
    late = hub.at("+400 days").run("mta", "check", program)
    assert late.status == 1
    assert f"BAD  {certificate} expired on " in late.out
    assert (f"BAD  {crl} expired on " in late.out) == (program == "sendmail-hub"), "Postfix reads no CRL"
    assert "expired on" not in hub.run("mta", "check", program).out
    hub("cert", "revoke", "dmzmail", "--yes")
    assert f"BAD  {certificate} was revoked on " in hub.run("mta", "check", program).out


@pytest.mark.parametrize("program", [*HUBS, *CLIENTS])
def test_both_say_it(template: Path, tmp_path: Path, program: str) -> None:
    hub = Admin(template).copy(tmp_path / "hub")
    before = files_below(hub.root) if program in HUBS else set()
    host = made(hub, program)
    site = Site.load(root=host.root)
    own = {str(path) for path in files_below(host.root) - before}
    own -= {str(host.path(path)) for path in (*OWN, "/etc/hostname")}

    def checked() -> list[Finding]:
        """Return what ``mta check`` says of what is ours."""
        try:
            return [found for found in site.mta.check(program) if found.subject in own]
        except SmtpcredsError as error:
            return [as_finding(error)]

    def is_audited() -> bool:
        return any(found.severity is not Severity.NOTE for found in site.audit())

    assert (checked(), is_audited()) == ([], False)
    wrong: list[str] = []
    for name in sorted(own):
        path = Path(name)
        kept, status = path.read_bytes(), path.stat()
        for how, spoil in spoilt(path).items():
            spoil()
            if path.exists() and (path.read_bytes(), path.stat()[:6]) == (kept, status[:6]):
                continue
            if (found := checked()) and not is_audited():
                wrong += [f"{name}: {how}: {found[0]}"]
            path.write_bytes(kept)
            os.chown(path, status.st_uid, status.st_gid)
            path.chmod(status.st_mode & 0o7777)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not wrong
