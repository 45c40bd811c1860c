"""MTA: settings of Dovecot that keep it from checking accounts for a mail server, or let everybody in."""

from collections.abc import Callable, Iterator, Mapping

from ..model import Finding
from ..mta import dovecot as mta_dovecot
from ..mta import dovecot_hub
from ..mta.dovecot import DovecotConf
from .dovecot_lines import passdb_removed, removed, taken_out, taken_out_of_passdb
from .finding import Code
from .host import DOVECOT_CONF, Host

RELOAD = "doveadm reload"
_KEEP_NAMES = {
    False: frozenset({"", "%u", "%Lu", "%{user}"}),
    True: frozenset({"%{user}", "%{user|lower}"}),
}
"""Of auth_username_format, without blanks, in 2.3 and in 2.4, which takes ``%u`` as it stands."""
_STOPS = frozenset({"return", "return-fail"})
_WANTED = ("auth_mechanisms", "disable_plaintext_auth", "auth_allow_cleartext")
_ASKED = {
    "driver": {"passwd-file"},
    "skip": {"never", "authenticated"},
    "deny": {"no"},
    "mechanisms_filter": {""},
    "username_filter": {""},
    "result_success": {"return-ok", "return"},
}
"""With what our passdb is asked, and its answer counts; in 2.4 a later line can say otherwise."""


def serving(host: Host) -> DovecotConf | None:
    """Return the configuration of a Dovecot that checks accounts for a mail server."""
    conf = host.dovecot
    return conf if conf and any(path.startswith("/var/spool/") for path in conf.listeners) else None


def is_asked(options: Mapping[str, str]) -> bool:
    """Tell whether a passdb is asked about everybody who logs in by himself."""
    limits = ("mechanisms", "mechanisms_filter", "username_filter")
    is_limited = any(options.get(name) for name in limits)
    return not is_limited and options.get("master") != "yes" and options.get("skip", "never") == "never"


