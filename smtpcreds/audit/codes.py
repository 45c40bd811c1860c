"""The table of all codes, in the order of the manual page."""

from .code import Code, Severity, table

# Codes of certificates, keys and CRLs.

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

CERT = table(
    (
        "CERT001",
        _E,
        "a private key that is not that of the certificate it is configured with; there is no TLS",
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT002",
        _E,
        (
            "a key, certificate or CA file that is configured and that the mail server can't load: "
            "missing, empty, encrypted, or not PEM; there is no TLS"
        ),
        "smtpcreds cert issue HOST",
    ),
    (
        "CERT003",
        _E,
        "a certificate whose chain does not lead to a root that is at hand",
        "put the missing CA certificate into the bundle",
    ),
    (
        "CERT004",
        _E,
        "a certificate that has expired",
        "smtpcreds cert renew HOST",
    ),
    (
        "CERT005",
        _W,
        "a certificate that has less than a third of its life left",
        "smtpcreds cert renew HOST",
    ),
    (
        "CERT006",
        _E,
        "a certificate that is not valid yet",
        "set the clock right, or issue it again",
    ),
    (
        "CERT007",
        _W,
        "a server certificate that is not for the name of its host",
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT008",
        _N,
        (
            "a server certificate whose common name is not the host's, so that VERIFY+CN of other "
            "Sendmails refuses it"
        ),
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT009",
        _E,
        (
            "a certificate that is not for the role in which it is configured (extendedKeyUsage, "
            "keyUsage); the other side does not believe it"
        ),
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT010",
        _E,
        "a key of a kind or size that mail programs refuse",
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT011",
        _E,
        "a certificate that is signed with a hash which is no longer safe",
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT012",
        _W,
        "one private key for several hosts; who takes one host can pose as the others",
        "smtpcreds cert issue HOST --force, for each of them",
    ),
    (
        "CERT013",
        _W,
        "no CRL is configured, or it is missing, so nobody learns of revocations; nothing is logged",
        "smtpcreds ca crl, and define confCRL",
    ),
    (
        "CERT014",
        _E,
        "a CRL that has expired or is not valid yet; Sendmail then refuses every certificate of that CA",
        "smtpcreds ca crl",
    ),
    (
        "CERT015",
        _W,
        "a CRL that has less than a third of its life left",
        "smtpcreds ca crl",
    ),
    (
        "CERT016",
        _E,
        "a CRL of another CA than those of the bundle, or not signed by the one that it names",
        "smtpcreds ca crl",
    ),
    (
        "CERT017",
        _E,
        "a CRL that Sendmail can't read (DER, empty, cut off); it then revokes nothing",
        "smtpcreds ca crl; or openssl crl -inform DER -in FILE -out NEW",
    ),
    (
        "CERT018",
        _W,
        "several CRLs in one file, of which Sendmail reads the first; nothing is logged",
        "give each a file of its own in confCRL_PATH, with hash links",
    ),
    (
        "CERT019",
        _E,
        "a CA certificate or CRL without the hash link by which it is looked up; nothing is logged",
        "openssl rehash DIRECTORY",
    ),
    (
        "CERT020",
        _W,
        "a hash link that leads to nothing, or to something of another name",
        "rm LINK",
    ),
    (
        "CERT021",
        _E,
        (
            "an intermediate certificate that Sendmail will not send: it reads only the first certificate"
            " of its certificate file, and the intermediate is neither in confCACERT nor hashed in "
            "confCACERT_PATH"
        ),
        "append the intermediate to the file of confCACERT",
    ),
    (
        "CERT022",
        _N,
        (
            "a certificate of a private CA on a host that takes mail from strangers, who don't know the "
            "CA; with MTA-STS they would not deliver"
        ),
        "smtpcreds cert request HOST, and have a public CA sign it",
    ),
    (
        "CERT023",
        _E,
        "a certificate that is revoked",
        "smtpcreds cert issue HOST --force",
    ),
    (
        "CERT024",
        _N,
        (
            "a self-signed certificate, such as Debian's snakeoil, on a host that is not the hub: enough for "
            "strangers, who verify nothing, and for nobody who does"
        ),
        "smtpcreds cert issue HOST, and configure its files",
    ),
)


# Codes of mail programs: Sendmail below 100, Postfix from 101, Exim from 201, Dovecot from 301.

_MTA_E, _MTA_W = Severity.ERROR, Severity.WARNING

