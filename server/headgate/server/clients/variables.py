"""The `${…}` of the clients, rewritten to the one form that headgate has: `${NAME}` and `${NAME:-default}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self, cast

from headgate.proxy.target import StdioTarget, Target
from headgate.server.clients.edits import table
from headgate.server.clients.places import Machine

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_STRAY = re.compile(r"\$\{(?![A-Za-z_][A-Za-z0-9_]*(:-((?!\$\{)[^}])*)?\})")
_OURS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(:-.*)?", re.DOTALL)


@dataclass(slots=True)
class Variables:
    """What one file's variables stand for. `notes` gathers what its owner should know of how they were rewritten."""

    machine: Machine
    inputs: Mapping[str, Mapping[str, object]]
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, document: Mapping[str, object], machine: Machine) -> Self:
        """Read the `inputs` that VS Code asks its user for."""
        listed = document.get("inputs")
        inputs = [table(item) for item in cast("list[object]", listed)] if isinstance(listed, list) else []
        return cls(machine, {str(item.get("id")): item for item in inputs})

    def rewrite(self, text: str) -> str:
        """`text` in headgate's form."""
        return _REFERENCE.sub(lambda found: self._one(found[0], found[1]), text)

    def _one(self, whole: str, inner: str) -> str:
        if folder := self._folder(inner):
            return folder
        if _OURS.fullmatch(inner):
            return whole
        kind, _, name = inner.partition(":")
        if kind == "env" and _OURS.fullmatch(name):
            return f"${{{name}}}"
        if kind == "input":
            return self._input(name)
        variable = variable_name(inner)
        self._note(f"{whole} is the client's own: set {variable} to what it stands for")
        return f"${{{variable}}}"

    def _input(self, name: str) -> str:
        variable, asked = variable_name(name), self.inputs.get(name, {})
        default, about = asked.get("default"), asked.get("description")
        self._note(f"the client asks for {name!r}: set {variable} instead{f' ({about})' if about else ''}")
        if isinstance(default, str) and default and not asked.get("password") and "}" not in default:
            return f"${{{variable}:-{default}}}"
        return f"${{{variable}}}"

    def _folder(self, inner: str) -> str | None:
        machine = self.machine
        match inner:
            case "workspaceFolder":
                self._note(f"${{workspaceFolder}} was written as {machine.cwd}")
                return str(machine.cwd)
            case "workspaceFolderBasename":
                return machine.cwd.name
            case "userHome":
                return str(machine.home)
            case "pathSeparator" | "/":
                return "\\" if machine.platform == "win32" else "/"
            case _:
                return None

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def variable_name(text: str) -> str:
    """`text` as the name of an environment variable: `api-key` is `API_KEY`."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()
    return f"_{name}" if name[:1].isdigit() else name or "VALUE"


def references(text: str) -> tuple[str, ...]:
    """Variables that must be set for `text`: those without a default."""
    return tuple(name for name in _REFERENCE.findall(text) if _OURS.fullmatch(name) and ":-" not in name)


def holds_stray(target: Target) -> bool:
    """Whether a `${` in it starts no variable: headgate could not tell it from one."""
    return any(_STRAY.search(text) for text in texts(target))


def texts(target: Target) -> tuple[str, ...]:
    """Every text of a target that may hold a variable."""
    if isinstance(target, StdioTarget):
        return (target.command, *target.args, *target.env.values(), *([target.cwd] if target.cwd else []))
    return (target.url, *target.headers.values())


def translated(target: Target, variables: Variables) -> Target:
    """`target` with every variable in headgate's form."""
    rewrite = variables.rewrite
    if isinstance(target, StdioTarget):
        return replace(
            target,
            command=rewrite(target.command),
            args=tuple(rewrite(arg) for arg in target.args),
            env={name: rewrite(value) for name, value in target.env.items()},
            cwd=rewrite(target.cwd) if target.cwd else None,
        )
    headers = {name: rewrite(value) for name, value in target.headers.items()}
    return replace(target, url=rewrite(target.url), headers=headers)
