"""A batch from a program of your own: what is known goes out at once, the payment follows from the order.

Run it in this folder: `python embed.py`.
"""

import asyncio
import json
from pathlib import Path

from headgate.server import open_gate

HERE = Path(__file__).parent


async def main() -> None:
    """Run the batch of triage.json, and print what came of each call."""
    request = json.loads((HERE / "triage.json").read_text(encoding="utf-8"))
    async with open_gate(HERE / "headgate.toml") as gate:
        reply = await gate.batch(request)
    print(reply["summary"])
    for result in reply["results"]:
        print(f"{result['id']:8} {result['status']:8} {result['duration_ms']} ms")


if __name__ == "__main__":
    asyncio.run(main())
