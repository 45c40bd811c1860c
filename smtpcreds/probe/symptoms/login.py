"""AUTH, what must be refused, and messages."""

from .row import Symptom

_CLEAR = (
    "the server takes passwords in clear text",
    "Sendmail: p in confAUTH_OPTIONS; Postfix: smtpd_tls_auth_only = yes; Dovecot: disable_plaintext_auth",
)

ROWS = (
    # Which mechanisms
    Symptom(
        "mechanisms before",
        "",
        *_CLEAR,
    ),
    Symptom(
        "mechanisms",
        "anonymous",
        "the server's SASL configuration was not found, so it offers all it has",
        "Sendmail.conf in /etc/sasl2, smtpd.conf in /etc/postfix/sasl (Debian), with mech_list",
    ),
    Symptom(
        "mechanisms",
        "none",
        "AUTH is not configured, or no SASL plugin of the list is installed, or this port does not offer it",
        "install libsasl2-modules; check mech_list and confAUTH_MECHANISMS; try port 587",
    ),
    # AUTH
    Symptom(
        "auth",
        "no mechanism in common",
        "the account has secrets for other mechanisms than the server offers, or those can't be tried here",
        "smtpcreds sasl show NAME tells its mechanisms; offer one of them, PLAIN inside TLS if need be",
    ),
    Symptom(
        "auth",
        "454.*connection lost|435",
        "Dovecot delays after failures, restarted, or its socket can't be reached",
        "try again; look at owner and mode of Dovecot's auth socket",
    ),
    Symptom(
        "auth",
        "454",
        "the server can't read its account database: owner, mode, directory or format",
        "on {host}: smtpcreds sasl list; chown root:postfix and chmod 0640 for Postfix, then look at its log",
    ),
    Symptom(
        "auth",
        "no mechanism available|mechanism .*not (available|supported)|504|unrecognized authentication type",
        "offered and then refused: the plugin is missing, or pwcheck_method is of SASL 1 or of saslauthd",
        "pwcheck_method: auxprop and auxprop_plugin: sasldb; install libsasl2-modules-db",
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
        "log in as NAME@REALM as smtpcreds sasl list shows it",
    ),
    Symptom(
        "auth EXTERNAL",
        "5[0-9][0-9]|not offered",
        "the client certificate is not trusted there, or EXTERNAL is not configured",
        "smtpcreds mta apply sendmail-hub --external; look for verify= in the server's log",
    ),
    Symptom(
        "auth",
        "535|authentication failed|incorrect authentication",
        "the password, the account or its realm is not what the server has, or its database is elsewhere",
        "compare smtpcreds sasl list on {host}; log in as NAME@REALM; chroot: Postfix looks below its jail",
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
        "take it off the net; pwcheck_method: auxprop; look at the account database",
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
        "the server grants without a certificate what a certificate is to earn",
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
