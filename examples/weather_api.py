"""A small HTTP API without MCP, for weather.toml: `python weather_api.py [PORT]`, 8765 unless given."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WEATHER = {"Lyon": (21.5, "clear"), "São Paulo": (27.0, "rain"), "Oslo": (4.0, "snow")}
REPORTS: list[dict[str, Any]] = []


class Weather(BaseHTTPRequestHandler):
    """GET /v1/weather/CITY, GET and POST /v1/reports."""

    def do_GET(self) -> None:
        """Answer a read."""
        parts = urlsplit(self.path)
        place = [unquote(part) for part in parts.path.split("/")]
        if place[:3] == ["", "v1", "weather"] and len(place) == 4:
            self._weather(place[3], parse_qs(parts.query).get("units", ["celsius"])[0])
        elif parts.path == "/v1/reports":
            self._answer(200, REPORTS)
        else:
            self._answer(404, {"message": "there is no such place"})

    def do_POST(self) -> None:
        """Keep a report."""
        report = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))))
        REPORTS.append({"number": len(REPORTS) + 1, **report})
        self._answer(201, REPORTS[-1])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in http.server
        """Say nothing."""

    def _weather(self, city: str, units: str) -> None:
        if city not in WEATHER:
            self._answer(404, {"message": f"no weather of {city}; there is {', '.join(WEATHER)}"})
            return
        degrees, sky = WEATHER[city]
        told = degrees if units == "celsius" else degrees * 9 / 5 + 32
        self._answer(200, {"city": city, "temperature": told, "units": units, "sky": sky})

    def _answer(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8765), Weather) as server:
        print(f"http://localhost:{server.server_port}", flush=True)
        server.serve_forever()
