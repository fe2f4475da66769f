"""Answers the Messages API the way the real one does for a short question, as a stream of events.

Shape: https://docs.anthropic.com/en/api/messages-streaming, as recorded from the real client's traffic.
"""

import json

from aiohttp import web

ANSWER = "The bottle says hello."

_MODEL = "claude-sonnet-4-5"


def _event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def _stream() -> list[bytes]:
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return [
        _event("message_start", message=message),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": ANSWER}),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage),
        _event("message_stop"),
    ]


async def messages(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    if not body.get("stream"):
        whole = {
            "id": "msg_stub",
            "type": "message",
            "role": "assistant",
            "model": _MODEL,
            "content": [{"type": "text", "text": ANSWER}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
        return web.json_response(whole)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in _stream():
        await response.write(piece)
    return response


def add_routes(app: web.Application) -> None:
    """The calls that Claude Code makes in headless mode; what it only reports is accepted."""
    app.router.add_post("/v1/messages", messages)
    app.router.add_post("/v1/messages/count_tokens", lambda _: _json({"input_tokens": 10}))
    app.router.add_post("/api/event_logging/{rest:.*}", lambda _: _json({}))


async def _json(content: object) -> web.Response:
    return web.json_response(content)
