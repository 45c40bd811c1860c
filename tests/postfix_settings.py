"""A hub with Postfix whose settings are changed, and what a client host gets of it then."""

from collections.abc import Callable
from dataclasses import dataclass

from lab import Lab
from lab.postfix import POSTFIX
from mail_hosts import CLIENT, MailHost, issue, postfix_hub
from mail_settings import Seen, Visitor, all_cured, by_shell, findings

MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        change: what the administrator typed.
        code: that the audit has for it.
        is_off: tells by a visit that it matters.
        shows: whether the visitor shows a certificate instead of logging in.
    """

    change: str
    code: str
    is_off: Callable[[Seen], bool]
    shows: bool = False


def set_(*settings: str) -> str:
    return " && ".join(f"postconf -e '{setting}'" for setting in settings)


def for_smtp(setting: str, kind: str = "inet") -> str:
    return f"postconf -P 'smtp/{kind}/{setting}'"


class Scene:
    def __init__(self, lab: Lab) -> None:
        self.hub = postfix_hub(lab)
        self.client = MailHost(lab.host(CLIENT, POSTFIX))
        issue(self.hub, self.client)
        self.hub.apply("--relay-host", CLIENT)
        self.visitor = Visitor(self.hub, self.client)

    def typed(self, command: str) -> None:
        """Type a command, and let the daemons read what it changed."""
        by_shell(self.hub, command)
        self.hub.postfix.reload()

    def restart(self) -> None:
        """Start anew: what died is not started again for up to a minute."""
        self.hub.host.run(("postfix", "stop"))
        self.hub.postfix.start()

    def checked(self, code: str) -> dict[str, str]:
        """Return code to cure of what the audit finds, this code among it, as ``mta check`` does."""
        found = findings(self.hub)
        assert code in found, found
        checked = self.hub.run("mta", "check", "postfix-hub")
        assert checked.status == 1
        assert found[code] in checked.out
        return found

    def cured(self, found: dict[str, str]) -> None:
        """Type the cures until nothing is found."""
        all_cured(self.hub, found, settle=self.hub.postfix.settle)
