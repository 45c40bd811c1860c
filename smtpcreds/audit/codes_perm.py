"""Codes of owners, modes and places of files."""

from .code import Severity, table

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

PERM = table(
    (
        "PERM001",
        _E,
        ("a private key that its group or others can read; Sendmail refuses it, and mail goes unencrypted"),
        "chmod 0600 KEY; if others could read it for long, issue a new one",
    ),
    (
        "PERM002",
        _E,
        "a certificate, CA or CRL file that its group or others can change; Sendmail refuses it",
        "chmod go-w FILE",
    ),
    (
        "PERM003",
        _E,
        (
            "a directory, on the way to a credential, that its group or others can change; Sendmail "
            "refuses all files below it, also where the directory is sticky"
        ),
        "chmod go-w DIRECTORY",
    ),
    (
        "PERM004",
        _W,
        "a certificate directory that others can enter",
        "chmod 0700 DIRECTORY",
    ),
    (
        "PERM005",
        _E,
        ("a credential, certificate or database that belongs to neither root nor the mail server's own user"),
        "chown root FILE",
    ),
    (
        "PERM006",
        _N,
        (
            "a key or certificate that is a symbolic link; Sendmail follows it and does not check the "
            "directory where it leads"
        ),
        "put the file itself there",
    ),
    (
        "PERM007",
        _E,
        ("a symbolic link to a key or certificate in a directory that others can change; nothing is logged"),
        "put the file itself in place of the link, and issue a new key",
    ),
    (
        "PERM008",
        _E,
        "a file with a secret that has a second name (hard link), where other rules may hold",
        "find the other name with find -inum, and remove it",
    ),
    (
        "PERM009",
        _E,
        "an ACL that gives others access to a secret or its directory",
        "setfacl -b FILE",
    ),
    (
        "PERM010",
        _E,
        (
            "an account database that others can read or change; Sendmail takes it in any mode and says "
            "nothing"
        ),
        "chmod o-rwx FILE, and change the secrets that could be read",
    ),
    (
        "PERM011",
        _E,
        "a default-auth-info that its group or others can read; Sendmail refuses it and defers the mail",
        "chmod 0600 FILE",
    ),
    (
        "PERM012",
        _E,
        "an authinfo map, or its source, that others can read; Sendmail takes any mode and says nothing",
        "chmod 0600 FILE",
    ),
    (
        "PERM013",
        _E,
        "a sasl_passwd map of Postfix, or its source, that others can read",
        "chmod 0600 FILE",
    ),
    (
        "PERM014",
        _E,
        "a file or directory of smtpcreds' own state that others can use",
        "chmod 0600 FILE, or 0700 DIRECTORY",
    ),
    (
        "PERM015",
        _E,
        ("the CA's private key in a directory of the mail server; who breaks into that signs certificates"),
        "move it away; if it was there for long, smtpcreds ca rollover",
    ),
    (
        "PERM016",
        _E,
        "a file that the program which needs it can't read, as the user that it runs as",
        "give the file to that user's group, mode 0640, or to the user",
    ),
    (
        "PERM017",
        _E,
        (
            "a configuration file that others can change; Sendmail skips such a Sendmail.conf and goes on"
            " with defaults"
        ),
        "chmod go-w FILE",
    ),
    (
        "PERM018",
        _E,
        ("a configuration file of Cyrus SASL that holds a password of the database and that others can read"),
        "chmod 0600 FILE, and change that password",
    ),
    (
        "PERM019",
        _W,
        (
            "a directory, on the way to a credential, that belongs to an ordinary user, who can put other"
            " files there; Sendmail accepts it"
        ),
        "chown root DIRECTORY",
    ),
)
