"""What a reader of the code may rely on: every public name says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def _public_definitions(
    module: ast.Module,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in module.body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node


def test_every_module_says_what_it_holds(modules: dict[str, ast.Module]) -> None:
    silent = [path for path, module in modules.items() if module.body and not ast.get_docstring(module)]

    assert silent == []


def test_every_public_function_and_class_says_what_it_is(modules: dict[str, ast.Module]) -> None:
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path, module in modules.items()
        for node in _public_definitions(module)
        if not ast.get_docstring(node)
    ]

    assert silent == []


def test_every_name_in_all_exists(modules: dict[str, ast.Module]) -> None:
    missing = []
    for path, module in modules.items():
        exported = next(
            (
                ast.literal_eval(node.value)
                for node in module.body
                if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
                and isinstance(node.value, ast.List | ast.Tuple)
            ),
            [],
        )
        lazy = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in module.body)
        defined = _names_bound_by(module)
        missing += [f"{path}: {name}" for name in exported if name not in defined and not lazy]

    assert missing == []


def _names_bound_by(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
