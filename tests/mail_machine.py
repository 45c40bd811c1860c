"""Hosts of the lab with Postfix or Sendmail, where what ``mta apply`` prints is added, and run."""

import re

from lab import SENDMAIL, Host, Lab, Sendmail, mc
from lab.postfix import POSTFIX, RELOADED, Postfix
from mail_desk import ACCOUNT, FOREIGN, HUB, Desk


class Machine(Desk):
    """A host with one mail program."""

    def __init__(self, host: Host, program: str, more: str = "") -> None:
        super().__init__(host, more)
        self.log = host.log
        self.program = program

    def add_lines(self, *options: str) -> list[str]:
        """Write the files, add by hand what is printed, and return the commands that are left to run."""
        for include in self.json("mta", "apply", self.program, *options)["include"]:
            head = "[sasl]\n" if include["file"].endswith(".toml") else ""
            file = self.host.path(include["file"])
            file.write_text(file.read_text() + head + "".join(f"{line}\n" for line in include["lines"]))
        left = self.json("mta", "apply", self.program, *options)
        assert not left["include"]
        return list(left["commands"])


class PostfixMachine(Machine):
    def __init__(self, lab: Lab, name: str, program: str, lines: str = "", more: str = "") -> None:
        super().__init__(lab.host(name, POSTFIX), program, more)
        self.postfix = Postfix(self.host)
        self.postfix.configure(lines)

    def apply(self, *options: str) -> None:
        """Follow what is printed, and start."""
        for command in self.add_lines(*options)[:-1]:
            self.host.run(("sh", "-c", command))
        self.postfix.start()
        assert "ok" in self("mta", "check", self.program, *options)

    def change(self, *options: str) -> None:
        """Take our lines out of main.cf, add those of the new file, and let --run do the rest."""
        main = self.host.path("/etc/postfix/main.cf")
        main.write_text(re.sub(r"# (\S+): begin\n.*?# \1: end\n", "", main.read_text(), flags=re.DOTALL))
        self("mta", "apply", self.program, *options)
        fragment = self.program.replace("postfix-", "/etc/postfix/smtpcreds/") + ".cf"
        self.host.run(("sh", "-c", f"cat {fragment} >> /etc/postfix/main.cf"))
        reloads = len(self.log.find(RELOADED))
        self.postfix.settle()
        self("mta", "apply", self.program, *options, "--run")
        self.log.wait(RELOADED, reloads + 1)
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.postfix.send(f"polkafan@{self.host.name}", FOREIGN)


class SendmailMachine(Machine):
    def __init__(self, lab: Lab, name: str, program: str, lines: str = "", more: str = "") -> None:
        super().__init__(lab.host(name, SENDMAIL), program, more)
        self.sendmail = Sendmail(self.host)
        role = program.partition("-")[2]
        include = mc.include(f"/etc/mail/smtpcreds/{role}.m4")
        feature = "FEATURE(`access_db', , `skip')dnl\n"
        self.host.write("/etc/mail/sendmail.mc", mc.HEAD + lines + feature + include + mc.TAIL)
        self.host.write("/etc/mail/access", "")

    def apply(self, *options: str) -> None:
        self.add_lines(*options)
        self.host.run(("sh", "-c", "m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf"))
        self.host.run(("sh", "-c", "makemap hash /etc/mail/access < /etc/mail/access"))
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.host.await_port(25)
        assert "ok" in self("mta", "check", self.program, *options)

    def send(self) -> str:
        return self.sendmail.send(f"polkafan@{self.host.name}", FOREIGN)


def postfix_hub(lab: Lab, more: str = "") -> PostfixMachine:
    """Return a hub with Postfix and an authority, which is not configured yet and does not run."""
    hub = PostfixMachine(lab, HUB, "postfix-hub", f"relayhost = [{lab.sink.address}]\n", more)
    hub("setup", HUB, "--no-passphrase")
    return hub


def give_secret(hub: Machine, client: Machine) -> None:
    """Carry the secret of the account to a client host, for ``--password file:/var/lib/secret``."""
    client.host.write("/var/lib/secret", hub("sasl", "show", ACCOUNT, "--reveal"), 0o600)
