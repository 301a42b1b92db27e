"""An MCP server over stdio that misbehaves as its tools are told, in plain Python so that it starts at once.

    python -S tests/upstreams/hostile.py [MODE…]

It speaks the handshake era. Modes hold from the start: `ignore-term`, `mute` (answers nothing), `no-tools` (refuses
tools/list), `refuse` (refuses initialize, with what it has in $TOKEN), `exit` (says $TOKEN on stderr and ends),
`silent-probe` (ignores server/discover), `pages-forever` and `pages-round` (tools/list, each page a new cursor or the
same), `lists-once` (a second tools/list is not answered), `crash-once` (ends at its first start, by $FLAG).

Every call of `echo` and `deaf` is written down in the file $LEDGER, if there is one, before it is answered, and so is
every probe that is ignored.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

MODES = set(sys.argv[1:])
TOOLS = (
    *("echo", "die", "die_after", "hang", "twice", "late", "wrong_id", "garbage", "big", "endless", "deaf"),
    *("die_once", "die_after_flood", "leak"),
    *(
        "grandchild",
        "close_out",
        "close_in",
        "ask",
        "pid",
        "log",
        "change_tools",
        "flood",
        "news",
        "input_required",
        "spew",
    ),
)
TURN, OUT = threading.Lock(), threading.Lock()
"""Who writes holds both; an answer that waits in TURN goes before what is spewed next."""


class Seen:
    """What happened so far."""

    tools: tuple[str, ...] = TOOLS
    cancelled: tuple[int, ...] = ()
    answers: tuple[dict[str, Any], ...] = ()
    asked: int = 0
    wanted: int = 0
    """How many answers of the client's the asking call waits for."""
    listings: int = 0
    spewing_until: float = 0.0


def say(message: dict[str, Any]) -> None:
    with TURN, OUT:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def told(method: str, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, **more}).encode() + b"\n"


SPEWED = {
    "garbage": b"{garbage}\n" * 6_000,
    "stderr": b"noise\n" * 10_000,
    "long": (b"x" * 65_535 + b"\n"),
    "lines": b"x" * (64 * 1024 * 1024 - 1) + b"\n",
    "news": told("notifications/message", params={"level": "info", "data": "x" * 60}) * 400,
    "unknown": told("notifications/of/a/kind", params={"data": "x" * 60}) * 400,
    "large": b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":[%s0]}}\n'
    % (b'{"key":"value"},' * 390_000),
    "changes": told("notifications/tools/list_changed") * 800,
    "asks": told("no/such/method", id="x", params={}) * 800,
}
"""What is written again and again without anybody having asked for it."""


def spew(what: str, seconds: float) -> None:
    """Write it for so long, or for so long from now if that is under way."""
    begun = Seen.spewing_until > time.monotonic()
    Seen.spewing_until = time.monotonic() + seconds
    if not begun:
        threading.Thread(target=_spew, args=(2 if what == "stderr" else 1, SPEWED[what]), daemon=True).start()


def _spew(fd: int, data: bytes) -> None:
    while Seen.spewing_until > time.monotonic():
        with TURN:
            OUT.acquire()
        try:
            os.write(fd, data)
        finally:
            OUT.release()


def answer(identity: object, **data: Any) -> None:
    say({"jsonrpc": "2.0", "id": identity, "result": {"content": [], "structuredContent": data}})


def error(identity: int, code: int, message: str) -> None:
    say({"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}})


def note(name: str, arguments: dict[str, Any]) -> None:
    """Write down that the call has been made."""
    if ledger := os.environ.get("LEDGER"):
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"tool": name, "pid": os.getpid(), **arguments}) + "\n")


def tools() -> list[dict[str, Any]]:
    """What is listed. No answer of `echo` is as its schema has it."""
    listed: list[dict[str, Any]] = [{"name": name, "inputSchema": {"type": "object"}} for name in Seen.tools]
    listed[0]["outputSchema"] = {"type": "object", "required": ["never there"]}
    return listed


def spawn(stdout: int | None) -> int:
    """A process of the same group that outlives us and holds what it inherits."""
    code = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.DEVNULL, stdout=stdout).pid


