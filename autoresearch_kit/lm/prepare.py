"""The verb `prepare`: a corpus to a data set folder, once, before anything is trained."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError, KitError
from autoresearch_kit.lm.build import CONTEXT, VOCAB_SIZE, Options, build
from autoresearch_kit.lm.corpora import NAMED, find
from autoresearch_kit.lm.dataset import complete, dataset_folder, is_path
from autoresearch_kit.lm.splits import Census, census
from autoresearch_kit.paths import data_home
from autoresearch_kit.records import DatasetInfo

LEAST_BYTES = 200_000
"""A smaller corpus leaves too little text to score on."""


def prepare(
    corpus: str,
    options: Options | None = None,
    *,
    again: bool = False,
    home: Path | None = None,
    show: bool = False,
) -> DatasetInfo:
    """Make the data set of a corpus (a name or a path), unless it is there already.

    The name of a data set that was prepared with options, such as stdlib-bytes, will do too. One
    that was restored from another machine is taken as it is.
    It is made beside its place and moved there when complete, so that it can be interrupted at
    any moment and repeated. `show` draws progress on stderr.

    Raises:
        CorpusError: the corpus can't be used, or other content was prepared under this name
            before and `again` is not set.
        OSError: the disk is full, or the data folder can't be written.
    """
    options, home = options or Options(), home or data_home()
    prepared = complete(dataset_folder(corpus, home))
    by_name = corpus not in NAMED and not is_path(corpus)
    if prepared and (by_name or (prepared.restored and options == Options() and not again)):
        return prepared
    source = find(corpus)
    folder = home / (source.name + options.suffix())
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home / f".{folder.name}.lock", show):
        _say(f"reading {corpus}", show)
        counted = census(source)
        _check_size(corpus, counted)
        there = None if again else complete(folder)
        if there is not None:
            _check_same(there, counted, options)
            _say(f"{there.name} is prepared already", show)
            return there
        with _beside(folder) as part:
            return build(source, counted, options, part, _bars(show))


@contextmanager
def _alone(path: Path, show: bool) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say("waiting for another process that prepares it", show)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_size(corpus: str, counted: Census) -> None:
    if counted.total < LEAST_BYTES:
        raise CorpusError(
            f"{corpus} has {counted.total:,} bytes of text; at least {LEAST_BYTES:,} are needed"
        )


def _check_same(there: DatasetInfo, counted: Census, options: Options) -> None:
    pairs = {
        "text": (there.corpus, counted.digest),
        "packing": (there.packing, options.packing_digest()),
    }
    changed = [what for what, (old, new) in pairs.items() if old != new]
    if changed:
        raise CorpusError(
            f"{there.name} was prepared with other {' and '.join(changed)}; --again makes it "
            "anew, and scores from before can't be compared with later ones"
        )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `folder` when all went well."""
    part, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for stale in (part, old):
        shutil.rmtree(stale, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        for stale in (part, old):
            shutil.rmtree(stale, ignore_errors=True)


def _bars(show: bool) -> Callable[[str, int], "_Bar"]:
    return lambda stage, size: _Bar(stage, size, show)


class _Bar:
    """A progress bar over bytes, drawn on stderr."""

    def __init__(self, stage: str, size: int, show: bool) -> None:
        self._bar = tqdm(
            desc=f"{stage:<22}", total=size, unit="B", unit_scale=True, disable=not show
        )

    def __enter__(self) -> Callable[[int], object]:
        return self._bar.update

    def __exit__(self, *exc: object) -> None:
        self._bar.close()


def _say(line: str, show: bool) -> None:
    if show:
        sys.stderr.write(line + "\n")


def describe(info: DatasetInfo, folder: Path) -> str:
    """What was prepared, and where it lies, for people."""
    scored = info.eval_rows * info.context
    return (
        f"{info.name}: {info.vocab_size:,} tokens in the vocabulary\n"
        f"  train  {info.train_bytes:>12,} bytes  {info.train_tokens:>12,} tokens\n"
        f"  val    {info.val_bytes:>12,} bytes  {info.val_tokens:>12,} tokens, {scored:,} scored\n"
        f"  audit  {info.audit_bytes:>12,} bytes  {info.audit_tokens:>12,} tokens\n"
        f"  xz -9e needs {info.xz_bpb:.3f} bits per byte for the val text that is scored\n"
        f"  in {folder}\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m autoresearch_kit.lm.prepare NAME`: progress on stderr, the outcome on stdout.

    That is one line: the data set's folder, or `error: ` and why there is none.
    """
    parser = argparse.ArgumentParser(prog="prepare", description="Prepare a corpus for training.")
    parser.add_argument("corpus", help="stdlib, or a .txt, .jsonl or .parquet file, or a folder")
    parser.add_argument("--bytes", action="store_true", help="no merges: every byte is a token")
    parser.add_argument("--vocab-size", type=int, default=VOCAB_SIZE, help="default: %(default)s")
    parser.add_argument("--context", type=int, default=CONTEXT, help="default: %(default)s")
    parser.add_argument("--again", action="store_true", help="make it anew")
    given = parser.parse_args(arguments)
    try:
        options = Options(given.bytes, given.vocab_size, given.context)
        info = prepare(given.corpus, options, again=given.again, show=True)
    except KitError as error:
        sys.stdout.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stdout.write(f"error: {error.filename or data_home()}: {error.strerror or error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; the same command starts again\n")
        return 130
    folder = data_home() / info.name
    sys.stderr.write(describe(info, folder))
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
