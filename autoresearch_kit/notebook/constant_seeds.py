"""Seeds that are the same in every run, found by following where a seeding call's argument is from.

The kit gives each run another SEED, so that luck shows as noise. Code that seeds with a constant
has the same luck in each of its runs, and a lucky constant would be taken for a gain.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

SEEDS = frozenset({
    "default_rng", "manual_seed", "manual_seed_all", "MT19937", "PCG64", "PCG64DXSM", "Philox",
    "RandomState", "SeedSequence", "seed_everything", "set_rng_state", "set_rng_state_all",
    "set_seed", "SFC64",
})  # fmt: skip
"""Functions that are told a seed or a state. Whoever gives one another name is refused."""

ALSO_SEEDS = frozenset({"Random", "seed", "set_state", "setstate"})
"""The same, by names that other things have too."""

KEYWORDS = frozenset({"random_seed", "random_state", "rng_seed", "seed"})
"""Arguments by which other functions are told a seed."""

VARYING = frozenset({
    "SEED", "get_rng_state", "get_rng_state_all", "get_state", "getrandbits", "getstate",
    "initial_seed", "integers", "randint", "randrange",
})  # fmt: skip
"""Names whose value differs from run to run: the kit's parameter, and what the kit has seeded."""

TRIED_SEEDS = (0, 1, 2, 3, 1_000_003, 123_456_789, 2**31 + 11, 2**32 - 5)
"""An expression of SEED must give another value for each of these."""

WAY_OUT = (
    "fixes the luck of every run; the kit has seeded torch, numpy and random already; what needs "
    "a seed of its own takes it from SEED, as in manual_seed(SEED + 1)"
)
REPLACED = "replaces the run's seed, which is the kit's; make another from it, as in SEED + 1"
UNSEEDED = "starts from a constant of torch's; write torch.Generator().manual_seed(SEED)"
RENAMED = "gives a function that seeds another name; call it where it is needed, with SEED"

Found = tuple[ast.expr | ast.stmt | ast.alias, str]
Given = tuple[str, Sequence[ast.expr]]


def find_constant_seeds(trees: Sequence[ast.Module]) -> list[Found]:
    """Return the nodes of a program's cells that fix a seed, each with why it is refused."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    varying = _varying(nodes)
    return [
        *_constant_calls(nodes, varying),
        *_replaced(nodes),
        *_renamed(nodes),
        *_unseeded_generators(nodes),
    ]


def _varying(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Return the names that differ from run to run, whichever of their assignments came last.

    All names are taken to vary, until one is given a value that does not.
    """
    given = list(_given(nodes))
    varying = VARYING | {name for name, _ in given}
    while True:
        constant = {
            name for name, values in given if not any(_varies(one, varying) for one in values)
        }
        if not constant & varying:
            return varying
        varying -= constant


