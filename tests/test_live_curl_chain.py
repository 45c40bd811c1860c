"""curl, whose OpenSSL asks for the CRL of every CA: through rollovers, below a root, with what is revoked."""

import re

import pytest
from lab import Lab
from lab.process import LabError
from mail_hosts import SendmailHub
from small_senders import Client

pytestmark = pytest.mark.live


def sends(client: Client) -> bool:
    """Carry what the hub has for the host now, and tell whether its message is taken."""
    client.take()
    client.copy("/var/lib/pairs/.", "/etc/mail/certs")
    try:
        client.send()
    except LabError as error:
        if re.search(r"curl: \(60\) SSL certificate (?:problem|OpenSSL verify result): ", str(error)):
            return False
        raise
    return True


@pytest.mark.parametrize("authority", [(), ("--intermediate",)], ids=["root", "intermediate"])
def test_curl_works_through_the_life_of_an_authority(lab: Lab, authority: tuple[str, ...]) -> None:
    hub = SendmailHub(lab, *authority)
    hub.start()
    hub("cert", "issue", "curl", "--to", "/var/lib/pairs")
    client = Client(lab, hub, "curl")
    assert sends(client)
    hub("ca", "rollover")
    assert sends(client), "the hub still shows its certificate of before"
    hub("cert", "renew", "dmzmail")
    hub.sendmail.reload()
    assert sends(client)
    hub("cert", "renew", "--old-authority")
    hub("ca", "rollover", "--retire-old")
    assert sends(client)
    hub("cert", "revoke", "dmzmail", "--all")
    assert not sends(client)
    hub("cert", "issue", "dmzmail", "--force")
    hub.sendmail.reload()
    assert sends(client)


def test_curl_refuses_a_hub_below_a_retired_issuing_ca(lab: Lab) -> None:
    """Its root is trusted still, and has revoked that CA, which has left the bundle, too."""
    hub = SendmailHub(lab, "--intermediate")
    hub.start()
    hub("cert", "issue", "curl", "--to", "/var/lib/pairs")
    client = Client(lab, hub, "curl")
    hub.host.run(("cp", "-a", "/etc/mail/certs", "/var/lib/before"))
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    hub("ca", "rollover", "--retire-old")
    hub.sendmail.reload()
    assert sends(client)
    for kind in ("cert", "key"):
        hub.host.run(
            ("cp", "-p", f"/var/lib/before/dmzmail-{kind}.pem", f"/etc/mail/certs/dmzmail-{kind}.pem")
        )
    hub.sendmail.reload()
    assert not sends(client)
