"""Small faults that a source file can be given, one at a time, and the text that each makes of it.

Left as they are: annotations, decorators, docstrings, and prose, which tests would only repeat.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

_OTHER: dict[type[ast.AST], Callable[[], Any]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
}
_TURNED = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
"""Comparisons whose other form is their negation."""
_LEFT = frozenset(("annotation", "returns", "decorator_list"))
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault in one file."""

    file: str
    line: int
    function: str
    """The innermost one that it is in, if any."""
    said: str
    """The line that it is in, as it should be."""
    change: str
    text: str
    """The whole file with the fault in it."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by, also after changes elsewhere in the file."""
        return self.file, f"{self.function}: {self.said}", self.change


def mutants_of(file: str, text: str) -> list[Mutant]:
    """Every mutant of a source text, in the order of its lines."""
    tree, lines = ast.parse(text), text.splitlines()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found: dict[str, Mutant] = {}
    for node, put in _places(tree):
        for new in _faults(node):
            put(new)
            mutated = ast.unparse(tree)
            put(node)
            said, change = lines[node.lineno - 1].strip(), f"{_short(node)} → {_short(new)}"
            within = [it.name for it in functions if it.lineno <= node.lineno <= (it.end_lineno or 0)]
            found.setdefault(mutated, Mutant(file, node.lineno, (within or [""])[-1], said, change, mutated))
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _short(node: ast.AST) -> str:
    said = ast.unparse(node).replace("\n", " ")
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


_Put = Callable[[ast.AST], None]


def _places(owner: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, _Put]]:
    """Each statement and expression below `owner`, and how to put another in its place."""
    for name, value in ast.iter_fields(owner):
        if name in _LEFT:
            continue
        listed = isinstance(value, list)
        held: list[Any] = cast("list[Any]", value) if listed else [value]
        for at, inner in enumerate(held):
            if not isinstance(inner, ast.AST) or _is_prose(owner, inner, at):
                continue
            if isinstance(inner, ast.expr | ast.stmt):
                yield inner, _putter(owner, name, at if listed else None)
            yield from _places(inner)


def _putter(owner: ast.AST, name: str, at: int | None) -> _Put:
    def put(new: ast.AST) -> None:
        if at is None:
            setattr(owner, name, new)
        else:
            getattr(owner, name)[at] = new

    return put


def _is_prose(owner: ast.AST, inner: ast.AST, at: int) -> bool:
    """Whether tests need not see a change here: a text about the program, or one that only the type checker reads."""
    if isinstance(inner, ast.Expr):
        return isinstance(inner.value, ast.Constant)
    if isinstance(owner, ast.JoinedStr):
        return isinstance(inner, ast.Constant)
    if isinstance(inner, ast.Subscript):
        return isinstance(inner.value, ast.Name) and inner.value.id in ("Literal", "Callable")
    return isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "cast" and at == 0


def _faults(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of `node` by mistake."""
    yield from _other_operators(node)
    match node:
        case ast.Constant(value=value):
            yield from _other_constants(value)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield _with(node, value=ast.Constant(None))
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not _has_other_form(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _other_filters(node)
        case ast.Expr() | ast.AugAssign() | ast.Continue() | ast.Break() | ast.Raise():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.copy_location(ast.Pass(), node)
        case _:
            pass


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for at, operator in enumerate(ops):
                if other := _OTHER.get(type(operator)):
                    yield _with(node, ops=[*ops[:at], other(), *ops[at + 1 :]])
        case ast.BoolOp(op=operator) | ast.BinOp(op=operator) if type(operator) in _OTHER:
            yield _with(node, op=_OTHER[type(operator)]())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case _:
            pass


def _with(node: ast.AST, **changed: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in changed.items():
        setattr(new, name, value)
    return new


def _other_constants(value: object) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and value and " " not in value:
        yield ast.Constant(f"{value}x")


def _has_other_form(test: ast.expr) -> bool:
    """Whether the negation of `test` comes about by another fault."""
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and isinstance(test.ops[0], _TURNED)
    return isinstance(test, ast.UnaryOp)


def _other_filters(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Iterator[ast.AST]:
    for at, part in enumerate(node.generators):
        for which, test in enumerate(part.ifs):
            if not _has_other_form(test):
                ifs = [*part.ifs[:which], ast.UnaryOp(ast.Not(), test), *part.ifs[which + 1 :]]
                yield _with(node, generators=[*node.generators[:at], _with(part, ifs=ifs), *node.generators[at + 1 :]])