MTA = table(
    (
        "MTA001",
        _MTA_E,
        "TRUST_AUTH_MECH names a mechanism that is not offered",
        "make TRUST_AUTH_MECH a subset of confAUTH_MECHANISMS",
    ),
    (
        "MTA002",
        _MTA_E,
        "PLAIN or LOGIN offered outside TLS",
        "define(`confAUTH_OPTIONS', `p y')dnl in sendmail.mc",
    ),
    (
        "MTA003",
        _MTA_E,
        (
            "a default-auth-info that is never read, because sendmail.cf has a ruleset authinfo or a map "
            "of credentials; mail goes unauthenticated, and nothing is logged"
        ),
        "smtpcreds mta apply sendmail-client, or use FEATURE(`authinfo')",
    ),
    (
        "MTA004",
        _MTA_E,
        (
            "certificates are configured, but confCACERT_PATH or confCACERT is not; there is no TLS, and "
            "nothing is logged"
        ),
        "define(`confCACERT_PATH', `/etc/mail/certs')dnl in sendmail.mc, and confCACERT",
    ),
    (
        "MTA005",
        _MTA_E,
        (
            "a path of a certificate, key, CA or CRL that does not begin with a slash; there is no TLS, "
            "and nothing is logged"
        ),
        "write the whole path in sendmail.mc",
    ),
    (
        "MTA006",
        _MTA_E,
        (
            "more than one certificate in confSERVER_CERT or confCLIENT_CERT, with a blank between them, "
            "or not as many keys; there is no TLS"
        ),
        "separate them by a comma alone, and name the keys in the same order",
    ),
    (
        "MTA007",
        _MTA_W,
        "a map that is older than its source, or missing",
        "makemap hash FILE < FILE",
    ),
    (
        "MTA008",
        _MTA_W,
        "a sendmail.cf that is older than sendmail.mc or a file which that includes",
        "m4 sendmail.mc > sendmail.cf, and restart",
    ),
    (
        "MTA009",
        _MTA_W,
        "a file of smtpcreds that was edited, is gone, or would be written differently today",
        "smtpcreds mta diff PROGRAM, then smtpcreds mta apply PROGRAM --force",
    ),
    (
        "MTA010",
        _MTA_W,
        "a daemon that started before the certificate, key, CA or CRL that it uses was changed",
        "kill -HUP the daemon",
    ),
    (
        "MTA011",
        _MTA_E,
        "a fingerprint algorithm that OpenSSL does not know; there is no TLS, and nothing is logged",
        "define(`confCERT_FINGERPRINT_ALGORITHM', `sha256')dnl in sendmail.mc",
    ),
    (
        "MTA012",
        _MTA_E,
        (
            "a default-auth-info that does not say what was meant: too few lines, a line that ends in a "
            "carriage return, a bare name in another realm than the relay's, or mechanisms of which none "
            "may be used; mail goes unauthenticated"
        ),
        "smtpcreds sasl auth-info ACCOUNT --to FILE --force",
    ),
    (
        "MTA013",
        _MTA_W,
        "a line of the access map about certificates that never has an effect; nothing is logged",
        "write it as it stands in: smtpcreds mta render sendmail-hub --relay-host HOST",
    ),
    (
        "MTA014",
        _MTA_W,
        "a mechanism that is offered but not trusted: who logs in with it may still not relay",
        "name the same mechanisms in TRUST_AUTH_MECH and confAUTH_MECHANISMS",
    ),
    (
        "MTA015",
        _MTA_E,
        (
            "an entry of the authinfo map that Sendmail drops, or a key that it never looks up; mail goes"
            " unauthenticated, and nothing is logged"
        ),
        "smtpcreds mta apply sendmail-client --authinfo-map",
    ),
    (
        "MTA016",
        _MTA_W,
        "a name in sendmail.mc that the macros don't know, and m4 ignores without a word",
        "see the manual of cf/README for the right name",
    ),
    (
        "MTA017",
        _MTA_E,
        "settings of smtpcreds that are not in force: sendmail.cf does not say what they say",
        "smtpcreds mta check PROGRAM",
    ),
    (
        "MTA018",
        _MTA_W,
        "mail that goes out in clear where the TLS handshake fails (confTLS_FALLBACK_TO_CLEAR)",
        "remove confTLS_FALLBACK_TO_CLEAR from sendmail.mc",
    ),
    (
        "MTA019",
        _MTA_E,
        "Sendmail.conf and confAUTH_MECHANISMS have no mechanism in common, so nobody can log in",
        "name the same mechanisms in both",
    ),
    (
        "MTA101",
        _MTA_E,
        "Postfix offers PLAIN or LOGIN outside TLS",
        "postconf -e smtpd_tls_auth_only=yes",
    ),
    (
        "MTA102",
        _MTA_E,
        "Postfix has a server certificate, and TLS is off",
        "postconf -e smtpd_tls_security_level=may",
    ),
    (
        "MTA103",
        _MTA_E,
        "Postfix sends passwords to a relay whose certificate it does not verify",
        "postconf -e smtp_tls_security_level=secure",
    ),
    (
        "MTA104",
        _MTA_E,
        (
            "an smtpd that runs in a chroot, while the account database lies outside; every login fails, "
            "and nothing is logged"
        ),
        "set chroot to n for smtpd in master.cf",
    ),
    (
        "MTA105",
        _MTA_E,
        (
            "no key of smtp_sasl_password_maps is the relayhost as it is written; mail goes "
            "unauthenticated, and nothing is logged"
        ),
        "use the very words of relayhost as the key",
    ),
    (
        "MTA106",
        _MTA_W,
        "Postfix lets client certificates relay, and reads no CRL: a revoked one still relays",
        "list fingerprints in relay_clientcerts, with permit_tls_clientcerts",
    ),
    (
        "MTA107",
        _MTA_E,
        "an smtpd.conf where Postfix does not look for it; it offers every mechanism that is installed",
        "mv FILE /etc/postfix/sasl/smtpd.conf",
    ),
    (
        "MTA108",
        _MTA_E,
        "the key stands behind the certificate in smtpd_tls_chain_files, or the numbers differ",
        "put the file with the key first",
    ),
    (
        "MTA201",
        _MTA_E,
        "Exim offers PLAIN or LOGIN outside TLS",
        "server_advertise_condition = ${if def:tls_in_cipher}",
    ),
    (
        "MTA202",
        _MTA_E,
        (
            "Exim's authenticator external without a check that a certificate was verified; a client "
            "without one ends the process"
        ),
        "server_advertise_condition = ${if bool{$tls_in_certificate_verified}}",
    ),
    (
        "MTA301",
        _MTA_E,
        "Dovecot takes passwords outside TLS",
        "disable_plaintext_auth = yes, and ssl = required",
    ),
)


