"""What a client sees, why, and what to do: the likeliest cause of a failed step.

The words are those of OpenSSL, Sendmail 8.17, Postfix 3.7, Exim 4.96, Dovecot 2.3 and Cyrus SASL 2.1.28, as
they were seen.
"""

import re

from ..errors import SmtpcredsError
from ..lazy import dataclass

# What a row of the tables is.


@dataclass(frozen=True)
class Symptom:
    """One row.

    Attributes:
        step: regular expression that the step's name begins with.
        said: one that is found in the words of the failure, in any case.
        cause: why, most likely.
        cure: what to do; ``{host}`` stands for the server.
    """

    step: str
    said: str
    cause: str
    cure: str


REISSUE = "on the authority: smtpcreds cert issue {host} --force; install the pair on the server; reload it"
AUDIT = "on {host}: smtpcreds audit"


# What can be wrong with the certificate of a server.

CERTIFICATE_SYMPTOMS = (
    # Our verification of the server
    Symptom(
        "chain|openssl",
        "was not found|unable to get (local )?issuer|unable to verify the first|issuer certificate"
        "|in certificate chain",
        "the server does not send its intermediate CA, or is of another CA than cacert.pem",
        "put the intermediate into the server's chain (Sendmail: confCACERT), or name its CA: --ca FILE",
    ),
    Symptom(
        "chain|openssl",
        "self.signed",
        "the certificate is not of this CA; Debian's snakeoil certificate looks like this",
        REISSUE,
    ),
    Symptom(
        "chain|openssl",
        "not trusted|not by the key|sign each other",
        "the server's certificate is of another CA than cacert.pem here, or one of both is older",
        f"copy cacert.pem from the authority, or name the right one: --ca FILE; if that is right: {REISSUE}",
    ),
    Symptom(
        "name|openssl",
        "is not for|mismatch|not valid for",
        "the certificate has another name than the server is called by",
        "probe by its name, or say --name NAME, or add it: smtpcreds cert issue HOST --san {host} --force",
    ),
    Symptom(
        "purpose|openssl",
        "extendedKeyUsage|purpose|keyUsage",
        "a client's certificate serves as the server's",
        REISSUE,
    ),
    Symptom(
        "dates|openssl|chain",
        "expired",
        "it was not renewed, or the server was not reloaded since",
        "on the authority: smtpcreds cert renew {host}; install the pair on the server and reload it",
    ),
    Symptom(
        "dates|openssl|chain", "not (yet )?valid", "a clock is wrong, here or at the authority", "timedatectl"
    ),
    Symptom(
        "revocation",
        "refuse every certificate of its CA",
        "the CRL was not signed anew, and verifiers refuse every certificate of the CA",
        "on the authority: smtpcreds ca crl; copy crl.pem from there",
    ),
    Symptom("revocation", "was revoked", "the server still uses a revoked certificate", REISSUE),
    Symptom(
        "tlsa",
        "no matching",
        "the record is of another key, or 2 x x and the server does not send that CA",
        "publish that record too, if the certificate is right, and remove the old one after its TTL",
    ),
    Symptom("tlsa", "not for SMTP", "only usages 2 and 3 are used by mail servers", "publish 3 1 1"),
)


# The way to the server, TLS, and what a server says of a client certificate.

