"""smtpcreds.toml and what follows from it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtpcreds import config_values
from smtpcreds.config import DEFAULT_PATH, TABLES, Settings, Site, parse_settings
from smtpcreds.errors import ConfigError
from smtpcreds.model import Root
from smtpcreds.mta.access import TAGS
from smtpcreds.mta.programs import PROGRAMS
from smtpcreds.mta.sasl_conf import STRONGEST_FIRST
from smtpcreds.pki.keys import KEY_TYPES
from smtpcreds.sasldb.detect import Format
from smtpcreds.sources import KINDS


def site(root: Path | str, settings: Settings | None = None) -> Site:
    return Site(Root(str(root)), settings or Settings(), lambda: datetime.now(UTC), print)


def test_every_key_has_a_default() -> None:
    assert parse_settings("", "x") == Settings()
    given = parse_settings('domain = "polkatistas.org"\n[cert]\ndays = 90\n', DEFAULT_PATH)
    assert (given.domain, given.cert.days, given.cert.directory) == ("polkatistas.org", 90, "/etc/mail/certs")


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("domian = 'x'", "domian: unknown key", "did you mean domain?"),
        ("[cert]\ndirectroy = 'x'", "cert.directroy: unknown key", "did you mean cert.directory?"),
        ("organization = 'x'", "organization: unknown key", "did you mean ca.organization?"),
        (
            "qqq = 1",
            "qqq: unknown key",
            "known keys here: domain, hub, state, inventory, ca, cert, sasl, mta, system",
        ),
        ("domain = 1", "domain: takes a string, not 1", None),
        ("[cert]\ndays = true", "cert.days: takes a whole number, not True", None),
        ("ca = 1", "ca: is a table", None),
        ("domain = ", "is not TOML", None),
    ],
)
def test_mistakes_name_the_key(text: str, reason: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "smtpcreds.toml")
    assert reason in caught.value.reason
    assert caught.value.hint == hint
    assert caught.value.exit_status == 78


WRONG = {
    "domain": ("'polka tistas.org'", "host name has a character", None),
    "hub": ("'dmz_mail'", "has an underscore", None),
    "state": ("'var/lib'", "takes an absolute path, not 'var/lib'", None),
    "inventory": ("'mysql://h/d'", "is not a PostgreSQL URL", "write postgresql://HOST/DATABASE"),
    "ca.name": (f"'{'a' * 65}'", "takes up to 64 printable characters", None),
    "ca.organization": ('"a\\nb"', "takes up to 64 printable characters", None),
    "ca.key_type": ("'p265'", "takes p256, p384, rsa2048, ", "did you mean p256?"),
    "ca.days": ("0", "takes 1 to 999999 days, not 0", None),
    "ca.passphrase": ("'fiel:/x'", "takes prompt:, stdin:, ", "did you mean file:PATH?"),
    "ca.pin": ("'env:'", "takes prompt:, stdin:, ", "did you mean env:NAME?"),
    "ca.name_constraints": ("'no'", "takes true or false, not 'no'", None),
    "ca.permitted_domains": ("['a.org', 'b..org']", "has an empty label", None),
    "ca.crl_url": ("'https://a.org/x'", "takes http://HOST/PATH, not 'https://a.org/x'", None),
    "ca.addresses": ("1", "takes true or false, not 1", None),
    "ca.rollover": ("'always'", "takes when-due, not 'always'", None),
    "ca.retire": ("'unused'", "takes when-unused, not 'unused'", "did you mean when-unused?"),
    "cert.directory": ("'certs'", "takes an absolute path, not 'certs'", None),
    "cert.days": ("'90d'", "takes a whole number, not '90d'", None),
    "cert.key_type": ("'rsa2084'", "takes p256, p384, rsa2048, ", "did you mean rsa2048?"),
    "cert.crl_days": ("-1", "takes 1 to 999999 days, not -1", None),
    "sasl.database": ("'sqlite:///x'", "takes an absolute path or a postgresql:// URL", None),
    "sasl.copies": ("['sasldb2']", "takes an absolute path, not 'sasldb2'", None),
    "sasl.realm": ("' a'", "takes a name without blanks at its ends, not ' a'", None),
    "sasl.account": ("''", "takes the name of an account, not ''", None),
    "sasl.format": ("'gdb'", "takes bdb, gdbm, lmdb, not 'gdb'", "did you mean gdbm?"),
    "sasl.owner": ("'mail '", "takes a name without blanks at its ends, not 'mail '", None),
    "sasl.group": ("7", "takes a string, not 7", None),
    "sasl.mode": ("'0649'", "takes an octal mode, such as 0640, not '0649'", None),
    "sasl.rotate_every": ("'0d'", "takes days, as in 90d, not '0d'", None),
    "mta.mechanisms": ("['PLAIN', 'SCRAM-SHA-265']", "not 'SCRAM-SHA-265'", "did you mean SCRAM-SHA-256?"),
    "mta.plaintext": ("0", "takes true or false, not 0", None),
    "mta.external": ("'x'", "takes true or false, not 'x'", None),
    "mta.saslauthd": ("'x'", "takes true or false, not 'x'", None),
    "mta.relay_certificates": ("'x'", "takes true or false, not 'x'", None),
    "mta.relay_hosts": ("'attic'", "takes a list of strings, not 'attic'", None),
    "mta.access": ("['TLS_Cl:a VERIFY']", "takes TAG:SUBJECT VALUE, TAG one of", "did you mean TLS_Clt?"),
    "mta.authinfo_map": ("'x'", "takes true or false, not 'x'", None),
    "mta.port": ("70000", "takes a port from 1 to 65535, not 70000", None),
    "mta.crl": ("1", "takes true or false, not 1", None),
    "mta.choices": ("['hashed']", "not 'hashed'", "did you mean hash?"),
    "system.name": (
        '"debain"',
        "takes debian, rhel, alpine, arch, freebsd, not 'debain'",
        "did you mean debian?",
    ),
    "system.postfix_map": ('"btree"', "takes hash, lmdb, cdb, not 'btree'", None),
    "system.sendmail_map": ('"hsah"', "takes hash, cdb, not 'hsah'", "did you mean hash?"),
    "system.exim_style": ('"mine"', "takes template, hand-written, not 'mine'", None),
    **{
        f"system.{name}": ('"etc"', "takes an absolute path of letters, digits and / . _", None)
        for name in config_values.PATHS
    },
    **{
        f"system.{name}": ('"x;id"', "takes a name of letters, digits and . _ @ + -, not 'x;id'", None)
        for name in config_values.NAMES
    },
    **{
        f"system.{name}": ('" x"', "takes a name without blanks at its ends, not ' x'", None)
        for name in config_values.COMMANDS
    },
}
"""For each key a value that it can't have, as TOML, what is said of it, and the hint."""


