"""What a mail program in a role is told, and what it answers: files, and what there is to do with them.

Paths are those of the host that the files are for; another root is the business of whoever writes them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Protocol

from ..lazy import dataclass
from ..model import Account, Credential
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN, System
from .access import Rule
from .sasl_conf import Backend

# What is left to do once the files of a mail program are in place.
#
# Paths are those of the host that the files are for.


@dataclass(frozen=True)
class Include:
    """Lines that the administrator adds to a file of their own, once, or has added with ``--edit``.

    Attributes:
        path: that file.
        lines: exactly.
        where: in words, or empty where any place will do.
        above: beginnings of the lines that they must stand above; empty for any place.
        below: beginning of the line right below which they are added; empty for the lowest place that will
            do; None for a place that only the administrator can tell.
        fence: comment lines before and behind them, so that lines which are no longer wanted can be told from
            the administrator's own; or empty.
        lacking: finds which of the lines have no effect in a text, for a file whose own rules decide that;
            None for one in which it is enough that they stand there.
        cleared: returns a text without what ours takes the place of, for --edit; None where nothing is in
            the way.
        command: to run once lines that are no longer wanted are gone; empty where those of the work do.
    """

    path: str
    lines: tuple[str, ...]
    where: str = ""
    above: tuple[str, ...] = ()
    fence: tuple[str, ...] = ()
    lacking: Callable[[str], tuple[str, ...]] | None = None
    below: str | None = ""
    cleared: Callable[[str], str] | None = None
    command: str = ""

    @property
    def text(self) -> tuple[str, ...]:
        """The lines with their fence."""
        return (*self.fence[:1], *self.lines, *self.fence[1:]) if self.lines else ()


@dataclass(frozen=True)
class Compiled:
    """A file that a command makes from others.

    Attributes:
        path: the result.
        sources: must not be newer.
        faults: finds what the result lacks or has too much, one phrase each.
        names: of settings of ours that a later line of the first source can undo.
    """

    path: str
    sources: tuple[str, ...]
    faults: Callable[[str], Iterable[str]] = lambda _: ()
    names: frozenset[str] = frozenset()


EDITING = "use --edit"
"""What a way out says of that option, for who has just given the command that takes it."""


@dataclass(frozen=True)
class Premise:
    """What must be so in a file of the administrator's, beyond lines of ours.

    Attributes:
        path: that file.
        faults: finds what is not so, each with the way out.
        mended: returns the file's text with the cure; None where only the administrator knows it.
        command: that a cure by ``mended`` needs besides those of the work; or empty.
        has_code: ``audit`` finds it on every host, whoever configured that, by a code of its own.
    """

    path: str
    faults: Callable[[str], Iterable[tuple[str, str]]]
    mended: Callable[[str], str] | None = None
    command: str = ""
    has_code: bool = False

    def faults_at(self, place: str, text: str) -> Iterator[tuple[str, str]]:
        """Find what is not so, with ways out that name the file by where it lies."""
        return ((what, hint.replace(self.path, quote(place))) for what, hint in self.faults(text))


@dataclass(frozen=True)
class Reader:
    """A file or socket that belongs to others, and the user that the program opens it as.

    Attributes:
        path: of it.
        user: of the program, usually one without privileges.
        is_saslauthd: it is the socket of saslauthd, which is to listen there on the running host.
    """

    path: str
    user: str
    is_saslauthd: bool = False


@dataclass(frozen=True)
class Copy:
    """The account database once more, where a program can reach it; changes of accounts change it too.

    User and group are names, as of a :class:`File`.
    """

    path: str
    mode: int = 0o600
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Work:
    """What is left to do once the files are in place.

    Attributes:
        includes: what the administrator adds by hand.
        compiled: what the commands make.
        commands: lines for a POSIX shell, run by root in this order.
        premises: what has to be so besides.
        copies: of the account database.
        readers: files of others that the program must be able to read.
        usage: of a program that people call with our file: command lines, words to be replaced in capitals.
        untraced: whether no file tells that the commands were run, so that ``--run`` always runs them.
    """

    includes: tuple[Include, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    commands: tuple[str, ...] = ()
    premises: tuple[Premise, ...] = ()
    copies: tuple[Copy, ...] = ()
    readers: tuple[Reader, ...] = ()
    usage: tuple[str, ...] = ()
    untraced: bool = False


Content = tuple[bytes | Secret, ...]
"""The octets of a file in pieces, so that it can be shown with its secrets left out."""

MASK = b"<secret>"
SUBMISSIONS = 465
"""The port on which TLS comes first (RFC 8314 section 3.3)."""


class Role(StrEnum):
    """Which end of the relaying a program is."""

    HUB = "hub"
    CLIENT = "client"


class Need(StrEnum):
    """What must exist before a program's files are of use."""

    PAIR = "pair"
    CREDENTIAL = "credential"
    MATERIAL = "material"
    """Copies of the pair and the CA's files, for a program that can't read those of root."""
    ACCOUNTS = "accounts"
    """What the account database holds, for a program that has a file of its own."""
    VERIFIERS = "verifiers"
    """The same, each account as a field of Dovecot's passwd-file."""
    CLIENTS = "clients"
    """Which client certificates may relay, for a program that lists them."""
    RULES = "rules"
    """Lines of Sendmail's access map."""
    BACKEND = "backend"
    """Where Cyrus SASL finds the accounts."""
    PORT = "port"
    """On which other hosts must reach a hub; client hosts always have one."""
    FINGERPRINT = "fingerprint"
    """Of the hub's certificate, for a program that can verify nothing else."""
    MECHANISMS = "mechanisms"
    """Which are offered or tried, for a program whose files say so."""
    STARTTLS = "starttls"
    """A port where TLS begins by STARTTLS, for a client that knows no other way."""
    REVOCATIONS = "revocations"
    """A list of revoked certificates, for the program of a client host that looks at one."""