def files_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that a passdb names, as Dovecot 2.3 and as 2.4 calls them."""
    return options.get("args", ""), options.get("passwd_file_path", "")


MTA302 = Code.error(
    "MTA302",
    "Dovecot refuses logins through a mail server: it wants a client certificate that it never sees, or "
    "stops before the accounts",
)


def refuses(host: Host) -> Iterator[Finding]:
    """An account that is there can log in."""
    conf = serving(host)
    if conf is None:
        return
    for name in ("auth_ssl_require_client_cert", "auth_ssl_username_from_cert"):
        if conf.settings.get(name) == "yes":
            reason = f"says {name} = yes, so it refuses everybody whose certificate it does not see"
            yield MTA302.found(host.path(DOVECOT_CONF), reason, taken_out(host, name))
    ours_path = host.said(mta_dovecot.PATH)
    ours = [n for n, options in enumerate(conf.passdbs) if ours_path in files_of(options)]
    for options in conf.passdbs[: ours[0]] if ours else ():
        stops = options.get("result_failure") in _STOPS and options.get("deny") != "yes"
        if stops and is_asked(options):
            reason = f"stops at the passdb {options.get('driver', '')} (result_failure), before {ours_path}"
            cure = taken_out_of_passdb(host, options, "result_failure")
            yield MTA302.found(host.path(DOVECOT_CONF), reason, cure)


MTA303 = Code.error("MTA303", "Dovecot lets everybody in, and so everybody may relay")


def anybody(host: Host) -> Iterator[Finding]:
    """Who logs in has an account and knows its secret."""
    conf = serving(host)
    if conf is None:
        return
    for options in filter(is_asked, conf.passdbs):
        if options.get("deny") != "yes" and (
            "nopassword" in options.get("args", "") + options.get("default_fields", "")
            or "nopassword" in options
        ):
            reason = f"has a passdb {options.get('driver', '')} with nopassword, so every password is right"
            cure = f"take that passdb out of the configuration, then: {RELOAD}"
            if "nopassword" in (args := options.get("args", "")):
                cure = passdb_removed(host, "args", args)
            yield MTA303.found(host.path(DOVECOT_CONF), reason, cure)
        for name in (name for name in ("result_failure", "result_internalfail") if _is_ok(options, name)):
            when = "knows nobody" if name == "result_failure" else "fails"
            reason = f"lets everybody in where the passdb {options.get('driver', '')} {when} ({name})"
            cure = taken_out_of_passdb(host, options, name)
            yield MTA303.found(host.path(DOVECOT_CONF), reason, cure)


def _is_ok(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "") in {"return-ok", "continue-ok"} and options.get("deny") != "yes"


MTA304 = Code.error(
    "MTA304",
    "Dovecot's configuration undoes settings of smtpcreds by a later line, or looks up other names than "
    "clients send; or the mail server may not use its socket",
)


_EDIT = "smtpcreds mta apply dovecot-hub --edit, or by hand: smtpcreds mta check dovecot-hub"


def undone(host: Host) -> Iterator[Finding]:
    """What the fragment says is in force, and names are looked up as they are."""
    conf, text = serving(host), host.text(dovecot_hub.FRAGMENT)
    if conf is None or text is None:
        return
    if host.said(dovecot_hub.FRAGMENT) not in {origin.path for origin in host.dovecot_lines}:
        reason = f"does not include {host.said(dovecot_hub.FRAGMENT)}, so nothing that it says is in force"
        yield MTA304.found(host.path(DOVECOT_CONF), reason, _EDIT)
        return
    wanted = mta_dovecot.parse_configuration(text, is_new=conf.is_new)
    yield from _said_later(host, conf, wanted)
    yield from _other_names(host, conf)
    yield from _passed_over(host, conf)
    yield from _out_of_reach(host, conf, wanted)


def _said_later(host: Host, conf: DovecotConf, wanted: DovecotConf) -> Iterator[Finding]:
    for name in _WANTED:
        if name in wanted.settings and conf.settings.get(name) != wanted.settings[name]:
            said = conf.settings.get(name, "nothing")
            ours = f"{host.said(dovecot_hub.FRAGMENT)} says {wanted.settings[name]}"
            reason = f"says {name} = {said}, and {ours}"
            yield MTA304.found(host.path(DOVECOT_CONF), reason, taken_out(host, name))


_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_@")
_NAMES: Mapping[str, Callable[[str, str, bool], bool]] = {
    "auth_username_format": lambda value, _, is_new: value.replace(" ", "") in _KEEP_NAMES[is_new],
    "auth_username_chars": lambda value, _realm, _is_new: not value or set(value) >= _CHARACTERS,
    "auth_username_translation": lambda value, _realm, _is_new: not value,
    "auth_master_user_separator": lambda value, _realm, _is_new: not _CHARACTERS.intersection(value.lower()),
    "auth_default_realm": lambda value, realm, _is_new: value in {"", realm},
    "auth_default_domain": lambda value, realm, _is_new: value in {"", realm},
}
"""Settings that change the name which is looked up; which values keep it, given realm and version."""


def _other_names(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    for name, is_kept in _NAMES.items():
        value = conf.settings.get(name)
        if value is not None and not is_kept(value, host.site.realm, conf.is_new):
            reason = f"says {name} = {value}, so it looks up other names than clients send"
            yield MTA304.found(host.path(DOVECOT_CONF), reason, taken_out(host, name))


def _passed_over(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    """Yield what keeps 2.4 from asking our passdb, or from taking its answer."""
    for options in (options for options in conf.passdbs if options.get("name") == dovecot_hub.PASSDB):
        for name, kept in {**_ASKED, "passwd_file_path": {host.said(mta_dovecot.PATH)}}.items():
            if (value := options.get(name)) is not None and value not in kept:
                reason = (
                    f"says {name} = {value} for passdb {dovecot_hub.PASSDB}, so the accounts are not asked"
                )
                cure = taken_out_of_passdb(host, options, name)
                yield MTA304.found(host.path(DOVECOT_CONF), reason, cure)


def _out_of_reach(host: Host, conf: DovecotConf, wanted: DovecotConf) -> Iterator[Finding]:
    for path, options in wanted.listeners.items():
        found = conf.listeners.get(path, {})
        for name in (name for name in ("mode", "user", "group") if found.get(name) != options.get(name)):
            said = f"{name} = {found.get(name)}"
            reason = f"says {said} for {path}, so the mail server can't ask it"
            cure = removed(host, name, ("service auth", f"unix_listener {path}"))
            yield MTA304.found(host.path(DOVECOT_CONF), reason, cure)
