"""What an audit looks at: one host, its mail programs' configuration, and the certificates that it has.

Everything is read when a check first asks for it, and once; no program is run. What can't be read is
remembered, and taken as if it were not there.
"""

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import TypeVar

from ..accounts.database import AccountDatabase
from ..ca.authority import CA
from ..ca.directory import directories
from ..ca.layout import BUNDLE, Pair, bundle_again, is_client_host, pair_of, reading
from ..config import Site
from ..deploy.options import RenderOptions, applied_options
from ..deploy.role import of_hub
from ..errors import UNUSABLE, DataError, MissingInputError, SmtpcredsError
from ..files import read_public
from ..files.rights import User
from ..inventory.rows import CertificateRow as Row
from ..inventory.rows import State
from ..lazy import dataclass
from ..model import Root, decimal
from ..mta import auth_info, exim_rules, main_cf, sendmail_cf
from ..mta import dovecot as mta_dovecot
from ..mta import exim as mta_exim
from ..mta import postfix as mta_postfix
from ..mta.program import Role
from ..mta.programs import PROGRAMS
from ..names import is_qualified
from ..pki.chains import Known, is_link_name, is_self_signed
from ..pki.describe import fingerprint
from ..pki.encoding import Parsed, parse_certificates, whole
from ..pki.keys import decode_key, public_id
from ..pki.names import title
from ..pki.pair_rules import strength_fault
from ..pki.profiles import HOST_PROFILES, Purpose
from ..pki.values import Certificate
from ..postgres import is_url
from ..shell import quote
from ..systems import PUBLIC_CERTIFICATES, SYSTEMS, Words
from . import uses
from .uses import CertificateUse

T = TypeVar("T")
NOTHING: tuple[str, ...] = ()
SENDMAIL_CF = "/etc/mail/sendmail.cf"
SENDMAIL_MC = "/etc/mail/sendmail.mc"
MAIN_CF = mta_postfix.MAIN
MASTER_CF = mta_postfix.MASTER
EXIM_CONF = (mta_exim.GENERATED, *(system.exim_conf for system in SYSTEMS.values()))
EXIM_USERS = (*(system.exim_user for system in SYSTEMS.values()), "mail")
DOVECOT_CONF = mta_dovecot.CONFIGURATION
CERTIFICATE_END = "-cert.pem"


def user_of(root: Root, name: str) -> User | None:
    """Return a user of the root, by its own /etc/passwd and /etc/group where it has them; None if unknown."""
    entry = next((line for line in _database(root, "passwd") if line[0] == name and len(line) > 3), None)
    number, group = map(decimal, entry[2:4]) if entry else (None, None)
    if number is None or group is None:
        return None
    groups = (line for line in _database(root, "group") if len(line) > 3 and name in line[3].split(","))
    further = {found for line in groups if (found := decimal(line[2])) is not None}
    return User(name, number, frozenset({group, *further}))


def group_of(root: Root, name: str) -> int | None:
    """Return the number of a group, or None."""
    found = (decimal(line[2]) for line in _database(root, "group") if line[0] == name and len(line) > 2)
    return next((number for number in found if number is not None), None)


def _database(root: Root, name: str) -> Iterator[list[str]]:
    path = root.path(f"/etc/{name}")
    try:
        text = read_public(path if os.path.exists(path) else f"/etc/{name}")
    except MissingInputError:
        return
    yield from (line.split(":") for line in text.decode(errors="surrogateescape").splitlines() if line)


def _files_in(directory: str) -> Iterator[str]:
    """Yield the files in a directory in order, and no hash link; most entries say what they are."""
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        is_link = entry.is_symlink()
        is_file = os.path.isfile(entry.path) if is_link else entry.is_file(follow_symlinks=False)
        if is_file and not (is_link and is_link_name(entry.name)):
            yield f"{directory}/{entry.name}"


@dataclass(frozen=True)
class CertificatePlace:
    """Where a certificate and its key are, or should be; paths of this disk.

    Attributes:
        certificate: the file.
        key: where its key is; empty where none is configured.
        uses: what is configured with it; empty where it only lies there.
    """

    certificate: str
    key: str
    uses: tuple[CertificateUse, ...]


