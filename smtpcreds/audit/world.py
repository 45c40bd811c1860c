"""What an audit looks at: the installation, its mail programs, and the certificates that they use."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from ..accounts.database import AccountDatabase
from ..ca.authority import CA
from ..ca.directory import directories
from ..ca.layout import BUNDLE, Pair, reading
from ..config import Site, host_name
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..files import read_public
from ..files.guard import MAIL_OWNERS
from ..inventory.rows import CertificateRow as Row
from ..model import Root
from ..mta import dovecot as mta_dovecot
from ..mta import exim as mta_exim
from ..mta import main_cf, sendmail_cf
from ..mta.dovecot import DovecotConf
from ..mta.exim import EximConf
from ..mta.main_cf import MainCf
from ..mta.sendmail_cf import SendmailCf
from ..names import is_qualified
from ..pki.chains import is_link_name
from ..pki.describe import fingerprint
from ..pki.encoding import parse_certificates
from ..pki.profiles import HOST_PROFILES, Purpose
from ..pki.values import Certificate
from ..postgres import is_url

# Where the mail programs' configuration names certificates: one value for each role of each program.


@dataclass(frozen=True, slots=True)
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
    """Yield Dovecot's role as a server, which reads its files as root."""
    if conf.certificate and conf.key:
        yield CertificateUse("dovecot", Purpose.SERVER, config, (conf.certificate,), (conf.key,))


# Who may read what: users and groups of the audited root, and the modes of a file and of all above it.


@dataclass(frozen=True, slots=True)
class User:
    """A user by numbers, with all groups."""

    name: str
    uid: int
    gids: frozenset[int]

    def may(self, status: os.stat_result, wanted: int) -> bool:
        """Tell whether the mode gives the rights; ``wanted`` of the bits 4 (read), 2 (write), 1 (enter)."""
        if self.uid == 0:
            return True
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid in self.gids else 0
        return status.st_mode >> shift & wanted == wanted


def user_of(root: Root, name: str) -> User | None:
    """Return a user of the root, by its own /etc/passwd and /etc/group where it has them; None if unknown."""
    entry = next((line for line in _lines(root, "passwd") if line[0] == name and len(line) > 3), None)
    if entry is None or not (entry[2] + entry[3]).isdecimal():
        return None
    groups = (line for line in _lines(root, "group") if len(line) > 3 and name in line[3].split(","))
    further = {int(line[2]) for line in groups if line[2].isdecimal()}
    return User(name, int(entry[2]), frozenset({int(entry[3]), *further}))


def group_of(root: Root, name: str) -> int | None:
    """Return the number of a group, or None."""
    found = (line[2] for line in _lines(root, "group") if line[0] == name and len(line) > 2)
    return next((int(number) for number in found if number.isdecimal()), None)


def obstacle(user: User, path: str, top: str) -> tuple[str, str] | None:
    """Return why the user can't read the file, and what ends it, or None; directories are asked too."""
    for directory in above(path, top):
        if not user.may(os.stat(directory), 1):
            return f"{user.name} can't enter {directory}", _open_to(user, directory, "x")
    status = os.stat(path)
    if user.may(status, 4):
        return None
    mode = stat.S_IMODE(status.st_mode)
    return f"mode {mode:04o} does not let {user.name} read it", _open_to(user, path, "r")


def _open_to(user: User, path: str, right: str) -> str:
    """Return the command; a user of the mail server has a group of the same name."""
    return f"chgrp {user.name} {path} && chmod g+{right} {path}"


def above(path: str, top: str) -> Iterator[str]:
    """Yield every directory above a path that is as deep as ``top`` or deeper, the nearest first."""
    directory = os.path.dirname(path)
    while True:
        yield directory
        if directory in {top, "/"} or len(directory) <= len(top):
            return
        directory = os.path.dirname(directory)


def _lines(root: Root, database: str) -> Iterator[list[str]]:
    path = root.path(f"/etc/{database}")
    try:
        text = read_public(path if os.path.exists(path) else f"/etc/{database}")
    except SmtpcredsError:
        return
    yield from (line.split(":") for line in text.decode(errors="surrogateescape").splitlines() if line)


# The certificates under audit: those that mail programs are configured with, and those that lie ready.