CHANNEL_SYMPTOMS = (
    # The way there
    Symptom("resolve", "", "neither DNS nor /etc/hosts knows the name", "getent hosts {host}"),
    Symptom(
        "connect",
        "refused",
        "nothing listens on this port of the server, or for the server itself alone, as Debian and RHEL "
        "configure Sendmail",
        f"start the mail server, let it listen for others ({AUDIT}), or give the right port: 25 relay, "
        "587 submission, 465 smtps://",
    ),
    Symptom(
        "connect",
        "timed out|unreachable|no route",
        "a firewall drops it, or the server is down",
        "open the port from this host to {host}; ping {host}",
    ),
    Symptom(
        "banner|ehlo",
        "did not answer in time",
        "a port for implicit TLS (465), or a server that ends as soon as it starts (fatal: in "
        "Postfix's log), is overloaded, or asks DNS and ident first",
        f"for port 465 use smtps://; else {AUDIT}, and look at its log; or give --timeout SECONDS",
    ),
    Symptom(
        "banner",
        "not a reply",
        "this is not an SMTP port; 993, 995 and 443 are others",
        "25 relay, 587 submission, 465 smtps://",
    ),
    Symptom(
        "banner", "554|421|closed", "the server refuses this host", "allow it in the server's access rules"
    ),
    Symptom(
        "ehlo",
        "50[0-9]",
        "a server, or a firewall in between, without ESMTP",
        "turn off its SMTP inspection (fixup)",
    ),
    # STARTTLS
    Symptom(
        "starttls",
        "not offered",
        "TLS is not configured, or its key or CA file can't be used, or a device in between removes it",
        f"{AUDIT}, and look for STARTTLS= in its log",
    ),
    Symptom(
        "starttls",
        "454|421|TLS not available|TLS currently unavailable",
        "the server's key does not fit its certificate, is missing, encrypted or unreadable",
        f"{AUDIT}; then reload the mail server",
    ),
    Symptom(
        "starttls",
        "plain text came",
        "a device in between injects commands, or the server pipelines where RFC 3207 forbids it",
        "compare with a probe from the server itself; update the server",
    ),
    Symptom(
        "tls|client certificate|openssl",
        "wrong version number|packet length too long|record layer failure",
        "implicit TLS was used on a port that expects STARTTLS, or no TLS is behind STARTTLS",
        "smtps:// is for port 465; use smtp:// for 25 and smtp+tls:// for 587",
    ),
    Symptom(
        "tls",
        "did not answer in time",
        "the server waits for EHLO: a port with STARTTLS",
        "use smtp:// for 25 and smtp+tls:// for 587",
    ),
    Symptom(
        "tls|openssl",
        "closed in the middle of TLS|connection broke|handshake failure|no shared cipher"
        "|no protocols available|unsupported protocol|protocol version",
        "the two sides have no TLS version or cipher in common, or the server has no usable certificate",
        f"{AUDIT}; offer TLS 1.2 or newer there (smtpd_tls_protocols)",
    ),
    Symptom(
        "tls|openssl",
        "key too small|md too weak|dh key",
        "key or signature is weaker than OpenSSL's security level 2 takes",
        REISSUE,
    ),
    Symptom(
        "ehlo inside",
        "closed the connection|connection broke",
        "the server closed the connection; Postfix does where SASL has no mechanism (fatal: in its log)",
        f"{AUDIT}, and look at its log; check mech_list",
    ),
    # The client certificate
    Symptom(
        "own certificate",
        "was revoked",
        "the authority revoked this host's certificate; what still works is by password",
        "on the authority: smtpcreds cert issue HOST --force; install the pair here",
    ),
    Symptom(
        "own certificate",
        "expired|not valid",
        "it was not renewed, or a clock is wrong",
        "on the authority: smtpcreds cert renew HOST; install the pair here",
    ),
    # In the server's words
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate required|no client certificate",
        "the server wants a client certificate",
        "--client HOST, or --cert FILE --key FILE",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert unknown ca|client certificate not trusted",
        "the server does not trust the CA of the client certificate",
        "install cacert.pem of this CA on {host} (confCACERT, smtpd_tls_CAfile) and reload it",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate revoked",
        "the client certificate is revoked",
        "on the authority: smtpcreds cert issue HOST --force; install the pair on the client",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate expired",
        "the client certificate has expired, or the server's clock is wrong",
        "on the authority: smtpcreds cert renew HOST; install the pair on the client",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert (bad|unsupported) certificate|certificate unknown",
        "the server refuses the client certificate: extendedKeyUsage without clientAuth, expired CRL, or key",
        "smtpcreds cert verify FILE --client",
    ),
)


# AUTH, what must be refused, and messages.

_CLEAR = (
    "the server takes passwords in clear text",
    "Sendmail: p in confAUTH_OPTIONS; Postfix: smtpd_tls_auth_only = yes; Dovecot: auth_allow_cleartext = no",
)