@dataclass(frozen=True)
class Tls:
    """Where the certificates of the host lie.

    Attributes:
        key: private key, PEM, mode 0600.
        certificate: its certificate and those between it and the root.
        bundle: the CA's certificates.
        directory: holds hash links to the bundle and the CRL.
        crl: of the CA that issues; empty where it may sign none, or a client host is to look at none.
        all_crls: of every CA of the bundle, in one file; empty likewise.
    """

    key: str
    certificate: str
    bundle: str
    directory: str
    crl: str
    all_crls: str


@dataclass(frozen=True)
class Material:
    """What the files of :class:`Tls` say, PEM.

    Attributes:
        key: private key, unencrypted PKCS #8.
        certificate: its certificate and those between it and the root.
        bundle: the CA's certificates.
        all_crls: of every CA of the bundle; empty where the CA may sign none.
    """

    key: Secret
    certificate: bytes
    bundle: bytes
    all_crls: bytes


@dataclass(frozen=True, order=True)
class Client:
    """A certificate that may relay; several hosts may have one key, and a host several certificates.

    Attributes:
        host: full name.
        key_id: SHA-256 of the SubjectPublicKeyInfo, lower-case hex; survives a renewal with the same key.
        fingerprint: SHA-256 of the certificate's DER, lower-case hex.
    """

    host: str
    key_id: str
    fingerprint: str


@dataclass(frozen=True)
class Held:
    """An account and the properties that Cyrus SASL has for it, as ``userPassword`` and ``authPassword``."""

    account: Account
    properties: Mapping[str, Secret]


