"""A laboratory of hosts that run real mail servers, unpacked from Debian packages, in private namespaces.

Each `Host` has its own mounts, host name, network and processes; the machine's own files, ports and mail
server are never touched. Default paths (`/etc/mail`, `/etc/sasldb2`, `/var/spool`, `/dev/log`) mean the
host's, so programs run as they do in production. All of it needs root, and ends with the `Lab`:

    with Lab() as lab:
        hub = Sendmail(lab.host("dmzmail.polkatistas.org", SENDMAIL, tree=directory_that_smtpcreds_wrote))
        hub.start(mc.hub(fragment, smart_host=lab.sink.address))
"""

from lab.dovecot import DOVECOT, Dovecot
from lab.exim import EXIM, Exim
from lab.host import Host, Lab
from lab.process import LabError
from lab.sendmail import SENDMAIL, Sendmail

__all__ = ["DOVECOT", "EXIM", "SENDMAIL", "Dovecot", "Exim", "Host", "Lab", "LabError", "Sendmail"]
