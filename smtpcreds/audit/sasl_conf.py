"""SASL: Sendmail.conf and smtpd.conf, where they are looked for, and the plugins that they need."""

import os
from collections.abc import Iterable, Iterator, Mapping

from ..accounts.entries import served
from ..deploy.plugins import absent_plugins
from ..errors import DamagedFileError
from ..lazy import dataclass
from ..model import Finding
from ..mta import main_cf, sasl_conf
from ..names import BY_PASSWORD, PLAINTEXT
from ..postgres import is_url
from ..sasldb.records import in_order
from ..shell import quote
from ..systems import SASL_HABITS
from .finding import Code
from .host import SENDMAIL_CF, Host
from .rewriting import set_sasl, written

_ANYWHERE = SASL_HABITS
METHODS = frozenset({"auxprop", "auxprop-hashed", "saslauthd", "authdaemond", "alwaystrue"})
"""What libsasl2 2.1.28 knows."""
_FINE = "pwcheck_method: auxprop"


def sendmail_confs(host: Host) -> tuple[str, ...]:
    """Return the files of this disk in which Sendmail looks; the first that is there counts."""
    return _in(host, host.site.system.sasl_search, "Sendmail.conf")


def smtpd_names(host: Host) -> tuple[str, ...]:
    """Return what Postfix calls itself to Cyrus SASL: ``smtpd_sasl_path`` of each service."""
    main = host.postfix
    told = [main.over(each.options) for each in main_cf.servers(host.services)] if main else []
    asking = [conf for conf in told or filter(None, [main]) if conf.value("smtpd_sasl_type") == "cyrus"]
    return tuple(dict.fromkeys(conf.value("smtpd_sasl_path") for conf in asking)) or ("smtpd",)


def smtpd_confs(host: Host, name: str) -> tuple[str, ...]:
    """Return the files of this disk in which Postfix looks, given its ``smtpd_sasl_path``.

    ``cyrus_sasl_config_path`` says where, but to Debian's Postfix up to 3.9; by default Debian's looks in its
    own directory, and everybody else's where Cyrus SASL does.
    """
    system, main = host.site.system, host.postfix
    told = main.value("cyrus_sasl_config_path") if main and system.postfix_is_told == "y" else ""
    here = (system.postfix_sasl,)
    by_default = here if system.postfix_sasl not in system.sasl_search else system.sasl_search
    return _in(host, told.split(":") if told else by_default, f"{name}.conf")


