"""The classic failures: how to bring each about, and what mail servers, audit and probe say of it."""

from dataclasses import dataclass, field

from admin import HUB

CERTS = "/etc/mail/certs"
KEY, CERTIFICATE = f"{CERTS}/dmzmail-key.pem", f"{CERTS}/dmzmail-cert.pem"
HASHED = frozenset({"auth SCRAM-SHA-256", "auth DIGEST-MD5", "auth CRAM-MD5"})

ANOTHER_CA = f"cp /var/lib/other{CERTS}/dmzmail-key.pem /var/lib/other{CERTS}/dmzmail-cert.pem {CERTS}"
EXPIRED = f"sign {HUB} serverAuth,clientAuth -40d 30"
ANOTHER_NAME = "sign impostor.polkatistas.org serverAuth,clientAuth +0d 300"
NO_SERVER = f"sign {HUB} clientAuth +0d 300"
ANOTHER_KEY = f"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {KEY}"
OLD_CRL = f"cat /var/lib/old-crl.pem > {CERTS}/crl.pem"
OTHER_REALM = f"saslpasswd2 -d -u {HUB} maildroid; echo geheim | saslpasswd2 -p -c maildroid"

NOT_AS_THE_SERVER = "not what the server has"
IS_UNTRUSTED = "of another CA than cacert.pem"
IS_LATE = "was not renewed"
IS_OTHER = "another name than the server is called by"
IS_CLIENTS = "client's certificate serves as the server's"


@dataclass(frozen=True)
class Failure:
    """One row; patterns are regular expressions.

    Attributes:
        name: what people call it.
        script: lines for a shell that break a host; see ``SIGN`` for ``sign``.
        log: the characteristic line; empty where nothing is logged.
        silence: what no line says then.
        delivery: of the message that the client host tried.
        codes: all that audit finds there.
        steps: all that fail in probe.
        cause: of the last of them, as probe gives it.
        at: the host that is broken: hub or client.
        logged_at: and the one that logs.
        words: more of the command line of probe.
        is_cured: whether audit's cures are typed, and leave nothing to be found.
    """

    name: str
    script: str
    log: str
    delivery: str
    codes: frozenset[str]
    steps: frozenset[str] = field(default_factory=frozenset)
    cause: str = ""
    silence: str = ""
    at: str = "hub"
    logged_at: str = "hub"
    words: tuple[str, ...] = ()
    is_cured: bool = True


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_DENIED = "550 5.7.1 .*Relaying denied"
_UNBELIEVED = "stat=Deferred: 454 4.7.0 authentication failed"
_UNENCRYPTED = "stat=Deferred: 454 4.7.0 other side does not support STARTTLS"
_FAIL = "STARTTLS=client, relay=dmzmail.*, verify=FAIL"

SENDMAIL = (
    Failure(
        "wrong realm",
        OTHER_REALM,
        r"AUTH failure \(SCRAM-SHA-256\): user not found .*unable to canonify user and get auxprops",
        _DENIED,
        _set("SASL012 SASL023"),
        HASHED,
        NOT_AS_THE_SERVER,
    ),
    Failure(
        "unreadable sasldb",
        ": > /etc/sasldb2",
        "unable to open Berkeley db /etc/sasldb2: Invalid argument",
        _DENIED,
        _set("SASL016"),
        HASHED,
        NOT_AS_THE_SERVER,
    ),
    Failure(
        "wrong CA",
        ANOTHER_CA,
        _FAIL,
        _UNBELIEVED,
        _set("CERT003"),
        _set("chain openssl"),
        IS_UNTRUSTED,
        logged_at="client",
    ),
    Failure(
        "expired",
        EXPIRED,
        _FAIL,
        _UNBELIEVED,
        _set("CERT004"),
        _set("dates openssl"),
        IS_LATE,
        logged_at="client",
    ),
    Failure(
        "name mismatch",
        ANOTHER_NAME,
        f"reject=454 4.7.0 CN impostor.polkatistas.org does not match {HUB}",
        "stat=Deferred: 454 4.7.0 CN impostor",
        _set("CERT007"),
        _set("name openssl"),
        IS_OTHER,
        logged_at="client",
    ),
    Failure(
        "missing EKU",
        NO_SERVER,
        _FAIL,
        _UNBELIEVED,
        _set("CERT009"),
        _set("purpose openssl"),
        IS_CLIENTS,
        logged_at="client",
    ),
    Failure(
        "key mismatch",
        ANOTHER_KEY,
        rf"STARTTLS=server, error: SSL_CTX_check_private_key failed\({KEY}\): 0",
        _UNENCRYPTED,
        _set("CERT001"),
        _set("starttls"),
        "TLS is not configured, or its key or CA file can't be used",
    ),
    Failure(
        "no common mechanism",
        "sed -i 's/^mech_list:.*/mech_list: PLAIN LOGIN/' /etc/sasl2/Sendmail.conf",
        "",
        _DENIED,
        _set("MTA019 MTA009"),
        _set("mechanisms"),
        "AUTH is not configured, or no SASL plugin of the list is installed",
        silence="AUTH|mech_list|fulfill",
    ),
    Failure(
        "no common mechanism, by the client",
        "echo GSSAPI >> /etc/mail/default-auth-info",
        "AUTH=client, available mechanisms=.* do not fulfill requirements",
        _DENIED,
        _set("MTA012 MTA009"),
        _set("auth"),
        "its file names others",
        at="client",
        logged_at="client",
        words=("--auth-info", "/etc/mail/default-auth-info"),
    ),
    Failure(
        "expired CRL",
        OLD_CRL,
        "STARTTLS=server, relay=attic.*, verify=FAIL",
        "stat=Sent",
        _set("CERT014"),
    ),
    Failure(
        "expired CRL, at the client",
        OLD_CRL,
        _FAIL,
        _UNBELIEVED,
        _set("CERT014"),
        _set("revocation"),
        "the CRL was not signed anew",
        at="client",
        logged_at="client",
    ),
    Failure(
        "dead default-auth-info",
        "sed -i /Sauthinfo/d /etc/mail/smtpcreds/client.m4\nm4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf",
        "",
        _DENIED,
        _set("MTA003 MTA009 MTA017"),
        silence="AUTH|auth-info",
        at="client",
        logged_at="client",
    ),
)

