"""`python -m headgate.server.demo.servers orders|payments|shipments [PACE]`."""

import sys
from contextlib import suppress
from dataclasses import replace

import anyio

from headgate.server.demo.servers import orders, payments, shipments
from headgate.server.demo.servers.serving import serve

TABLES = {"orders": orders.tools, "payments": payments.tools, "shipments": shipments.tools}


def main(arguments: list[str]) -> int:
    """Serve the one server named in `arguments`, its delays times PACE; 2 if that makes no sense."""
    name, pace = arguments[0] if arguments else "", "".join(arguments[1:]) or "1"
    if name not in TABLES or not pace.replace(".", "", 1).isdecimal():
        sys.stderr.write(f"say which server to run: {', '.join(TABLES)}; then, if you like, a pace such as 0.1\n")
        return 2
    tools = tuple(replace(tool, takes_s=tool.takes_s * float(pace)) for tool in TABLES[name]())
    with suppress(KeyboardInterrupt):
        anyio.run(serve, name, tools)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