# Codes of owners, modes and places of files.

_PERM_E, _PERM_W, _PERM_N = Severity.ERROR, Severity.WARNING, Severity.NOTE

PERM = table(
    (
        "PERM001",
        _PERM_E,
        ("a private key that its group or others can read; Sendmail refuses it, and mail goes unencrypted"),
        "chmod 0600 KEY; if others could read it for long, issue a new one",
    ),
    (
        "PERM002",
        _PERM_E,
        "a certificate, CA or CRL file that its group or others can change; Sendmail refuses it",
        "chmod go-w FILE",
    ),
    (
        "PERM003",
        _PERM_E,
        (
            "a directory, on the way to a credential, that its group or others can change; Sendmail "
            "refuses all files below it, also where the directory is sticky"
        ),
        "chmod go-w DIRECTORY",
    ),
    (
        "PERM004",
        _PERM_W,
        "a certificate directory that others can enter",
        "chmod 0700 DIRECTORY",
    ),
    (
        "PERM005",
        _PERM_E,
        ("a credential, certificate or database that belongs to neither root nor the mail server's own user"),
        "chown root FILE",
    ),
    (
        "PERM006",
        _PERM_N,
        (
            "a key or certificate that is a symbolic link; Sendmail follows it and does not check the "
            "directory where it leads"
        ),
        "put the file itself there",
    ),
    (
        "PERM007",
        _PERM_E,
        ("a symbolic link to a key or certificate in a directory that others can change; nothing is logged"),
        "put the file itself in place of the link, and issue a new key",
    ),
    (
        "PERM008",
        _PERM_E,
        "a file with a secret that has a second name (hard link), where other rules may hold",
        "find the other name with find -inum, and remove it",
    ),
    (
        "PERM009",
        _PERM_E,
        "an ACL that gives others access to a secret or its directory",
        "setfacl -b FILE",
    ),
    (
        "PERM010",
        _PERM_E,
        (
            "an account database that others can read or change; Sendmail takes it in any mode and says "
            "nothing"
        ),
        "chmod o-rwx FILE, and change the secrets that could be read",
    ),
    (
        "PERM011",
        _PERM_E,
        "a default-auth-info that its group or others can read; Sendmail refuses it and defers the mail",
        "chmod 0600 FILE",
    ),
    (
        "PERM012",
        _PERM_E,
        "an authinfo map, or its source, that others can read; Sendmail takes any mode and says nothing",
        "chmod 0600 FILE",
    ),
    (
        "PERM013",
        _PERM_E,
        "a sasl_passwd map of Postfix, or its source, that others can read",
        "chmod 0600 FILE",
    ),
    (
        "PERM014",
        _PERM_E,
        "a file or directory of smtpcreds' own state that others can use",
        "chmod 0600 FILE, or 0700 DIRECTORY",
    ),
    (
        "PERM015",
        _PERM_E,
        ("the CA's private key in a directory of the mail server; who breaks into that signs certificates"),
        "move it away; if it was there for long, smtpcreds ca rollover",
    ),
    (
        "PERM016",
        _PERM_E,
        "a file that the program which needs it can't read, as the user that it runs as",
        "give the file to that user's group, mode 0640, or to the user",
    ),
    (
        "PERM017",
        _PERM_E,
        (
            "a configuration file that others can change; Sendmail skips such a Sendmail.conf and goes on"
            " with defaults"
        ),
        "chmod go-w FILE",
    ),
    (
        "PERM018",
        _PERM_E,
        ("a configuration file of Cyrus SASL that holds a password of the database and that others can read"),
        "chmod 0600 FILE, and change that password",
    ),
    (
        "PERM019",
        _PERM_W,
        (
            "a directory, on the way to a credential, that belongs to an ordinary user, who can put other"
            " files there; Sendmail accepts it"
        ),
        "chown root DIRECTORY",
    ),
)