@dataclass(frozen=True)
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
    known: Known

    @cached_property
    def key_id(self) -> str:
        """The SHA-256 of its public key; see :func:`smtpcreds.pki.keys.public_id`."""
        return public_id(self.leaf)

    @cached_property
    def weakness(self) -> str | None:
        """Why mail programs refuse its key; see :func:`smtpcreds.pki.pair_rules.strength_fault`."""
        return strength_fault(self.leaf)

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

    @property
    def host(self) -> str:
        """The name of its host: the inventory's, else the first name that it holds."""
        return self.row.host if self.row else title(self.leaf)


@dataclass(frozen=True)
class Host:
    """One host under audit.

    Attributes:
        site: which.
        unread: why something could not be read, in the order in which it was tried.
        typed_port: at which client hosts come in, as typed; 0 is what was applied or is configured.
        typed_hub_port: that a mail program of a client host is told, as typed; likewise.
    """

    site: Site
    unread: list[SmtpcredsError] = field(default_factory=list, compare=False)
    typed_port: int = 0
    typed_hub_port: int = 0
    _read: dict[str, bytes] = field(default_factory=dict, init=False, compare=False, repr=False)
    _parsed: dict[str, Parsed] = field(default_factory=dict, init=False, compare=False)
    _key_ids: dict[str, str] = field(default_factory=dict, init=False, compare=False)
    _listed: dict[str, list[str]] = field(default_factory=dict, init=False, compare=False, repr=False)
    _known: dict[tuple[str, tuple[CertificateUse, ...]], Known] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @property
    def top(self) -> str:
        """The directory that stands for ``/``; nothing above it is looked at."""
        return self.site.root.prefix.rstrip("/") or "/"

    def path(self, absolute: str) -> str:
        """Return where a path of the host lies on this disk; one of Debian is taken as the host has it."""
        return self.site.path(self.said(absolute))

    def said(self, text: str) -> str:
        """Return text of ours, a command for example, as the host's system has it."""
        return self._words.said(text)

    @cached_property
    def _words(self) -> Words:
        return Words(self.site.system, self.name)

    def globbed(self, pattern: str) -> list[str]:
        """Return what is there of a pattern of paths of the host, on this disk."""
        return sorted(glob.glob(f"{glob.escape(self.top.rstrip('/'))}{pattern}"))

    def read(self, path: str) -> bytes:
        """Return a file of this disk as it was when the first check read it."""
        if path not in self._read:
            self._read[path] = read_public(path)
        return self._read[path]

    def parsed(self, path: str) -> Parsed:
        """Return the certificates of a file and how they are encoded; parsed once."""
        if path not in self._parsed:
            self._parsed[path] = parse_certificates(self.read(path), path)
        return self._parsed[path]

    def key_id_at(self, path: str) -> str:
        """Return the SHA-256 of the public half of a private key that is not encrypted; decoded once."""
        if path not in self._key_ids:
            self._key_ids[path] = public_id(decode_key(self.read(path), None, path))
        return self._key_ids[path]

    def content(self, path: str) -> bytes | None:
        """Return a file of this disk; None where there is none, or one that can't be read."""
        return self.attempt(lambda: self.read(path), None)

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
        main = self.postfix or main_cf.MainCf({})
        return self.attempt(lambda: main_cf.parse_master(text, path, main), ())

    @cached_property
    def exim(self) -> tuple[str, mta_exim.EximConf] | None:
        """Exim's configuration and its path on the host, or None."""
        path = next((path for path in EXIM_CONF if os.path.exists(self.path(path))), None)
        if path is None:
            return None
        lines = exim_rules.in_force(mta_exim.expand(self.text(path) or "", self.text))
        return path, mta_exim.parse_configuration("\n".join(lines))

    @cached_property
    def exim_rules(self) -> exim_rules.Configuration | None:
        """The same with its macros and conditions, its access lists and all options, or None."""
        if self.exim is None:
            return None
        return exim_rules.parse(mta_exim.expand(self.text(self.exim[0]) or "", self.text))

    @cached_property
    def dovecot_lines(self) -> list[mta_dovecot.Origin]:
        """The lines of Dovecot's configuration and of the files that it includes, as they are read."""
        text = self.text(DOVECOT_CONF)
        path = self.said(DOVECOT_CONF)
        return [] if text is None else [*mta_dovecot.origins(path, text, self._dovecot_files)]

    @cached_property
    def dovecot(self) -> mta_dovecot.DovecotConf | None:
        """Dovecot's configuration with the files that it includes, or None."""
        text = "\n".join(origin.line for origin in self.dovecot_lines)
        return mta_dovecot.parse_configuration(text) if self.dovecot_lines else None

    def _dovecot_files(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Yield the files of an ``!include`` in the order of their names."""
        top = self.path("/").rstrip("/")
        for found in self.globbed(pattern):
            path = found.removeprefix(top)
            yield path, self.text(path) or ""

    @cached_property
    def uses(self) -> tuple[CertificateUse, ...]:
        """Every role in which a mail program has a certificate; those with a relative path are left out."""
        return tuple(use for use in self._uses() if all(path.startswith("/") for path in use.paths))

    def _uses(self) -> Iterator[CertificateUse]:
        if self.sendmail:
            yield from uses.of_sendmail(self.sendmail, SENDMAIL_CF)
        if self.postfix:
            yield from uses.of_postfix(self.postfix, MAIN_CF)
        if self.exim:
            yield from uses.of_exim(self.exim[1], self.exim[0], self.exim_user)
        if self.dovecot:
            found = uses.of_dovecot(self.dovecot, DOVECOT_CONF)
            yield from (use for use in found if not self._is_of_package(use))

    def _is_of_package(self, use: CertificateUse) -> bool:
        """Tell whether it is the self-signed one that Debian's package gives Dovecot, for IMAP."""
        targets = {os.path.basename(os.path.realpath(self.path(path))) for path in use.certificates}
        return targets == {"ssl-cert-snakeoil.pem"}

    @property
    def absent(self) -> list[str]:
        """What is not there to be looked at; a client host has no authority and no accounts."""
        database = self.site.sasldb
        programs = (self.sendmail, self.postfix, self.exim, self.dovecot)
        rows = (
            (self.ca.is_there, "an authority"),
            (self.places, f"certificates in {self.site.certificates}"),
            (is_url(database) or os.path.exists(database), f"accounts in {database}"),
            (any(programs), "Sendmail, Postfix, Exim or Dovecot, configured"),
        )
        return [what for is_there, what in rows if not is_there]

    @cached_property
    def owners(self) -> frozenset[int]:
        """The numbers of root, of who runs the audit, and of Sendmail's own users."""
        options = ("TrustedUser", "RunAsUser")
        told = [self.sendmail.option(name).partition(":")[0] for name in options] if self.sendmail else []
        found = (user_of(self.site.root, name) for name in (self.site.system.sendmail_owner, *told) if name)
        return frozenset({0, os.geteuid(), *(user.uid for user in found if user)})

    @cached_property
    def exim_user(self) -> str:
        """Who Exim runs as: the first of the distributions' names that the root knows."""
        names = (self.site.system.exim_user, *EXIM_USERS)
        return next((name for name in names if user_of(self.site.root, name)), names[0])

    @cached_property
    def server_names(self) -> tuple[str, ...]:
        """What Sendmail may call itself: ``$j`` where that is set, else this host's name, or the hub's."""
        name = self.sendmail.macros.get("j", "") if self.sendmail else ""
        if name and "$" not in name and is_qualified(name):
            return (name.lower(),)
        return tuple(dict.fromkeys((self.name, self.site.hub)))

    @cached_property
    def name(self) -> str:
        """This host's full name."""
        return self.site.qualify(self.site.own_name)

    @property
    def known_as(self) -> str:
        """The one of its names that clients know."""
        return self.server_names[-1]

    def _recorded(self) -> tuple[str, ...]:
        with reading(self.site) as inventory:
            return tuple(directories(self.site, inventory))

    @cached_property
    def own_places(self) -> tuple[str, ...]:
        """Those that hold what smtpcreds installed, or that Sendmail alone is told of."""
        shared = tuple(map(self.path, PUBLIC_CERTIFICATES))
        named = (self.path(use.ca_path) for use in self.uses if use.program == "sendmail" and use.ca_path)
        recorded = self.attempt(self._recorded, NOTHING)
        found = (self.site.certificates, *recorded, *(path for path in named if not path.startswith(shared)))
        return tuple(directory for directory in dict.fromkeys(found) if os.path.isdir(directory))

    @cached_property
    def places(self) -> tuple[CertificatePlace, ...]:
        """Every place of a certificate that is configured or named like that of a pair; each file once."""
        uses: dict[str, list[CertificateUse]] = {}
        keys: dict[str, str] = {}
        for use in self.uses:
            for number, name in enumerate(use.certificates):
                path = self.path(name)
                uses.setdefault(path, []).append(use)
                keys.setdefault(path, self.path(use.keys[min(number, len(use.keys) - 1)]) if use.keys else "")
        for directory in self.own_places:
            for name in self.listing(directory):
                if name.endswith(CERTIFICATE_END):
                    pair = Pair(f"{directory}/{name.removesuffix(CERTIFICATE_END)}")
                    keys.setdefault(pair.certificate, pair.key)
        return tuple(CertificatePlace(path, key, tuple(uses.get(path, ()))) for path, key in keys.items())

    @cached_property
    def port(self) -> int:
        """The port at which client hosts come in, if this is a hub."""
        hubs = [program for program in PROGRAMS.values() if program.ROLE is Role.HUB]
        applied: Mapping[str, RenderOptions] = self.attempt(lambda: applied_options(self.site, *hubs), {})
        ports = (self.typed_port, *(options.port for options in applied.values()))
        return next(filter(None, ports), self.site.settings.mta.port)

    def hub_of(self, name: str) -> str:
        """Return the hub that a mail program sends to; nothing where none is configured."""
        program = PROGRAMS[name]
        applied = applied_options(self.site, program).get(program.NAME, RenderOptions())
        hub = applied.hub or of_hub(self.site, program).settings.hub
        return self.site.qualify(hub) if hub else ""

    def port_of_hub(self, name: str) -> int:
        """Return the port of the hub that a mail program is told."""
        program = PROGRAMS[name]
        applied = applied_options(self.site, program).get(program.NAME, RenderOptions())
        return self.typed_hub_port or applied.port or of_hub(self.site, program).settings.mta.port

    @cached_property
    def ca(self) -> CA:
        """The authority of this host, read once."""
        return CA(self.site)

    @cached_property
    def certificates(self) -> tuple[InstalledCertificate, ...]:
        """Every certificate under audit that can be read; CERT002 names the others.

        That of a client host that was revoked is handed out no more, and in use nowhere.
        """
        read = ((place, self.certificates_in(place.certificate)) for place in self.places)
        held = [(place, found, fingerprint(found[0])) for place, found in read if found]
        rows: Mapping[str, Row] = self.attempt(lambda: self._rows(identity for _, _, identity in held), {})
        all_read = (
            InstalledCertificate(place, first, tuple(others), rows.get(identity), self._known_at(place))
            for place, (first, *others), identity in held
        )
        return tuple(one for one in all_read if not self._is_shut_out(one))

    def _is_shut_out(self, one: InstalledCertificate) -> bool:
        is_kept_for_a_host = os.path.dirname(one.path) == self.site.hosts
        return is_kept_for_a_host and one.row is not None and one.row.state is State.REVOKED

    def _rows(self, prints: Iterable[str]) -> Mapping[str, Row]:
        with reading(self.site) as inventory:
            return inventory.by_fingerprint(prints)

    def _known_at(self, place: CertificatePlace) -> Known:
        """Return the CA certificates at hand; they are the same for all that lie together unconfigured."""
        which = os.path.dirname(place.certificate), place.uses
        if which not in self._known:
            files = (f"{which[0]}/{BUNDLE}", self.path(self.site.system.ca_bundle))
            configured = (ca for use in place.uses for ca in self.trusted_by(use))
            beside = (ca for path in files for ca in self.certificates_in(path))
            self._known[which] = Known((*configured, *beside))
        return self._known[which]

    def certificates_in(self, path: str) -> tuple[Certificate, ...]:
        """Return the certificates of a file of this disk; none where it holds none, or is not for us."""
        try:
            return self.parsed(path).certificates
        except UNUSABLE:
            return ()

    @cached_property
    def lying_around(self) -> tuple[str, ...]:
        """The files of the certificate directories; hash links lead to these."""
        return tuple(path for directory in self.own_places for path in _files_in(directory))

    @cached_property
    def key_files(self) -> tuple[str, ...]:
        """The private keys that are configured, and those that lie in a certificate directory."""
        named = (self.path(key) for use in self.uses for key in use.keys)
        return tuple(dict.fromkeys((*filter(os.path.exists, named), *filter(self.is_key, self.lying_around))))

    def is_key(self, path: str) -> bool:
        """Tell whether a file holds a private key as PEM, encrypted or not."""
        return b"PRIVATE KEY-----" in (self.content(path) or b"")

    def may_hold_certificates(self, path: str) -> bool:
        """Tell whether a file is worth parsing; most of those that hold none are keys."""
        content = self.content(path) or b""
        return b"CERTIFICATE-----" in content or whole(content)

    def trusted_by(self, use: CertificateUse) -> tuple[Certificate, ...]:
        """Return the CA certificates that a program finds: those of its file, and those with a hash link."""
        found = list(self.certificates_in(self.path(use.ca_file))) if use.ca_file else []
        directory = self.path(use.ca_path) if use.ca_path else ""
        for name in self.listing(directory):
            if is_link_name(name) and ".r" not in name:
                found += self.certificates_in(f"{directory}/{name}")
        return tuple(dict.fromkeys(found))

    def is_self_signed_default(self, certificate: InstalledCertificate) -> bool:
        """Tell whether it is a self-signed one, like Debian's snakeoil, on a host that is not the hub.

        A host to which nobody relays shows it to strangers only, who verify nothing. One that has neither
        an authority nor a hub named is no hub yet.
        """
        is_hub = self.name == self.site.hub and (bool(self.site.settings.hub) or self.ca.is_there)
        return certificate.roles == (Purpose.SERVER,) and not is_hub and is_self_signed(certificate.leaf)

    @cached_property
    def authorities(self) -> tuple[Certificate, ...]:
        """The CA certificates of our own authority and of superseded ones.

        None where there is no authority.
        """
        return self.attempt(lambda: self.ca.trusted, ()) if self.ca.is_there else ()

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

    def listing(self, directory: str) -> list[str]:
        """Return the names in a directory in order, listed once; none where it is not there."""
        if directory not in self._listed:
            self._listed[directory] = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        return self._listed[directory]

    @property
    def default_auth_info(self) -> str:
        """The file that sendmail.cf names, else the usual one."""
        named = self.sendmail.option("DefaultAuthInfo") if self.sendmail else ""
        return self.path(named if named.startswith("/") else auth_info.DEFAULT_PATH)

    @cached_property
    def has_sample_auth_info(self) -> bool:
        """Tell whether that file is the sample of Debian's package, whose account nobody has."""
        return auth_info.is_sample(self.content(self.default_auth_info) or b"")

    @property
    def relays_by_sendmail(self) -> bool:
        """Tell whether Sendmail relays for who logs in; a client host's Sendmail does not."""
        return bool(self.sendmail and self.sendmail.classes.get("TrustAuthMech"))

    @property
    def logs_in_by_sendmail(self) -> bool:
        """Tell whether Sendmail logs in to a relay, as on a client host."""
        return bool(
            self.sendmail and (self.sendmail.option("DefaultAuthInfo") or "authinfo" in self.sendmail.maps)
        )

    def issue(self, path: str, name: str, option: str = "") -> str:
        """Return the command for a pair at a path, or of files to be configured instead of that path."""
        directory = os.path.dirname(path)
        if directory == self.site.hosts:  # whatever lies there: its place says for whom
            name = self.site.qualify(re.sub(r"-(key|cert)\.pem$", "", os.path.basename(path)))
        pair = pair_of(self.site, name, directory)
        if self.is_client:
            changed = f"smtpcreds cert renew {quote(name)} --new-key"
            again = bundle_again(self.site, name, "--new-key", changed=changed)
            return (
                again
                if path in {pair.certificate, pair.key}
                else f"{again}, and configure {quote(pair.key)} instead"
            )
        command = " ".join(filter(None, ("smtpcreds cert issue", quote(name), option, "--force")))
        if path not in {pair.certificate, pair.key}:
            return f"{self.at_authority(command)}, and configure its files instead of {quote(path)}"
        here = directory == self.site.certificates or not self.has_authority
        return self.at_authority(command if here else f"{command} --to {quote(directory)}")

    def issue_again(self, certificate: InstalledCertificate, option: str = "") -> str:
        """Return the command that makes a new pair in the same place."""
        return self.issue(certificate.path, certificate.host, option)

    @cached_property
    def has_authority(self) -> bool:
        """Tell whether the authority is on this host."""
        return self.ca.is_there

    @cached_property
    def is_client(self) -> bool:
        """Tell whether its certificates come in bundles from a hub."""
        return is_client_host(self.site) and self.site.hub != self.name

    def at_authority(self, command: str) -> str:
        """Return a command of the authority, for this host or for the one where that is."""
        if self.is_client:
            return bundle_again(self.site, self.name, "--no-key --crl", changed=command)
        return command if self.has_authority else f"on the authority: {command}; then copy the files here"
