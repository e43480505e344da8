"""The command `prepare`: makes a data set folder of a corpus, once, before anything is trained."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from autoresearch_kit.errors import CorpusError, InputError, KitError
from autoresearch_kit.files.paths import data_home
from autoresearch_kit.records import DatasetInfo
from autoresearch_kit.tasks.lm.build import Census, Progress, build, census, packing_digest
from autoresearch_kit.tasks.lm.corpora import NAMED, find, sizes_of
from autoresearch_kit.tasks.lm.dataset import complete, dataset_folder, is_path, open_dataset
from autoresearch_kit.tasks.lm.hub import DOWNLOADS, SHARDS, HubCorpus
from autoresearch_kit.tasks.lm.splits import Corpus, Sizes

LEAST_BYTES = 200_000  # a smaller corpus leaves too little text to score on


def prepare(
    corpus: str,
    sizes: Sizes | None = None,
    *,
    shards: int | None = None,
    again: bool = False,
    home: Path | None = None,
    show: bool = False,
) -> DatasetInfo:
    """Make the data set of a corpus (a name or a path), unless it is there already.

    The name of a data set that was prepared with other sizes, such as stdlib-bytes, is accepted
    too. A data set that was restored from another machine is taken as it is. It is made beside its
    final folder and moved there when complete, so that this can be interrupted and repeated at any
    moment. `shards` are the files of climbmix to train on. `show` draws progress on stderr.

    Raises:
        CorpusError: the corpus can't be used or downloaded, or other content was prepared under
            this name before and `again` is not set.
        InputError: the corpus has no shards, or not so many; or it is a prepared data set by its
            name, which can't be given `sizes` or made `again`.
        OSError: the disk is full, or the data folder can't be written.
    """
    home = home or data_home()
    if (there := _taken_as_is(corpus, sizes, shards, home, again=again)) is not None:
        return there
    sizes = sizes or sizes_of(corpus)
    source = find(corpus, home, shards)
    folder = home / (source.name + sizes.suffix(source.sizes))
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / f".{folder.name}.lock", show):
        there = None if again else complete(folder)
        if there and isinstance(source, HubCorpus):  # the files it was made of need not be here
            return _unchanged(there, there.corpus, sizes, show)
        counted = _count(source, corpus, home, show)
        if there:
            return _unchanged(there, counted.digest, sizes, show)
        with _new_folder(folder) as part:
            return build(source, counted, sizes, part, _bars(show))


def _taken_as_is(
    corpus: str, sizes: Sizes | None, shards: int | None, home: Path, *, again: bool
) -> DatasetInfo | None:
    """Return a data set that is there, given by its own name or restored from another machine.

    Raises:
        CorpusError: another version of the kit packed it.
        InputError: it is given by its name, and can't be given `sizes` or made `again`.
    """
    usual = sizes_of(corpus)
    base = dataset_folder(corpus, home)
    if corpus in NAMED or is_path(corpus):
        found = complete(base.with_name(base.name + (sizes or usual).suffix(usual)))
        if found is None or not found.restored or shards is not None or again:
            return None
    else:
        found = complete(base)
        if found is None:
            return None
        if sizes or again:
            raise InputError(
                f"{corpus} is prepared, with sizes of its own; give the corpus that it was made "
                "of, to prepare that with others, or again"
            )
    _ = open_dataset(home / found.name).train  # raises where another version packed it
    return found


def _count(source: Corpus, corpus: str, home: Path, show: bool) -> Census:
    if isinstance(source, HubCorpus):
        with _locked(home / f".{DOWNLOADS}.lock", show):
            source.fetch(show)
    with _bars(show)(f"reading {source.name}", None) as bar:
        counted = census(source, bar.update)
    if counted.total < LEAST_BYTES:
        raise CorpusError(
            f"{corpus} has {counted.total:,} bytes of text; at least {LEAST_BYTES:,} are needed"
        )
    return counted


def _bars(show: bool) -> Progress:
    """Return a maker of progress bars over bytes on stderr, each of which stays, with its rate."""
    return lambda stage, size: tqdm(
        desc=f"{stage:<22}", total=size, unit="B", unit_scale=True, disable=not show
    )


@contextmanager
def _locked(path: Path, show: bool) -> Iterator[None]:
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


def _unchanged(there: DatasetInfo, text: str, sizes: Sizes, show: bool) -> DatasetInfo:
    """Return what is there, if it was made of the text with this digest, and in the same way."""
    same = {"text": there.corpus == text, "packing": there.packing == packing_digest(sizes)}
    if changed := [name for name, equal in same.items() if not equal]:
        raise CorpusError(
            f"{there.name} was prepared with other {' and '.join(changed)}; --again makes it "
            "anew, and scores from before can't be compared with later ones"
        )
    _say(f"{there.name} is prepared already", show)
    return there


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which replaces `folder` when all went well."""
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


def _say(line: str, show: bool) -> None:
    if show:
        sys.stderr.write(line + "\n")


def describe(info: DatasetInfo, folder: Path) -> str:
    """Describe what was prepared, and where it lies, for people."""
    scored = info.eval_rows * info.context
    return (
        f"{info.name}: {info.vocab_size:,} tokens in the vocabulary\n"
        f"  train  {info.train_bytes:>12,} bytes  {info.train_tokens:>12,} tokens\n"
        f"  val    {info.val_bytes:>12,} bytes  {info.val_tokens:>12,} tokens, {scored:,} scored\n"
        f"  audit  {info.audit_bytes:>12,} bytes  {info.audit_tokens:>12,} tokens\n"
        f"  in rows of {info.context + 1:,} from BOS: {info.cropped:.3%} of the tokens cropped "
        f"away, {info.continued:.0%} cut off from what comes before\n"
        f"  xz -9e needs {info.xz_bpb:.3f} bits per byte for the val text that is scored\n"
        f"  in {folder}\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prepare", description="Prepare a corpus for training.")
    parser.add_argument(
        "corpus", help=f"{', '.join(NAMED)}, or a .txt, .jsonl or .parquet file, or a folder"
    )
    parser.add_argument("--shards", type=int, help=f"files of climbmix (default: {SHARDS})")
    parser.add_argument("--bytes", action="store_true", help="no merges: every byte is a token")
    parser.add_argument("--vocab-size", type=int, help="tokens, 257 to 65536 (default: as suits)")
    parser.add_argument("--context", type=int, help="tokens in a row, 2 to 131072 (likewise)")
    parser.add_argument("--eval-rows", type=int, help="rows to score on (likewise)")
    parser.add_argument("--again", action="store_true", help="make it anew")
    return parser


def _given_sizes(given: argparse.Namespace) -> Sizes | None:
    """Return the sizes given, the rest as suits the corpus; None if none is given."""
    if given.bytes and given.vocab_size is not None:
        raise InputError(
            f"--vocab-size is {given.vocab_size}, but with --bytes every byte is a token; "
            "leave one of them out"
        )
    options = {name: getattr(given, name) for name in ("vocab_size", "context", "eval_rows")}
    changed = {name: value for name, value in options.items() if value is not None}
    if not changed and not given.bytes:
        return None
    return replace(sizes_of(given.corpus), bytes_only=given.bytes, **changed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a data set, as `python -m autoresearch_kit.tasks.lm.prepare NAME`; progress on stderr.

    Prints one line: the data set's folder, or `error: ` and why there is none.
    """
    given = _parser().parse_args(arguments)
    try:
        sizes = _given_sizes(given)
        info = prepare(given.corpus, sizes, shards=given.shards, again=given.again, show=True)
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
