"""What is known of systems: told by os-release, used for paths, users and commands, changed by [system]."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mta.facts import FACTS

from smtpcreds.config import Settings, Site, SystemSettings, parse_settings
from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Root
from smtpcreds.mta import placed, sasl_conf
from smtpcreds.mta.program import Facts, File, Program
from smtpcreds.mta.programs import PROGRAMS
from smtpcreds.systems import ALPINE, ARCH, DEBIAN, FREEBSD, RHEL, SYSTEMS, System, Words, named

OS_RELEASE = Path(__file__).parent / "systems"
FEDORA, APORTS, ARCHS, PORTS = "Fedora", "Alpine's aports", "Arch", "FreeBSD's ports"
SPECIFIED = [
    # the public specifications of packages: row, field, value, where it is said and in which words
    ("rhel", "sasldb", "/etc/sasl2/sasldb2", FEDORA, "cyrus-sasl.spec: gdbm_db_file, --with-dbpath"),
    ("rhel", "sasldb_format", "gdbm", FEDORA, "cyrus-sasl.spec: --with-dblib=gdbm"),
    (
        *("rhel", "sasl_search", ("/usr/lib64/sasl2", "/etc/sasl2"), FEDORA),
        "cyrus-sasl.spec: --with-configdir=%{_plugindir2}:%{_sysconfdir}/sasl2",
    ),
    ("rhel", "sendmail_source", "/etc/mail/sendmail.mc", FEDORA, "sendmail.spec: install SOURCE6"),
    ("rhel", "sendmail_queue", "/var/spool/mqueue", FEDORA, "sendmail.spec: %{spooldir}/mqueue"),
    (
        "rhel",
        "sendmail_owner",
        "root",
        FEDORA,
        "sendmail.spec: chown root access.db; %files of %{maildir} have no other",
    ),
    ("rhel", "exim_conf", "/etc/exim/exim.conf", FEDORA, "exim.spec: install src/configure.default"),
    ("rhel", "exim_user", "exim", FEDORA, "exim.spec: useradd -u 93 -g exim exim"),
    ("rhel", "exim_spool", "/var/spool/exim", FEDORA, "exim.spec: %{_var}/spool/exim"),
    ("rhel", "daemons", "/usr/sbin", FEDORA, "exim.spec: install -m 4775 exim %{_sbindir}"),
    ("rhel", "opensmtpd_conf", "/etc/opensmtpd/smtpd.conf", FEDORA, "opensmtpd.spec: --sysconfdir"),
    ("rhel", "opensmtpd_group", "smtpd", FEDORA, "opensmtpd.spec: --with-user-smtpd, groupadd"),
    ("rhel", "opensmtpd_service", "opensmtpd", FEDORA, "opensmtpd.spec: opensmtpd.service"),
    ("alpine", "sasldb", "/etc/sasl2/sasldb2", APORTS, "cyrus-sasl: --with-dbpath"),
    ("alpine", "sasl_search", ("/etc/sasl2",), APORTS, "cyrus-sasl: --with-configdir"),
    ("alpine", "sasldb_format", "gdbm", APORTS, "cyrus-sasl 2.1.28: libsasl brings gdbm, no db"),
    ("alpine", "exim_conf", "/etc/exim/exim.conf", APORTS, "exim.Makefile: CONFIGURE_FILE"),
    ("alpine", "exim_user", "exim", APORTS, "exim.Makefile: EXIM_USER=ref:exim"),
    ("alpine", "exim_pid", "/run/exim.pid", APORTS, "exim.Makefile: PID_FILE_PATH; exim.initd"),
    ("alpine", "exim_spool", "/var/spool/exim", APORTS, "exim.Makefile: SPOOL_DIRECTORY"),
    ("alpine", "postfix_directory", "/etc/postfix", APORTS, "postfix: config_directory"),
    ("alpine", "postfix_user", "postfix", APORTS, "postfix: pkgusers"),
    ("alpine", "postfix_map", "lmdb", APORTS, "postfix: lmdb-default.patch"),
    ("alpine", "opensmtpd_conf", "/etc/smtpd/smtpd.conf", APORTS, "opensmtpd: --sysconfdir=/etc/smtpd"),
    ("alpine", "opensmtpd_group", "smtpd", APORTS, "opensmtpd: --with-user-smtpd"),
    ("alpine", "opensmtpd_service", "smtpd", APORTS, "opensmtpd: /etc/init.d/smtpd"),
    ("alpine", "ca_bundle", "/etc/ssl/certs/ca-certificates.crt", APORTS, "opensmtpd: --with-path-CAfile"),
    ("arch", "sasldb", "/etc/sasldb2", ARCHS, "cyrus-sasl 2.1.28: no --with-dbpath, so configure.ac's own"),
    ("arch", "sasldb_format", "gdbm", ARCHS, "cyrus-sasl 2.1.28: --with-dblib=gdbm"),
    (
        *("arch", "sasl_search", ("/etc/sasl2", "/etc/sasl", "/usr/lib/sasl2"), ARCHS),
        "cyrus-sasl 2.1.28: --with-configdir",
    ),
    (
        "arch",
        "exim_conf",
        "/etc/mail/exim.conf",
        ARCHS,
        "exim: CONFIGURE_FILE, as its copy exim-mysql has it",
    ),
    ("arch", "exim_user", "exim", ARCHS, "exim: EXIM_USER, likewise"),
    ("arch", "daemons", "/usr/bin", ARCHS, "exim: BIN_DIRECTORY, likewise"),
    ("arch", "opensmtpd_conf", "/etc/smtpd/smtpd.conf", ARCHS, "opensmtpd: --sysconfdir=/etc/smtpd"),
    ("arch", "opensmtpd_service", "smtpd", ARCHS, "opensmtpd: smtpd.service"),
    ("freebsd", "sasldb", "/usr/local/etc/sasldb2", PORTS, "security/cyrus-sasl2: --with-dbpath"),
    ("freebsd", "sasldb_format", "", PORTS, "security/cyrus-sasl2: ndbm, or Berkeley DB by an option"),
    (
        *("freebsd", "sasl_search", ("/usr/local/lib/sasl2", "/usr/local/etc/sasl2"), PORTS),
        "security/cyrus-sasl2: --with-configdir",
    ),
    ("freebsd", "exim_conf", "/usr/local/etc/exim/configure", PORTS, "mail/exim: CONFIG_FILE_PATH"),
    ("freebsd", "exim_user", "mailnull", PORTS, "mail/exim: EXIM_USER"),
    ("freebsd", "exim_group", "mail", PORTS, "mail/exim: EXIM_GROUP"),
    ("freebsd", "exim_pid", "/var/run/exim.pid", PORTS, "mail/exim: files/exim.in, pidfile"),
    ("freebsd", "daemons", "/usr/local/sbin", PORTS, "mail/exim: files/exim.in, command"),
    ("freebsd", "opensmtpd_conf", "/usr/local/etc/mail/smtpd.conf", PORTS, "mail/opensmtpd: --sysconfdir"),
    ("freebsd", "opensmtpd_group", "_smtpd", PORTS, "mail/opensmtpd: GROUPS"),
    ("freebsd", "opensmtpd_service", "smtpd", PORTS, "mail/opensmtpd: USE_RC_SUBR"),
    ("freebsd", "ca_bundle", "/etc/ssl/cert.pem", PORTS, "mail/opensmtpd: CA_BUNDLE_DESC"),
    ("freebsd", "nullmailer_user", "nullmail", PORTS, "mail/nullmailer: USERS"),
]


@pytest.mark.parametrize(
    ("system", "field", "value", "origin", "words"), SPECIFIED, ids=[f"{r[0]}-{r[1]}" for r in SPECIFIED]
)
def test_a_row_says_what_the_package_does(
    system: str, field: str, value: object, origin: str, words: str
) -> None:
    assert getattr(SYSTEMS[system], field) == value, f"{origin}, {words}"


def test_every_system_is_told_by_its_own_os_release() -> None:
    told = {path.name: named(path.read_text()) for path in sorted(OS_RELEASE.glob("*.os-release"))}
    assert {name.removesuffix(".os-release"): system and system.name for name, system in told.items()} == {
        "alpine-3.22": "alpine",
        "arch": "arch",
        "centos-10": "rhel",
        "debian-12": "debian",
        "debian-13": "debian",
        "fedora-42": "rhel",
        "freebsd-14": "freebsd",
        "mint-22": "debian",
        "raspbian-12": "debian",
        "rhel-10": "rhel",
        "rhel-9": "rhel",
        "rocky-9": "rhel",
        "ubuntu-24.04": "debian",
    }


def test_only_old_postfix_of_debian_is_not_told_where_smtpd_conf_is() -> None:
    def is_told(name: str) -> str:
        system = named((OS_RELEASE / f"{name}.os-release").read_text())
        assert system
        return system.postfix_is_told

    assert [is_told(name) for name in ("debian-12", "ubuntu-24.04", "debian-13", "rhel-9")] == [*"nnyy"]
    assert [is_told(name) for name in ("mint-22", "raspbian-12")] == [*"nn"]


def test_an_unknown_system_is_none() -> None:
    assert named("ID=plan9\nVERSION_ID=4\n") is None
    assert named("") is None


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_words_go_there_and_back(system: System) -> None:
    words = Words(system, "dmzmail.example.org")
    text = (
        "include /etc/exim4/smtpcreds/hub-main.conf\n/etc/postfix/main.cf /etc/sasl2/Sendmail.conf\n"
        'exim4 -bV && kill -HUP "$(cat /run/exim4/exim.pid)"\n/etc/mail/sendmail.mc\nuser = Debian-exim\n'
    )
    assert words.understood(words.said(text)) == text


def test_words_of_rhel_and_freebsd() -> None:
    assert Words(RHEL).said("exim4 -bV; cat /etc/exim4/exim4.conf") == "exim -bV; cat /etc/exim/exim.conf"
    assert Words(FREEBSD, "mx.example.org").said("/etc/mail/sendmail.mc") == "/etc/mail/mx.example.org.mc"
    assert Words(ALPINE).said(DEBIAN.to_restart("postfix")) == "rc-service postfix restart"


def test_opensmtpd_is_restarted_as_the_system_does_it(tmp_path: Path) -> None:
    assert ALPINE.to_restart_opensmtpd() == ("rc-service smtpd restart",)
    assert DEBIAN.to_restart_opensmtpd()[1] == "service opensmtpd start"
    settings = parse_settings('[system]\nname = "debian"\nrestart = "sv restart NAME"\n', "smtpcreds.toml")
    assert site(tmp_path, settings).system.to_restart_opensmtpd() == ("sv restart opensmtpd",)


def test_what_a_cure_needs_besides_is_said_in_the_terms_of_the_system() -> None:
    work = placed.work(PROGRAMS["postfix-hub"], replace(FACTS, system=ALPINE))
    assert "rc-service postfix restart" in [premise.command for premise in work.premises]


@pytest.mark.parametrize(
    ("system", "user", "group"),
    [(DEBIAN, "Debian-exim", "Debian-exim"), (RHEL, "exim", "exim"), (FREEBSD, "mailnull", "mail")],
    ids=("debian", "rhel", "freebsd"),
)
def test_exim_reads_as_the_user_and_group_that_its_package_is_built_with(
    system: System, user: str, group: str
) -> None:
    assert (Words(system).user("Debian-exim"), Words(system).group("Debian-exim")) == (user, group)
    program = sasl_conf.program_on(system, "exim")
    assert (program.user, program.group) == (user, group)


@pytest.mark.parametrize(
    ("system", "plugin", "package"),
    [
        (ALPINE, "libplain.so", "libsasl"),
        (ALPINE, "libsql.so", "cyrus-sasl-sql"),
        (ALPINE, "libgs2.so", "cyrus-sasl-gs2"),
        (ARCH, "libscram.so", "libsasl"),
        (ARCH, "libgssapiv2.so", "cyrus-sasl-gssapi"),
        (RHEL, "libgs2.so", "cyrus-sasl-gs2"),
        (RHEL, "libsasldb.so", "cyrus-sasl-lib"),
        (FREEBSD, "libscram.so", "cyrus-sasl"),
    ],
)
def test_the_package_of_a_plugin(system: System, plugin: str, package: str) -> None:
    assert system.package(plugin) == package


def test_words_replace_whole_names_only() -> None:
    assert Words(RHEL).said("/srv/etc/exim4/x /etc/exim4.old my-exim4 /etc/exim4x") == (
        "/srv/etc/exim4/x /etc/exim4.old my-exim4 /etc/exim4x"
    )


def test_debian_speaks_as_we_do() -> None:
    assert Words(DEBIAN).are_debians
    assert not Words(ARCH).are_debians


@pytest.mark.parametrize("system", [s for s in SYSTEMS.values() if s != DEBIAN], ids=lambda s: s.name)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize(
    "place", ["/etc/exim4/tls", "/etc/postfix/tls", "/etc/dovecot/tls", "/etc/sasl2/tls"]
)
def test_what_the_administrator_chose_stays_as_it_is_or_is_refused(
    system: System, program: Program, place: str
) -> None:
    """A path of his below a directory that only Debian has never becomes another, which is not there."""
    certificate = f"{place}/attic-cert.pem"
    facts = replace(FACTS, tls=replace(FACTS.tls, certificate=certificate))
    if Words(system).said(place) == place:
        here = replace(facts, system=system)
        assert count(program, here, certificate) == count(program, facts, certificate)
    else:
        with pytest.raises(InexpressibleError, match=re.escape(f"{certificate}: has a name")):
            placed.render(program, replace(facts, system=system))


def count(program: Program, facts: Facts, word: str) -> int:
    pieces = [p for item in placed.render(program, facts) if isinstance(item, File) for p in item.content]
    return b"".join(piece for piece in pieces if isinstance(piece, bytes)).decode().count(word)


def test_release_10_of_rhel_has_no_berkeley_db() -> None:
    def maps(name: str) -> tuple[str, str]:
        system = named((OS_RELEASE / f"{name}.os-release").read_text())
        assert system
        return system.postfix_map, system.sendmail_map

    assert maps("rhel-9") == maps("debian-13") == ("hash", "hash")
    assert maps("rhel-10") == maps("centos-10") == ("lmdb", "cdb")
    assert maps("fedora-42") == ("hash", "hash")
    assert maps("alpine-3.22") == ("lmdb", "hash")


def test_sendmail_of_rhel_10_gets_its_tables_as_cdb() -> None:
    facts = replace(FACTS, system=RHEL._replace(sendmail_map="cdb"))
    for name in ("sendmail-hub", "sendmail-client"):
        work = placed.work(PROGRAMS[name], facts)
        assert "makemap cdb /etc/mail/access < /etc/mail/access" in work.commands
        assert "/etc/mail/access.cdb" in [item.path for item in work.compiled]
        assert not [line for line in work.commands if "makemap hash" in line]


@pytest.mark.parametrize(
    ("program", "choice"),
    [("sendmail-client", "authinfo-map"), ("postfix-client", "hash"), ("postfix-hub", "hash")],
)
def test_a_table_of_berkeley_db_is_refused_where_nothing_reads_it(program: str, choice: str) -> None:
    system = RHEL._replace(sendmail_map="cdb", postfix_map="lmdb")
    facts = replace(FACTS, system=system, variants=frozenset({choice}))
    with pytest.raises(InexpressibleError, match=choice):
        placed.render(PROGRAMS[program], facts)
    placed.render(PROGRAMS[program], replace(facts, system=RHEL))


def site(root: Path, settings: Settings) -> Site:
    return Site(Root(str(root)), settings, lambda: datetime.now(UTC), print)


def tree(root: Path, name: str) -> Path:
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text((OS_RELEASE / f"{name}.os-release").read_text())
    return root


def test_the_database_is_where_cyrus_sasl_of_the_system_looks(tmp_path: Path) -> None:
    here = site(tree(tmp_path, "fedora-42"), Settings())
    assert here.settings.sasl.database == "/etc/sasl2/sasldb2"
    assert here.sasldb == f"{tmp_path}/etc/sasl2/sasldb2"


def test_a_database_that_is_named_stays(tmp_path: Path) -> None:
    settings = parse_settings('[sasl]\ndatabase = "/etc/sasldb2"\n', "smtpcreds.toml")
    assert site(tree(tmp_path, "fedora-42"), settings).settings.sasl.database == "/etc/sasldb2"


def test_the_table_system_changes_a_row(tmp_path: Path) -> None:
    settings = parse_settings('[system]\nname = "rhel"\nexim_user = "mail"\n', "smtpcreds.toml")
    here = site(tmp_path, settings).system
    assert (here.name, here.exim_user, here.exim_directory) == ("rhel", "mail", "/etc/exim")


def test_every_key_of_the_table_is_a_field_of_a_row() -> None:
    assert set(SystemSettings._fields) <= set(System._fields)


def test_each_live_test_runs_on_other_systems_or_is_left_out_with_a_reason() -> None:
    text = (Path(__file__).parent / "platform.txt").read_text()
    names = {path.name for path in Path(__file__).parent.glob("test_live_*.py")}
    assert set(re.findall(r"test_live_\w+\.py", text)) == names
    listed = [line.partition("#")[0].strip() for line in text.splitlines()]
    assert not [name for name in filter(None, listed) if not (Path(__file__).parents[1] / name).exists()]
