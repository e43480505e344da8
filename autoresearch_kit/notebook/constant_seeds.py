"""Seeds that are the same in every run, found by tracing where the seed of a call comes from.

The kit gives each run another SEED, so that luck shows as noise. Code that seeds with a constant
has the same luck in each of its runs, and a lucky constant would be taken for a gain.
"""

import ast
import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from autoresearch_kit.notebook.syntax import nodes_of

SEEDING = frozenset({
    "default_rng", "manual_seed", "manual_seed_all", "MT19937", "PCG64", "PCG64DXSM", "Philox",
    "RandomState", "SeedSequence", "seed_everything", "set_rng_state", "set_rng_state_all",
    "set_seed", "SFC64",
})  # fmt: skip
"""Functions that take a seed or a state. To give one another name is refused."""

ALSO_SEEDING = frozenset({"Random", "seed", "set_state", "setstate"})
"""Further such functions, whose names other things have too."""

KEYWORDS = frozenset({"random_seed", "random_state", "rng_seed", "seed"})
"""Arguments by which other functions take a seed."""

RUN_SEED = "run.seed"

VARYING = frozenset({
    RUN_SEED, "SEED", "get_rng_state", "get_rng_state_all", "get_state", "getrandbits", "getstate",
    "initial_seed", "integers", "randint", "randrange",
})  # fmt: skip
"""Names whose value differs from run to run: the kit's parameter, and draws from it."""

TRIED_SEEDS = (0, 1, 2, 3, 1_000_003, 123_456_789, 2**31 + 11, 2**32 - 5)
"""An expression of SEED must give another value for each of these."""

CONSTANT = (
    "fixes the luck of every run; the kit has seeded torch, numpy and random already; what needs "
    "a seed of its own takes it from SEED, as in manual_seed(SEED + 1)"
)
REPLACED = "replaces the run's seed, which is the kit's; make another from it, as in SEED + 1"
UNSEEDED = "starts from a constant of torch's; write torch.Generator().manual_seed(SEED)"
RENAMED = "gives a function that seeds another name; call it where it is needed, with SEED"

Assigned = tuple[str, Sequence[ast.expr]]
"""A name with the values that it may get from one assignment, or from one call of a function."""

Calls = Mapping[str, Sequence[ast.Call]]  # a program's calls, by the name of what they call


def find_constant_seeds(trees: Sequence[ast.Module]) -> Iterator[tuple[ast.expr | ast.alias, str]]:
    """Yield the nodes of a program's cells that fix a seed, each with the reason of its refusal."""
    nodes = [node for tree in trees for node in nodes_of(tree)]
    varying = _varying_names(nodes)
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    unseeded = _unseeded_generators(nodes)
    for node in nodes:
        match node:
            case ast.Call() if _seeds_with_constant(node, varying):
                yield node, CONSTANT
            case ast.Call() if id(node) in unseeded:
                yield node, UNSEEDED
            case (
                ast.Name(id="SEED", ctx=ast.Store())
                | ast.Attribute(attr="seed", value=ast.Name(id="run"), ctx=ast.Store())
            ):
                yield node, REPLACED
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name, ctx=ast.Load()) if (
                name in SEEDING and id(node) not in called
            ):
                yield node, RENAMED
            case ast.Constant(value=str(name)) if name in SEEDING:
                yield node, RENAMED
            case ast.alias(name=name, asname=str()) if name in SEEDING | ALSO_SEEDING:
                yield node, RENAMED


def _varying_names(nodes: Sequence[ast.AST]) -> frozenset[str]:
    """Return the names whose value differs from run to run, whichever assignment came last.

    All names are taken to vary until an assignment gives a constant to one of them.
    """
    calls = defaultdict[str, list[ast.Call]](list)
    for node in nodes:
        if isinstance(node, ast.Call):
            calls[_name(node.func)].append(node)
    assigned = [
        (name, [_sources(value) for value in values if _follows_seed(value)])
        for name, values in _assigned(nodes, calls)
    ]
    varying = VARYING | {name for name, _ in assigned}
    while True:  # a name that turns out constant may make others constant; it ends, as names do
        constant = {
            name
            for name, values in assigned
            if all(sources.isdisjoint(varying) for sources in values)
        }
        if not constant & varying:
            return varying
        varying -= constant


