"""The command line as a whole: help, options before and after a command, and how it ends."""

import os
import subprocess
import sys

import pytest
from tests.server.cli.desk import LIMIT_S, Desk

from headgate.server.cli import app
from headgate.server.cli.group import Later

COMMANDS = ["serve", "demo", "init", "check", "install", "tools", "call", "plan"]


def test_alone_it_shows_its_commands(desk: Desk) -> None:
    ran = desk.run()
    assert ran.code == 0
    assert ran.out == desk.run("--help").out
    for command in COMMANDS:
        assert f"\n  {command} " in ran.out
    assert "headgate -- PROGRAM [ARGS]..." in ran.out
    assert "wrap" not in ran.out


def test_it_tells_its_version(desk: Desk) -> None:
    assert desk.run("--version").out.startswith("headgate 0.")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("sevre",), "There is no command 'sevre'. Did you mean 'serve'? See: headgate --help"),
        (
            ("npx", "-y", "x"),
            "There is no command 'npx'. To serve in front of it: headgate -- npx … See: headgate --help",
        ),
        (("--",), "nothing follows --: give the server to start, as in 'headgate -- npx -y some-mcp-server'"),
        (("init", "--frm", "x"), "No such option '--frm'."),
        (("install",), "Missing argument 'CLIENT'."),
        (("check", "my.toml"), "Got unexpected extra argument (my.toml): the file is named with --config my.toml."),
        (("install", "emacs"), "Invalid value for 'CLIENT': 'emacs' is not one of"),
        (("check", "--config", "nowhere.toml"), "--config: there is no file nowhere.toml"),
        (("--config", "nowhere.toml", "check"), "--config: there is no file nowhere.toml"),
        (("check",), "there is no headgate.toml here or in your config folder: write one with 'headgate init'"),
        (("serve", "--http", "nowhere"), "--http 'nowhere' is not HOST:PORT: write --http 127.0.0.1:8080"),
        (("serve", "--http", "x:99999"), "--http 'x:99999' is not HOST:PORT"),
        (("--config", "a.toml", "--", "run"), "--config and -- exclude each other"),
        (("call", "nowhere.json"), "there is no headgate.toml"),
        (("call", "--", "nowhere.json"), "there is no headgate.toml"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(desk: Desk, argv: tuple[str, ...], said: str) -> None:
    ran = desk.run(*argv)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith(f"headgate: {said}")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("group", ["journal", "auth"])
def test_a_group_alone_shows_its_commands(desk: Desk, group: str) -> None:
    ran = desk.run(group)
    assert ran.code == 2
    assert f"Usage: headgate {group} [OPTIONS] COMMAND [ARGS]...\n" in ran.err


def test_every_problem_of_a_config_is_a_line_of_its_own(desk: Desk) -> None:
    desk.writes(desk.project / "headgate.toml", "[headgate]\nmax_cals = 3\n[upstreams.a]\n")
    ran = desk.run("check")
    assert ran.code == 2
    first, second = ran.err.splitlines()
    assert first.startswith("headgate: ")
    assert "headgate.toml:2: headgate.max_cals" in first
    assert "headgate.toml:3: upstreams.a" in second


def test_check_says_that_a_config_is_right_and_what_it_asks_in_vain(desk: Desk) -> None:
    file = desk.writes(desk.project / "headgate.toml", '[headgate]\njournal = "j"\n[upstreams.a]\ncommand = "run"\n')
    ran = desk.run("check")
    assert ran.code == 0
    assert ran.out.startswith(f"{file}: ok, 1 upstream\n")
    assert desk.run("--config", "headgate.toml", "check").out == desk.run("check", "--config", "headgate.toml").out


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.COMMANDS, "broken", Later("tests.server.cli.broken:broken"))


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(("how", "said"), [("plainly", "ValueError: something"), ("task", "ValueError: some thing")])
def test_what_nobody_foresaw_is_one_line_and_its_origin_can_be_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    ran = desk.run("broken", how)
    assert ran.code == 1
    assert ran.err == (
        f"headgate: this should not have happened: {said}. HEADGATE_TRACEBACK=1 shows where it comes from.\n"
    )
    monkeypatch.setenv("HEADGATE_TRACEBACK", "1")
    with pytest.raises((ValueError, ExceptionGroup)):
        desk.run("broken", how)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("how", ["interrupt", "interrupted task"])
def test_an_interrupt_is_quiet(desk: Desk, how: str) -> None:
    ran = desk.run("broken", how)
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_folder_that_cannot_be_written_is_one_line(desk: Desk) -> None:
    desk.writes(desk.project / "file", "")
    ran = desk.run("init", "--output", "file/headgate.toml")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err


@pytest.mark.usefixtures("broken")
def test_a_broken_pipe_ends_it_quietly(desk: Desk) -> None:
    ran = desk.run("broken", "reader")
    assert (ran.code, ran.out, ran.err) == (1, "", "")


def test_a_reader_that_goes_away_is_no_error(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "--help"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT_S,
            cwd=desk.project,
            check=False,
        )
    assert done.stderr == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help_and_takes_the_shared_options(desk: Desk, command: str) -> None:
    ran = desk.run(command, "--help")
    assert ran.code == 0
    assert f"Usage: headgate {command}" in ran.out
    assert "--config PATH" in ran.out
    assert "--log-json" in ran.out


def test_serving_loads_nothing_that_only_people_need(desk: Desk) -> None:
    code = (
        "import sys, headgate.server.cli as cli\n"
        "cli.main(['serve', '--help'])\n"
        "print(sorted({'rich', 'tomlkit', 'headgate.server.clients'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, cwd=desk.project, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
