"""``smtpcreds ca``: the certificate authority."""

from ..lazy import noun

ca = noun(
    "ca",
    "The certificate authority that signs for your mail hosts.",
    {
        "init": ("ca.init", "init", "Make the authority: a private key and its certificate."),
        "import": ("ca.adopt", "import_", "Take over an authority that another program made."),
        "show": ("ca.show", "show", "Show the authority; no passphrase is needed."),
        "crl": ("ca.crl", "crl", "Sign a fresh list of revoked certificates."),
        "export": ("ca.export", "export", "Copy its certificates for clients, or a key to a safe place."),
        "passphrase": ("ca.passphrase", "passphrase", "Change or remove the passphrase of its keys."),
        "rollover": ("ca.rollover", "rollover", "Replace it by a new one, or retire the old one."),
    },
)