def keys() -> set[str]:
    inside = {f"{name}.{key}" for name, table in TABLES.items() for key in table._fields}
    return inside | set(Settings._fields) - set(TABLES)


def test_every_key_is_checked() -> None:
    assert keys() == set(WRONG) == set(config_values.RULES)


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_is_refused_where_it_is_read(key: str) -> None:
    value, reason, hint = WRONG[key]
    table, _, name = key.rpartition(".")
    with pytest.raises(ConfigError) as caught:
        parse_settings(f"# ours\n[{table}]\n{name} = {value}\n" if table else f"\n\n{name} = {value}\n", "x")
    assert caught.value.reason.startswith(f"line 3: {key}: ")
    assert reason in caught.value.reason
    assert caught.value.hint == hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", config_values.PATHS)
@pytest.mark.parametrize("path", ["/run/x;id", "/run/$(id)", "/a b", "/x'", '/x\\"', "/a\\nb"])
def test_a_path_that_commands_will_name_is_plain(name: str, path: str) -> None:
    """As in ``kill -HUP "$(cat PATH)"``, which ``mta apply --run`` runs as root."""
    with pytest.raises(ConfigError, match="takes an absolute path of letters"):
        parse_settings(f'[system]\n{name} = "{path}"', "x")


@pytest.mark.parametrize("key", ["state", "cert.directory", "sasl.database", "sasl.copies"])
def test_a_path_is_one_line(key: str) -> None:
    value = '["/a\\nb"]' if key == "sasl.copies" else '"/a\\nb"'
    with pytest.raises(ConfigError, match="takes an absolute path"):
        parse_settings(f"{key} = {value}", "x")


