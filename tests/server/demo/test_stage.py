"""Where the demo is shown: bars that grow on a terminal, plain lines elsewhere."""

from io import BytesIO, StringIO, TextIOWrapper

from rich.console import Console

from headgate.server.demo.stage import Stage, page_for
from headgate.server.demo.timeline import Bar

RUNNING = Bar("get_order", "read", "running", 0.0, None)


def piped(width: int = 80) -> tuple[Stage, StringIO]:
    paper = StringIO()
    return Stage(Console(file=paper, width=width)), paper


def terminal() -> tuple[Stage, StringIO]:
    paper = StringIO()
    capable = {"TERM": "xterm-256color"}  # whatever terminal the tests run in
    console = Console(file=paper, width=80, force_terminal=True, color_system="truecolor", _environ=capable)
    return Stage(console), paper


def test_a_pipe_gets_no_control_characters_and_nothing_that_is_unfinished() -> None:
    stage, paper = piped()

    with stage.waiting("starting"), stage.running("One by one", 9.5) as scene:
        scene.calls([RUNNING])
        scene.answered(1, 4)
    stage.show(["done"])

    assert paper.getvalue() == "done\n"


def test_a_terminal_sees_the_calls_that_run_and_how_many_have_an_answer() -> None:
    stage, paper = terminal()

    with stage.running("One batch", 9.5) as scene:
        scene.calls([RUNNING])
        scene.answered(1, 4)

    assert "get_order" in paper.getvalue()
    assert "1 of 4 answered" in paper.getvalue()


def test_a_running_bar_is_longer_in_a_later_frame() -> None:
    stage, _ = piped()
    with stage.running("One batch", 9.5) as scene:
        scene.calls([RUNNING])
        lengths: list[int] = []
        for gone_by_s in (1.0, 3.0):
            scene.began -= gone_by_s
            paper = StringIO()
            Console(file=paper, width=80).print(scene.frame())
            lengths.append(paper.getvalue().count("░"))

    assert 0 < lengths[0] < lengths[1]


def test_paragraphs_wrap_within_the_page_and_keep_numbers_with_their_units() -> None:
    stage, paper = piped(width=24)

    stage.say("It takes as long as 4.3\N{NO-BREAK SPACE}s, and no longer.")

    assert paper.getvalue() == "\n  It takes as long as\n  4.3 s, and no longer.\n\n"


def test_a_page_is_never_wider_than_a_hundred_columns() -> None:
    assert page_for(Console(file=StringIO(), width=300), 9.2).width == 100
    assert page_for(Console(file=StringIO(), width=80), 9.2).width == 80


def test_a_terminal_that_cannot_show_blocks_gets_ascii() -> None:
    paper = BytesIO()
    stage = Stage(Console(file=TextIOWrapper(paper, encoding="ascii", write_through=True), width=80))

    with stage.running("One by one", 9.5) as scene:
        scene.calls([RUNNING])
        stage.console.print(scene.frame())

    assert paper.getvalue().isascii()
    assert b"get_order" in paper.getvalue()
