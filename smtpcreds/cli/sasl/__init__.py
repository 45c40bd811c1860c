"""``smtpcreds sasl``: relay accounts."""

from ..lazy import noun

sasl = noun(
    "sasl",
    "Relay accounts in the database of Cyrus SASL.",
    {
        "add": ("sasl.change", "add", "Add a relay account with a strong secret."),
        "list": ("sasl.show", "list_", "List the accounts and the mechanisms that each can serve."),
        "show": ("sasl.show", "show", "Show one account; its secret only with --reveal."),
        "passwd": ("sasl.change", "passwd", "Give an account another secret, at once."),
        "delete": ("sasl.change", "delete", "Delete an account with all its properties."),
        "verify": ("sasl.verify", "verify", "Tell whether a password opens an account."),
        "convert": (
            "sasl.convert",
            "convert",
            "Write the accounts in another format, or to PostgreSQL.",
        ),
        "conf": ("sasl.conf", "conf", "Produce Sendmail.conf or smtpd.conf for a hub."),
        "auth-info": ("sasl.auth_info", "auth_info", "Produce default-auth-info for client hosts."),
        "rotate": ("sasl.rotate", "rotate", "Replace an account without an outage, in two steps."),
        "rotations": ("sasl.rotations", "rotations", "List replacements that are half-way."),
        "import": ("sasl.import_", "import_", "Import many accounts at once from a file."),
        "export": ("sasl.export", "export", "Export all accounts; their secrets only with --reveal."),
    },
)