def _assigned(nodes: Sequence[ast.AST], calls: Calls) -> Iterator[Assigned]:
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
            case ast.FunctionDef(name=name, args=parameters) if name != "__init__":
                yield from _arguments(calls, name, parameters)
            case ast.ClassDef(name=name, body=body):
                for method in body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        yield from _arguments(calls, name, method.args)


def _arguments(calls: Calls, name: str, parameters: ast.arguments) -> Iterator[Assigned]:
    """Yield each parameter with all arguments of each call by this name; none without a call."""
    for parameter in [*parameters.args, *parameters.kwonlyargs]:
        yield from ((parameter.arg, _all_arguments(call)) for call in calls.get(name, ()))
        if name not in calls:
            yield parameter.arg, []


def _seeds_with_constant(call: ast.Call, varying: frozenset[str]) -> bool:
    seeds = seed_arguments(call)
    return bool(seeds) and not any(_varies(seed, varying) for seed in seeds)


def seed_arguments(call: ast.Call) -> list[ast.expr]:
    """Return the arguments of a call that are seeds: all, of a function that seeds."""
    if _name(call.func) in SEEDING | ALSO_SEEDING:
        return _all_arguments(call)
    return [keyword.value for keyword in call.keywords if keyword.arg in KEYWORDS]


def _unseeded_generators(nodes: Sequence[ast.AST]) -> set[int]:
    """Return ids of calls of torch.Generator() that nothing seeds, neither at once nor by name."""
    seeded_values = [
        node.value
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in ("manual_seed", "seed")
    ]
    seeded = {id(value) for value in seeded_values}
    names = {value.id for value in seeded_values if isinstance(value, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Assign) and names & {n for t in node.targets for n in _stored(t)}:
            seeded.add(id(node.value))
    return {
        id(node)
        for node in nodes
        if isinstance(node, ast.Call)
        and _name(node.func) == "Generator"
        and ast.unparse(node.func) in ("Generator", "torch.Generator")
        and id(node) not in seeded
        and not any(isinstance(argument, ast.Call) for argument in node.args)  # numpy's
    }


def _varies(value: ast.expr, varying: frozenset[str]) -> bool:
    """Return whether the value differs from run to run, as far as reading can tell."""
    return not _sources(value).isdisjoint(varying) and _follows_seed(value)


def _sources(value: ast.expr) -> frozenset[str]:
    """Return the names that the value is computed from, `RUN_SEED` among them."""
    nodes = list(ast.walk(value))
    names = {_name(node) for node in nodes}
    return frozenset(names | {RUN_SEED for node in nodes if _is_run_seed(node)})


def _follows_seed(value: ast.expr) -> bool:
    """Return False if the value is known not to differ between seeds."""
    with suppress(_UnknownError, ArithmeticError, TypeError, ValueError):
        return len({_evaluate(value, seed) for seed in TRIED_SEEDS}) == len(TRIED_SEEDS)
    return True


class _UnknownError(Exception):
    """A value that only running the program can tell."""


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
    """Return the value of an expression of numbers and SEED alone."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id="SEED"):
            return seed
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, seed)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left, seed), _evaluate(right, seed))
        case ast.BoolOp(op=op, values=operands):
            values = [_evaluate(operand, seed) for operand in operands]
            return next((v for v in values if bool(v) is isinstance(op, ast.Or)), values[-1])
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_evaluate(argument, seed) for argument in arguments))
    if _is_run_seed(node):
        return seed
    raise _UnknownError


def _is_run_seed(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="seed", value=ast.Name(id="run")):
            return True
    return False


def _all_arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _name(node: ast.AST) -> str:
    """Return the last part of a name, such as manual_seed of torch.cuda.manual_seed; or ''."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _stored(target: ast.expr) -> Iterator[str]:
    """Yield the names and attributes to which an assignment to the target gives a value."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield _name(node)
