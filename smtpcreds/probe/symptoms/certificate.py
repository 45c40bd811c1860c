"""What can be wrong with the certificate of a server."""

from .row import REISSUE, Symptom

ROWS = (
    # Our verification of the server
    Symptom(
        "chain|openssl",
        "was not found|unable to get (local )?issuer|unable to verify the first|issuer certificate",
        "the server does not send its intermediate CA, or is of another CA than cacert.pem",
        "put the intermediate into the server's chain (Sendmail: confCACERT), or name its CA: --ca FILE",
    ),
    Symptom(
        "chain|openssl",
        "self.signed",
        "the certificate is not of our CA; Debian's snakeoil certificate looks so",
        REISSUE,
    ),
    Symptom(
        "chain|openssl",
        "not trusted|not by the key|sign each other",
        "cacert.pem here is of another, or an older, CA of that name",
        "copy cacert.pem from the authority, or name the right one: --ca FILE",
    ),
    Symptom(
        "name|openssl",
        "is not for|mismatch|not valid for",
        "the certificate has another name than the server is called by",
        "probe by its name, or say --name NAME, or add it: smtpcreds cert issue HOST --san {host}",
    ),
    Symptom(
        "purpose|openssl",
        "extendedKeyUsage|purpose|keyUsage",
        "a client's certificate serves as the server's",
        "smtpcreds cert issue {host} --server, and install it there",
    ),
    Symptom(
        "dates|openssl|chain",
        "expired",
        "it was not renewed, or the server was not reloaded since",
        "smtpcreds cert renew {host}; then reload the mail server",
    ),
    Symptom(
        "dates|openssl|chain", "not (yet )?valid", "a clock is wrong, here or at the authority", "timedatectl"
    ),
    Symptom(
        "revocation",
        "CRL has expired",
        "the CRL was not signed anew, and verifiers refuse every certificate of the CA",
        "smtpcreds ca crl on the authority; copy crl.pem",
    ),
    Symptom("revocation", "was revoked", "the server still uses a revoked certificate", REISSUE),
    Symptom(
        "tlsa",
        "no matching",
        "the record is of another key, or 2 x x and the server does not send that CA",
        "publish that record too, if the certificate is right, and drop the old one when caches forgot it",
    ),
    Symptom("tlsa", "not for SMTP", "only usages 2 and 3 are used by mail servers", "publish 3 1 1"),
)
