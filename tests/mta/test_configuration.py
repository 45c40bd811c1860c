"""Readers of configuration files, held to what the programs themselves say of the same file."""

import subprocess

import pytest
from lab.debs import unpacked

from smtpcreds.errors import DamagedFileError
from smtpcreds.mta import dovecot, exim, main_cf, main_cf_values, sendmail, sendmail_cf
from smtpcreds.mta.main_cf import MainCf

MAIN = """\
# comment
myhostname = mx.example.net
 # a comment inside
smtpd_tls_cert_file = /etc/${mail_owner}/c.pem
smtpd_tls_key_file=$smtpd_tls_cert_file
relayhost = [a.example.net]:587
relayhost=[b.example.net]
smtpd_sasl_auth_enable =
    yes
mydestination = $myhostname,
\tlocalhost,  # no comment
  $(myhostname)
smtp_tls_security_level =
defer_transports = ${myhostname?yes}${relayhost?no}${relayhost:not set}, ${myhostname:no}
content_filter = ${relayhost?{set}:{not set}} ${myhostname?{$myhostname}:{no}}-$(myhostname)
smtpd_milters = { unix:/x, a=$myhostname } ${{$myhostname} == {mx.example.net} ? {same} : {other}}
smtpd_proxy_filter = ${{$compatibility_level} <level {3.6} ? {old} : {new}}${{2} >= {10} ? {text} : {}}
smtpd_command_filter = pcre:{{/a$$/ $${1}$$2 $myhostname}} ${relayhost?{$$1}}
"""