LOGIN_SYMPTOMS = (
    # Which mechanisms
    Symptom(
        "mechanisms before",
        "",
        *_CLEAR,
    ),
    Symptom(
        "mechanisms",
        "anonymous|NTLM",
        "the server's SASL configuration was not found, so it offers all it has",
        f"{AUDIT}; Sendmail.conf or smtpd.conf, with mech_list, where 'smtpcreds sasl conf' puts it",
    ),
    Symptom(
        "mechanisms",
        "none",
        "AUTH is not configured, or no SASL plugin of the list is installed, or this port does not offer it",
        f"{AUDIT}; check mech_list and confAUTH_MECHANISMS, install SASL plugins; try port 587",
    ),
    # AUTH
    Symptom(
        "auth",
        "no mechanism in common",
        "the account has secrets for other mechanisms than the server offers, or its file names others, or "
        "those can't be tried here",
        "see smtpcreds sasl show NAME; offer one of its mechanisms, PLAIN inside TLS if need be",
    ),
    Symptom(
        "auth",
        "454.*connection lost|435",
        "Dovecot delays after failures, restarted, or its socket can't be reached",
        "wait some minutes, for each wrong password lengthens it; then with --no-negative; look at owner and "
        "mode of Dovecot's auth socket",
    ),
    Symptom(
        "auth",
        "454",
        "the server can't read its account database: owner, mode, directory or format",
        f"{AUDIT}; look for 'unable to open' in its log",
    ),
    Symptom(
        "auth",
        "no mechanism available|mechanism .*not (available|supported)|504|unrecognized authentication type",
        "offered and then refused: the plugin is missing, or pwcheck_method is of SASL 1 or of saslauthd",
        f"{AUDIT}; pwcheck_method: auxprop and auxprop_plugin: sasldb; install its plugin",
    ),
    Symptom(
        "auth .*-PLUS",
        "535|channel binding",
        "the server wants another channel binding, or something in between ends TLS",
        "tls-unique is used up to TLS 1.2 and tls-server-end-point above; tls-exporter can't be tried here",
    ),
    Symptom(
        "auth (DIGEST|SCRAM)",
        "user not found|canonify",
        "the server does not know the account in this realm",
        "log in as NAME@REALM; see smtpcreds sasl list",
    ),
    Symptom(
        "auth EXTERNAL",
        "5[0-9][0-9]|not offered",
        "the client certificate is not trusted there, or EXTERNAL is not configured",
        "on {host}: smtpcreds mta apply sendmail-hub --external, or exim-hub; look for verify= in its log",
    ),
    Symptom(
        "auth",
        "535|authentication failed|incorrect authentication",
        "the password, the account or its realm is not what the server has, or its database is elsewhere, "
        "or can't be read",
        f"{AUDIT}; smtpcreds sasl list; NAME@REALM always works as a login",
    ),
    Symptom(
        "auth",
        "did not prove|before it has proved|did not extend",
        "the server does not know the secret and pretends to: an impostor, or another password there",
        "trust nothing it says; compare its certificate's fingerprint with the authority's",
    ),
    Symptom(
        "auth",
        "not base64|asks for more|challenge|first message",
        "the server's side of this mechanism is broken",
        "take it out of the server's mech_list, or update the server",
    ),
    Symptom(
        "auth",
        "iterations",
        "the server stores SCRAM secrets with too few or too many rounds",
        "set the password anew: smtpcreds sasl passwd NAME",
    ),
    Symptom(
        "auth",
        "50[23]|530|538|not offered",
        "this server or port does not offer it on this connection",
        "add it to mech_list and confAUTH_MECHANISMS; try port 587",
    ),
    Symptom(
        "auth",
        "421|too many",
        "the server limits connections or failures of this host",
        "wait and try again; allow this host in the server's rate limits",
    ),
    # What must be refused
    Symptom(
        "wrong password",
        "accepted|235",
        "the server lets everybody in: SASL's ANONYMOUS, a test back end, or another pwcheck_method",
        "disconnect it from the network; pwcheck_method: auxprop; look at the account database",
    ),
    Symptom(
        "PLAIN before",
        "",
        *_CLEAR,
    ),
    Symptom(
        "revoked certificate",
        "",
        "the server has no CRL, or an old one; Postfix reads none at all",
        "Sendmail: confCRL and crl.pem, then reload; Postfix: take its fingerprint out of relay_clientcerts",
    ),
    Symptom(
        "no certificate",
        "",
        "the server allows without a certificate what should need one",
        "look at its relay rules: CertIssuer and TLS_Clt in access, permit_tls_clientcerts",
    ),
    # A message
    Symptom(
        "send|relay",
        "relaying denied|relay access denied|access denied|5[.]7[.]1|authentication required",
        "the server does not relay for this login or certificate",
        "TRUST_AUTH_MECH, permit_sasl_authenticated, or CertIssuer in access must name it",
    ),
    Symptom(
        "send",
        "450|451|greylist|4[.]7[.]1",
        "the server wants it tried again later",
        "wait some minutes; exempt authenticated hosts from greylisting",
    ),
)


_ANYWHERE = (
    # Whatever the step
    Symptom(
        "",
        "no reply|not a reply|two codes|a (line|reply) of over|not base64|closed the connection|broke",
        "the server, or something in between, does not speak SMTP as it should",
        "compare with a probe from the server itself, and look at its log",
    ),
    Symptom(
        "", "did not answer in time", "the server is slow or hangs", "look at its log; --timeout SECONDS"
    ),
)

SYMPTOMS = (*CHANNEL_SYMPTOMS, *CERTIFICATE_SYMPTOMS, *LOGIN_SYMPTOMS, *_ANYWHERE)
"""In the order in which they are asked; the first that fits counts."""


def explain(step: str, error: SmtpcredsError, host: str) -> tuple[str, str]:
    """Return the likely cause of a failure, and the cure; what no row knows has the error's own hint."""
    said = error.reason
    for row in SYMPTOMS:
        if re.match(row.step, step) and re.search(rf"(?<!\d)(?:{row.said})(?!\d)", said, re.IGNORECASE):
            return row.cause, error.hint or row.cure.replace("{host}", host)
    return "", error.hint or f"look at the log of {host}"
