"""What is known of systems: told by os-release, used for paths, users and commands, changed by [system]."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import peer
from mta.facts import FACTS
from specifications import SPECIFIED, UNSPECIFIED

from smtpcreds.config import Settings, Site, SystemSettings, parse_settings
from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Root
from smtpcreds.mta import placed, sasl_conf
from smtpcreds.mta.program import Facts, File, Program
from smtpcreds.mta.programs import PROGRAMS
from smtpcreds.systems import (
    ALPINE,
    ARCH,
    DEBIAN,
    FREEBSD,
    RHEL,
    SYSTEMS,
    UNKNOWN,
    System,
    Words,
    for_bsd,
    named,
)

OS_RELEASE = Path(__file__).parent / "systems"
ROWS = [
    (system, words, field, value)
    for system, sources in SPECIFIED.items()
    for words, fields in sources.items()
    for field, value in fields.items()
]


@pytest.mark.parametrize(
    ("system", "words", "field", "value"), ROWS, ids=[f"{row[0]}-{row[2]}" for row in ROWS]
)
def test_a_row_says_what_the_package_does(system: str, words: str, field: str, value: object) -> None:
    assert getattr(SYSTEMS[system], field) == value, words


def test_every_field_has_its_source_or_a_reason_why_there_is_none() -> None:
    wanted = {(name, field) for name in SYSTEMS.keys() - {"debian"} for field in System._fields}
    told = [(system, field) for system, _, field, _ in ROWS]
    assert len(told) == len(set(told))
    excused = {
        (name, field)
        for name, field in wanted - set(told)
        for system, start in UNSPECIFIED
        if system in ("", name) and field.startswith(start)
    }
    assert wanted - set(told) - excused == set()


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


def test_a_directory_of_saslauthd_is_no_command(tmp_path: Path) -> None:
    """It is read twice: by the shell in which the cure is typed, and by that of the init script."""
    settings, directory = tmp_path / "saslauthd", "/run/a';touch b;`touch c`$(touch d)\"x\\"
    command = DEBIAN._replace(saslauthd_settings=str(settings)).to_start_saslauthd(directory)
    script = f'service() {{ :; }}\n{command}\n. {settings}\nprintf %s "$OPTIONS"'
    assert peer("sh", "-c", f"cd {tmp_path}\n{script}") == f"-c -m {directory}"
    assert [path.name for path in tmp_path.iterdir()] == ["saslauthd"]


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


def test_how_a_plugin_is_installed_where_no_package_is_known() -> None:
    assert ALPINE.to_install("libsql.so") == "apk add cyrus-sasl-sql"
    assert UNKNOWN.to_install("libsql.so") == "install the package that has libsql.so"
    assert UNKNOWN.brought_by("age") == ""


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


@pytest.mark.parametrize(
    "edit",
    [
        "-i 2d",
        "-i '1d;3d'",
        "-i '2a four = $x \\ it'\"'\"'s'",
        "-i '1,2c four = \"x\"'",
        "-i '$a four = 4'",
        '-i "1i FEATURE(\\`delay_checks\')dnl"',
        "-i -E 's/(o)n/\\1/'",
    ],
)
def test_an_edit_for_freebsd_is_the_edit_for_linux(tmp_path: Path, edit: str) -> None:
    """GNU sed refuses with --posix what FreeBSD's does not know: text on the line of its command.

    It takes text from a further -e, which FreeBSD's does not.
    """
    before = "one\ntwo\nthree\n"
    files = [tmp_path / "linux", tmp_path / "freebsd"]
    for file in files:
        file.write_text(before)
    peer("sh", "-c", f"sed {edit} {files[0]}")
    its_own = '[ "$1,$2" = "-i," ] && ! [[ " $* " == *" -e "* ]] && command sed --posix -i "${@:3}"'
    peer("bash", "-c", f"sed() {{ {its_own}; }}\n{for_bsd(f'sed {edit} {files[1]}')}")
    assert files[0].read_text() == files[1].read_text() != before


def test_a_key_is_destroyed_by_what_freebsd_has() -> None:
    assert FREEBSD.typed("mv a b, and then: shred -u /etc/key") == "mv a b, and then: rm /etc/key"
    assert ALPINE.typed("shred -u /etc/key") == "shred -u /etc/key"
