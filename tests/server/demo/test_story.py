"""What the demo says, and what it notices when a run does not go as it says."""

from dataclasses import replace
from typing import Any

from headgate.server.demo.scenes import LOOKUPS, WRITES, Scene
from headgate.server.demo.story import Run, surprises, why_it_is_faster, why_it_is_safe
from headgate.server.demo.timeline import Bar

CALLS = tuple((call_id, tool) for call_id, tool, _ in LOOKUPS)
ONE_BY_ONE = Scene(
    (
        Bar("get_order", "read", "ok", 0, 1.4),
        Bar("get_customer", "read", "ok", 1.4, 3.0),
        Bar("get_payment", "read", "ok", 3.0, 4.9),
        Bar("get_shipment", "read", "ok", 4.9, 9.2),
    ),
    9.2,
    CALLS,
)
BATCH = Scene(
    (
        Bar("get_order", "read", "ok", 0, 1.4),
        Bar("get_customer", "read", "ok", 0, 1.6),
        Bar("get_payment", "read", "ok", 0, 1.9),
        Bar("get_shipment", "read", "timeout", 0, 2.5),
    ),
    2.5,
    CALLS,
    {"outcome": "partial", "results": []},
)
REFUND = {"id": "R-1", "recorded_at": "2026-11-20T10:00:01.500+00:00"}
NOTE = {"text": "Refunded as R-1", "received_at": "2026-11-20T10:00:01.510+00:00"}


def writes(**changed: dict[str, Any]) -> Scene:
    data: dict[str, dict[str, Any]] = {
        "payment_before": {"status": "captured", "refunds": []},
        "refund": REFUND,
        "note": NOTE,
        "payment_after": {"status": "refunded", "refunds": [REFUND]},
        "order_after": {"notes": [NOTE]},
    }
    results = [{"id": call_id, "data": answer} for call_id, answer in (data | changed).items()]
    bars = tuple(Bar(call["tool"], "read", "ok", 0, 1) for call in WRITES)
    return Scene(bars, 5.2, tuple((call["id"], call["tool"]) for call in WRITES), {"results": results})


def test_the_run_is_told_as_one_json_object_in_milliseconds() -> None:
    told = Run(ONE_BY_ONE, BATCH, writes()).told()

    assert (told["serial_ms"], told["batch_ms"], told["saved_percent"]) == (9200, 2500, 73)
    assert told["batch"]["spans"][3] == {
        "id": "shipment",
        "tool": "shipments__get_shipment",
        "class": "read",
        "status": "timeout",
        "start_ms": 0,
        "end_ms": 2500,
    }
    assert told["batch"]["reply"] is BATCH.reply


def test_a_call_that_was_never_sent_is_told_without_times() -> None:
    scene = Scene((Bar("add_note", "write", "skipped", None, None),), 1.0, (("note", "orders__add_note"),))

    assert (scene.told()[0]["start_ms"], scene.told()[0]["end_ms"]) == (None, None)


def test_the_saving_without_the_deadline_is_told_too() -> None:
    told = why_it_is_faster(ONE_BY_ONE).replace("\N{NO-BREAK SPACE}", " ")

    assert "its slowest call, 4.3 s, which is 53 % less" in told


def test_the_order_of_the_writes_is_told_by_what_the_servers_recorded() -> None:
    told = why_it_is_safe(writes())

    assert '"captured", then "refunded"' in told
    assert "recorded at 10:00:01.500, and the note came in at 10:00:01.510" in told


def test_a_run_that_goes_as_told_has_no_surprises() -> None:
    assert surprises(Run(ONE_BY_ONE, BATCH, writes())) == []


def test_a_call_that_ends_otherwise_is_noticed() -> None:
    failed = replace(BATCH, bars=(Bar("get_order", "read", "error", 0, 0.1), *BATCH.bars[1:]))

    assert surprises(Run(ONE_BY_ONE, failed, writes())) == [
        "the batch: the calls ended as error, ok, ok, timeout, not as ok, ok, ok, timeout"
    ]


def test_a_note_that_came_in_before_the_refund_was_recorded_is_noticed() -> None:
    early = NOTE | {"received_at": "2026-11-20T10:00:01.499+00:00"}

    found = surprises(Run(ONE_BY_ONE, BATCH, writes(note=early, order_after={"notes": [early]})))

    assert found == ["the servers recorded the writes in another order"]


def test_a_read_that_misses_the_write_before_it_is_noticed() -> None:
    stale_reads: tuple[dict[str, dict[str, Any]], ...] = (
        {"payment_after": {"status": "captured", "refunds": []}},
        {"order_after": {"notes": []}},
        {"payment_before": {"status": "refunded", "refunds": [REFUND]}},
    )
    for stale in stale_reads:
        assert len(surprises(Run(ONE_BY_ONE, BATCH, writes(**stale)))) == 1