@dataclass(frozen=True)
class Facts:
    """All that a program may be told; each takes what it can express, and refuses what it can't.

    Attributes:
        host: full name of the host that the files are for.
        hub: full name of the relay.
        realm: in which the relay looks up bare names.
        mechanisms: of SASL, the strongest first, as :func:`smtpcreds.mta.sasl_conf.offer` gives them.
        tls: the host's certificates.
        pid_file: of the daemon, for commands that tell it to reload.
        backend: where a hub finds accounts.
        credential: what a client host logs in with.
        rules: lines of Sendmail's access map.
        variants: names of the choices that were made, of those that the program knows.
        port: of the hub, that client hosts connect to.
        material: what the files of ``tls`` say.
        accounts: of the hub, by name.
        verifiers: full name of each account to its field of a passwd-file, scheme included.
        clients: certificates that may relay without AUTH; none of them revoked or expired.
        replaced: SHA-256 of certificates whose key was replaced, for programs that go by names otherwise.
        fingerprint: SHA-256 of the hub's certificate, lower-case hex.
        issuers: DNs of the CAs of our own authority, as :func:`smtpcreds.pki.names.sendmail_dn` writes them;
            of no other does a client certificate let anybody relay.
        system: that the host runs; :mod:`smtpcreds.mta.placed` speaks its terms.
        dovecot: version that dovecot.conf is written for.
        main_cf: what Postfix's main.cf says.
        master_cf: what its master.cf says.
        keytab: of the mail server of a hub, by which it takes Kerberos tickets; empty for none.
    """

    host: str
    hub: str
    realm: str
    mechanisms: tuple[str, ...]
    tls: Tls
    pid_file: str
    backend: Backend | None = None
    credential: Credential | None = None
    rules: tuple[Rule, ...] = ()
    variants: frozenset[str] = frozenset()
    port: int = 25
    material: Material | None = None
    accounts: tuple[Held, ...] = ()
    verifiers: Mapping[str, Secret] = field(default_factory=dict)
    clients: tuple[Client, ...] = ()
    replaced: tuple[str, ...] = ()
    fingerprint: str = ""
    issuers: tuple[str, ...] = ()
    system: System = DEBIAN
    dovecot: tuple[int, int] = (2, 3)
    main_cf: str = field(default="", repr=False)
    master_cf: str = field(default="", repr=False)
    keytab: str = ""

    @property
    def is_tls_from_the_start(self) -> bool:
        """Tell whether the port is that of submission over TLS, without STARTTLS (RFC 8314 section 7.3)."""
        return self.port == SUBMISSIONS


@dataclass(frozen=True)
class File:
    """A file of text. User and group are names; they become numbers where it is written."""

    path: str
    content: Content = field(repr=False)
    mode: int = 0o644
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Map:
    """A Berkeley DB hash file as makemap or postmap writes it from ``source``, but made without them.

    Keys and values on disk end in ``terminator``; in ``records`` they do not.
    """

    path: str
    records: Mapping[bytes, Content] = field(repr=False)
    source: str
    mode: int = 0o600
    user: str = "root"
    group: str = "root"
    terminator: bytes = b""


Rendered = File | Map


class Program(Protocol):
    """A mail program in one role; the modules ``sendmail_hub`` and ``sendmail_client`` are such.

    To add one: a module with these names, a row in the table of ``programs``, a section of the manual.
    """

    NAME: str
    """What the command line calls it."""
    TITLE: str
    """One line for people."""
    ROLE: Role
    FAMILY: str
    """The mail program without its role."""
    NEEDS: frozenset[Need]
    VARIANTS: frozenset[str]
    """Choices that it knows."""
    MECHANISMS: tuple[str, ...]
    """Of SASL, that it can offer or try."""
    SECRET_FILES: tuple[str, ...]
    """Paths of its files that hold a client's credential; parsed, they have ``authcid`` and ``secret``."""

    def render(self, facts: Facts) -> tuple[Rendered, ...]:
        """Return its files, those with secrets first."""

    def parse(self, path: str, content: bytes) -> Mapping[str, str | Secret]:
        """Read one of its files back: setting to value.

        Raises:
            DamagedFileError: a line that the program or we can't read, by its number.
        """

    def work(self, facts: Facts) -> Work:
        """Return what is left to do once the files are in place."""


def reads_crl(program: Program, facts: Facts) -> bool:
    """Tell whether a program's files name a CRL, so that it refuses the hub once that has ended."""
    names = [path.encode() for path in (facts.tls.crl, facts.tls.all_crls) if path]
    files = program.render(facts)
    paths = {item.path.rpartition("/")[2] for item in files}
    texts = [octets(item.content) for item in files if isinstance(item, File)]
    return "crl.pem" in paths or any(name in text for name in names for text in texts)


def octets(content: Content) -> bytes:
    """Return the content with its secrets."""
    return b"".join(piece.reveal() if isinstance(piece, Secret) else piece for piece in content)


def masked(content: Content) -> bytes:
    """Return the content with MASK in the place of each secret."""
    return b"".join(MASK if isinstance(piece, Secret) else piece for piece in content)


def is_secret(content: Content) -> bool:
    """Tell whether the content holds a secret."""
    return any(isinstance(piece, Secret) for piece in content)
