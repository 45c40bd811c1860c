"""What the packages of Debian ship, and what their own files recommend, is no finding."""

import re
from pathlib import Path

import pytest
from lab.debs import unpacked

from .scene import MAIN, MASTER, MC, Host, base, compile_cf

POSTFIX = ("postfix", "postfix-lmdb")
MUA = "mua_client_restrictions = permit_sasl_authenticated, reject\n"
BESIDES = """\
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=$mua_client_restrictions
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }
127.0.0.1:10025 inet n - n - - smtpd
  -o smtpd_tls_security_level=none
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o smtpd_sasl_auth_enable=no
"""
"""The submission of Debian's master.cf, and the way back from a filter of content."""


def stock(root: Path) -> Host:
    """A host right after the installation of Postfix as an internet site."""
    host, share = base(root), unpacked(*POSTFIX) / "usr/share/postfix"
    answers = "inet_interfaces = all\nmyhostname = mx.example.org\nmydestination = $myhostname, localhost\n"
    host.write(MAIN, (share / "main.cf.debian").read_text() + (share / "main.cf.tls").read_text() + answers)
    host.write(MASTER, (share / "master.cf.dist").read_text())
    return host


def without_comments(text: str) -> str:
    """Switch the services on that stand in master.cf behind a #."""
    return re.sub(r"^#((?:submissions?|  -o) ?.*)$", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("more", [False, True], ids=["as it is shipped", "with submission"])
def test_debians_postfix(tmp_path: Path, *, more: bool) -> None:
    host = stock(tmp_path)
    if more:
        text = without_comments(host.path(MASTER).read_text())
        assert "\nsubmission inet" in text
        host.write(MASTER, text)
        host.write(MAIN, host.path(MAIN).read_text() + MUA)
    assert [f for f in host.findings("MTA") if "snakeoil" not in f.subject] == []


def test_postfix_that_takes_logins_at_submission_alone(tmp_path: Path) -> None:
    host = stock(tmp_path)
    host.write(MASTER, "smtp inet n - y - - smtpd\n" + BESIDES)
    settings = "smtpd_tls_auth_only = yes\nsmtpd_sasl_auth_enable = no\nsmtpd_sasl_type = cyrus\n"
    host.write(MAIN, host.path(MAIN).read_text() + MUA + settings)
    assert host.findings("MTA") == []


def test_debians_sendmail(tmp_path: Path) -> None:
    share = unpacked("sendmail-bin", "sendmail-base", "sendmail-cf") / "usr/share/sendmail/cf/debian"
    host = base(tmp_path)
    text = (share / "sendmail.mc").read_text()
    host.write(MC, re.sub(r"^include\(`/etc/mail/m4.*$", "", text, flags=re.MULTILINE))
    compile_cf(host)
    host.write("/etc/mail/access", "Connect:localhost\tRELAY\n")
    assert [f for f in host.findings("MTA") if f.code != "MTA007"] == []  # maps were not made here