CERTIFICATE_END = "-cert.pem"
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class CertificatePlace:
    """Where a certificate and its key are; paths of this disk.

    Attributes:
        certificate: the file.
        key: where its key is, or should be.
        uses: what is configured with it; empty where it only lies there.
    """

    certificate: str
    key: str
    uses: tuple[CertificateUse, ...]


@dataclass(frozen=True, slots=True)
class InstalledCertificate:
    """One certificate that was read.

    Attributes:
        place: where.
        leaf: the first certificate of the file.
        others: the rest of the file.
        row: what the inventory knows; None if nothing.
        known: CA certificates at hand: of configured files and hash links, of the bundle beside it.
    """

    place: CertificatePlace
    leaf: Certificate
    others: tuple[Certificate, ...]
    row: Row | None
    known: tuple[Certificate, ...]

    @property
    def path(self) -> str:
        """The file."""
        return self.place.certificate

    @property
    def roles(self) -> tuple[Purpose, ...]:
        """What it is configured for, else what the inventory says that it was issued for."""
        configured = tuple(dict.fromkeys(use.role for use in self.place.uses))
        profile = HOST_PROFILES.get(self.row.profile) if self.row else None
        return configured or (profile.purposes if profile else ())

    def serves(self, program: str) -> bool:
        """Tell whether a program uses it as its server certificate."""
        return any(use.program == program and use.role is Purpose.SERVER for use in self.place.uses)


def places_of(world: "Host") -> list[CertificatePlace]:
    """Return every place, each certificate file once."""
    uses: dict[str, list[CertificateUse]] = {}
    keys: dict[str, str] = {}
    for use in world.uses:
        for number, name in enumerate(use.certificates):
            path = world.path(name)
            uses.setdefault(path, []).append(use)
            keys.setdefault(path, world.path(use.keys[min(number, len(use.keys) - 1)]) if use.keys else "")
    for directory in world.own_places:
        for name in world.names(directory):
            if name.endswith(CERTIFICATE_END):
                pair = Pair(f"{directory}/{name.removesuffix(CERTIFICATE_END)}")
                keys.setdefault(pair.certificate, pair.key)
    return [CertificatePlace(path, key, tuple(uses.get(path, ()))) for path, key in keys.items()]


def holdings_of(world: "Host") -> tuple[InstalledCertificate, ...]:
    """Return every certificate that can be read; CERT002 names the others."""
    return tuple(holding for place in places_of(world) if (holding := _holding(world, place)))


def _holding(world: "Host", place: CertificatePlace) -> InstalledCertificate | None:
    try:
        leaf, *others = parse_certificates(read_public(place.certificate), place.certificate).certificates
    except SmtpcredsError:
        return None
    return InstalledCertificate(place, leaf, tuple(others), _row(world, leaf), _known(world, place))


def _row(world: "Host", leaf: Certificate) -> Row | None:
    def look() -> Row | None:
        with reading(world.site) as inventory:
            return next(iter(inventory.find(fingerprint(leaf))), None)

    return world.attempt(look, None)


def _known(world: "Host", place: CertificatePlace) -> tuple[Certificate, ...]:
    found: list[Certificate] = []
    for use in place.uses:
        found += trusted_by(world, use)
    found += certificates_in(f"{os.path.dirname(place.certificate)}/{BUNDLE}")
    return tuple(dict.fromkeys((*found, *certificates_in(world.path(SYSTEM_ROOTS)))))


def trusted_by(world: "Host", use: CertificateUse) -> tuple[Certificate, ...]:
    """Return the CA certificates that a program finds: those of its file, and those with a hash link."""
    found = list(certificates_in(world.path(use.ca_file))) if use.ca_file else []
    directory = world.path(use.ca_path) if use.ca_path else ""
    for name in world.names(directory):
        if is_link_name(name) and ".r" not in name:
            found += certificates_in(f"{directory}/{name}")
    return tuple(dict.fromkeys(found))


def certificates_in(path: str) -> tuple[Certificate, ...]:
    """Return the certificates of a file; none where it can't be read."""
    try:
        return parse_certificates(read_public(path), path).certificates
    except SmtpcredsError:
        return ()


