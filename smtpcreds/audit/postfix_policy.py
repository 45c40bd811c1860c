"""What Postfix as a client is told of TLS with its relay, by parameters and by tables."""

from typing import NamedTuple

from .postfix_lookups import answer
from .postfix_scopes import Scope, Table, table_of, words_of
from .postfix_unread import is_unread

_MAPS = "smtp_tls_policy_maps"
_OLD_MAPS = "smtp_tls_per_site"
_OLD = {"none": "none", "may": "may", "must": "verify", "must_nopeermatch": "encrypt"}


class Policy(NamedTuple):
    """The level of TLS for the relay, the table that says so, if one does, and its further words.

    Attributes:
        level: in lower case; empty where a table that can't be read here may say another one.
        table: one in a file with keys.
        words: as ``match=NAME``.
        parameter: which names the table; empty where none says anything.
        map: the table as that parameter names it.
    """

    level: str
    table: Table | None = None
    words: tuple[str, ...] = ()
    parameter: str = ""
    map: str = ""

    def attribute(self, name: str) -> str:
        """Return an attribute of a line, as ``protocols``; the last one counts."""
        found = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return found[-1] if found else ""


def policy(scope: Scope) -> Policy:
    """Return what holds for the relay."""
    relay = scope.conf.value("relayhost").lower()
    for word in words_of(scope.conf.value(_MAPS)):
        if is_unread(word):
            return Policy("", None, (), _MAPS, word)
        if said := answer(scope, word, (relay,)).split():
            table = table_of(scope.host, scope.conf, word, "postfix-client")
            return Policy(said[0].lower(), table, tuple(said[1:]), _MAPS, word)
    if not scope.conf.value(_MAPS):  # else the old ones are not asked
        for word in words_of(scope.conf.value(_OLD_MAPS)):
            if is_unread(word):
                return Policy("", None, (), _OLD_MAPS, word)
            name = relay.strip("[").partition("]")[0].partition(":")[0]
            said = answer(scope, word, (relay, name)).split()
            if said and said[0].lower() in _OLD:
                return Policy(_OLD[said[0].lower()], None, (), _OLD_MAPS, word)
    return Policy(scope.conf.value("smtp_tls_security_level") or "none")
