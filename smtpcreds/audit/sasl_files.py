"""Where Cyrus SASL looks for configuration: of sendmail, of smtpd; and for plugins."""

from ..sasldb.detect import PLUGIN_DIRECTORIES

SENDMAIL_CONFS = (
    "/etc/sasl2/Sendmail.conf",
    "/etc/sasl/Sendmail.conf",
    "/usr/lib/x86_64-linux-gnu/sasl2/Sendmail.conf",
    "/usr/lib/sasl2/Sendmail.conf",
)
"""In the order in which Debian's sendmail searches (observed); the first that is there counts."""
DEAD_SENDMAIL_CONFS = (
    "/usr/lib/sasl/Sendmail.conf",
    "/etc/mail/sasl/Sendmail.conf",
    "/etc/mail/Sendmail.conf",
)
"""Where books and habits put it, and nobody reads it."""
SMTPD_CONFS = ("/etc/postfix/sasl/smtpd.conf",)
"""Debian's Postfix, which takes no notice of cyrus_sasl_config_path (observed)."""
DEAD_SMTPD_CONFS = ("/etc/sasl2/smtpd.conf", "/usr/lib/sasl2/smtpd.conf", "/etc/sasl/smtpd.conf")
PLUGINS = PLUGIN_DIRECTORIES