def is_self_signed_default(world: "Host", holding: InstalledCertificate) -> bool:
    """Tell whether it is a self-signed certificate, like Debian's snakeoil, on a host that is not the hub.

    A host to which nobody relays shows it to strangers only, who verify nothing.
    """
    from ..pki.chains import is_self_signed

    is_server = holding.roles == (Purpose.SERVER,)
    return is_server and world.name != world.site.hub and is_self_signed(holding.leaf)


def hosts(holdings: tuple[InstalledCertificate, ...]) -> Iterator[tuple[InstalledCertificate, str]]:
    """Yield each with the name of its host: the inventory's, else the first name that it holds."""
    from ..pki.names import title

    yield from ((holding, holding.row.host if holding.row else title(holding.leaf)) for holding in holdings)


# What an audit looks at: the installation, and the configuration of mail programs that is found there.
#
# Everything is read when a check first asks for it, and once; no program is run. What can't be read is
# remembered, and taken as if it were not there.

T = TypeVar("T")
NOTHING: tuple[str, ...] = ()
SENDMAIL_CF = "/etc/mail/sendmail.cf"
SENDMAIL_MC = "/etc/mail/sendmail.mc"
MAIN_CF = "/etc/postfix/main.cf"
MASTER_CF = "/etc/postfix/master.cf"
EXIM_CONF = ("/var/lib/exim4/config.autogenerated", "/etc/exim4/exim4.conf", "/etc/exim/exim.conf")
EXIM_USERS = ("Debian-exim", "exim", "mail")
DOVECOT_CONF = "/etc/dovecot/dovecot.conf"


