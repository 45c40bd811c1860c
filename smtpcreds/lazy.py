"""What is made when it is first used: the methods of data classes, and regular expressions.

The standard library writes a data class's methods as text and compiles them, half a millisecond a class; a
regular expression takes about as long. A command imports a hundred of both and uses a part of them. Here they
are the standard library's own all the same. Type checkers see the standard library.
"""

import dataclasses
import re
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re as _re
    from dataclasses import dataclass as dataclass

    pattern = _re.compile
else:
    _completing = RLock()

    def dataclass(cls=None, /, **options):
        """Make a data class whose methods come with its first instance; see :func:`dataclasses.dataclass`.

        Args:
            cls: of which ``__init__`` is not called by other means than making an instance.
            options: all but ``slots``, which would need another class object.
        """
        if cls is None:
            return partial(dataclass, **options)

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            _complete(cls)
            cls.__init__(self, *args, **kwargs)

        cls.__init__ = __init__
        cls.__pending__ = options
        return cls

    def _complete(cls: type) -> None:
        with _completing:
            for one in reversed(cls.__mro__):
                if (options := vars(one).get("__pending__")) is not None:
                    del one.__init__
                    one.__doc__ = one.__doc__ or one.__name__  # or inspect, 6 ms, would be asked for one
                    dataclasses.dataclass(one, **options)
                    del one.__pending__

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
