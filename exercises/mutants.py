# SPDX-License-Identifier: BSD-3-Clause
"""Small mechanical mistakes in a solution: a check that lets one pass has a hole.

A statement dropped, a number one more or one less (or ten times as much, or a tenth), the first two of a list swapped,
a condition turned round, a branch always taken, another socket type, another call.
"""

import ast
import copy
import random
from collections.abc import Iterator

OTHER = {"REQ": "DEALER", "REP": "PULL", "PULL": "SUB", "PUSH": "PUB", "DEALER": "REQ", "ROUTER": "DEALER"}
TURNED = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.Eq: ast.NotEq, ast.In: ast.NotIn, ast.Is: ast.IsNot, ast.LtE: ast.Gt}
CALLED = {
    "bind": "connect",
    "connect": "bind",
    "send_multipart": "send",
    "recv_multipart": "recv",
    "recv_string": "recv",
}


def mistakes(source: str) -> Iterator[tuple[str, str]]:
    """Every small change to a source: what was changed, and what came of it."""
    tree = ast.parse(source)
    for number, _ in enumerate(ast.walk(tree)):
        for kind in ("drop", "more", "less", "swap", "turn", "always", "type", "call"):
            spoilt = copy.deepcopy(tree)
            node = list(ast.walk(spoilt))[number]
            before = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else ""
            if _spoil(spoilt, node, kind):
                line = getattr(node, "lineno", 0)
                yield f"line {line}, {kind}: {before.splitlines()[0]}", ast.unparse(ast.fix_missing_locations(spoilt))


def _spoil(tree: ast.AST, node: ast.AST, kind: str) -> bool:
    """Make one mistake at this node. Whether it could be made."""
    match kind, node:
        case "drop", ast.Return(value=None | ast.Constant(value=None)):
            return False  # the end of a function does the same
        case "drop", ast.Expr(value=ast.Call()) | ast.Assign() | ast.Return() | ast.Raise():
            for parent in ast.walk(tree):
                for field in ("body", "orelse", "finalbody"):
                    block = getattr(parent, field, None)
                    if isinstance(block, list) and node in block:
                        block[block.index(node)] = ast.Pass()
                        return True
        case "more" | "less", ast.Constant(value=int() as value) if not isinstance(value, bool):
            if value >= 100:  # off by one is nothing here
                node.value = value * 10 if kind == "more" else value // 10
            else:
                node.value = value + 1 if kind == "more" else value - 1
            return True
        case "swap", ast.List(elts=[first, second, *rest]) | ast.Tuple(elts=[first, second, *rest]):
            node.elts = [second, first, *rest]
            return True
        case "turn", ast.Compare(ops=[op]) if type(op) in TURNED:
            node.ops = [TURNED[type(op)]()]
            return True
        case "always", ast.If():
            node.test = ast.Constant(True)
            return True
        case "type", ast.Attribute(value=ast.Name(id="zmq"), attr=name) if name in OTHER:
            node.attr = OTHER[name]
            return True
        case "call", ast.Attribute(attr=name) if name in CALLED:
            node.attr = CALLED[name]
            return True
    return False


def some(source: str, count: int, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """So many of the mistakes, each time the same, from all over the source; none of those named in `without`."""
    made = [(what, text) for what, text in mistakes(source) if what not in without]
    chosen = sorted(random.Random(len(made)).sample(range(len(made)), min(count, len(made))))
    return [made[number] for number in chosen]
