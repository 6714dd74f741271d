"""Stands in for Application Insights and for an app's identity: over HTTPS, without which no token is sent."""

import asyncio
import gzip
import json
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from batch_emulator.certificate import make_certificate

TOKEN = "token-of-the-identity"
_SECRET_HEADER = "header-of-the-platform"


class AzureMonitor:
    """What has been asked for and sent."""

    def __init__(self) -> None:
        #: What tokens were asked for, as the parameters of each request.
        self.asked: list[dict[str, str]] = []
        self.authorizations: set[str | None] = set()
        #: The envelopes: https://github.com/Azure/azure-sdk-for-python, azure-monitor-opentelemetry-exporter.
        self.envelopes: list[dict[str, Any]] = []
        self.settings: dict[str, str] = {}

    @property
    def kinds(self) -> set[str]:
        """What has been sent: metrics, messages, requests, dependencies."""
        return {one["name"].removeprefix("Microsoft.ApplicationInsights.") for one in self.envelopes}

    def points(self, beginning: str) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Return the attributes and values of metrics by their names."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for data in (one["data"]["baseData"] for one in self.envelopes):
            for metric in data.get("metrics", ()):
                if metric["name"].startswith(beginning):
                    found.setdefault(metric["name"], []).append((data["properties"], metric["value"]))
        return found

    async def has(self, names: Collection[str]) -> None:
        """Wait until metrics of all these names have been sent."""
        async with asyncio.timeout(60):
            while not set(names) <= set(self.points("")):
                await asyncio.sleep(0.1)


@contextmanager
def listening(folder: Path) -> Iterator[AzureMonitor]:
    """Answer on free ports; `settings` name them."""
    monitor = AzureMonitor()
    cert, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with _serving(_ingestion(monitor), context) as ingestion, _serving(_identity(monitor)) as identity:
        url = f"https://127.0.0.1:{ingestion}/"
        monitor.settings = {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={url};LiveEndpoint={url}"
            ),
            "REQUESTS_CA_BUNDLE": str(cert),
            # https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{identity}/msi/token",
            "IDENTITY_HEADER": _SECRET_HEADER,
        }
        yield monitor


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answering(BaseHTTPRequestHandler):
    def answer(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _ingestion(monitor: AzureMonitor) -> type[BaseHTTPRequestHandler]:
    class Ingestion(_Answering):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            monitor.authorizations.add(self.headers["Authorization"])
            if not self.path.endswith("/track"):
                self.answer({})  # live metrics, which nobody looks at
                return
            envelopes = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            monitor.envelopes += envelopes
            self.answer({"itemsReceived": len(envelopes), "itemsAccepted": len(envelopes), "errors": []})

    return Ingestion


def _identity(monitor: AzureMonitor) -> type[BaseHTTPRequestHandler]:
    class Identity(_Answering):
        def do_GET(self) -> None:
            if self.headers["X-IDENTITY-HEADER"] != _SECRET_HEADER:
                self.send_error(403)
                return
            asked = {name: value for name, (value,) in parse_qs(urlsplit(self.path).query).items()}
            monitor.asked.append(asked)
            expiry = str(int(time.time()) + 86_400)
            self.answer({"access_token": TOKEN, "expires_on": expiry, "token_type": "Bearer", **asked})

    return Identity
