"""Search from a web application. An event loop must not wait for a search, so each runs in a thread.

    bitsieve index wikipedia-en -o wiki.sieve
    pip install starlette uvicorn
    WIKI_INDEX=wiki.sieve uvicorn --app-dir examples --workers 2 web:app

    GET /search?q=who+painted+water+lilies&topic=Arts

Every worker opens the index for itself, to read. Adding is for one process alone: a command, a queue's worker.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bitsieve import Index


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    with Index.open(os.environ["WIKI_INDEX"]) as index:
        await asyncio.to_thread(lambda: index.encoder)  # loads the model now and not in the first search
        yield {"index": index}


async def search(request: Request) -> JSONResponse:
    query, topic = request.query_params.get("q", "").strip(), request.query_params.get("topic")
    if not query:
        return JSONResponse({"error": "q is missing"}, status_code=400)
    where = {"topic": topic} if topic else None
    hits = await asyncio.to_thread(request.state.index.search, query, k=10, where=where, mode="hybrid")
    return JSONResponse([{"id": hit.id, "score": hit.score, **hit.metadata} for hit in hits])


app = Starlette(routes=[Route("/search", search)], lifespan=lifespan)
