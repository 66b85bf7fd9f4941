"""Runs the migrations on the connection that `service.db` hands over; the environment is not read here."""

from __future__ import annotations

from alembic import context
from service.db import comparison, head
from service.models import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, **comparison())
with context.begin_transaction():
    context.run_migrations()
    # what only code can work out, once the tables are those that it knows
    if context.get_context().get_current_revision() == head():
        from service.store.places import place_pending

        place_pending(connection, context.config.attributes.get("progress"))
