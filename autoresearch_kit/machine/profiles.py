"""What the `config` cell of the training notebook holds on which machine: a table."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autoresearch_kit.errors import InputError
from autoresearch_kit.records import Accelerator, Constant


@dataclass(frozen=True)
class TextSizes:
    """Tokens in the vocabulary, and tokens in a row (the context T)."""

    vocab_size: int
    context: int


@dataclass(frozen=True)
class Profile:
    """Constants of the `config` cell that suit a kind of machine; others stay as they are.

    `suits` says so of what an accelerator can do. `tested`: it ran on such a machine. `tuned_for`
    completes "the constants were tuned for", for whoever is to change them. One's own text is
    prepared as `text` says. `compile_seconds` is the most that a run may leave out of its training
    budget as compilation.
    """

    name: str
    machine: str
    constants: Mapping[str, Constant]
    tuned_for: str
    suits: Callable[[Accelerator], bool] = lambda _: False
    tested: bool = False
    text: TextSizes = TextSizes(1_024, 512)
    compile_seconds: float = 90.0


_CPU: Mapping[str, Constant] = {
    "DEPTH": 2,
    "HEADS": 2,
    "HEAD_DIM": 96,
    "WINDOWS": "L",
    "ROTARY_SHARE": 0.5,
    "ROPE_BASE": 10000.0,
    "SMEAR": True,
    "VALUE_EVERY": 1,
    "GATE_INPUTS": 12,
    "SOFT_CAP": 0.0,
    "X0_INIT": 0.1,
    "INIT_SCALE": 1.0,
    "VALUE_INIT": 1.0,
    "HALF_STREAM": False,
    "DEVICE_BATCH_SIZE": 4,
    "GRAD_ACCUMULATION": 1,
    "COMPILE": True,
    "MATRIX_LR": 0.03,
    "EMBEDDING_LR": 0.4,
    "UNEMBEDDING_LR": 0.003,
    "SCALAR_LR": 0.05,
    "RESIDUAL_LR": 0.05,
    "LR_WIDTH": 192,
    "X0_BETA1": 0.8,
    "MUON_GATES": False,
    "NORMUON_BETA2": 0.0,
    "POLAR_STEPS": 3,
    "WEIGHT_DECAY": 0.1,
    "EMBEDDING_DECAY": 0.0,
    "VALUE_DECAY": 0.0,
    "UNEMBEDDING_DECAY": 0.0,
    "MOMENTUM_WARMUP": 0.1,
    "WARMDOWN": 0.8,
    "FINAL_LR": 0.0,
}
"""benchmarks/README.md has the measurements behind the numbers."""

_NIGHT: Mapping[str, Constant] = {
    "DEPTH": 9,
    "HEADS": 5,  # aspect ratio 57: 9 x 57 channels, rounded up to whole heads
    "HEAD_DIM": 128,
    "WINDOWS": "SSSSL",
    "ROTARY_SHARE": 1.0,
    "ROPE_BASE": 200000.0,
    "SMEAR": False,
    "VALUE_EVERY": 2,
    "GATE_INPUTS": 32,
    "SOFT_CAP": 15.0,
    "X0_INIT": 0.05,
    "INIT_SCALE": 1.178,  # upstream's 0.68; its own is sqrt(3) times PyTorch's
    "VALUE_INIT": 0.68,
    "HALF_STREAM": True,
    "DEVICE_BATCH_SIZE": 128,  # 2**18 tokens at a context of 2,048
    "GRAD_ACCUMULATION": 1,
    "COMPILE": True,
    "MATRIX_LR": 0.04,
    "EMBEDDING_LR": 0.9,
    "UNEMBEDDING_LR": 0.005,
    "SCALAR_LR": 0.5,
    "RESIDUAL_LR": 0.005,
    "LR_WIDTH": 768,
    "X0_BETA1": 0.96,
    "MUON_GATES": True,
    "NORMUON_BETA2": 0.95,
    "POLAR_STEPS": 5,
    "WEIGHT_DECAY": 0.2,
    "EMBEDDING_DECAY": 0.001,
    "VALUE_DECAY": 0.003,
    "UNEMBEDDING_DECAY": 0.01,
    "MOMENTUM_WARMUP": 0.15,  # upstream's 200 steps, of some 1,300
    "WARMDOWN": 0.75,
    "FINAL_LR": 0.05,
}
"""karpathy/autoresearch after its 126 experiments of 8 March 2026: val_bpb 0.969686 there."""

_SMALLER: Mapping[str, Constant] = {**_NIGHT, "DEPTH": 6, "HEADS": 3, "DEVICE_BATCH_SIZE": 32}
_T4: Mapping[str, Constant] = {**_NIGHT, "DEPTH": 4, "HEADS": 2, "DEVICE_BATCH_SIZE": 16}
_MPS: Mapping[str, Constant] = {**_T4, "DEVICE_BATCH_SIZE": 8, "COMPILE": False}


def _cuda(least: tuple[int, int], gigabytes: float) -> Callable[[Accelerator], bool]:
    """Of compute capability `least` at least, with as much memory."""
    return lambda found: (
        found.backend == "cuda"
        and found.capability >= least
        and found.memory_mb >= 1000 * gigabytes
    )


_ON_H100 = "runs of 300 s on one H100 and climbmix (vocabulary 8,192, context 2,048)"
_ON_CPU = (
    "runs of 300 s on two quiet CPU cores and stdlib (vocabulary 1,024, context 512); at 60 s "
    "there, one layer, or two of width 128, came out ahead of two of width 192"
)
_BY_GUESS = f"no machine like this: they are those for {_ON_H100}"

AS_IS = Profile(
    "as-is",
    "any; the notebook's own constants",
    {},
    "what nobody wrote down: they are the notebook's own",
    tested=True,
)

_NIGHTS_TEXT = TextSizes(8_192, 2_048)
"""climbmix's, which the constants of `_NIGHT` were tuned for."""