# Codes of accounts and of the configuration of Cyrus SASL.

_SASL_E, _SASL_W = Severity.ERROR, Severity.WARNING

SASL = table(
    (
        "SASL001",
        _SASL_W,
        "an account in a realm in which no server here looks up bare names",
        "add it in the right realm, or let clients log in as user@realm",
    ),
    (
        "SASL002",
        _SASL_W,
        "an authPassword beside a userPassword: it is not looked at, and may hold an older secret",
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL003",
        _SASL_E,
        (
            "a secret of Cyrus SASL 1.5 (cmusaslsecret) beside a userPassword; it can open the account by"
            " an older password"
        ),
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL004",
        _SASL_W,
        "an account whose properties can't serve what they are for",
        "smtpcreds sasl passwd ACCOUNT",
    ),
    (
        "SASL005",
        _SASL_E,
        "a record whose key is no account's; sasldblistusers2 never ends on it",
        "smtpcreds audit --fix --only SASL005, which removes that record",
    ),
    (
        "SASL006",
        _SASL_W,
        "a relay account with the name of a login account",
        "add one of another name, and delete this one",
    ),
    (
        "SASL007",
        _SASL_E,
        "an account database in a format that this host's Cyrus SASL does not read",
        "smtpcreds sasl convert NEW --to FORMAT, and put NEW in its place",
    ),
    (
        "SASL008",
        _SASL_E,
        "a mechanism or backend whose plugin is not installed",
        "install libsasl2-modules, libsasl2-modules-db or libsasl2-modules-sql",
    ),
    (
        "SASL009",
        _SASL_E,
        "a pwcheck_method that Cyrus SASL 2 does not know; PLAIN and LOGIN fail while others work",
        "pwcheck_method: auxprop, and auxprop_plugin: sasldb; or pwcheck_method: saslauthd",
    ),
    (
        "SASL010",
        _SASL_E,
        "a malformed line, for which libsasl2 refuses the whole file and the daemon every session",
        "correct it, and restart the mail server",
    ),
    (
        "SASL011",
        _SASL_E,
        (
            "accounts read through the sqlite3 engine of the sql plugin, by which SQL in a login name "
            "opens any account"
        ),
        "move the accounts to sasldb2 or PostgreSQL",
    ),
    (
        "SASL012",
        _SASL_W,
        "old secrets left readable in unused space of the database",
        "smtpcreds audit --fix --only SASL012, which writes the file anew",
    ),
    (
        "SASL013",
        _SASL_E,
        "a Sendmail.conf where Sendmail does not look for it; it goes on with defaults and says nothing",
        "mv FILE /etc/sasl2/Sendmail.conf",
    ),
    (
        "SASL014",
        _SASL_E,
        "a mail server that looks accounts up in another database than the one that is kept here",
        "set sasldb_path, or sasl.database or sasl.copies in smtpcreds.toml",
    ),
    (
        "SASL015",
        _SASL_W,
        "a mechanism that the mail server is to offer and that mech_list leaves out",
        "name the same mechanisms in both",
    ),
    (
        "SASL016",
        _SASL_E,
        "an account database that is empty, damaged, or none at all; every login fails",
        "put it back from a backup; or move it away, and smtpcreds sasl add ACCOUNT",
    ),
    (
        "SASL017",
        _SASL_E,
        (
            "a copy of the account database that does not hold the accounts as they are, perhaps because "
            "saslpasswd2 changed the database; who was deleted can still log in"
        ),
        "smtpcreds audit --fix --only SASL017, which makes it anew",
    ),
)


AUDIT = table(
    (
        "AUDIT001",
        Severity.WARNING,
        "something could not be looked at",
        "do what the reason says, and run the audit again; as root it sees the most",
    ),
)

CODES: dict[str, Code] = {**AUDIT, **PERM, **CERT, **SASL, **MTA}