_REFUSED = r"status=deferred \(SASL authentication failed; server .* said: "
_UNVERIFIED = r"status=deferred \(Server certificate not verified\)"

POSTFIX = (
    Failure(
        "wrong realm",
        "postconf -e smtpd_sasl_local_domain=example.org 2> /dev/null",
        "SASL SCRAM-SHA-256 authentication failed: .*, sasl_username=maildroid@example.org",
        _REFUSED + "535 5.7.8",
        _set("MTA017"),
        HASHED,
        NOT_AS_THE_SERVER,
    ),
    Failure(
        "unreadable sasldb",
        "chmod 0600 /var/spool/postfix/etc/postfix/sasldb2",
        "SASL authentication problem: unable to open Berkeley db /etc/postfix/sasldb2: Permission denied",
        _REFUSED + "454 4.7.0 Temporary authentication failure: generic failure",
        _set("PERM016"),
        frozenset({"auth SCRAM-SHA-256"}),
        "can't read its account database",
    ),
    Failure(
        "wrong CA",
        ANOTHER_CA,
        "certificate verification failed for .*: untrusted issuer /CN=",
        _UNVERIFIED,
        _set("CERT003"),
        _set("chain openssl"),
        IS_UNTRUSTED,
        logged_at="client",
        is_cured=False,
    ),
    Failure(
        "expired",
        EXPIRED,
        "server certificate verification failed for .*: certificate has expired",
        _UNVERIFIED,
        _set("CERT004"),
        _set("dates openssl"),
        IS_LATE,
        logged_at="client",
        is_cured=False,
    ),
    Failure(
        "name mismatch",
        ANOTHER_NAME,
        "server certificate verification failed for .*: num=62:hostname mismatch",
        _UNVERIFIED,
        _set("CERT007"),
        _set("name openssl"),
        IS_OTHER,
        logged_at="client",
        is_cured=False,
    ),
    Failure(
        "missing EKU",
        NO_SERVER,
        "certificate verification failed for .*: not designated for use as a server certificate",
        _UNVERIFIED,
        _set("CERT009"),
        _set("purpose openssl"),
        IS_CLIENTS,
        logged_at="client",
        is_cured=False,
    ),
    Failure(
        "key mismatch",
        ANOTHER_KEY,
        "error loading private keys and certificates from: .*: disabling TLS support",
        r"status=deferred \(TLS is required, but host .* refused to start TLS: 454 4.7.0 TLS not available",
        _set("CERT001"),
        _set("starttls"),
        "key does not fit its certificate",
        is_cured=False,
    ),
    Failure(
        "no common mechanism",
        "sed -i 's/^mech_list:.*/mech_list: GSSAPI/' /etc/postfix/sasl/smtpd.conf",
        "fatal: no SASL authentication mechanisms",
        r"status=deferred \(lost connection with .* while performing the EHLO handshake\)",
        _set("SASL008 SASL021 MTA009"),
        frozenset({"ehlo inside TLS"}),
        "Postfix does where SASL has no mechanism",
        is_cured=False,
    ),
    Failure(
        "expired CRL",
        OLD_CRL,
        "",
        "status=sent",
        _set("CERT014"),
        silence="CRL|expired",
        is_cured=False,
    ),
    Failure(
        "dead password (as default-auth-info)",
        f"sed -i 's/^.{HUB}.:25/[{HUB}]/' /etc/postfix/smtpcreds/sasl_passwd",
        "",
        r"dsn=5.7.1, status=bounced \(.* 554 5.7.1 .*Relay access denied",
        _set("MTA105 MTA009"),
        silence="SASL|AUTH|no password",
        at="client",
        logged_at="client",
    ),
)
