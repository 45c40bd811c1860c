"""An authority run with openssl, requests for it, and what openssl says of files."""

import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin import DOMAIN, HUB, Admin

BOTH, SERVER, CLIENT = "serverAuth,clientAuth", "serverAuth", "clientAuth"
Done = subprocess.CompletedProcess[str]


def run(*words: str | Path, clock: str = "", **environment: str) -> Done:
    """Run a program and return what became of it; ``clock`` is what faketime takes."""
    shifted = ("faketime", clock, *words) if clock else words
    return subprocess.run(
        [str(word) for word in shifted],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def openssl(*words: str | Path, **options: Any) -> str:
    done = run("openssl", *words, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def host_of_domain(root: Path) -> Admin:
    """Return a host that knows its domain, and no hub."""
    admin = Admin(root)
    admin.configure(f'domain = "{DOMAIN}"\n')
    return admin


@dataclass(frozen=True)
class OtherCa:
    """An authority that knows nothing of us, made and run with openssl."""

    directory: Path
    name: str = "Other CA"

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def key(self) -> Path:
        return self.directory / "ca.key"

    def answer(
        self,
        request: Path,
        names: tuple[str, ...] = (HUB,),
        usage: str = BOTH,
        days: int = 90,
        clock: str = "",
        is_ca: bool = False,
    ) -> Path:
        listed = ",".join(f"DNS:{name}" for name in names)
        text = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        if not is_ca:
            text = f"subjectAltName={listed}\nextendedKeyUsage={usage}\n"
        extensions = self.directory / "extensions"
        extensions.write_text(text)
        path = self.directory / f"answer-{os.urandom(4).hex()}.pem"
        words = ("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-out", path)
        openssl(*words, "-days", str(days), "-extfile", extensions, clock=clock)
        return path

    def below(self, name: str) -> "OtherCa":
        """Return an authority that this one certified."""
        directory = self.directory / "below"
        directory.mkdir()
        ca = OtherCa(directory, name)
        request = directory / "ca.csr"
        subject = ("-subj", f"/CN={name}")
        openssl("req", "-new", *NEW_KEY, "-keyout", ca.key, "-out", request, *subject)
        self.answer(request, is_ca=True).rename(ca.certificate)
        return ca


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


def other_ca(directory: Path, name: str = "Other CA") -> OtherCa:
    directory.mkdir()
    ca = OtherCa(directory, name)
    openssl(
        "req",
        "-x509",
        *NEW_KEY,
        "-keyout",
        ca.key,
        "-out",
        ca.certificate,
        "-days",
        "900",
        "-subj",
        f"/CN={name}",
    )
    return ca


def request_of(directory: Path, name: str, *extra: str, key: tuple[str, ...] = NEW_KEY) -> Path:
    """Return a request that another host made with openssl; its key stays beside it."""
    path = directory / f"{os.urandom(4).hex()}.csr"
    openssl("req", "-new", *key, "-keyout", path.with_suffix(".key"), "-out", path, "-subj", name, *extra)
    return path


def tree(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return mode and content of everything below a directory but databases and locks."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.name.startswith("inventory.sqlite3") or path.name == "lock" or path.is_dir():
            continue
        content = os.readlink(path) if path.is_symlink() else path.read_bytes()
        found[str(path)] = (stat.S_IMODE(status.st_mode), content)
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def public_key(path: Path) -> str:
    """Return the public key of a certificate, a request or a private key."""
    kind = {".csr": "req", ".new": "pkey"}.get(path.suffix, "pkey" if path.stem.endswith("key") else "x509")
    if path.suffix == ".key":
        kind = "pkey"
    return (
        openssl(kind, "-in", path, "-pubout")
        if kind == "pkey"
        else openssl(kind, "-in", path, "-noout", "-pubkey")
    )


def is_pair(certs: Path, stem: str = "dmzmail") -> bool:
    return public_key(certs / f"{stem}-key.pem") == public_key(certs / f"{stem}-cert.pem")


def verified(certificate: Path, directory: Path, purpose: str = "sslserver") -> str:
    """Ask OpenSSL as a mail server does: by the hash links of the directory."""
    return openssl(
        "verify",
        "-purpose",
        purpose,
        "-no-CAfile",
        "-no-CAstore",
        "-CApath",
        directory,
        certificate,
    )
