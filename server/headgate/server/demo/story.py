"""What the demo says about what it shows. Every figure comes out of the run."""

from dataclasses import dataclass
from typing import Any

from rich.text import Text

from headgate.server.demo.scenes import SHIPMENT_TIMEOUT_S, Scene
from headgate.server.demo.timeline import Page, heading, saved_percent, timeline

LABEL_WIDTH = 15
NO_BREAK = "\N{NO-BREAK SPACE}"
ONE_BY_ONE = "One by one"
AS_BATCH = f"The same four as one batch, {SHIPMENT_TIMEOUT_S:g} s for the shipment"
WITH_WRITES = "A refund and a note, in one batch"
OPENING = (
    "A customer writes that order A-17 has not come, and asks for a refund. Before it decides, an agent looks up "
    "four things, on three tool servers that run here as real processes."
)


@dataclass(frozen=True, slots=True)
class Run:
    """The three scenes, as they went."""

    one_by_one: Scene
    batch: Scene
    writes: Scene

    def told(self) -> dict[str, Any]:
        """Tell the run as one JSON object."""
        serial_s, batch_s = self.one_by_one.total_s, self.batch.total_s
        return {
            "serial_ms": round(serial_s * 1000),
            "batch_ms": round(batch_s * 1000),
            "saved_percent": saved_percent(batch_s, serial_s),
            "one_by_one": {"spans": self.one_by_one.told()},
            "batch": {"spans": self.batch.told(), "reply": self.batch.reply},
            "writes": {"spans": self.writes.told(), "reply": self.writes.reply},
        }


def drawn(title: str, scene: Scene, page: Page) -> list[Text]:
    """Draw a scene under its title."""
    return [heading(title, f"{scene.total_s:.2f} s", page), *timeline(scene.bars, page)]


def why_it_is_faster(one_by_one: Scene) -> str:
    """Explain the batch, and what it would take without the deadline."""
    slowest_s = max((bar.end_s or 0.0) - (bar.start_s or 0.0) for bar in one_by_one.bars)
    percent = saved_percent(slowest_s, one_by_one.total_s)
    return (
        f"All four start together. The shipment had {_told(SHIPMENT_TIMEOUT_S)}: it comes back as TOOL_TIMEOUT, which "
        "the agent may try again, and the other three answers are whole. Without that deadline the batch takes as long "
        f"as its slowest call, {_told(slowest_s)}, which is {percent}{NO_BREAK}% less."
    )


def why_it_is_safe(writes: Scene) -> str:
    """Explain the order of the batch with writes, by what the servers recorded."""
    before, after = writes.data("payment_before").get("status"), writes.data("payment_after").get("status")
    refund, note = writes.data("refund"), writes.data("note")
    return (
        "Writes run one at a time, in the order listed; a read sees the writes listed before it and none listed after "
        f'it: the payment is "{before}", then "{after}". The note quotes the answer of the refund: '
        f'"{note.get("text")}". By the servers\' own clocks the refund was recorded at '
        f"{_clock(refund.get('recorded_at'))}, and the note came in at {_clock(note.get('received_at'))}."
    )


def next_steps(command: str) -> list[str]:
    """Tell how to go on with one's own tool servers."""
    return [
        "Next, with the tool servers that you already use:",
        f"  {command} init                     takes them over",
        f"  {command} install claude-desktop   connects your agent",
    ]


def surprises(run: Run) -> list[str]:
    """List what did not go as the demo says, one line each."""
    found: list[str] = []
    for name, scene, wanted in (
        ("one by one", run.one_by_one, ["ok"] * 4),
        ("the batch", run.batch, ["ok", "ok", "ok", "timeout"]),
        ("the batch with writes", run.writes, ["ok"] * 6),
    ):
        statuses = [bar.status for bar in scene.bars]
        if statuses != wanted:
            found.append(f"{name}: the calls ended as {', '.join(statuses)}, not as {', '.join(wanted)}")
    return found if found or _in_order(run.writes) else ["the servers recorded the writes in another order"]


def _in_order(writes: Scene) -> bool:
    refund, note = writes.data("refund"), writes.data("note")
    return (
        refund["recorded_at"] <= note["received_at"]
        and not writes.data("payment_before")["refunds"]
        and writes.data("payment_after")["refunds"] == [refund]
        and writes.data("order_after")["notes"] == [note]
    )


def _clock(moment: object) -> str:
    return str(moment).partition("T")[2].partition("+")[0]


def _told(seconds: float) -> str:
    return f"{seconds:.1f}{NO_BREAK}s"
