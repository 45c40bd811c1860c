"""Requests to another CA: a key that waits on this host, and what that CA is to certify."""

from dataclasses import dataclass

from ..errors import ExistsError, SmtpcredsError
from ..files import exists, read_private, sweep_target, write_all
from ..model import Artifact
from ..pki.keyfile import decode_key, encode_key
from ..pki.keys import KeyType, PrivateKey, generate, key_label
from ..pki.requests import make_request, read_request
from ..transaction import Transaction
from .install import check, prepare
from .orders import Order


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request is to say, and with which key.

    Attributes:
        order: host, names, type of a new key, place; its profile and lifetime are the other CA's affair.
        key_type: the type that a key which is there must have; None takes any.
        new_key: make a new one even if there is one.
        force: a new key may replace one that waits.
    """

    order: Order
    key_type: KeyType | None = None
    new_key: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in place.

    Attributes:
        key_path: where its key waits, or is in use.
        key_label: kind of the key, for people.
        made_key: this run made the key.
        changed: this run wrote the request; an equal one is left as it is.
        pem: the request.
    """

    order: Order
    key_path: str
    key_label: str
    made_key: bool
    changed: bool
    pem: bytes


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    key: PrivateKey


def request(work: Transaction, wish: Wish) -> Asked:
    """Make a key, unless there is one, and a request.

    A key that waits for its certificate is taken again, and so is the one in use; a pair in use is never
    touched: its next key waits beside it.

    Raises:
        ExistsError: the key that is there is of another type, or a new one would replace one that waits.
        SmtpcredsError: the key that is there can't be used.
        NameRefusedError: a name that a request can't hold.
    """
    order, pair = wish.order, wish.order.pair
    check(pair.directory)
    found = _standing(wish)
    path, key = (found.path, found.key) if found else (_new_path(wish), generate(order.key_type))
    standing = _standing_request(order, key) if found else None
    pem = standing or make_request(key, order.host, order.dns_names, order.addresses)
    if not standing:
        work.begin()
        prepare(work.site, pair.directory)
        for target in (path, pair.request):
            sweep_target(target)
        files = [] if found else [Artifact(path, encode_key(key), note=f"{order.key_type.label} key")]
        write_all([*files, Artifact(pair.request, pem, note=", ".join(order.names))])
        work.record("cert request", order.host, f"{'new key' if files else 'same key'} {path}")
    return Asked(order, path, key_label(key), not found, not standing, pem)


def _standing(wish: Wish) -> _Found | None:
    """Return the key that is to be certified, if it is there: the one that waits, else the one in use."""
    pair = wish.order.pair
    path = next((path for path in (pair.next_key, pair.key) if exists(path)), None)
    if path is None or wish.new_key:
        return None
    key = decode_key(read_private(path), None, path)
    if wish.key_type and key_label(key) != wish.key_type.label:
        reason = f"is a {key_label(key)} key that is there already"
        raise ExistsError(path, reason, f"--new-key for a new {wish.key_type.label} one")
    return _Found(path, key)


def _new_path(wish: Wish) -> str:
    pair = wish.order.pair
    path = pair.next_key if exists(pair.certificate) else pair.key
    if exists(path) and not wish.force:
        reason = "waits for the answer of another CA, which could not be installed without it"
        raise ExistsError(path, reason, "smtpcreds cert install FILE, or --force to replace the key")
    return path


def _standing_request(order: Order, key: PrivateKey) -> bytes | None:
    """Return the request that is there if it says just this."""
    path = order.pair.request
    try:
        content = read_private(path)
        said = read_request(content, path, wildcard=True)
    except SmtpcredsError:
        return None
    wanted = tuple(dict.fromkeys((order.host, *order.dns_names)))
    same = (said.dns_names, said.ip_addresses) == (wanted, tuple(dict.fromkeys(order.addresses)))
    return content if same and said.public_key == key.public_key() else None
