"""An agent loop for Anthropic's Messages: the tool uses of one answer of the model's are made as one batch.

The model here is a script, so that the example runs without a key: with one, `ask_model` is
`client.messages.create(model=..., max_tokens=..., messages=messages, tools=tools).content`.

Run it in this folder: `python agent_anthropic.py`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripted_model import message_content

from headgate.server import open_gate

HERE = Path(__file__).parent
QUESTION = "May order A-17 be refunded?"


async def ask_model(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask the model what to do next."""
    return message_content(messages, tools)


async def main() -> None:
    """Go on until the model answers without using a tool."""
    async with open_gate(HERE / "headgate.toml") as gate:
        await gate.settled(10)
        tools = gate.tools_for("messages")
        messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
        while True:
            content = await ask_model(messages, tools)
            messages.append({"role": "assistant", "content": content})
            results = await gate.answer_anthropic(content)
            if not results:
                break
            print(f"answered {len(results)}: {', '.join(result['content'][:40] for result in results)}")
            messages.append({"role": "user", "content": results})
    print(messages[-1]["content"][0]["text"])


if __name__ == "__main__":
    asyncio.run(main())