@dataclass(frozen=True)
class Host:
    """One installation under audit.

    Attributes:
        site: which.
        unread: why something could not be read, in the order in which it was tried.
    """

    site: Site
    unread: list[SmtpcredsError] = field(default_factory=list, compare=False)

    @property
    def top(self) -> str:
        """The directory that stands for ``/``; nothing above it is looked at."""
        return self.site.root.prefix.rstrip("/") or "/"

    def path(self, absolute: str) -> str:
        """Return where a path of the host lies on this disk."""
        return self.site.path(absolute)

    def content(self, path: str) -> bytes | None:
        """Return a file of this disk; None where there is none, or one that can't be read."""
        return self.attempt(lambda: read_public(path), None)

    def attempt(
        self, look: Callable[[], T], otherwise: T, *, but: type[SmtpcredsError] = MissingInputError
    ) -> T:
        """Return what a look gives; where it fails, that is remembered, and the checks go on without.

        What is simply missing is not remembered; errors of the class ``but`` are the caller's.
        """
        try:
            return look()
        except MissingInputError:
            return otherwise
        except but:
            raise
        except SmtpcredsError as error:
            self.unread.append(error)
            return otherwise

    def text(self, absolute: str) -> str | None:
        """Return a text file of the host, or None; see :meth:`content`."""
        found = self.content(self.path(absolute))
        return None if found is None else found.decode(errors="replace")

    @cached_property
    def sendmail(self) -> sendmail_cf.SendmailCf | None:
        """Sendmail's configuration, or None where there is none."""
        text = self.text(SENDMAIL_CF)
        return None if text is None else sendmail_cf.parse(text)

    @cached_property
    def postfix(self) -> main_cf.MainCf | None:
        """Postfix's main.cf, or None."""
        text, path = self.text(MAIN_CF), self.path(MAIN_CF)
        return None if text is None else self.attempt(lambda: main_cf.parse(text, path), None)

    @cached_property
    def services(self) -> tuple[main_cf.Service, ...]:
        """Postfix's master.cf."""
        text, path = self.text(MASTER_CF) or "", self.path(MASTER_CF)
        return self.attempt(lambda: main_cf.parse_master(text, path), ())

    @cached_property
    def exim(self) -> tuple[str, mta_exim.EximConf] | None:
        """Exim's configuration and its path on the host, or None."""
        path = next((path for path in EXIM_CONF if os.path.exists(self.path(path))), None)
        if path is None:
            return None
        return path, mta_exim.parse_configuration(mta_exim.expand(self.text(path) or "", self.text))

    @cached_property
    def dovecot(self) -> mta_dovecot.DovecotConf | None:
        """Dovecot's configuration with the files of conf.d, or None."""
        text = self.text(DOVECOT_CONF)
        if text is None:
            return None
        directory = f"{os.path.dirname(DOVECOT_CONF)}/conf.d"
        names = [name for name in self.names(self.path(directory)) if name.endswith(".conf")]
        return mta_dovecot.parse_configuration(
            "\n".join([text, *(self.text(f"{directory}/{name}") or "" for name in names)])
        )

    @cached_property
    def uses(self) -> tuple[CertificateUse, ...]:
        """Every role in which a mail program has a certificate; those with a relative path are left out."""
        return tuple(use for use in self._uses() if all(path.startswith("/") for path in use.paths))

    def _uses(self) -> Iterator[CertificateUse]:
        if self.sendmail:
            yield from of_sendmail(self.sendmail, SENDMAIL_CF)
        if self.postfix:
            yield from of_postfix(self.postfix, MAIN_CF)
        if self.exim:
            yield from of_exim(self.exim[1], self.exim[0], self.exim_user)
        if self.dovecot:
            yield from of_dovecot(self.dovecot, DOVECOT_CONF)

    @cached_property
    def owners(self) -> frozenset[int]:
        """The numbers of root, of who runs the audit, and of Sendmail's own users."""
        options = ("TrustedUser", "RunAsUser")
        told = [self.sendmail.option(name).partition(":")[0] for name in options] if self.sendmail else []
        found = (user_of(self.site.root, name) for name in (*MAIL_OWNERS, *told) if name)
        return frozenset({0, os.geteuid(), *(user.uid for user in found if user)})

    @cached_property
    def exim_user(self) -> str:
        """Who Exim runs as: the first of the distributions' names that the root knows."""
        return next((name for name in EXIM_USERS if user_of(self.site.root, name)), EXIM_USERS[0])

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """What Sendmail may call itself: ``$j`` where that is set, else this host's name, or the hub's."""
        name = self.sendmail.macros.get("j", "") if self.sendmail else ""
        if name and "$" not in name and is_qualified(name):
            return (name.lower(),)
        return tuple(dict.fromkeys((self.name, self.site.hub)))

    @cached_property
    def name(self) -> str:
        """This host's full name."""
        return self.site.qualify(host_name(self.site.root))

    @property
    def host(self) -> str:
        """The one of its names that clients know."""
        return self.hosts[-1]

    def _recorded(self) -> tuple[str, ...]:
        with reading(self.site) as inventory:
            return tuple(directories(self.site, inventory))

    @cached_property
    def own_places(self) -> tuple[str, ...]:
        """Those that hold what smtpcreds installed, or that Sendmail alone is told of."""
        shared = self.path("/etc/ssl"), self.path("/usr"), self.path("/etc/pki")
        named = (self.path(use.ca_path) for use in self.uses if use.program == "sendmail" and use.ca_path)
        recorded = self.attempt(self._recorded, NOTHING)
        found = (self.site.certificates, *recorded, *(path for path in named if not path.startswith(shared)))
        return tuple(directory for directory in dict.fromkeys(found) if os.path.isdir(directory))

    @cached_property
    def holdings(self) -> tuple[InstalledCertificate, ...]:
        """Every certificate under audit that can be read."""
        return holdings_of(self)

    @cached_property
    def authorities(self) -> tuple[Certificate, ...]:
        """The CA certificates of our own authority and of superseded ones.

        None where there is no authority.
        """
        return self.attempt(lambda: CA(self.site).trusted, ()) if CA(self.site).is_there else ()

    @cached_property
    def has_accounts_in_file(self) -> bool:
        """Tell whether the accounts are in a file that is there."""
        return not is_url(self.site.sasldb) and os.path.exists(self.site.sasldb)

    @property
    def records(self) -> Mapping[bytes, bytes]:
        """The records of the account database; none where there is no database, or a damaged one."""
        return self._accounts[0]

    @property
    def damage(self) -> DataError | None:
        """Why the account database is none; what else keeps us from reading it is remembered."""
        return self._accounts[1]

    @cached_property
    def _accounts(self) -> tuple[Mapping[bytes, bytes], DataError | None]:
        try:
            return self.attempt(AccountDatabase(self.site).records, {}, but=DataError), None
        except DataError as error:
            return {}, error

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory in order; none where it is not there."""
        return sorted(os.listdir(directory)) if os.path.isdir(directory) else []
