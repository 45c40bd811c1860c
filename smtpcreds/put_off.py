"""What libraries load and most runs never use is loaded when it is used.

``importlib.util.LazyLoader`` loads a module at once where names are imported from it.
"""

import re
import sys
from _thread import RLock
from collections.abc import Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_MODULES = {
    "inspect": False,  # dataclasses
    "socket": False,  # email.utils before Python 3.14
    "email.utils": True,  # cryptography.x509, for parseaddr
    "cryptography.hazmat.primitives.serialization.ssh": True,  # its package, for names that are not used here
    "cryptography.hazmat.backends.openssl.backend": True,  # ec.ECDSA, for other signatures
}
"""Modules, and whether names are imported from them, which are called or asked for an attribute."""
_PATTERNS = ("cryptography.x509.name", "tomllib._re", "string", "urllib.parse")
"""Modules whose regular expressions wait; one of the first takes a sixth of ``cert issue``."""


class Finder:
    """The place in ``sys.meta_path`` from which these modules are taken."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _: ModuleType | None = None) -> ModuleSpec | None:
        """Return how a module is loaded; None where that is as ever."""
        kind = _Later if name in _MODULES else _WithoutPatterns if name in _PATTERNS else None
        spec = kind and PathFinder.find_spec(name, path)
        if kind and spec and spec.loader:
            spec.loader = kind(spec.loader)  # type: ignore[assignment]
        return spec


def begin() -> None:
    """Put off what is imported from now on."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)


class _Loader:
    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self.loader.create_module(spec)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class _Later(_Loader):
    def exec_module(self, module: ModuleType) -> None:
        _waiting[module.__name__] = self.loader
        module.__class__ = _Names if _MODULES[module.__name__] else _PutOff
        if module.__name__ == "inspect" and sys.version_info < (3, 14):
            module.get_annotations = partial(_annotations, module)  # type: ignore[attr-defined]


class _WithoutPatterns(_Loader):
    def exec_module(self, module: ModuleType) -> None:
        from .lazy import pattern

        with _loading:
            compiled, re.compile = re.compile, pattern
            try:
                self.loader.exec_module(module)
            finally:
                re.compile = compiled


_loading = RLock()
_waiting: dict[str, Any] = {}
"""Loaders of modules that were not used yet."""


class _PutOff(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return _loaded(self, name)


class _Names(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import asks for __path__
            raise AttributeError(name)
        return _Name(self, name)


class _Name:
    """Something of a module that is put off. Is a class wanted, this is none, and Python says so."""

    def __init__(self, module: ModuleType, name: str) -> None:
        self._place = module, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _loaded(*self._place)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(_loaded(*self._place), name)


def _annotations(module: ModuleType, of: Any, **how: Any) -> Any:
    """Do what ``inspect.get_annotations`` does, which dataclasses of Python 3.13 asks for each class."""
    if how or not isinstance(of, type):
        return _loaded(module, "get_annotations")(of, **how)
    return dict(vars(of).get("__annotations__", {}))


def _loaded(module: ModuleType, name: str) -> Any:
    with _loading:  # another thread waits until all of it is there
        if loader := _waiting.pop(module.__name__, None):
            loader.exec_module(module)
            module.__class__ = ModuleType
    return ModuleType.__getattribute__(module, name)
