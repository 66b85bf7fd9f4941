"""The map of a community as the asking role may see it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from service.maps.community import Maps
from service.web.context import InContext
from service.web.headers import POLICY
from service.web.schemas import MapQuery

router = APIRouter(tags=["maps"])

_SCRIPT = re.compile(r"<script(?:\s+type=\"text/javascript\")?>(.*?)</script>", re.DOTALL)


@router.get("/maps/{community:path}", summary="A community's map", response_class=HTMLResponse)
def show_map(context: InContext, community: str, query: Annotated[MapQuery, Query()]) -> Response:
    """A page with grids, heat maps and facilities. Exact figures of groups are put on record."""
    maps: Maps = context.request.app.state.maps
    with context.recording() as connection:
        html = maps.page(connection, context.principal, community, context.lang)
    headers = {
        "Content-Security-Policy": policy_for(html),
        "Vary": "Accept-Language, Cookie",
    }
    return HTMLResponse(html, headers=headers)


def policy_for(html: str) -> str:
    """The content policy that lets exactly this page's own scripts run."""
    digests = sorted(
        {
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            for script in _SCRIPT.findall(html)
        }
    )
    return POLICY.replace("script-src 'self'", " ".join(["script-src 'self'", *digests]))
