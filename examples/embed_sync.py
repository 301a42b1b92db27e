"""The same without async. Run it in this folder: `python embed_sync.py`."""

from pathlib import Path

from headgate.server import open_gate_sync

with open_gate_sync(Path(__file__).parent / "headgate.toml") as gate:
    reply = gate.batch(
        [
            {"id": "order", "tool": "orders__get_order", "arguments": {"order_id": "A-17"}},
            {"id": "customer", "tool": "orders__get_customer", "arguments": {"customer_id": "C-204"}},
        ]
    )
    print(reply["summary"])