def call(identity: int, name: str, arguments: dict[str, Any]) -> None:  # noqa: C901, PLR0912, PLR0915 - a list of faults
    match name:
        case "echo":
            note(name, arguments)
            answer(identity, **arguments)
        case "pid":
            answer(identity, pid=os.getpid())
        case "die":
            sys.stderr.write(f"{'.' * arguments.get('dots', 0)}fatal: {os.environ.get('TOKEN', '')}\n")
            sys.stderr.flush()
            os._exit(3)
        case "die_once":
            note(name, arguments)
            if not Path(os.environ["FLAG"]).exists():
                Path(os.environ["FLAG"]).touch()
                os._exit(3)
            answer(identity, pid=os.getpid())
        case "leak":
            said = f"bad token {os.environ.get('TOKEN')} {' '.join(sys.argv)}"
            sys.stderr.write(f"{said}\n")
            sys.stderr.flush()
            error(identity, -32603, said)
        case "die_after":
            answer(identity, last=True)
            os._exit(3)
        case "die_after_flood":
            os.write(1, b"x\n" * arguments["lines"])
            answer(identity, last=True)
            os._exit(3)
        case "hang":
            pass
        case "twice":
            answer(identity, n=1)
            answer(identity, n=2)
        case "late":
            began = time.monotonic()
            time.sleep(arguments["s"])
            answer(identity, late=True, pid=os.getpid(), began=began, ended=time.monotonic())
        case "wrong_id":
            for wrong in (identity + 1000, f"{identity}x", None, [identity]):
                answer(wrong, wrong=True)
            answer(identity, wrong=False)
        case "garbage":
            for number in range(arguments["lines"]):
                sys.stdout.write(f"garbage {number}\n")
            answer(identity, lines=arguments["lines"])
        case "big":
            result: dict[str, Any] = {"content": [], "structuredContent": {"text": "x" * arguments["bytes"]}}
            ends = {"jsonrpc": "2.0", "id": identity}
            say({"result": result, **ends} if arguments.get("id_last") else {**ends, "result": result})
        case "flood":
            for _ in range(arguments["mb"]):
                os.write(1, b"{garbage}\n" * 100_000)
            answer(identity, mb=arguments["mb"])
        case "news":
            for number in range(arguments["n"]):
                say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": number}})
            answer(identity, n=arguments["n"])
        case "spew":
            answer(identity, what=arguments["what"])
            spew(arguments["what"], arguments["s"])
        case "input_required":
            say({"jsonrpc": "2.0", "id": identity, "result": {"resultType": "input_required", "inputRequests": {}}})
        case "endless":
            while True:
                os.write(1, b"x" * 65536)
        case "deaf":
            note(name, arguments)
            time.sleep(arguments.get("s", 3600))
            answer(identity)
        case "grandchild":
            pid = spawn(None if arguments.get("holds") else subprocess.DEVNULL)
            answer(identity, pid=pid, own=os.getpid())
            if arguments.get("and_die"):
                os._exit(0)
        case "close_out":
            os.close(1)
            time.sleep(3600)
        case "close_in":
            os.close(0)
            answer(identity)
            time.sleep(3600)
        case "ask":
            methods = ("ping", "sampling/createMessage", "elicitation/create", "roots/list", "no/such/method")
            for method in methods:
                say({"jsonrpc": "2.0", "id": method, "method": method, "params": {}})
            Seen.asked, Seen.wanted = identity, len(methods)
        case "change_tools":
            Seen.tools = (*TOOLS, "brand_new")
            say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
            answer(identity)
        case "log":
            answer(identity, cancelled=Seen.cancelled)
        case _:
            error(identity, -32602, f"no tool {name}")


def asked_for(method: str, identity: int, params: dict[str, Any]) -> None:
    match method:
        case "initialize" if "refuse" in MODES:
            error(identity, -32000, f"bad token {os.environ['TOKEN']}")
        case "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": True}}}
            say({"jsonrpc": "2.0", "id": identity, "result": {**result, "serverInfo": {"name": "h", "version": "1"}}})
        case "tools/list" if "no-tools" in MODES:
            error(identity, -32603, f"cannot list with {os.environ.get('TOKEN')}")
        case "tools/list" if MODES & {"pages-forever", "pages-round"}:
            Seen.listings += 1
            cursor = Seen.listings if "pages-forever" in MODES else Seen.listings % 2
            say({"jsonrpc": "2.0", "id": identity, "result": {"tools": tools(), "nextCursor": str(cursor)}})
        case "tools/list" if "lists-once" in MODES and Seen.listings:
            pass
        case "tools/list":
            Seen.listings += 1
            say({"jsonrpc": "2.0", "id": identity, "result": {"tools": tools()}})
        case "tools/call":
            call(identity, params["name"], params.get("arguments") or {})
        case "server/discover" if "silent-probe" in MODES:
            note(method, params)
        case _:
            error(identity, -32601, "no such method")


def main() -> None:
    if "ignore-term" in MODES:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "crash-once" in MODES and not Path(os.environ["FLAG"]).exists():
        Path(os.environ["FLAG"]).touch()
        sys.exit(5)
    if "exit" in MODES:
        sys.stderr.write(f"cannot log in with {os.environ.get('TOKEN')}\n")
        sys.exit(7)
    for line in sys.stdin:
        message = json.loads(line)
        method = message.get("method")
        if method == "notifications/cancelled":
            Seen.cancelled = (*Seen.cancelled, message["params"]["requestId"])
        elif method is None and len(Seen.answers) < Seen.wanted:
            Seen.answers = (*Seen.answers, message)
            if len(Seen.answers) == Seen.wanted:
                answer(Seen.asked, answers=Seen.answers)
        elif method is not None and "id" in message and "mute" not in MODES:
            asked_for(method, message["id"], message.get("params") or {})
    if "ignore-term" in MODES:
        time.sleep(3600)


if __name__ == "__main__":
    main()