_CUDA_COMPILE_SECONDS = 180.0
"""`h100` took 42 to 46 s on an H200 with an empty cache; for larger models on an H100, 56 to 122 s
were published. Half as much again, for processors with fewer cores."""

PROFILES = (
    Profile(
        "h100",
        "H100, H200, and what came after",
        _NIGHT,
        _ON_H100,
        _cuda((9, 0), 70),
        tested=True,
        text=_NIGHTS_TEXT,
        compile_seconds=_CUDA_COMPILE_SECONDS,
    ),
    Profile(
        "a100",
        "A100, and others of 40 GB that compute in bfloat16",
        _NIGHT,
        _BY_GUESS,
        _cuda((8, 0), 38),
        text=_NIGHTS_TEXT,
        compile_seconds=_CUDA_COMPILE_SECONDS,
    ),
    Profile(
        "consumer",
        "smaller GPUs that compute in bfloat16: RTX 30 and later",
        _SMALLER,
        f"{_BY_GUESS}, with a smaller model",
        _cuda((8, 0), 0),
        text=_NIGHTS_TEXT,
        compile_seconds=_CUDA_COMPILE_SECONDS,
    ),
    Profile(
        "t4",
        "T4, V100, RTX 20: float16, with scaled losses",
        _T4,
        f"{_BY_GUESS}, with a smaller model",
        _cuda((7, 0), 0),
        text=_NIGHTS_TEXT,
        compile_seconds=_CUDA_COMPILE_SECONDS,
    ),
    Profile(
        "mps",
        "Apple silicon, in float32",
        _MPS,
        f"{_BY_GUESS}, with a smaller model",
        lambda found: found.backend == "mps",
        text=TextSizes(2_048, 1_024),  # few steps would touch most rows of a larger embedding
    ),
    Profile("cpu", "a few processor cores and a C++ compiler", _CPU, _ON_CPU, tested=True),
    Profile(
        "cpu-eager",
        "a few processor cores, no C++ compiler; older GPUs",
        {**_CPU, "COMPILE": False},
        _ON_CPU,
        tested=True,
    ),
    AS_IS,
)
"""All profiles; of those that suit a machine, the first is for it."""


def find(name: str) -> Profile:
    """The profile of that name.

    Raises:
        InputError: there is none.
    """
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise InputError(f"no profile '{name}'; profiles: {known}")


def is_some_profiles(constants: Mapping[str, Constant]) -> bool:
    """Whether a notebook with these constants has a profile's, which another may take the place of.

    Where somebody has turned them, a person or a campaign whose best was adopted, they stay.
    """
    return any(
        all(constants.get(name, value) == value for name, value in one.constants.items())
        for one in PROFILES
        if one is not AS_IS
    )


def choose(accelerator: Accelerator | None) -> Profile:
    """The profile for a machine with this accelerator, or none.

    torch.compile needs a C++ compiler on a CPU.
    """
    if accelerator:
        fitting = (profile for profile in PROFILES if profile.suits(accelerator))
        return next(fitting, find("cpu-eager"))
    compilers = ("c++", "g++", "clang++")
    return find("cpu" if any(map(shutil.which, compilers)) else "cpu-eager")
