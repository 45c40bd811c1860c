"""Where the mail programs' configuration names certificates: one value for each role of each program."""

from collections.abc import Iterator

from ..lazy import dataclass
from ..mta.dovecot import DovecotConf
from ..mta.exim import EximConf
from ..mta.main_cf import MainCf
from ..mta.sendmail_cf import SendmailCf
from ..pki.profiles import Purpose


@dataclass(frozen=True)
class CertificateUse:
    """Certificates in one role of one program; paths are those of the host, not yet under the root.

    Attributes:
        program: as ``sendmail``.
        role: server or client.
        config: the file that says so.
        user: who reads the key.
        group_may_read: whether the program accepts a key that its group can read.
    """

    program: str
    role: Purpose
    config: str
    certificates: tuple[str, ...]
    keys: tuple[str, ...]
    ca_file: str = ""
    ca_path: str = ""
    crl_file: str = ""
    crl_path: str = ""
    user: str = "root"
    group_may_read: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path, of files and directories."""
        more = (self.ca_file, self.ca_path, self.crl_file, self.crl_path)
        return tuple(path for path in (*self.keys, *self.certificates, *more) if path)


def of_sendmail(cf: SendmailCf, config: str) -> Iterator[CertificateUse]:
    """Yield the roles in which sendmail has a certificate; it splits lists at commas."""
    run_as = cf.option("RunAsUser").partition(":")[0] or "root"
    for role, prefix in ((Purpose.SERVER, "Server"), (Purpose.CLIENT, "Client")):
        certificates = cf.option(f"{prefix}CertFile")
        if certificates:
            yield CertificateUse(
                "sendmail",
                role,
                config,
                tuple(certificates.split(",")),
                tuple(filter(None, cf.option(f"{prefix}KeyFile").split(","))),
                cf.option("CACertFile"),
                cf.option("CACertPath"),
                cf.option("CRLFile"),
                cf.option("CRLPath"),
                run_as if not run_as.isdecimal() else "root",
                cf.has_flag("GroupReadableKeyFile"),
            )


def of_postfix(main: MainCf, config: str) -> Iterator[CertificateUse]:
    """Yield the roles in which Postfix has a certificate; a file of ``chain_files`` is both."""
    for role, prefix in ((Purpose.SERVER, "smtpd"), (Purpose.CLIENT, "smtp")):
        chains = main.words(f"{prefix}_tls_chain_files")
        certificate, key = main.value(f"{prefix}_tls_cert_file"), main.value(f"{prefix}_tls_key_file")
        single = (certificate,) if certificate and certificate != "none" else ()
        if chains or single:
            keys, certificates = _split(chains) if chains else ((key,), single)
            ca_file, ca_path = main.value(f"{prefix}_tls_CAfile"), main.value(f"{prefix}_tls_CApath")
            yield CertificateUse("postfix", role, config, certificates, keys, ca_file, ca_path)


def _split(chains: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return keys and certificates: files alternate, or each holds both."""
    if len(chains) % 2:
        return chains, chains
    return chains[::2], chains[1::2]


def of_exim(conf: EximConf, config: str, user: str) -> Iterator[CertificateUse]:
    """Yield Exim's roles; a certificate that is computed for each connection can't be looked at."""
    for role, pair in ((Purpose.SERVER, conf.server), (Purpose.CLIENT, conf.client)):
        if pair.certificate.startswith("/") and "$" not in pair.certificate + pair.key:
            key = pair.key or pair.certificate
            yield CertificateUse(
                "exim", role, config, (pair.certificate,), (key,), user=user, group_may_read=True
            )


def of_dovecot(conf: DovecotConf, config: str) -> Iterator[CertificateUse]:
    """Yield Dovecot's role as a server, for each pair; it reads these files as root."""
    for certificate, key in dict.fromkeys(conf.pairs):
        yield CertificateUse("dovecot", Purpose.SERVER, config, (certificate,), (key,))
