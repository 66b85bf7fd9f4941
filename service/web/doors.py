"""Whether a server may be reached from other machines, and by which names it is called."""

from __future__ import annotations

from service.db import EVERYWHERE, Database, transaction
from service.operating import OperatingError
from service.settings import Settings
from service.web.guard import is_loopback


def check_door(database: Database, settings: Settings, host: str) -> None:
    """Raise OperatingError if `host` is reached from other machines while nobody could log in."""
    from service.identity.accounts import GATE
    from service.store.accounts import has_keys

    if is_loopback(host) or settings.oidc_issuer:
        return
    # as the app: the service may know no other role of the database
    with transaction(database.app, role=GATE, scope=[EVERYWHERE]) as connection:
        if not has_keys(connection):
            raise OperatingError("serve-no-door", host=host)


def names_of(settings: Settings, address: str) -> tuple[str, ...]:
    """Names that a service on `address` answers for besides those of this machine's loopback."""
    names = [name.strip().lower() for name in settings.hosts.split(",") if name.strip()]
    return (*names, address)