def _in(host: Host, directories: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the file in each directory; of a pattern, in those that are there."""
    return tuple(
        f"{found}/{name}"
        for directory in directories
        for found in (host.globbed(directory) if "*" in directory else [host.site.path(directory)])
    )


@dataclass(frozen=True)
class Conf:
    """A configuration that is read: by which program, where it lies, what it says."""

    program: str
    path: str
    settings: Mapping[str, str]

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What it limits the offer to; empty for no limit."""
        return tuple(self.settings.get("mech_list", "").upper().split())

    @property
    def backends(self) -> tuple[str, ...]:
        """The auxprop plugins that it names; sasldb where it names none and asks them."""
        if "auxprop" not in self.settings.get("pwcheck_method", "auxprop").lower().split():
            return ()
        return tuple(self.settings.get("auxprop_plugin", "sasldb").lower().split())


def exim_confs(host: Host) -> tuple[str, ...]:
    """Return the files of this disk in which Exim looks, where it asks Cyrus SASL."""
    return _in(host, host.site.system.sasl_search, "exim.conf")


def all_places(host: Host) -> tuple[str, ...]:
    """Return the files of this disk in which mail servers look."""
    postfix = (path for name in smtpd_names(host) for path in smtpd_confs(host, name))
    return (*sendmail_confs(host), *postfix, *exim_confs(host))


def exim_asks(host: Host) -> tuple[str, ...]:
    """Return the mechanisms for which Exim asks Cyrus SASL, one an authenticator."""
    known = host.exim[1].authenticators.values() if host.exim else ()
    asking = (options for options in known if options.get("driver") == "cyrus_sasl")
    return tuple(options.get("server_mech", options.get("public_name", "")).upper() for options in asking)


def confs(host: Host) -> Iterator[Conf]:
    """Yield the configurations that are read and can be."""
    for program, path, content in _files(host):
        try:
            found = sasl_conf.parse(content, path)
        except DamagedFileError:
            continue  # SASL010
        settings = {key: value.decode(errors="replace") for key, value in found.items()}
        if program == "exim":
            settings["mech_list"] = " ".join(exim_asks(host))  # its authenticators offer them
        yield Conf(program, path, settings)


SASL010 = Code.error(
    "SASL010",
    "a malformed line, for which libsasl2 refuses the whole file and the daemon every session",
)


def well_formed(host: Host) -> Iterator[Finding]:
    """Every line is one that libsasl2 can read."""
    for _, path, content in _files(host):
        try:
            sasl_conf.parse(content, path)
        except DamagedFileError as error:
            cure = written(host, path, error.hint or "correct the line")
            yield SASL010.found(path, error.reason, cure)


SASL009 = Code.error(
    "SASL009",
    "a pwcheck_method that Cyrus SASL 2 does not know; PLAIN and LOGIN fail while others work",
)


def methods(host: Host) -> Iterator[Finding]:
    """pwcheck_method is one of Cyrus SASL 2, not of the first version."""
    for conf in confs(host):
        for method in conf.settings.get("pwcheck_method", "auxprop").lower().split():
            if method not in METHODS:
                reason = (
                    f"says pwcheck_method: {method}, which Cyrus SASL 2 does not know: PLAIN and LOGIN fail"
                )
                better = "saslauthd" if method in {"pam", "shadow", "kerberos_v4"} else "auxprop"
                cure = set_sasl(host, conf.path, "pwcheck_method", better)
                yield SASL009.found(conf.path, reason, cure)


SASL011 = Code.error(
    "SASL011",
    "accounts read through the sqlite3 engine of the sql plugin, by which SQL in a login name opens any "
    "account",
)


def engines(host: Host) -> Iterator[Finding]:
    """The sql plugin is not asked to read SQLite, whose quoting it gets wrong."""
    for conf in confs(host):
        engine = conf.settings.get("sql_engine", "").lower()
        if engine.startswith("sqlite") and "sql" in conf.backends:
            reason = f"says sql_engine: {engine}, by which SQL in a login name opens any account"
            conf_anew = f"smtpcreds sasl conf --program {conf.program} --to {quote(conf.path)} --force"
            cure = f"{conf_anew}, for sasldb2 or PostgreSQL"
            yield SASL011.found(conf.path, reason, written(host, conf.path, cure))


SASL014 = Code.error(
    "SASL014",
    "a mail server that looks accounts up in another database than the one that is kept here",
)


def databases(host: Host) -> Iterator[Finding]:
    """The mail server reads the database that is kept here, or a copy that is kept in step with it."""
    kept, copies = host.site.settings.sasl.database, host.site.settings.sasl.copies
    jail = host.postfix.value("queue_directory") if host.postfix else ""
    for conf in confs(host):
        if "sasldb" in conf.backends:
            read = conf.settings.get("sasldb_path", host.site.system.sasldb)
            places = (read, jail + read) if conf.program == "postfix" else (read,)
            if not {kept, *copies}.intersection(places):
                reason = f"looks accounts up in {read}, and they are kept in {kept.partition('?')[0]}"
                yield SASL014.found(conf.path, reason, _cure_of_place(host, conf.path, places))
        elif "sql" in conf.backends and not is_url(kept):
            reason = f"looks accounts up by the sql plugin, and they are kept in {kept}"
            yield SASL014.found(conf.path, reason, set_sasl(host, conf.path, "auxprop_plugin", "sasldb"))


def _cure_of_place(host: Host, conf: str, places: Iterable[str]) -> str:
    """Return how the place that is read comes to be kept: as a copy, if there is a database."""
    there = [place for place in places if os.path.exists(host.path(place))]
    kept = host.site.settings.sasl.database
    if is_url(kept):
        return written(host, conf, f"let {conf} ask PostgreSQL, as this prints it: smtpcreds sasl conf")
    if not there:
        return set_sasl(host, conf, "sasldb_path", kept)
    site = host.site
    copies = ", ".join(f'"{path}"' for path in (*site.settings.sasl.copies, there[-1]))
    return f"write copies = [{copies}] in table [sasl] of {site.settings_path}, or set sasldb_path in {conf}"


SASL013 = Code.error(
    "SASL013",
    "a Sendmail.conf where Sendmail does not look for it; it goes on with defaults and says nothing",
)
MTA107 = Code.error(
    "MTA107",
    "an smtpd.conf where Postfix does not look for it; it offers every mechanism that is installed",
)


def places(host: Host) -> Iterator[Finding]:
    """No configuration lies where nobody reads it while none lies where it is read."""
    searched: tuple[tuple[str, tuple[str, ...], Code], ...]
    searched = (("Sendmail", sendmail_confs(host), SASL013),)
    if host.postfix is not None:
        searched += tuple(("Postfix", smtpd_confs(host, name), MTA107) for name in smtpd_names(host))
    for program, alive, code in searched:
        if any(map(os.path.exists, alive)):
            continue
        for path in _in(host, _ANYWHERE, os.path.basename(alive[0])):
            if os.path.exists(path) and path not in alive:
                reason = f"is not read by {program}, which offers every mechanism that is installed"
                directory = os.path.dirname(alive[0])
                made = "" if os.path.isdir(directory) else f"mkdir -p {quote(directory)} && "
                yield code.found(path, reason, f"{made}mv {quote(path)} {quote(alive[0])}")


SASL008 = Code.error("SASL008", "a mechanism or backend whose plugin is not installed")


def plugins(host: Host) -> Iterator[Finding]:
    """Each mechanism and backend that is named has its plugin; nothing is said where there is no SASL."""
    paths = {mechanism: path for path, mechanism in _named_mechanisms(host)}
    for absent in absent_plugins(host.site, paths):
        yield SASL008.found(paths[absent.named], absent.reason, absent.cure)
    for conf in confs(host):
        for absent in absent_plugins(host.site, (), conf.backends):
            yield SASL008.found(conf.path, absent.reason, absent.cure)


MTA019 = Code.error(
    "MTA019",
    "Sendmail.conf and confAUTH_MECHANISMS have no mechanism in common, so nobody can log in",
)
SASL015 = Code.warning(
    "SASL015",
    "a mechanism that the mail server is to offer and that mech_list leaves out",
)


def offers(host: Host) -> Iterator[Finding]:
    """What a relay's sendmail.cf offers is not cut down by mech_list; to a client host nobody logs in."""
    if host.logs_in_by_sendmail and not host.relays_by_sendmail:
        return
    offered = [name.upper() for name in host.sendmail.words("AuthMechanisms")] if host.sendmail else []
    for conf in confs(host):
        left_out = [name for name in offered if conf.mechanisms and name not in conf.mechanisms]
        if conf.program != "sendmail" or not left_out:
            continue
        if left_out == offered:
            reason = "has a mech_list without any of confAUTH_MECHANISMS, so there is no AUTH"
            yield MTA019.found(conf.path, reason, _listed(host, conf, offered))
        else:
            reason = f"has a mech_list without {' '.join(left_out)}, which sendmail.cf offers"
            yield SASL015.found(conf.path, reason, _listed(host, conf, offered))


def _listed(host: Host, conf: Conf, mechanisms: Iterable[str]) -> str:
    """Return how mech_list comes to name mechanisms."""
    return set_sasl(host, conf.path, "mech_list", " ".join(mechanisms))


def _files(host: Host) -> Iterator[tuple[str, str, bytes]]:
    """Yield program, path and content of the configuration that each program reads."""
    places = [("sendmail", sendmail_confs(host))]
    places += [("postfix", smtpd_confs(host, name)) for name in smtpd_names(host)]
    if exim_asks(host):
        places.append(("exim", exim_confs(host)))
    for program, candidates in places:
        path = next(filter(os.path.exists, candidates), None)
        content = host.content(path) if path else None
        if path and content is not None:
            yield program, path, content


def _named_mechanisms(host: Host) -> Iterator[tuple[str, str]]:
    """Yield each mechanism that is to be offered with the file that says so."""
    named = {name: conf.path for conf in confs(host) for name in conf.mechanisms}
    if host.sendmail:
        words = host.sendmail.words("AuthMechanisms")
        named |= {name.upper(): host.path(SENDMAIL_CF) for name in words}
    for mechanism, path in named.items():
        yield path, mechanism


def _served_here(host: Host) -> set[str]:
    """Return the mechanisms that some account here can be served by; most accounts alone by all."""
    found: set[str] = set()
    for _, held in in_order(host.records):
        found.update(served(held))
        if found.issuperset(BY_PASSWORD):
            break
    return found


SASL020 = Code.note("SASL020", "a mechanism that is offered, and that no account can be served by")


def unserved(host: Host) -> Iterator[Finding]:
    """What is offered serves somebody; login accounts are served by PLAIN and LOGIN."""
    for conf in confs(host):
        by_accounts = _served_here(host)
        asks_pam = "saslauthd" in conf.settings.get("pwcheck_method", "").lower().split()
        known = by_accounts | (set(PLAINTEXT) if asks_pam else set())
        useless = [name for name in conf.mechanisms if name in BY_PASSWORD and name not in known]
        if by_accounts and conf.backends and useless:
            reason = f"offers {' '.join(useless)}, by which no account here can be served"
            cure = "smtpcreds sasl passwd ACCOUNT --clear, or offer others: --mechanism"
            yield SASL020.found(conf.path, reason, cure)
