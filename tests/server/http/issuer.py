"""An authorization server on loopback: it tells its keys, and signs what it is told to."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

RESOURCE = "https://gate.example/mcp"


@dataclass(slots=True)
class Issuer:
    """Its keys by id; `asked` are the paths that somebody wanted to see."""

    url: str = ""
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict[str, ec.EllipticCurvePrivateKey])
    asked: list[str] = field(default_factory=list[str])

    def add_key(self, key_id: str) -> None:
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def token(self, key_id: str = "one", **claims: Any) -> str:
        """One that is in order, but for what `claims` say; a claim that is None is left out."""
        whole = {"iss": self.url, "aud": RESOURCE, "sub": "anna", "exp": time.time() + 60, "client_id": "desk"} | claims
        plain = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(plain, self.keys[key_id], "ES256", {"kid": key_id})

    def document(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if path == "/.well-known/oauth-authorization-server":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            told = ECAlgorithm.to_jwk
            return {"keys": [{**json.loads(told(key.public_key())), "kid": name} for name, key in self.keys.items()]}
        return None


@contextmanager
def issuing() -> Generator[Issuer]:
    """One that answers until the block ends."""
    issuer = Issuer()
    issuer.add_key("one")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.document(self.path)
            body = json.dumps(found or {}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
