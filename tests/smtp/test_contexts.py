"""Contexts of TLS beside other users of OpenSSL in one process."""

import sys
from pathlib import Path

import softhsm
from admin import Admin, peer

VERIFIED = """
import pkcs11, ssl, sys
from pathlib import Path
from smtpcreds.smtp.connection import verified
assert len(list(pkcs11.lib(sys.argv[1]).get_tokens()))
context = verified([ssl.PEM_cert_to_DER_cert(Path(sys.argv[2]).read_text())])
print(context.cert_store_stats()["x509_ca"])
"""


def test_a_token_that_was_used_before_is_no_error_of_tls(tmp_path: Path) -> None:
    admin = Admin(tmp_path / "root")
    admin.configure()
    admin("ca", "init", "--no-passphrase")
    admin("cert", "issue", "dmzmail")
    token = softhsm.make(tmp_path / "hsm")
    words = (sys.executable, "-c", VERIFIED, softhsm.MODULE, admin.certs / "cacert.pem")
    assert peer(*words, env=token.env) == "1\n"