def test_a_tag_that_is_right_is_not_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings("[mta]\naccess = ['CertSubject:/CN=attic']", "x")
    assert caught.value.hint is None


@pytest.mark.parametrize("value", ["'hunter2'", "4711", "'hunter2:x'", "['hunter2']", "'fiel:hunter2'"])
@pytest.mark.parametrize("key", sorted(config_values.SECRET))
def test_a_secret_written_by_mistake_is_not_repeated(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(f"{key} = {value}", "x")
    assert "hunter2" not in str(caught.value.args)
    assert "4711" not in str(caught.value.args)


def test_every_default_may_be_written() -> None:
    for key in keys():
        table, _, name = key.rpartition(".")
        default = getattr(TABLES[table]() if table else Settings(), name)
        value = list(default) if isinstance(default, tuple) else default
        parse_settings(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}", "x")


def test_known_words_are_those_of_the_program() -> None:
    assert set(config_values.KEY_TYPES) == set(KEY_TYPES)
    assert set(config_values.FORMATS) == set(Format)
    assert config_values.MECHANISMS == STRONGEST_FIRST
    assert set(config_values.ACCESS_TAGS) == set(TAGS)
    assert set(config_values.CHOICES) == set().union(*(program.VARIANTS for program in PROGRAMS.values()))
    assert {kind: form for kind, (form, _) in config_values.SOURCES.items()} == {
        kind: form for kind, (form, _) in KINDS.items()
    }


@pytest.mark.parametrize(
    ("mailname", "hostname", "domain"),
    [
        ("polkatistas.org", "dmzmail", "polkatistas.org"),
        ("dmzmail.polkatistas.org", "dmzmail", "polkatistas.org"),
        ("mail.polkatistas.org", "dmzmail", "mail.polkatistas.org"),
        ("", "dmzmail.polkatistas.org", "polkatistas.org"),
        ("", "dmzmail", ""),
        ("not a name", "dmzmail", ""),
    ],
)
def test_domain_of_another_root(tmp_path: Path, mailname: str, hostname: str, domain: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/mailname").write_text(mailname + "\n")
    (tmp_path / "etc/hostname").write_text(hostname + "\n")
    assert site(tmp_path).domain == domain


def test_configuration_wins_and_paths_follow_the_root(tmp_path: Path) -> None:
    here = site(tmp_path, Settings(domain="polkatistas.org", hub="dmzmail"))
    assert here.qualify("Smtp1") == "smtp1.polkatistas.org"
    assert here.qualify("a.b") == "a.b"
    assert (here.hub, here.realm) == ("dmzmail.polkatistas.org", "dmzmail.polkatistas.org")
    assert here.certificates == f"{tmp_path}/etc/mail/certs"
    assert here.ca_directory == f"{tmp_path}/var/lib/smtpcreds/ca"
    assert site("").sasldb == "/etc/sasldb2"


def test_a_depth_that_the_library_of_toml_gives_up_is_no_bug() -> None:
    with pytest.raises(ConfigError, match="x: is not TOML"):
        parse_settings(f"a = {'[' * 3000}", "x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (".".join("a" * 3000) + " = 1", "line 1: has over 4096 characters"),
        ('"' + "\u2028" * 5000 + '" = 1', "line 1: has over 4096 characters"),
        (f"domain = 'x'\nport = {'9' * 5000}", "line 2: has over 4096 characters"),
        ("# smtpcreds\n" * 6000, "is over 65536 characters long"),
    ],
    ids=["dotted key", "other separators", "digits", "long file"],
)
def test_what_nobody_writes_is_refused_before_it_is_read(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "x")
    assert caught.value.reason == reason


def test_the_longest_line_and_file_are_read() -> None:
    text = f"# {'x' * 4094}\n" * 15 + f"domain = '{'x' * 40}.org'\n"
    assert parse_settings(text, "x").domain == f"{'x' * 40}.org"
