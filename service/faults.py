"""Why a request cannot be answered. `service/errors.py` gives each its status code."""

from __future__ import annotations

import math

from partition.texts import Language, catalogue


class ServiceError(Exception):
    """The request cannot be answered. `key` names the sentence `error.<key>` of `service/texts.toml`."""

    def __init__(self, key: str, /, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(self.text("en"))

    def text(self, lang: Language) -> str:
        """The reason as a sentence."""
        return catalogue("service").say(f"error.{self.key}", lang, **self.values)


class MalformedError(ServiceError):
    """A parameter is unknown, repeated or has a value that cannot be understood."""


class UnknownError(ServiceError):
    """There is nothing of that name, or nothing that the principal may know of."""


class LinkSpentError(ServiceError):
    """The one-time login link was used before, or is not one of this server's."""


class NotAllowedInError(ServiceError):
    """The bearer token is unknown, expired, revoked or not made for this service."""


class RepeatedError(ServiceError):
    """The key of the request stands for another one, which was done."""


class UnderwayError(ServiceError):
    """The same request is being done now."""


class ForbiddenError(ServiceError):
    """The principal is known, and may not do this."""


class ForgedError(ServiceError):
    """A changing request came with a session's cookie but without its token."""


class WrongHostError(ServiceError):
    """The request does not come to an address that this server answers for."""


class ForeignPageError(ServiceError):
    """A page of another server asks for a change."""


class TakenError(ServiceError):
    """Something of that name is there already, or somebody else holds it."""


class FixedError(ServiceError):
    """What is to be changed changes in another way only."""


class NoMethodError(ServiceError):
    """The collection has no such method. `methods`: those it has."""

    def __init__(self, key: str, methods: tuple[str, ...], /, **values: object) -> None:
        self.methods = methods
        super().__init__(key, methods=", ".join(methods) or "GET", **values)


class StaleError(ServiceError):
    """The feature is no longer the one that the client read (If-Match)."""


class UnlockedError(ServiceError):
    """A change does not say on which version it was made."""


class MediaError(ServiceError):
    """The body is of a media type that is not read here."""


class TooLargeError(ServiceError):
    """The body, or what it describes, is larger than what is taken at once."""


class RateError(ServiceError):
    """The client asks for more than its share. `after`: seconds until it may ask again."""

    def __init__(self, key: str, after: float, /, **values: object) -> None:
        self.after = max(1, math.ceil(after))
        super().__init__(key, seconds=self.after, **values)


class BusyError(ServiceError):
    """More ask for this at once than the service takes."""
