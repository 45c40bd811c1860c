"""smtpcreds.toml and what follows from it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtpcreds.config import DEFAULT_PATH, Settings, Site, parse_settings
from smtpcreds.errors import ConfigError
from smtpcreds.model import Root


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
