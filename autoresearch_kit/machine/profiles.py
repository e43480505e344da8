"""A table of machines: the training notebook that suits each, and the constants of its `config`."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Accelerator, Constant


@dataclass(frozen=True)
class TextSizes:
    """Tokens in the vocabulary, and tokens in a row (the context T)."""

    vocab_size: int
    context: int


@dataclass(frozen=True)
class Profile:
    """A training notebook and the constants of its `config` cell that suit a kind of machine.

    `suits` says whether an accelerator is one of these; `tested` that the profile ran on such a
    machine. `tuned_for` completes "the constants were tuned for", for whoever is to change them.
    A corpus of the user's own is prepared with the sizes in `text`. `compile_seconds` is the most
    compilation that a run may leave out of its training budget.
    """

    name: str
    machine: str
    notebook: str
    constants: Mapping[str, Constant]
    tuned_for: str
    suits: Callable[[Accelerator], bool] = lambda _: False
    tested: bool = False
    text: TextSizes = TextSizes(1_024, 512)
    compile_seconds: float = 90.0


SMALL_NOTEBOOK = "notebooks/train.ipynb"
LARGE_NOTEBOOK = "notebooks/train_gpu.ipynb"

_CPU_CONSTANTS: Mapping[str, Constant] = {
    "DEPTH": 2,
    "HEADS": 2,
    "HEAD_DIM": 96,
    "ROTARY_SHARE": 0.5,
    "X0_INIT": 0.1,
    "DEVICE_BATCH_SIZE": 4,
    "GRAD_ACCUMULATION": 1,
    "COMPILE": True,
    "MATRIX_LR": 0.03,
    "EMBEDDING_LR": 0.4,
    "UNEMBEDDING_LR": 0.003,
    "SCALAR_LR": 0.05,
    "WEIGHT_DECAY": 0.1,
    "WARMDOWN": 0.8,
}
"""benchmarks/README.md has the measurements behind the numbers."""

_SMALL_GPU: Mapping[str, Constant] = {
    **_CPU_CONSTANTS,
    "DEPTH": 6,
    "HEADS": 3,
    "HEAD_DIM": 128,
    "DEVICE_BATCH_SIZE": 32,
    "MATRIX_LR": 0.04,
    "EMBEDDING_LR": 1.2,
    "UNEMBEDDING_LR": 0.008,
}
"""A larger model, with the rates that upstream's night began with. Of 60 steps of 4,096 tokens at
depth 4 and width 256, on a CPU, the last had a loss of 3.3 with these rates, 3.7 with a CPU's."""

_T4: Mapping[str, Constant] = {**_SMALL_GPU, "DEPTH": 4, "HEADS": 2, "DEVICE_BATCH_SIZE": 16}

_NIGHT: Mapping[str, Constant] = {
    "DEPTH": 9,
    "HEADS": 5,  # aspect ratio 57: 9 x 57 channels, rounded up to whole heads
    "HEAD_DIM": 128,
    "WINDOWS": "SSSSL",
    "SHORT_WINDOW": 0.125,
    "SOFT_CAP": 15.0,
    "X0_INIT": 0.05,
    "DEVICE_BATCH_SIZE": 128,  # 2**18 tokens at a context of 2,048
    "GRAD_ACCUMULATION": 1,
    "MATRIX_LR": 0.04,
    "EMBEDDING_LR": 0.9,
    "UNEMBEDDING_LR": 0.005,
    "SCALAR_LR": 0.5,
    "NORMUON_BETA2": 0.95,
    "WEIGHT_DECAY": 0.2,
    "WARMDOWN": 0.75,
    "FINAL_LR": 0.05,
}
"""karpathy/autoresearch after its 126 experiments of 8 March 2026: 0.969686 bits per byte there."""


def _cuda(least: tuple[int, int], gigabytes: float) -> Callable[[Accelerator], bool]:
    """Return a test for a compute capability of `least` or more and so much memory."""
    return lambda gpu: (
        gpu.backend == "cuda" and gpu.capability >= least and gpu.memory_mb >= 1000 * gigabytes
    )