@pytest.fixture(scope="module")
def postconf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what postconf says of the file."""
    directory = tmp_path_factory.mktemp("postfix")
    (directory / "main.cf").write_text(MAIN)
    (directory / "master.cf").touch()
    tree = unpacked("postfix")
    done = subprocess.run(
        [tree / "usr/sbin/postconf", "-x", "-c", directory],
        env={"LD_LIBRARY_PATH": f"{tree}/usr/lib/postfix:{tree}/usr/lib/x86_64-linux-gnu"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.partition(" =") for line in done.stdout.splitlines())
    return {name: value.strip() for name, _, value in lines}


OF_THE_BUILD = {"config_directory", "default_database_type"}
SINCE_3_11 = {"milter_default_action": ["shutdown"]}


@pytest.mark.parametrize("name", sorted({*main_cf.DEFAULTS} - OF_THE_BUILD))
def test_parameters_are_what_postconf_says(postconf: dict[str, str], name: str) -> None:
    ours = main_cf.parse(MAIN, "main.cf").value(name).split()
    assert postconf[name].split() in (ours, SINCE_3_11.get(name, ours))


def test_master_cf() -> None:
    text = "smtp inet n - y - - smtpd\nsubmission inet n - - - - smtpd\n  -o a=b -v\n  -o c=d\n#x\n"
    for level, is_old in {"0": True, "1": False, "3.6": False}.items():
        smtp, submission = main_cf.parse_master(text, "master.cf", MainCf({"compatibility_level": level}))
        assert (smtp.chroot, submission.chroot) == (True, is_old)
        assert submission.options == {"a": "b", "c": "d"}
    with pytest.raises(DamagedFileError, match="fewer than eight fields: smtp"):
        main_cf.parse_master("smtp inet\n", "master.cf", MainCf({}))


def test_sendmail_cf() -> None:
    cf = sendmail_cf.parse(
        "Djmx.example.net\nO AuthOptions = a\nO authoptions=p,y\nCwlocalhost\nC{w}a b\nFw-o /etc/mail/names\n"
        "Kaccess hash -o -T<TMPF> /etc/mail/access\nKseq sequence a b\nSauthinfo\nR$*\t$: x\nO Two=1\n 2\n"
        "# O Comment=1\nO DontBlameSendmail=GroupReadableKeyFile,safe\n"
    )
    assert (cf.macros["j"], cf.option("AUTHOPTIONS"), cf.words("AuthOptions")) == (
        "mx.example.net",
        "a p,y",
        ("a", "p", "y"),
    )
    assert cf.classes["w"] == {"localhost", "a", "b"}
    assert cf.class_files == {"w": "/etc/mail/names"}
    assert (cf.map_file("access"), cf.map_file("seq"), cf.map_file("none")) == ("/etc/mail/access", "", "")
    assert cf.rulesets == {"authinfo": [("$*", "$: x")]}
    assert cf.option("Two") == "1 2"
    assert "comment" not in cf.options
    assert cf.has_flag("groupreadablekeyfile")


def test_exim() -> None:
    conf = exim.parse_configuration(
        "tls_certificate = /a\nbegin transports\n"
        "lmtp:\n driver = lmtp\nsmtp:\n hide tls_certificate = \\\n  /b\n"
        "begin authenticators\nplain:\n public_name = PLAIN\n # public_name = X\n"
    )
    assert (conf.server.certificate, conf.client.certificate) == ("/a", "/b")
    assert conf.authenticators == {"plain": {"public_name": "PLAIN"}}


def test_dovecot() -> None:
    conf = dovecot.parse_configuration(
        "ssl = no\nssl=required # all\nservice x {\n ssl_cert = </c\n}\nssl_key=< /k\n"
    )
    assert (conf.ssl, conf.pairs, conf.mechanisms) == ("required", (("/c", "/k"),), ("plain",))


def test_every_certificate_of_dovecot_counts() -> None:
    conf = dovecot.parse_configuration(
        "ssl_cert = </a\nssl_key = </k\nprotocol submission {\n  ssl_cert = </b\n  ssl_key = </l\n}\n"
        "local_name mx.example.org {\n  ssl_cert = </c\n}\nprotocol imap {\n  ssl = no\n}\n"
    )
    assert conf.pairs == (("/a", "/k"), ("/b", "/l"), ("/c", "/k"))
    new = dovecot.parse_configuration(
        "dovecot_config_version = 2.4.0\nssl_server_cert_file = /a\nssl_server_key_file = /k\n"
        "local_name mx.example.org {\n  ssl_server {\n    cert_file = /c\n    key_file = /l\n  }\n}\n"
        "protocol submission {\n  ssl_server_cert_file = /b\n}\n"
    )
    assert new.pairs == (("/a", "/k"), ("/c", "/l"), ("/b", "/k"))


def test_dovecot_2_4_has_other_names() -> None:
    conf = dovecot.parse_configuration(
        "dovecot_config_version = 2.4.0\nauth_allow_cleartext = yes\nssl_server {\n  cert_file = /c\n}\n"
        "ssl_server_key_file = /k\nssl = yes\nssl_cert = </old\n"
    )
    assert (conf.pairs, conf.takes_cleartext) == ((("/c", "/k"),), True)
    assert conf.to_refuse == "auth_allow_cleartext = no"
    by_default = dovecot.parse_configuration("dovecot_config_version = 2.4.0\n")
    assert (by_default.takes_cleartext, by_default.mechanisms) == (False, ("plain",))


def test_passdbs_of_dovecot_2_4_have_names_and_short_settings() -> None:
    text = (
        "passdb_result_failure = return\npassdb a {\n  passdb_skip = never\n  fields {\n    nopassword = y\n"
        "  }\n}\npassdb b {\n  driver = static\n}\npassdb a {\n  result_failure = continue\n}\n"
    )
    of_all = {"result_failure": "return"}
    assert [dict(options) for options in dovecot.parse_configuration(text, is_new=True).passdbs] == [
        {
            "name": "a",
            "driver": "a",
            "skip": "never",
            "": "",
            "nopassword": "y",
            "result_failure": "continue",
        },
        {"name": "b", "driver": "static", "": "", **of_all},
    ]


def test_mechanisms_of_dovecot_2_4_are_switched_one_by_one() -> None:
    text = "auth_mechanisms = plain login\nauth_mechanisms {\n  login = no\n  cram-md5 = yes\n}\n"
    assert dovecot.parse_configuration(text, is_new=True).mechanisms == ("plain", "cram-md5")


def test_dovecot_says_for_which_version_its_configuration_is() -> None:
    assert dovecot.version_of("# dovecot_config_version = 2.4.0\nprotocols =\n") == (2, 3)
    assert dovecot.version_of("dovecot_config_version = 2.4.1\n") == (2, 4)
    assert dovecot.version_of(" dovecot_config_version=2.10.0\n") == (2, 10)


@pytest.mark.parametrize("line", [b"key", b" key value", b"k" * 1000 + b" " + b"v" * 100])
def test_lines_that_makemap_refuses(line: bytes) -> None:
    with pytest.raises(DamagedFileError, match="line 2 is not"):
        sendmail.records(b"a b\n" + line + b"\n", "map")


def test_of_a_repeated_key_the_first_counts() -> None:
    assert sendmail.records(b"A b c \na d\n# e f\n", "map") == {b"a": b"b c "}


@pytest.mark.parametrize(
    ("kind", "end"), [("hash", ""), ("hash", ".db"), ("cdb", ""), ("cdb", ".cdb")], ids=str
)
def test_a_map_of_sendmail_is_named_with_or_without_its_end(kind: str, end: str) -> None:
    """Red Hat's sendmail.mc says access.db, or access.cdb, Debian's access."""
    found = sendmail_cf.parse(f"Kaccess {kind} -T<TMPF> -o /etc/mail/access{end}\n")
    assert found.map_file("access") == "/etc/mail/access"


def test_what_names_itself_is_read_soon() -> None:
    """A slip of the hand that stops the mail program; audit has to say so, and not to go on for ever."""
    asked = 0

    def counted(text: str) -> str:
        nonlocal asked
        asked += 1
        assert asked < 100
        return text

    main_cf_values.expand("$a", lambda _: counted("$a ${a} ${a?{$a}:{$a}} ${{$a} == {$a} ? {$a} : {$a}} $a"))
    exim.expand(".include /a", lambda _: counted(".include /a\n" * 9))
    every = "!include *.conf"
    dovecot.expand("/a.conf", every, lambda _: [("/a.conf", counted(f"{every}\n" * 9))])


def test_dovecot_includes_files_from_the_directory_of_the_one_that_says_so() -> None:
    """Seen with 2.3.19: ``conf.d/10-auth.conf`` of Debian says ``!include auth-system.conf.ext``."""
    tree = {"/e/conf.d/10.conf": "!include_try auth.ext", "/e/conf.d/auth.ext": "ssl = required"}
    whole = dovecot.expand(
        "/e/dovecot.conf",
        "!include conf.d/10.conf",
        lambda path: [(path, tree[path])] if path in tree else [],
    )
    assert whole == "ssl = required"
