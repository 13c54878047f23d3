"""Read the tests themselves: those that pass on an empty collection, and the private members that they reach into."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from contextlib import suppress

_WRAPPERS = ("range", "enumerate", "zip", "sorted", "reversed", "list", "set", "tuple", "product", "permutations", "pairwise")
_VIEWS = ("items", "values", "keys", "split", "splitlines")
# `os._exit` is what the documentation of fork says to call, `_replace` copies a named tuple, and the Kubernetes client calls a
# list's `continue` so.
_DOCUMENTED = ("_replace", "_exit", "_continue")
# What reaches a member by its name: of the language, of pytest's monkeypatch, of unittest.mock and of operator.
_BY_NAME = ("setattr", "getattr", "hasattr", "delattr", "setitem", "delitem", "patch", "object", "attrgetter", "methodcaller")
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def empty_passes(tree: ast.Module) -> list[str]:
    """Tests whose every assertion stands in a loop, or in `all`, `any` or a comprehension, over what may be empty."""
    filled = _filled(tree.body, frozenset())
    tests = [item for item in ast.walk(tree) if isinstance(item, _SCOPES[:2]) and item.name.startswith("test")]
    return [test.name for test in tests if _proves_nothing(test, _filled(test.body, filled))]


def private_members(tree: ast.Module) -> list[str]:
    """Each private member that is reached from outside its class or module: read, imported, or named to `setattr` and alike.

    Programs in texts count too. A name that a variable holds is not seen.
    """
    found = [member for item in ast.walk(tree) for member in _private_in(item)]
    return found + [member for program in _programs(tree) for member in private_members(program)]


def _programs(tree: ast.Module) -> Iterator[ast.Module]:
    """The texts that another interpreter runs."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Constant) and isinstance(item.value, str) and "import " in item.value:
            with suppress(SyntaxError, ValueError):
                yield ast.parse(textwrap.dedent(item.value))


def _private_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(value=owner, attr=name) if _is_private(name) and not _own(owner):
            yield ast.unparse(node)
        case ast.ImportFrom(names=names):
            yield from (f"{node.module}.{item.name}" for item in names if _is_private(item.name))
        case ast.Import(names=names):
            yield from (item.name for item in names if any(map(_is_private, item.name.split("."))))
        case ast.Call(func=function, args=[first, *rest]) if _name_of(function) in _BY_NAME and not _own(first):
            texts = [item.value for item in (first, *rest[:1]) if isinstance(item, ast.Constant)]
            if any(_is_private(part) for text in texts if isinstance(text, str) for part in text.split(".")):
                yield ast.unparse(node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in _DOCUMENTED


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _own(owner: ast.expr) -> bool:
    if isinstance(owner, ast.Call):
        return isinstance(owner.func, ast.Name) and owner.func.id == "super"
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls")


def _filled(body: list[ast.stmt], known: frozenset[str]) -> frozenset[str]:
    """The names that hold a literal with something in it."""
    for item in body:
        targets = item.targets if isinstance(item, ast.Assign) else [item.target] if isinstance(item, ast.AnnAssign) else []
        if targets and item.value is not None and _has_items(item.value, known):  # type: ignore[attr-defined]
            known |= {target.id for target in targets if isinstance(target, ast.Name)}
    return known


def _has_items(value: ast.expr, filled: frozenset[str]) -> bool:
    match value:
        case ast.Tuple() | ast.List() | ast.Set():
            return bool(value.elts)
        case ast.Dict():
            return bool(value.keys)
        case ast.Constant():
            return True
        case ast.Name():
            return value.id in filled
        case ast.Call(func=ast.Name(id=name)) if name in _WRAPPERS:
            return all(_has_items(item, filled) for item in value.args)
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name in _VIEWS:
            return _has_items(owner, filled)
    return False


def _proves_nothing(test: ast.AST, filled: frozenset[str]) -> bool:
    found = [weak for item in ast.iter_child_nodes(test) for weak in _weaknesses(item, filled, looped=False)]
    return bool(found) and all(found)


def _weaknesses(node: ast.AST, filled: frozenset[str], *, looped: bool) -> Iterator[bool]:
    """For each assertion below `node`: whether nothing is asserted when the collection is empty."""
    if isinstance(node, _SCOPES):
        return
    if isinstance(node, ast.Assert):
        both = isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.And)
        for test in node.test.values if both else [node.test]:  # type: ignore[attr-defined]
            over = _collection(test)
            yield looped or (over is not None and not _has_items(over, filled))
        return
    if isinstance(node, ast.With | ast.AsyncWith) and any("raises" in ast.unparse(item.context_expr) for item in node.items):
        yield looped
    looped = looped or (isinstance(node, ast.For | ast.AsyncFor) and not _has_items(node.iter, filled))
    for child in ast.iter_child_nodes(node):
        yield from _weaknesses(child, filled, looped=looped)


def _collection(test: ast.expr) -> ast.expr | None:
    """What an assertion that holds for an empty collection goes through; None if it does not hold for one."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=ast.Name(id="any"), args=[items])):
            return _source(items)
        case ast.Call(func=ast.Name(id="all"), args=[items]):
            return _source(items)
        case ast.UnaryOp(op=ast.Not(), operand=(ast.ListComp() | ast.SetComp() | ast.DictComp()) as items):
            return _source(items)
        case ast.Compare(left=(ast.ListComp() | ast.SetComp()) as items, ops=[ast.Eq()], comparators=[ast.List(elts=[])]):
            return _source(items)
        case ast.Compare(left=ast.SetComp() as items, ops=[ast.LtE()]):
            return _source(items)
    return None


def _source(items: ast.expr) -> ast.expr:
    return (
        items.generators[0].iter if isinstance(items, ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp) else items
    )
