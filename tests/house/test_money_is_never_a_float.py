"""No float holds money."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

MONEY_NAMES = re.compile(
    r"(^|_)(amount|amounts|money|minor|balance|balances|credit|debit|fee|refunded|cents|riel)(_|$)"
)
COUNTS_NO_MONEY = re.compile(r"_s$|_ms$|_count$|share")


def _holds_money(name: str) -> bool:
    return bool(MONEY_NAMES.search(name)) and not COUNTS_NO_MONEY.search(name)


def _says_float(node: ast.AST | None) -> bool:
    return node is not None and any(
        isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(node)
    )


def _faults(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        for name, is_float in _names_given_by(node):
            if is_float and _holds_money(name):
                yield node.lineno, f"{name} is a float"
        if isinstance(node, ast.Attribute) and node.attr == "FloatField":
            yield node.lineno, "a FloatField"


def _names_given_by(node: ast.AST) -> list[tuple[str, bool]]:
    """The names that a piece of code gives something to, each with whether that is a float."""
    match node:
        case ast.arg(arg=name, annotation=annotation):
            return [(name, _says_float(annotation))]
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return [(name, _says_float(annotation) or _is_float(value))]
        case ast.Assign(targets=targets, value=value):
            return [(target.id, _is_float(value)) for target in targets if isinstance(target, ast.Name)]
        case ast.keyword(arg=str(name), value=value):
            return [(name, _is_float(value))]
        case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
            return [(name, _says_float(returns))]
    return []


def _is_float(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"


def test_no_name_that_holds_money_is_a_float(modules: dict[str, ast.Module]) -> None:
    # The stand-in writes the bank's JSON, whose numbers are what they are; it still keeps money as Money.
    faults = [f"{path}:{line} {what}" for path, module in modules.items() for line, what in _faults(module)]

    assert faults == []


def test_in_the_ledger_only_seconds_are_floats(modules: dict[str, ast.Module]) -> None:
    ledger = [module for path, module in modules.items() if path == "money.py" or path.startswith("wallet/")]
    assert len(ledger) > 5
    nodes = [node for module in ledger for node in ast.walk(module)]

    said = [node.lineno for node in nodes if isinstance(node, ast.Name) and node.id == "float"]
    given = [name for node in nodes for name, is_float in _names_given_by(node) if is_float]

    assert [name for name in given if not name.endswith(("_s", "seconds"))] == []
    assert len(said) == len(given)  # so nothing is turned into one on the way either


def test_this_test_sees_a_float_that_holds_money() -> None:
    planted = ast.parse(
        "amount = 1.5\ndef pay(amount: float) -> None: ...\npay(amount=float('1'))\nbalance: float = 0"
    )

    assert len(list(_faults(planted))) == 4
