"""An agent loop for OpenAI's Chat Completions: the calls of one answer of the model's are made as one batch.

The model here is a script, so that the example runs without a key: with one, `ask_model` is
`client.chat.completions.create(model=..., messages=messages, tools=tools).choices[0].message`.

Run it in this folder: `python agent_openai.py`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripted_model import chat_message

from headgate.server import open_gate

HERE = Path(__file__).parent
QUESTION = "May order A-17 be refunded?"


async def ask_model(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ask the model what to do next."""
    return chat_message(messages, tools)


async def main() -> None:
    """Go on until the model answers without calling a tool."""
    async with open_gate(HERE / "headgate.toml") as gate:
        await gate.settled(10)
        tools = gate.tools_for("chat")
        messages: list[dict[str, Any]] = [{"role": "user", "content": QUESTION}]
        while True:
            message = await ask_model(messages, tools)
            messages.append(message)
            results = await gate.answer_openai(message)
            if not results:
                break
            print(f"answered {len(results)}: {', '.join(result['content'][:40] for result in results)}")
            messages += results
    print(messages[-1]["content"])


if __name__ == "__main__":
    asyncio.run(main())