def _given(nodes: Sequence[ast.AST]) -> Iterator[Given]:
    """Yield each name with the values that one assignment, or one call of a function, gives it."""
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((name, [value]) for target in targets for name in _stored(target))
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
                | ast.For(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                yield from ((name, [value]) for name in _stored(target))
            case ast.AugAssign(target=target, op=op) if not isinstance(op, ast.Add | ast.Sub):
                yield from ((name, []) for name in _stored(target))
            case ast.FunctionDef(name=name, args=arguments) if name != "__init__":
                yield from _parameters(nodes, name, arguments)
            case ast.ClassDef(name=name, body=body):
                for made in body:
                    if isinstance(made, ast.FunctionDef) and made.name == "__init__":
                        yield from _parameters(nodes, name, made.args)


def _parameters(nodes: Sequence[ast.AST], name: str, arguments: ast.arguments) -> Iterator[Given]:
    calls = [node for node in nodes if isinstance(node, ast.Call) and _name(node.func) == name]
    for one in [*arguments.args, *arguments.kwonlyargs]:
        yield from ((one.arg, _told(call)) for call in calls)
        if not calls:
            yield one.arg, []


def _constant_calls(nodes: Sequence[ast.AST], varying: frozenset[str]) -> Iterator[Found]:
    for node in nodes:
        if isinstance(node, ast.Call):
            told = [one.value for one in node.keywords if one.arg in KEYWORDS]
            if _name(node.func) in SEEDS | ALSO_SEEDS:
                told = _told(node)
            if told and not any(_varies(one, varying) for one in told):
                yield node, WAY_OUT


def _replaced(nodes: Sequence[ast.AST]) -> Iterator[Found]:
    for node in nodes:
        match node:
            case ast.Name(id="SEED", ctx=ast.Store()):
                yield node, REPLACED
            case ast.Attribute(attr="seed", value=ast.Name(id="run"), ctx=ast.Store()):
                yield node, REPLACED


def _renamed(nodes: Sequence[ast.AST]) -> Iterator[Found]:
    """Yield seeding functions that are named without being called, and their names as text."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) if (
                name in SEEDS and isinstance(node.ctx, ast.Load) and id(node) not in called
            ):
                yield node, RENAMED
            case ast.Constant(value=str(name)) if name in SEEDS:
                yield node, RENAMED
            case ast.alias(name=name, asname=str()) if name in SEEDS | ALSO_SEEDS:
                yield node, RENAMED


def _unseeded_generators(nodes: Sequence[ast.AST]) -> Iterator[Found]:
    """Yield torch.Generator() where nothing seeds it, neither at once nor by its name."""
    of = [
        n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr in ("manual_seed", "seed")
    ]
    seeded = {id(one) for one in of}
    names = {one.id for one in of if isinstance(one, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Assign) and names & {n for t in node.targets for n in _stored(t)}:
            seeded.add(id(node.value))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "Generator",
            "torch.Generator",
        ):
            numpys = any(isinstance(one, ast.Call) for one in node.args)
            if id(node) not in seeded and not numpys:
                yield node, UNSEEDED


def _varies(value: ast.expr, varying: frozenset[str]) -> bool:
    """Return whether the value differs from run to run, as far as reading can tell."""
    if not any(_name(node) in varying or _is_run_seed(node) for node in ast.walk(value)):
        return False
    with suppress(_UnknownError, ArithmeticError, TypeError, ValueError):
        return len({_evaluate(value, seed) for seed in TRIED_SEEDS}) == len(TRIED_SEEDS)
    return True


class _UnknownError(Exception):
    """A value that can't be told without running the program."""


_OPERATORS: Mapping[type, Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

_FUNCTIONS: Mapping[str, Callable[..., int | float]] = {
    "abs": abs, "bool": bool, "float": float, "int": int, "max": max, "min": min,
}  # fmt: skip


def _evaluate(node: ast.expr, seed: int) -> int | float:
    """Return an expression of numbers and SEED alone.

    Raises:
        _UnknownError: there is something else in it.
    """
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id="SEED"):
            return seed
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, seed)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left, seed), _evaluate(right, seed))
        case ast.BoolOp(op=op, values=values):
            found = [_evaluate(one, seed) for one in values]
            return next((one for one in found if bool(one) is isinstance(op, ast.Or)), found[-1])
        case ast.Call(func=ast.Name(id=name), args=args) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluate(one, seed) for one in args))
    if _is_run_seed(node):
        return seed
    raise _UnknownError


def _is_run_seed(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="seed", value=ast.Name(id="run")):
            return True
    return False


def _told(call: ast.Call) -> list[ast.expr]:
    """Return the values of all arguments."""
    return [*call.args, *(one.value for one in call.keywords)]


def _name(node: ast.AST) -> str:
    """Return the last part of a name, such as manual_seed of torch.cuda.manual_seed; or ''."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _stored(target: ast.expr) -> Iterator[str]:
    """Yield the names that an assignment to the target gives a value, attributes' too."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield _name(node)