_ON_CPU = (
    "runs of 300 s on two quiet CPU cores and stdlib (vocabulary 1,024, context 512); at 60 s "
    "there, one layer, or two of width 128, came out ahead of two of width 192"
)

AS_IS = Profile(
    "as-is",
    "any; the notebook's own constants",
    SMALL_NOTEBOOK,
    {},
    "a machine that nobody named: they are the notebook's own",
    tested=True,
)
_H100 = Profile(
    "h100",
    "H100, H200, and what came after",
    LARGE_NOTEBOOK,
    _NIGHT,
    "runs of 300 s on one H100 and climbmix (vocabulary 8,192, context 2,048)",
    _cuda((9, 0), 70),
    tested=True,
    text=TextSizes(8_192, 2_048),
    compile_seconds=180.0,
)
"""It compiled for 42 to 46 s on an H200 with an empty cache; for larger models on an H100, 56 to
122 s were published. Half as much again, for processors with fewer cores."""

_CONSUMER = replace(
    _H100,
    name="consumer",
    machine="smaller GPUs that compute in bfloat16: RTX 30 and later",
    notebook=SMALL_NOTEBOOK,
    constants=_SMALL_GPU,
    tuned_for="no machine like this",
    suits=_cuda((8, 0), 0),
    tested=False,
)
_CPU = Profile(
    "cpu",
    "a few processor cores and a C++ compiler",
    SMALL_NOTEBOOK,
    _CPU_CONSTANTS,
    _ON_CPU,
    tested=True,
)

PROFILES = (
    _H100,
    replace(
        _H100,
        name="a100",
        machine="A100, and others of 40 GB that compute in bfloat16",
        tuned_for=f"no machine like this, but {_H100.tuned_for}",
        suits=_cuda((8, 0), 38),
        tested=False,
    ),
    _CONSUMER,
    replace(
        _CONSUMER,
        name="t4",
        machine="T4, V100, RTX 20: float16, with scaled losses",
        constants=_T4,
        suits=_cuda((7, 0), 0),
    ),
    Profile(
        "mps",
        "Apple silicon, in float32",
        SMALL_NOTEBOOK,
        {**_T4, "DEVICE_BATCH_SIZE": 8, "COMPILE": False},
        _CONSUMER.tuned_for,
        lambda gpu: gpu.backend == "mps",
        text=TextSizes(2_048, 1_024),  # few steps would touch most rows of a larger embedding
    ),
    _CPU,
    replace(
        _CPU,
        name="cpu-eager",
        machine="a few processor cores, no C++ compiler; older GPUs",
        constants={**_CPU_CONSTANTS, "COMPILE": False},
    ),
    AS_IS,
)
"""All profiles; of those that suit a machine, the first is for it."""


FOR_CPUS = ("cpu", "cpu-eager")
"""The names of the profiles for machines without a GPU that torch can use well."""


def find(name: str) -> Profile:
    """Return the profile of that name; InputError if there is none."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise InputError(f"no profile '{name}'; profiles: {known}")


def is_unchanged(constants: Mapping[str, Constant]) -> bool:
    """Return whether a notebook has a profile's constants, so that another's may replace them.

    Constants that somebody changed, a person or a campaign whose best was adopted, stay.
    """
    return any(
        all(constants.get(name, value) == value for name, value in profile.constants.items())
        for profile in PROFILES
        if profile is not AS_IS
    )


def choose(accelerator: Accelerator | None) -> Profile:
    """Return the profile for a machine with this accelerator, or with none.

    On a CPU, torch.compile needs a C++ compiler.
    """
    if accelerator:
        fitting = (profile for profile in PROFILES if profile.suits(accelerator))
        return next(fitting, find("cpu-eager"))
    compilers = ("c++", "g++", "clang++")
    return find("cpu" if any(map(shutil.which, compilers)) else "cpu-eager")
