"""The headers of every answer: they keep a page to itself, and out of every cache."""

from __future__ import annotations

import re

from starlette.requests import Request

# Pages of our own carry no script; a map's page names the digests of its scripts itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# Pages of any origin may read, as the public or with a token of their own. A browser never shows them what it
# was answered with a cookie ("*" excludes that), and they may not change anything.
SHARED = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Accept-Language, Authorization, If-None-Match, If-Range, Range",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Crs, Content-Range, ETag, Link, "
    "OGC-NumberMatched, Retry-After, X-Request-ID",
    "Access-Control-Max-Age": "86400",
}


def takes_gzip(request: Request) -> bool:
    """Whether the client says that it can unpack gzip; what it does not say counts as no."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return not re.fullmatch(r"q=0(\.0*)?", quality.strip())
    return False
