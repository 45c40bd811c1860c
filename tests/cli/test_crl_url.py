"""``[ca] crl_url``: a CRL distribution point in new certificates, and the files that stand there."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from admin import CONFIG, Admin, peer

from smtpcreds.pki.crl import read_crl
from smtpcreds.pki.encoding import parse_certificates
from smtpcreds.pki.values import key_identifier

URL = "http://pki.polkatistas.org/{ca}.crl"


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    program = Admin(tmp_path / "root")
    program.configure(f'{CONFIG}[ca]\ncrl_url = "{URL}"\n')
    program("ca", "init", "--no-passphrase", "--intermediate")
    program("cert", "issue", "dmzmail")
    return program


def url_in(admin: Admin, certificate: Path) -> str:
    said = admin.openssl("x509", "-in", certificate, "-noout", "-ext", "crlDistributionPoints")
    return said.partition("URI:")[2].strip()


def test_each_certificate_names_the_list_of_its_issuer(admin: Admin) -> None:
    ca = admin.state / "ca"
    files = (admin.certs / "dmzmail-cert.pem", ca / "ca-cert.pem", ca / "parents.pem")
    leaf, issuing, root = (parse_certificates(path.read_bytes(), path.name).certificates[0] for path in files)
    www = admin.directory / "www"
    www.mkdir()
    admin("ca", "crl", "--der", "--to", f"{www}/{{ca}}.crl")
    for path, issuer in zip(files, (issuing, root), strict=False):
        name = f"{key_identifier(issuer).hex()[:8]}.crl"
        assert url_in(admin, path) == f"http://pki.polkatistas.org/{name}"
        assert read_crl((www / name).read_bytes(), name, issuer).count == 0
        peer("openssl", "crl", "-inform", "DER", "-in", www / name, "-noout")
    assert leaf.issuer == issuing.subject
    assert "CRL Distribution" not in admin.openssl("x509", "-in", files[2], "-noout", "-text")
    admin.verify(files[0])
    bundle = admin.certs / "cacert.pem"
    peer("certtool", "--verify", "--load-ca-certificate", bundle, "--infile", files[0])

    admin("ca", "rollover")
    admin("ca", "crl", "--der", "--to", f"{www}/{{ca}}.crl")
    assert len(list(www.iterdir())) == 3
    admin("cert", "renew", "dmzmail")
    assert url_in(admin, files[0]) != url_in(admin, files[0].with_name("dmzmail-cert.pem.previous"))


def test_one_file_for_all_is_warned_of_at_a_rollover(admin: Admin) -> None:
    admin.configure(f'{CONFIG}[ca]\ncrl_url = "http://pki.polkatistas.org/ca.crl"\n')
    admin("cert", "renew", "dmzmail")
    assert url_in(admin, admin.certs / "dmzmail-cert.pem") == "http://pki.polkatistas.org/ca.crl"
    assert any("put {ca} into it" in warning for warning in admin("ca", "rollover").warnings)


@pytest.mark.parametrize("url", ["https://pki.polkatistas.org/ca.crl", "ldap://x", "http://a b", "ca.crl"])
def test_an_address_that_no_verifier_asks_is_refused(admin: Admin, url: str) -> None:
    admin.configure(f'{CONFIG}[ca]\ncrl_url = "{url}"\n')
    assert "ca.crl_url: takes http://HOST/PATH" in admin.refuses(78, "cert", "issue", "attic")


@contextmanager
def web_server(directory: Path) -> Iterator[str]:
    """Hand out a directory's files; give the address."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_audit_asks_the_address(admin: Admin) -> None:
    www = admin.directory / "www"
    www.mkdir()
    words = ("audit", "--only", "CERT026")
    with web_server(www) as address:
        admin.configure(f'{CONFIG}[ca]\ncrl_url = "{address}/{{ca}}.crl"\n')
        assert "is not there (HTTP Error 404" in admin(*words, status=1).out
        for form in ((), ("--der",)):
            admin("ca", "crl", *form, "--to", f"{www}/{{ca}}.crl")
            admin(*words)
        admin("ca", "rollover")
        assert admin(*words, status=1).out.count("is not there") == 1
        admin("ca", "crl", "--to", f"{www}/{{ca}}.crl")
        admin(*words)
        admin("ca", "crl")
        assert "is CRL number" in admin(*words, status=1).out
