"""Codes of accounts and of the configuration of Cyrus SASL."""

from .code import Severity, table

_E, _W = Severity.ERROR, Severity.WARNING

SASL = table(
    (
        "SASL001",
        _W,
        "an account in a realm in which no server here looks up bare names",
        "add it in the right realm, or let clients log in as user@realm",
    ),
    (
        "SASL002",
        _W,
        "an authPassword beside a userPassword: it is not looked at, and may hold an older secret",
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL003",
        _E,
        (
            "a secret of Cyrus SASL 1.5 (cmusaslsecret) beside a userPassword; it can open the account by"
            " an older password"
        ),
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL004",
        _W,
        "an account whose properties can't serve what they are for",
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL005",
        _E,
        "a record whose key is no account's; sasldblistusers2 never ends on it",
        "smtpcreds audit --fix --only SASL005, which removes that record",
    ),
    (
        "SASL006",
        _W,
        "a relay account with the name of a login account",
        "add one of another name, and delete this one",
    ),
    (
        "SASL007",
        _E,
        "an account database in a format that this host's Cyrus SASL does not read",
        "smtpcreds sasl convert NEW --to FORMAT, and put NEW in its place",
    ),
    (
        "SASL008",
        _E,
        "a mechanism or backend whose plugin is not installed",
        "install libsasl2-modules, libsasl2-modules-db or libsasl2-modules-sql",
    ),
    (
        "SASL009",
        _E,
        "a pwcheck_method that Cyrus SASL 2 does not know; PLAIN and LOGIN fail while others work",
        "pwcheck_method: auxprop, and auxprop_plugin: sasldb; or pwcheck_method: saslauthd",
    ),
    (
        "SASL010",
        _E,
        "a malformed line, for which libsasl2 refuses the whole file and the daemon every session",
        "correct it, and restart the mail server",
    ),
    (
        "SASL011",
        _E,
        (
            "accounts read through the sqlite3 engine of the sql plugin, by which SQL in a login name "
            "opens any account"
        ),
        "move the accounts to sasldb2 or PostgreSQL",
    ),
    (
        "SASL012",
        _W,
        "old secrets left readable in unused space of the database",
        "smtpcreds audit --fix --only SASL012, which writes the file anew",
    ),
    (
        "SASL013",
        _E,
        "a Sendmail.conf where Sendmail does not look for it; it goes on with defaults and says nothing",
        "mv FILE /etc/sasl2/Sendmail.conf",
    ),
    (
        "SASL014",
        _E,
        "a mail server that looks accounts up in another database than the one that is kept here",
        "set sasldb_path, or sasl.database or sasl.copies in smtpcreds.toml",
    ),
    (
        "SASL015",
        _W,
        "a mechanism that the mail server is to offer and that mech_list leaves out",
        "name the same mechanisms in both",
    ),
    (
        "SASL016",
        _E,
        "an account database that is empty, damaged, or none at all; every login fails",
        "put it back from a backup; or move it away, and smtpcreds sasl add ACCOUNT",
    ),
    (
        "SASL017",
        _E,
        (
            "a copy of the account database that does not hold the accounts as they are, perhaps because "
            "saslpasswd2 changed the database; who was deleted can still log in"
        ),
        "smtpcreds audit --fix --only SASL017, which makes it anew",
    ),
)
