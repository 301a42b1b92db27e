"""What a dry run shows."""

import json

from tests.tools.building import call, plan_of, ref

from headgate.tools.dry_run import dry_run


def test_a_dry_run_shows_stages_classes_reasons_and_what_waits_for_what() -> None:
    plan = plan_of(
        call("a.get", "r", k="1"), call("b.put", "w"), call("b.get", "s", x=ref("r"), y=ref("r", default=1)),
        call("a.gte", "typo"), call("a.get", "bad", bad=1),
    )  # fmt: skip
    reply = dry_run(plan, "b_1")

    assert json.loads(reply.text) == reply.body
    assert (reply.body["outcome"], reply.body["dry_run"], reply.is_error) == ("ok", True, False)
    assert reply.body["stages"] == [["r", "w", "bad"], ["s", "typo"]]
    assert reply.body["summary"] == "5 calls in 2 stages, 3 reads and 2 writes; nothing has run. 2 would fail"
    assert reply.body["results"][0] == {
        "id": "r", "tool": "a__get", "class": "read", "why": "annotated as read-only", "stage": 1,
    }  # fmt: skip
    assert (reply.body["results"][2]["needs"], reply.body["results"][2]["after"]) == (["r"], ["w"])
    assert (reply.body["results"][3]["tool"], reply.body["results"][3]["error_code"]) == ("a.gte", "UNKNOWN_TOOL")
    assert reply.body["results"][3]["why"] == "unknown tools are taken for writes"
    assert reply.body["results"][4]["error"] == "a__get takes no bad"


def test_what_there_is_one_of_is_counted_as_one() -> None:
    assert dry_run(plan_of(call("a.get", "r", k="1")), "b_1").body["summary"] == (
        "1 call in 1 stage, 1 read and 0 writes; nothing has run"
    )


def test_a_dry_run_names_its_batch_and_what_its_calls_guess_about() -> None:
    plan = plan_of(call("a.get", "r"), call("b.get", "s", x=ref("r", default=1, speculate=True)))
    body = dry_run(plan, "b_1").body

    assert body["batch_id"] == "b_1"
    assert [result.get("guesses") for result in body["results"]] == [None, ["r"]]


def test_where_every_tools_time_is_known_the_plan_tells_the_expected_time_and_the_path_it_depends_on() -> None:
    plan = plan_of(call("a.get", "r", k="1"), call("b.get", "s", x=ref("r")), call("b.list", "t"))
    reply = dry_run(plan, "b_1", lambda tool: {"get": 1.0, "list": 1.5}[tool.name])

    assert (reply.body["expected_ms"], reply.body["expected_serial_ms"]) == (2000, 3500)
    assert reply.body["critical_path"] == ["r", "s"]


def test_where_a_tools_time_is_not_known_nothing_is_expected() -> None:
    plan = plan_of(call("a.get", "r"), call("b.list", "t"))
    reply = dry_run(plan, "b_1", lambda tool: 1.0 if tool.name == "get" else None)

    assert reply.body.keys().isdisjoint(("expected_ms", "expected_serial_ms", "critical_path"))
