"""Scripts, styles, fonts and pictures of pages and maps, from the installed packages."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from layers.assets import read
from layers.errors import UnknownAsset
from service.faults import UnknownError

router = APIRouter(include_in_schema=False)


@router.get("/static/{name:path}")
def show_asset(request: Request, name: str) -> Response:
    """An asset by name; a browser that has it gets a 304."""
    try:
        content, kind = read(name)
    except UnknownAsset:
        raise UnknownError("asset", name=name[:60]) from None
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "public, max-age=0, must-revalidate"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)
