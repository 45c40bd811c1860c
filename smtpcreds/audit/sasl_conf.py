"""SASL: Sendmail.conf and smtpd.conf, and the plugins that they need."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import DamagedFileError
from ..mta import sasl_conf
from ..postgres import is_url
from .accounts import DEAD_SENDMAIL_CONFS, DEAD_SMTPD_CONFS, PLUGINS, SENDMAIL_CONFS, SMTPD_CONFS
from .finding import Finding, found
from .world import Host

METHODS = frozenset({"auxprop", "auxprop-hashed", "saslauthd", "authdaemond", "alwaystrue"})
"""What libsasl2 2.1.28 knows."""
_MECHANISM_PLUGINS = {
    "PLAIN": "libplain.so",
    "LOGIN": "liblogin.so",
    "CRAM-MD5": "libcrammd5.so",
    "DIGEST-MD5": "libdigestmd5.so",
    "ANONYMOUS": "libanonymous.so",
    "NTLM": "libntlm.so",
    "OTP": "libotp.so",
    "GSSAPI": "libgssapiv2.so",
    **{f"SCRAM-SHA-{size}": "libscram.so" for size in (1, 224, 256, 384, 512)},
}
_MECHANISM_PACKAGES = {"GSSAPI": "libsasl2-modules-gssapi-mit", "OTP": "libsasl2-modules-otp"}
"""Debian's; the others are in libsasl2-modules."""
_BACKEND_PLUGINS = {"sasldb": "libsasldb.so", "sql": "libsql.so", "ldapdb": "libldapdb.so"}
_BACKEND_PACKAGES = {"sql": "libsasl2-modules-sql", "ldapdb": "libsasl2-modules-ldap"}
_FINE = "pwcheck_method: auxprop"


@dataclass(frozen=True, slots=True)
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
        if self.settings.get("pwcheck_method", "auxprop") != "auxprop":
            return ()
        return tuple(self.settings.get("auxprop_plugin", "sasldb").lower().split())


def confs(world: Host) -> Iterator[Conf]:
    """Yield the configurations that are read and can be."""
    for program, path, content in _files(world):
        try:
            settings = sasl_conf.parse(content, path)
        except DamagedFileError:
            continue  # SASL010
        yield Conf(program, path, {key: value.decode(errors="replace") for key, value in settings.items()})


def well_formed(world: Host) -> Iterator[Finding]:
    """Every line is one that libsasl2 can read."""
    for _, path, content in _files(world):
        try:
            sasl_conf.parse(content, path)
        except DamagedFileError as error:
            yield found("SASL010", path, error.reason, error.hint or "correct the line")


def methods(world: Host) -> Iterator[Finding]:
    """pwcheck_method is one of Cyrus SASL 2, not of the first version."""
    for conf in confs(world):
        for method in conf.settings.get("pwcheck_method", "auxprop").lower().split():
            if method not in METHODS:
                reason = (
                    f"says pwcheck_method: {method}, which Cyrus SASL 2 does not know: PLAIN and LOGIN fail"
                )
                better = "saslauthd" if method in {"pam", "shadow", "kerberos_v4"} else "auxprop"
                cure = f"write pwcheck_method: {better} in {conf.path}"
                yield found("SASL009", conf.path, reason, cure)


def engines(world: Host) -> Iterator[Finding]:
    """The sql plugin is not asked to read SQLite, whose quoting it gets wrong."""
    for conf in confs(world):
        engine = conf.settings.get("sql_engine", "").lower()
        if engine.startswith("sqlite") and "sql" in conf.backends:
            reason = f"says sql_engine: {engine}, by which SQL in a login name opens any account"
            yield found(
                "SASL011", conf.path, reason, "smtpcreds sasl conf --to FILE, for sasldb2 or PostgreSQL"
            )


def databases(world: Host) -> Iterator[Finding]:
    """The mail server reads the database that is kept here, or a copy that is kept in step with it."""
    kept, copies = world.site.settings.sasl.database, world.site.settings.sasl.copies
    jail = world.postfix.value("queue_directory") if world.postfix else ""
    for conf in confs(world):
        if "sasldb" in conf.backends:
            read = conf.settings.get("sasldb_path", "/etc/sasldb2")
            places = (read, jail + read) if conf.program == "postfix" else (read,)
            if not {kept, *copies}.intersection(places):
                reason = f"looks accounts up in {read}, and they are kept in {kept.partition('?')[0]}"
                yield found("SASL014", conf.path, reason, _cure_of_place(world, conf.path, places))
        elif "sql" in conf.backends and not is_url(kept):
            reason = f"looks accounts up by the sql plugin, and they are kept in {kept}"
            yield found("SASL014", conf.path, reason, f"set auxprop_plugin: sasldb in {conf.path}")


