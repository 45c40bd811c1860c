"""Libraries: what they tell programmers is nothing for a terminal; one that can't be loaded is no bug.

Debian: strace.
"""

import sys

from admin import Admin
from cryptography.hazmat.bindings import _rust


def test_serial_number_zero(smtpcreds: Admin) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "/dev/null")
    path = smtpcreds.directory / "odd.pem"
    smtpcreds.openssl("req", "-x509", *key, "-subj", "/CN=odd.example", "-set_serial", "0", "-out", path)
    ran = smtpcreds.run("cert", "show", path)
    assert "Warning" not in ran.err + ran.out
    assert "odd.example" in ran.out + ran.err


def test_no_descriptor_is_left_for_one(smtpcreds: Admin) -> None:
    library = sys.modules[_rust.__name__].__file__
    strace = (
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        str(library),
        "-e",
        "inject=openat:error=EMFILE",
    )
    said = smtpcreds.behind(*strace).refuses(69, "ca", "init", "--no-passphrase")
    assert "can't load a library that it needs: " in said
    assert "Too many open files" in said
