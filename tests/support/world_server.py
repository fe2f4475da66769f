"""The outside world of the tests: a DNS server, web servers and host services on this machine, run as root.

Prints {"ready": true} and then one JSON object for every DNS query and every request; ends, and takes its address
away, when stdin ends. All certificates come from the authority whose key and certificate are named by argv.
"""

import asyncio
import contextlib
import hashlib
import json
import ssl
import subprocess
import sys
from pathlib import Path

import trustme
from aiohttp import WSMsgType, web
from dnslib import QTYPE, RR, A, DNSRecord

from tests.support import anthropic_stub

ADDRESS = "198.18.77.1"
HTTP, HTTPS, OTHER_HTTPS = 80, 443, 8443

# Names that do not lead to the world's own address.
ANSWERS: dict[str, tuple[str, ...]] = {
    "rebind.test": ("127.0.0.1",),
    "metadata.test": ("169.254.169.254",),
    "private.test": ("10.255.0.1",),
    "mixed.test": (ADDRESS, "127.0.0.1"),
    "unspecified.test": ("0.0.0.0",),
    "nowhere.test": (),
}
FLIPPING = "flip.test"
"""Answers with the world's address the first time and with loopback ever after, with a TTL of 0."""


def say(**record: object) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


class Dns:
    """Answers A queries; everything else has no records."""

    def __init__(self) -> None:
        self.flipped: set[str] = set()

    def reply(self, data: bytes) -> bytes:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".").lower()
        say(query=name, type=QTYPE[query.q.qtype])
        answer = query.reply()
        if query.q.qtype == QTYPE.A:
            for address in self._addresses(name):
                answer.add_answer(RR(query.q.qname, QTYPE.A, rdata=A(address), ttl=0))
        return bytes(answer.pack())

    def _addresses(self, name: str) -> tuple[str, ...]:
        if name.endswith(FLIPPING):
            first = name not in self.flipped
            self.flipped.add(name)
            return (ADDRESS if first else "127.0.0.1",)
        return ANSWERS.get(name, (ADDRESS,))


class DnsOverUdp(asyncio.DatagramProtocol):
    def __init__(self, dns: Dns) -> None:
        self.dns = dns

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        with contextlib.suppress(Exception):
            self.transport.sendto(self.dns.reply(data), addr)  # type: ignore[attr-defined]


async def dns_over_tcp(dns: Dns, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(Exception):
        length = int.from_bytes(await reader.readexactly(2))
        reply = dns.reply(await reader.readexactly(length))
        writer.write(len(reply).to_bytes(2) + reply)
        await writer.drain()
    writer.close()


class Certificates:
    """A certificate for whatever name is asked for, made once; `untrusted.` and `wrongname.` ones are bad."""

    def __init__(self, authority: trustme.CA) -> None:
        self.authority = authority
        self.contexts: dict[str, ssl.SSLContext] = {}

    def context(self, name: str) -> ssl.SSLContext:
        if name not in self.contexts:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.set_alpn_protocols(["http/1.1"])
            authority = trustme.CA() if name.startswith("untrusted.") else self.authority
            authority.issue_cert("elsewhere.test" if name.startswith("wrongname.") else name).configure_cert(made)
            self.contexts[name] = made
        return self.contexts[name]

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        self.authority.issue_cert("unnamed.test").configure_cert(context)

        def named(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            if name:
                connection.context = self.context(name)

        context.sni_callback = named  # type: ignore[assignment]
        return context


@web.middleware
async def recorded(request: web.Request, handler: object) -> web.StreamResponse:
    say(
        request=request.path_qs,
        method=request.method,
        host=request.host,
        scheme=request.scheme,
        port=request.transport.get_extra_info("sockname")[1] if request.transport else 0,
        headers={name.lower(): value for name, value in request.headers.items()},
    )
    return await handler(request)  # type: ignore[operator,no-any-return]


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello from {request.host}\n")


async def many_bytes(request: web.Request) -> web.StreamResponse:
    total = int(request.match_info["count"])
    response = web.StreamResponse(headers={"Content-Length": str(total), "Content-Type": "application/octet-stream"})
    await response.prepare(request)
    block = bytes(range(256)) * 256
    while total:
        piece = block[: min(total, len(block))]
        await response.write(piece)
        total -= len(piece)
    return response


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(int(request.query.get("n", "3"))):
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(float(request.query.get("interval", "0.3")))
    return response


async def echo_socket(request: web.Request) -> web.WebSocketResponse:
    sock = web.WebSocketResponse()
    await sock.prepare(request)
    async for message in sock:
        if message.type == WSMsgType.TEXT:
            await sock.send_str(f"echo {message.data}")
    return sock


async def swallow(request: web.Request) -> web.Response:
    digest, size = hashlib.sha256(), 0
    async for block in request.content.iter_chunked(65536):
        digest.update(block)
        size += len(block)
    return web.json_response({"bytes": size, "sha256": digest.hexdigest()})


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


def application() -> web.Application:
    app = web.Application(middlewares=[recorded], client_max_size=0)
    app.router.add_get("/bytes/{count}", many_bytes)
    app.router.add_get("/events", events)
    app.router.add_get("/socket", echo_socket)
    app.router.add_get("/redirect", redirect)
    app.router.add_post("/swallow", swallow)
    anthropic_stub.add_routes(app)
    app.router.add_route("*", "/{rest:.*}", hello)
    return app


async def serve(key: Path, certificate: Path) -> None:
    dns = Dns()
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: DnsOverUdp(dns), (ADDRESS, 53))
    await asyncio.start_server(lambda reader, writer: dns_over_tcp(dns, reader, writer), ADDRESS, 53)
    certificates = Certificates(trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes()))
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, HTTP).start()
    for port in (HTTPS, OTHER_HTTPS):
        await web.TCPSite(runner, ADDRESS, port, ssl_context=certificates.server()).start()
    say(ready=True)
    await loop.run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    key, certificate = Path(sys.argv[1]), Path(sys.argv[2])
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)
    try:
        asyncio.run(serve(key, certificate))
    finally:
        subprocess.run(["ip", "address", "del", f"{ADDRESS}/32", "dev", "lo"], check=False)


if __name__ == "__main__":
    main()