def _cure_of_place(world: Host, conf: str, places: Iterable[str]) -> str:
    """Return how the place that is read comes to be kept: as a copy, if there is a database."""
    there = [place for place in places if os.path.exists(world.path(place))]
    if not there or is_url(world.site.settings.sasl.database):
        return f"set sasldb_path in {conf}"
    site = world.site
    copies = ", ".join(f'"{path}"' for path in (*site.settings.sasl.copies, there[-1]))
    return f"write copies = [{copies}] in table [sasl] of {site.settings_path}, or set sasldb_path in {conf}"


def places(world: Host) -> Iterator[Finding]:
    """No configuration lies where nobody reads it while none lies where it is read."""
    searched: tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...]
    searched = (("Sendmail", DEAD_SENDMAIL_CONFS, SENDMAIL_CONFS, "SASL013"),)
    if world.postfix is not None:
        searched += (("Postfix", DEAD_SMTPD_CONFS, SMTPD_CONFS, "MTA107"),)
    for program, dead, alive, code in searched:
        if any(os.path.exists(world.path(path)) for path in alive):
            continue
        for path in map(world.path, dead):
            if os.path.exists(path):
                reason = f"is not read by {program}, which offers every mechanism that is installed"
                yield found(code, path, reason, f"mv {path} {world.path(alive[0])}")


def plugins(world: Host) -> Iterator[Finding]:
    """Each mechanism and backend that is named has its plugin; nothing is said where there is no SASL."""
    installed = _installed(world)
    if not installed:
        return
    for path, mechanism in _named_mechanisms(world):
        plugin = _MECHANISM_PLUGINS.get(mechanism)
        if plugin and not any(name.startswith(plugin) for name in installed):
            reason = f"names {mechanism}, and its plugin {plugin} is not installed"
            package = _MECHANISM_PACKAGES.get(mechanism, "libsasl2-modules")
            yield found("SASL008", path, reason, f"apt-get install {package}")
    for conf in confs(world):
        for backend in conf.backends:
            plugin = _BACKEND_PLUGINS.get(backend, f"lib{backend}.so")
            if not any(name.startswith(plugin) for name in installed):
                reason = f"names auxprop_plugin {backend}, and its plugin {plugin} is not installed"
                package = _BACKEND_PACKAGES.get(backend, "libsasl2-modules-db")
                yield found("SASL008", conf.path, reason, f"apt-get install {package}")


def offers(world: Host) -> Iterator[Finding]:
    """What sendmail.cf offers is not cut down by mech_list."""
    offered = [name.upper() for name in world.sendmail.words("AuthMechanisms")] if world.sendmail else []
    for conf in confs(world):
        left_out = [name for name in offered if conf.mechanisms and name not in conf.mechanisms]
        if conf.program != "sendmail" or not left_out:
            continue
        if left_out == offered:
            reason = "has a mech_list without any of confAUTH_MECHANISMS, so there is no AUTH"
            yield found("MTA019", conf.path, reason, f"write mech_list: {' '.join(offered)}")
        else:
            reason = f"has a mech_list without {' '.join(left_out)}, which sendmail.cf offers"
            yield found("SASL015", conf.path, reason, f"write mech_list: {' '.join(offered)}")


def _files(world: Host) -> Iterator[tuple[str, str, bytes]]:
    """Yield program, path and content of the configuration that each program reads."""
    for program, candidates in (("sendmail", SENDMAIL_CONFS), ("postfix", SMTPD_CONFS)):
        path = next((p for p in map(world.path, candidates) if os.path.exists(p)), None)
        content = world.content(path) if path else None
        if path and content is not None:
            yield program, path, content


def _installed(world: Host) -> set[str]:
    directories = (found for pattern in PLUGINS for found in glob.glob(world.path(pattern)))
    return {name for directory in directories for name in world.names(directory) if name.startswith("lib")}


def _named_mechanisms(world: Host) -> Iterator[tuple[str, str]]:
    """Yield each mechanism that is to be offered with the file that says so."""
    named = {name: conf.path for conf in confs(world) for name in conf.mechanisms}
    if world.sendmail:
        from .world import SENDMAIL_CF

        words = world.sendmail.words("AuthMechanisms")
        named |= {name.upper(): world.path(SENDMAIL_CF) for name in words}
    for mechanism, path in named.items():
        yield path, mechanism
