"""Pickle what a notebook hands over, and say in plain words what stands in the way."""

import gc
import io
import mmap
from collections.abc import Iterator, Mapping
from types import CodeType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, NoReturn

import cloudpickle
import numpy as np
import torch

from autoresearch_kit.errors import SubmissionError
from autoresearch_kit.machine import precision

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

REFUSED: Mapping[type, str] = {
    GeneratorType: "a generator",
    CoroutineType: "a coroutine",
    io.IOBase: "an open file",
    mmap.mmap: "a memory-mapped file",
    np.memmap: "a memory-mapped array",
}
"""Types that would fail, or would drag a corpus along in silence."""

FAR = 50_000  # objects that the search for a culprit looks at before it names the type only


class RunStub:
    """Stands for the run in what refers to it: its constants as attributes, and the precision."""

    def __init__(self, constants: Mapping[str, int]) -> None:
        vars(self).update(constants)
        self.device = precision.device()

    def autocast(self) -> torch.autocast:
        """Return the context for the precision of training."""
        return precision.autocast(self.device)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"run.{name} is there only while training goes on; keep it out of what is handed over"
        )


def save(thing: object, file: "SupportsWrite[bytes] | None" = None, *, name: str = "model") -> None:
    """Pickle `thing` to `file`, eager: `torch.compile` is unwrapped around models and functions.

    Without a file it is only tried. Messages call the thing `name`.

    Raises:
        SubmissionError: something that it refers to can't be pickled; the message says where.
    """
    pickler = _Pickler(file or _Nowhere())
    try:
        pickler.dump(thing)
    except Exception as error:  # a stranger's __reduce__ may raise anything
        ours = isinstance(error, SubmissionError)
        what = str(error) if ours else f"{type(error).__name__}: {error}"
        raise SubmissionError(_blame(thing, name, pickler.last, what)) from error


class _Nowhere:
    def write(self, data: bytes, /) -> int:
        return len(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    last: object = None
    """The object being pickled when something went wrong."""

    def reducer_override(self, obj: object) -> object:
        self.last = obj
        refused = _refusal(obj)
        if refused:
            raise SubmissionError(refused)
        eager = _eager(obj)
        if eager is not obj:
            return _same, (eager,)
        return super().reducer_override(obj)


def _same(thing: object) -> object:
    return thing


def _refusal(obj: object) -> str:
    """Name the kind of refused thing that it is; empty if it is none."""
    while isinstance(obj, np.ndarray) and not isinstance(obj, np.memmap) and obj.base is not None:
        obj = obj.base  # a view of a memmap would drag that along
    return next((what for kind, what in REFUSED.items() if isinstance(obj, kind)), "")


def _eager(obj: object) -> object:
    """Return what `torch.compile` wrapped, else the object itself."""
    if isinstance(obj, torch.nn.Module) and "_orig_mod" in obj._modules:
        return obj._modules["_orig_mod"]
    if isinstance(obj, FunctionType):
        return getattr(obj, "_torchdynamo_orig_callable", obj)
    return obj


def _blame(thing: object, name: str, culprit: object, what: str) -> str:
    where = _find(thing, name, culprit) or f"a {type(culprit).__name__} that it refers to"
    return (
        f"the {name} can't be handed over: {where} is or holds what can't be pickled ({what}); "
        f"keep it out of the {name} and of what its methods use"
    )


def _find(thing: object, name: str, culprit: object) -> str:
    """Name how `thing` refers to `culprit`: `model.blocks.0.cache`; empty if it does not."""
    queue = [(name, thing)]
    seen: set[int] = set()
    for path, part in queue:
        if part is culprit:
            return path
        if id(part) in seen or len(seen) > FAR:
            continue
        seen.add(id(part))
        queue.extend(_parts(path, _eager(part)))
    return ""


def _parts(name: str, thing: object) -> Iterator[tuple[str, object]]:
    """Yield all that pickling `thing` would reach next, with its name for people."""
    if isinstance(thing, Mapping):
        yield from ((f"{name}[{key!r}]", value) for key, value in thing.items())
    elif isinstance(thing, list | tuple | set | frozenset):
        yield from ((f"{name}[{index}]", value) for index, value in enumerate(thing))
    elif isinstance(thing, MethodType):
        yield from ((name, thing.__self__), (name, thing.__func__))
    elif isinstance(thing, FunctionType):
        yield from _references(thing)
    elif isinstance(thing, type):
        if thing.__module__ == "__main__":
            yield from ((f"{thing.__name__}.{part}", value) for part, value in vars(thing).items())
    else:
        children = thing._modules if isinstance(thing, torch.nn.Module) else {}
        for part, value in (*children.items(), *getattr(thing, "__dict__", {}).items()):
            yield f"{name}.{part}", value
        yield name, type(thing)


def _references(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Yield the globals and the closure of a function that was defined in the notebook."""
    if function.__module__ != "__main__":
        return
    user = f"used by {function.__qualname__}"
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield f"the global '{name}' {user}", function.__globals__[name]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        yield from ((f"'{name}' {user}", held) for held in gc.get_referents(cell))


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function's code looks up, and those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
