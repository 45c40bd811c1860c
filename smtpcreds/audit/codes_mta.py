"""Codes of mail programs: Sendmail below 100, Postfix from 101, Exim from 201, Dovecot from 301."""

from .code import Severity, table

_E, _W = Severity.ERROR, Severity.WARNING

MTA = table(
    (
        "MTA001",
        _E,
        "TRUST_AUTH_MECH names a mechanism that is not offered",
        "make TRUST_AUTH_MECH a subset of confAUTH_MECHANISMS",
    ),
    (
        "MTA002",
        _E,
        "PLAIN or LOGIN offered outside TLS",
        "define(`confAUTH_OPTIONS', `p y')dnl in sendmail.mc",
    ),
    (
        "MTA003",
        _E,
        (
            "a default-auth-info that is never read, because sendmail.cf has a ruleset authinfo or a map "
            "of credentials; mail goes unauthenticated, and nothing is logged"
        ),
        "smtpcreds mta apply sendmail-client, or use FEATURE(`authinfo')",
    ),
    (
        "MTA004",
        _E,
        (
            "certificates are configured, but confCACERT_PATH or confCACERT is not; there is no TLS, and "
            "nothing is logged"
        ),
        "define(`confCACERT_PATH', `/etc/mail/certs')dnl in sendmail.mc, and confCACERT",
    ),
    (
        "MTA005",
        _E,
        (
            "a path of a certificate, key, CA or CRL that does not begin with a slash; there is no TLS, "
            "and nothing is logged"
        ),
        "write the whole path in sendmail.mc",
    ),
    (
        "MTA006",
        _E,
        (
            "more than one certificate in confSERVER_CERT or confCLIENT_CERT, with a blank between them, "
            "or not as many keys; there is no TLS"
        ),
        "separate them by a comma alone, and name the keys in the same order",
    ),
    (
        "MTA007",
        _W,
        "a map that is older than its source, or missing",
        "makemap hash FILE < FILE",
    ),
    (
        "MTA008",
        _W,
        "a sendmail.cf that is older than sendmail.mc or a file which that includes",
        "m4 sendmail.mc > sendmail.cf, and restart",
    ),
    (
        "MTA009",
        _W,
        "a file of smtpcreds that was edited, is gone, or would be written differently today",
        "smtpcreds mta diff PROGRAM, then smtpcreds mta apply PROGRAM --force",
    ),
    (
        "MTA010",
        _W,
        "a daemon that started before the certificate, key, CA or CRL that it uses was changed",
        "kill -HUP the daemon",
    ),
    (
        "MTA011",
        _E,
        "a fingerprint algorithm that OpenSSL does not know; there is no TLS, and nothing is logged",
        "define(`confCERT_FINGERPRINT_ALGORITHM', `sha256')dnl in sendmail.mc",
    ),
    (
        "MTA012",
        _E,
        (
            "a default-auth-info that does not say what was meant: too few lines, a line that ends in a "
            "carriage return, or a bare name in another realm than the relay's; mail goes unauthenticated"
        ),
        "smtpcreds sasl auth-info ACCOUNT --to FILE --force",
    ),
    (
        "MTA013",
        _W,
        "a line of the access map about certificates that never has an effect; nothing is logged",
        "write it as smtpcreds mta render sendmail-hub --relay-host does",
    ),
    (
        "MTA014",
        _W,
        "a mechanism that is offered but not trusted: who logs in with it may still not relay",
        "name the same mechanisms in TRUST_AUTH_MECH and confAUTH_MECHANISMS",
    ),
    (
        "MTA015",
        _E,
        (
            "an entry of the authinfo map that Sendmail drops, or a key that it never looks up; mail goes"
            " unauthenticated, and nothing is logged"
        ),
        "smtpcreds mta apply sendmail-client --authinfo-map",
    ),
    (
        "MTA016",
        _W,
        "a name in sendmail.mc that the macros don't know, and m4 ignores without a word",
        "see the manual of cf/README for the right name",
    ),
    (
        "MTA017",
        _E,
        "settings of smtpcreds that are not in force: sendmail.cf does not say what they say",
        "smtpcreds mta check PROGRAM",
    ),
    (
        "MTA018",
        _W,
        "mail that goes out in clear where the TLS handshake fails (confTLS_FALLBACK_TO_CLEAR)",
        "remove confTLS_FALLBACK_TO_CLEAR from sendmail.mc",
    ),
    (
        "MTA019",
        _E,
        "Sendmail.conf and confAUTH_MECHANISMS have no mechanism in common, so nobody can log in",
        "name the same mechanisms in both",
    ),
    (
        "MTA101",
        _E,
        "Postfix offers PLAIN or LOGIN outside TLS",
        "postconf -e smtpd_tls_auth_only=yes",
    ),
    (
        "MTA102",
        _E,
        "Postfix has a server certificate, and TLS is off",
        "postconf -e smtpd_tls_security_level=may",
    ),
    (
        "MTA103",
        _E,
        "Postfix sends passwords to a relay whose certificate it does not verify",
        "postconf -e smtp_tls_security_level=secure",
    ),
    (
        "MTA104",
        _E,
        (
            "an smtpd that runs in a chroot, while the account database lies outside; every login fails, "
            "and nothing is logged"
        ),
        "set chroot to n for smtpd in master.cf",
    ),
    (
        "MTA105",
        _E,
        (
            "no key of smtp_sasl_password_maps is the relayhost as it is written; mail goes "
            "unauthenticated, and nothing is logged"
        ),
        "use the very words of relayhost as the key",
    ),
    (
        "MTA106",
        _W,
        "Postfix lets client certificates relay, and reads no CRL: a revoked one still relays",
        "list fingerprints in relay_clientcerts, with permit_tls_clientcerts",
    ),
    (
        "MTA107",
        _E,
        "an smtpd.conf where Postfix does not look for it; it offers every mechanism that is installed",
        "mv FILE /etc/postfix/sasl/smtpd.conf",
    ),
    (
        "MTA108",
        _E,
        "the key stands behind the certificate in smtpd_tls_chain_files, or the numbers differ",
        "put the file with the key first",
    ),
    (
        "MTA201",
        _E,
        "Exim offers PLAIN or LOGIN outside TLS",
        "server_advertise_condition = ${if def:tls_in_cipher}",
    ),
    (
        "MTA202",
        _E,
        (
            "Exim's authenticator external without a check that a certificate was verified; a client "
            "without one ends the process"
        ),
        "server_advertise_condition = ${if bool{$tls_in_certificate_verified}}",
    ),
    (
        "MTA301",
        _E,
        "Dovecot takes passwords outside TLS",
        "disable_plaintext_auth = yes, and ssl = required",
    ),
)
