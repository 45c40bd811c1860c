"""Every verb that writes, in at least one run each, with what prepares it."""

from typing import NamedTuple

from admin import CERTS, HUB, Admin
from keytabs import keytab
from softhsm import URI


class Case(NamedTuple):
    """A run, after others that prepare it; ``{here}`` is the directory beside the root."""

    words: str
    before: tuple[str, ...] = ()
    scene: str = "hub"

    @property
    def verb(self) -> str:
        noun, *rest = self.words.split()
        return f"{noun} {rest[0]}" if noun in {"ca", "cert", "sasl", "mta", "tlsa", "inventory"} else noun


STOCK = "DAEMON_OPTIONS(`Port=smtp,Addr=127.0.0.1, Name=MTA')dnl\nMAILER(`smtp')dnl\n"

SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILPjFycCfsVBRE9A1EGh343G3fZOc4IRUr1E7/W8NQ/K root@attic\n"

CASES = [
    Case("ca init --no-passphrase", scene="smtpcreds"),
    Case("ca init --no-passphrase --intermediate", scene="smtpcreds"),
    Case(
        "ca import --cert {here}/given/cert --key {here}/given/key --no-passphrase",
        scene="given",
    ),
    Case("ca crl"),
    Case("ca crl --to {here}/copy.pem --reload true", ("cert issue attic --to {here}/elsewhere",)),
    Case("ca crl --force --der --to {here}/{{ca}}.crl", ("ca rollover",)),
    Case("ca crl", scene="restored"),
    Case("cert issue tuba", scene="restored"),
    Case("ca backup {here}/saved.age --passphrase file:{here}/secret"),
    Case("ca export --to {here}/cas.pem"),
    Case("ca export --key --to {here}/key.pem"),
    Case("ca passphrase --new-passphrase file:{here}/secret"),
    Case("ca rollover"),
    Case("ca rollover --force", ("cert issue attic --to {here}/elsewhere", "ca rollover")),
    Case("cert renew --old-authority", ("ca rollover",)),
    Case("ca rollover --retire-old --force", ("ca rollover",)),
    Case("ca rollover", scene="rooted"),
    Case("ca rollover --retire-old --force", ("ca rollover",), scene="rooted"),
    Case("ca crl --root-key {here}/root/var/lib/smtpcreds/ca/root-key.pem", scene="rooted"),
    Case(f"ca init --token {URI}", scene="with_token"),
    Case("ca rollover", scene="tokened"),
    Case("cert issue attic", scene="tokened"),
    Case("cert revoke attic", ("cert issue attic",), scene="tokened"),
    Case("cert issue attic mx"),
    Case("cert issue attic mx --jobs 2"),
    Case("cert issue attic --to {here}/elsewhere"),
    Case("cert issue dmzmail --force"),
    Case("cert issue dmzmail", scene="authority"),
    Case("cert renew dmzmail"),
    Case("cert renew dmzmail --new-key --reload true"),
    Case("cert renew dmzmail --san mail"),
    Case("cert renew --due"),
    Case("cert renew --due --reload true", scene="unattended"),
    Case("cert revoke attic --reload true", ("cert issue attic",)),
    Case("cert revoke {certs}/attic-cert.pem", ("cert issue attic",)),
    Case("cert revoke --serial 123456789abcdef0 --unknown"),
    Case("cert retire attic", ("cert issue attic --to {here}/elsewhere",)),
    Case(
        "cert retire attic --account scanner --with-accounts --reload true",
        ("cert issue attic", "cert renew attic", "sasl add scanner"),
    ),
    Case("cert request mx --to {here}/elsewhere"),
    Case("cert request mx"),
    Case(
        "cert install {here}/answer.pem",
        ("cert request mx", "cert sign {certs}/mx.csr --server --client --to {here}/answer.pem"),
    ),
    Case(
        "cert install {here}/elsewhere/tuba-cert.pem --key {here}/elsewhere/tuba-key.pem",
        ("cert issue tuba --to {here}/elsewhere",),
    ),
    Case("cert sign {certs}/mx.csr --to {here}/answer.pem", ("cert request mx",)),
    Case("cert export dmzmail --format p12 --password file:{here}/secret --to {here}/pair.p12"),
    Case("sasl add scanner", scene="smtpcreds"),
    Case("sasl add scanner --keep file:{here}/kept"),
    Case("sasl add scanner --hashed --auth-info {here}/info"),
    Case("sasl add scanner --database {here}/other --format gdbm"),
    Case("sasl add scanner --database {here}/other --format lmdb"),
    Case("sasl passwd maildroid"),
    Case("sasl delete maildroid"),
    Case("sasl auth-info maildroid --to {here}/info"),
    Case("sasl conf --to {here}/Sendmail.conf"),
    Case("sasl conf --keytab /etc/smtp.keytab --to {here}/Sendmail.conf"),
    Case("sasl convert --to gdbm {here}/converted"),
    Case("sasl convert --to lmdb {here}/converted"),
    Case("sasl export --reveal --to {here}/accounts"),
    Case("sasl import {here}/accounts.csv"),
    Case("sasl rotate maildroid"),
    Case("sasl rotate maildroid --keep file:{here}/kept"),
    Case("sasl rotate maildroid --retire", ("sasl rotate maildroid",)),
    Case("sasl rotate maildroid --abandon", ("sasl rotate maildroid",)),
    Case("mta apply sendmail-hub"),
    Case("mta apply sendmail-hub --plaintext"),
    Case("mta apply sendmail-hub --defaults", ("mta apply sendmail-hub --plaintext",)),
    Case("mta apply sendmail-hub --edit --relay-certificates"),
    Case("mta apply sendmail-hub --keytab /etc/smtp.keytab"),
    Case("mta apply postfix-hub"),
    Case("mta render sendmail-hub --to {here}/rendered"),
    Case("tlsa next dmzmail"),
    Case("setup dmzmail.polkatistas.org --no-passphrase", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase --mta sendmail", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase --mta sendmail --edit", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase --mta postfix", scene="bare"),
    Case("setup dmzmail.polkatistas.org --no-passphrase"),
    Case("bundle attic -o {here}/attic.tar"),
    Case("bundle attic --authorize {here}/key.pub --to {here}/authorized_keys"),
    Case("bundle attic --serve", ("bundle attic --authorize {here}/key.pub",)),
    Case("inventory convert {here}/converted"),
    Case("audit --fix", ("cert issue attic --to {here}/elsewhere",)),
    Case("status --format html --output {here}/status.html"),
]


def prepared(admin: Admin, case: Case) -> list[str]:
    """Make the scene of a case, and return the words of the run."""
    admin.secret("secret")
    admin.write("key.pub", SSH_KEY, 0o644)
    if "--edit" in case.words:
        admin.write("/etc/mail/sendmail.mc", STOCK, 0o644)
    if "postfix" in case.words:
        admin.write("/etc/group", "postfix:x:12345:\n", 0o644)
    admin.write("accounts.csv", "joe,S3cret.of.joe,\nanne,S3cret.of.anne,\n")
    if "--keytab" in case.words:
        admin.write("/etc/smtp.keytab", keytab(f"smtp/{HUB}"), 0o600)
    (admin.directory / "elsewhere").mkdir(0o700, exist_ok=True)
    places = {"here": admin.directory, "certs": admin.path(CERTS)}
    for words in case.before:
        admin(*words.format(**places).split())
    if case.verb == "audit":
        (admin.certs / "dmzmail-key.pem").chmod(0o644)
    return case.words.format(**places).split()
