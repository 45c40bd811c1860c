"""What is made when it is first used: the methods of data classes, and regular expressions.

The standard library writes a data class's methods as text and compiles them, half a millisecond a class; a
regular expression takes about as long. A command imports a hundred of both and uses a part of them. Here they
do what the standard library's do, and are the standard library's own where they are used often. Type checkers
see the standard library.
"""

import dataclasses
import re
from _thread import RLock
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re as _re
    from dataclasses import dataclass as dataclass

    pattern = _re.compile
else:
    _completing = RLock()
    _FEW = 32
    """Instances that are made without a method compiled; more are made faster by compiled ones."""
    _METHODS, _FROZEN = ("__repr__", "__eq__", "__hash__"), ("__setattr__", "__delattr__")

    def dataclass(cls=None, /, **options):
        """Make a data class whose methods come with its first instance; see :func:`dataclasses.dataclass`.

        Of the first instances the methods are not compiled, which takes half a millisecond a class; whatever
        is not plain is left to the standard library, errors too.

        Args:
            cls: of which ``__init__`` is not called by other means than making an instance.
            options: all but ``slots``, which would need another class object.
        """
        if cls is None:
            return partial(dataclass, **options)

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            _begin(cls, __init__)
            cls.__init__(self, *args, **kwargs)

        cls.__pending__ = options, False
        cls.__init__ = __init__
        return cls

    def _begin(cls: type, first: Any) -> None:
        with _completing:
            if vars(cls).get("__init__") is not first:
                return
            for above in reversed(cls.__mro__[1:]):
                if "__pending__" in vars(above):
                    _begin(above, vars(above)["__init__"] if not vars(above)["__pending__"][1] else None)
            if _is_plain(cls):
                _sketch(cls)
            else:
                _complete(cls)

    def _is_plain(cls: type) -> bool:
        is_usual = vars(cls)["__pending__"][0] in ({}, {"frozen": True})
        if not is_usual or vars(cls).keys() & {*_METHODS, *_FROZEN}:
            return False
        above = (vars(one).get("__dataclass_params__") for one in cls.__mro__[1:])
        return not any(params and params.frozen for params in above)

    def _complete(cls: type) -> None:
        with _completing:
            for one in reversed(cls.__mro__):
                if "__pending__" in vars(one):
                    options, is_sketched = vars(one)["__pending__"]
                    one.__doc__ = one.__doc__ or one.__name__  # or inspect, 6 ms, would be asked for one
                    if not is_sketched:
                        dataclasses.dataclass(one, init=False, **options)
                    _put_methods(one, "frozen" in options, ("__init__", *(_METHODS if is_sketched else ())))
                    del one.__pending__

    def _put_methods(cls: type, is_frozen: bool, names: tuple[str, ...]) -> None:
        # A subclass without fields of its own has the same methods; put from there one by one, there is none
        # that another thread does not find.
        cls.__dataclass_params__.init, cls.__dataclass_params__.frozen = True, is_frozen
        shell = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        made = dataclasses.dataclass(type(cls)(cls.__name__, (cls,), shell), frozen=is_frozen)
        for name in names:
            setattr(cls, name, vars(made)[name])

    def _sketch(cls: type) -> None:
        options = vars(cls)["__pending__"][0]
        cls.__doc__ = cls.__doc__ or cls.__name__
        dataclasses.dataclass(cls, init=False, repr=False, eq=False)
        cls.__dataclass_params__.repr = cls.__dataclass_params__.eq = True
        fields = dataclasses.fields(cls)
        cls.__repr__ = _repr([field.name for field in fields if field.repr])
        cls.__eq__, cls.__hash__ = _eq_and_hash([field.name for field in fields if field.compare])
        if "frozen" in options:
            cls.__setattr__, cls.__delattr__ = _refusals(cls, {field.name for field in fields})
        else:
            cls.__hash__ = None
        cls.__pending__ = options, True
        if any(field.kw_only or not field.init or field.hash is not None for field in fields):
            _complete(cls)
        else:
            cls.__init__ = _init(cls, fields)

    def _init(cls: type, fields: tuple[dataclasses.Field, ...]) -> Any:
        names = [field.name for field in fields]
        default = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        make = {
            field.name: field.default_factory
            for field in fields
            if field.default_factory is not dataclasses.MISSING
        }
        needed = {*names} - default.keys() - make.keys()
        ends = hasattr(cls, "__post_init__")
        left = _FEW

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            nonlocal left
            left -= 1
            found = dict(zip(names, args, strict=False))
            is_plain = len(found) == len(args) and not kwargs.keys() & found.keys()
            found.update(kwargs)
            if left < 0 or not is_plain or needed - found.keys() or len(found.keys() | {*names}) > len(names):
                _complete(cls)
                cls.__init__(self, *args, **kwargs)
                return
            made = {name: factory() for name, factory in make.items() if name not in found}
            whole = {**default, **made, **found}
            vars(self).update((name, whole[name]) for name in names)
            if ends:
                self.__post_init__()

        return __init__

    def _repr(names: list[str]) -> Any:
        def __repr__(self) -> str:  # noqa: N807
            shown = (f"{name}={getattr(self, name)!r}" for name in names)
            return f"{type(self).__qualname__}({', '.join(shown)})"

        return __repr__

    def _eq_and_hash(names: list[str]) -> tuple[Any, Any]:
        def values(one) -> tuple[Any, ...]:
            return tuple([getattr(one, name) for name in names])

        def __eq__(self, other: object) -> bool:  # noqa: N807
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self) -> int:  # noqa: N807
            return hash(values(self))

        return __eq__, __hash__

    def _refusals(cls: type, names: set[str]) -> tuple[Any, Any]:
        def __setattr__(self, name: str, value: Any) -> None:  # noqa: N807
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            super(cls, self).__setattr__(name, value)

        def __delattr__(self, name: str) -> None:  # noqa: N807
            if type(self) is cls or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
            super(cls, self).__delattr__(name)

        return __setattr__, __delattr__

    class pattern:  # noqa: N801
        """A regular expression; see :func:`re.compile`."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self.pattern, self._flags = text, flags

        def __getattr__(self, name: str) -> Any:
            compiled = re.compile(self.pattern, self._flags)
            vars(self).update(
                (method, getattr(compiled, method))
                for method in ("match", "fullmatch", "search", "sub", "split", "findall", "finditer")
            )
            return getattr(compiled, name)
