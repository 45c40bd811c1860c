"""Questions to a name server; the only home of dnspython, which is optional."""

from .ask import Answer, Resolver, parse_resolver

__all__ = ["Answer", "Resolver", "parse_resolver"]
