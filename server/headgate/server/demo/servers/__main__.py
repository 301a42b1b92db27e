"""`python -m headgate.server.demo.servers orders|payments|shipments`."""

import sys
from contextlib import suppress

import anyio

from headgate.server.demo.servers import orders, payments, shipments
from headgate.server.demo.servers.serving import serve

TABLES = {"orders": orders.tools, "payments": payments.tools, "shipments": shipments.tools}


def main(arguments: list[str]) -> int:
    """Serve the one server named in `arguments`; 2 if there is no such server."""
    if len(arguments) != 1 or arguments[0] not in TABLES:
        sys.stderr.write(f"say which server to run: {', '.join(TABLES)}\n")
        return 2
    name = arguments[0]
    with suppress(KeyboardInterrupt):
        anyio.run(serve, name, TABLES[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
