"""Three small tool servers with a story: an order, its payment, and a parcel that is stuck.

Each is an ordinary MCP server over stdio, and knows nothing of headgate:

    python -m headgate.server.demo.servers orders|payments|shipments [PACE]

They answer as slowly as real back ends do (PACE times as slowly: 0.1 makes them quick), keep what was written to them
in memory, and stamp each write with the moments at which it came in and was recorded, so that anyone can check
afterwards in which order writes were made.
"""
