"""Codes of certificates, keys and CRLs."""

from .code import Severity, table

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
        "smtpcreds cert issue HOST --profile relay --force",
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
)
