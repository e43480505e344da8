import lzma
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from autoresearch_kit.errors import CorpusError, InputError
from autoresearch_kit.tasks.lm.build import xz_bits_per_byte
from autoresearch_kit.tasks.lm.dataset import dataset_folder, open_dataset
from autoresearch_kit.tasks.lm.prepare import main, prepare
from autoresearch_kit.tasks.lm.splits import Sizes, Split

SMALL = Sizes(vocab_size=300, context=32)
SMALL_ARGUMENTS = ["--vocab-size", "300", "--context", "32"]
COMMAND = [sys.executable, "-m", "autoresearch_kit.tasks.lm.prepare"]


def files_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def folders(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if path.is_dir()]


def test_preparing_again_makes_the_same_files(home: Path, text_file: Path) -> None:
    folder = home / prepare(str(text_file), SMALL).name
    before, written = files_of(folder), (folder / "dataset.json").stat().st_mtime_ns
    prepare(str(text_file), SMALL)
    assert (folder / "dataset.json").stat().st_mtime_ns == written
    prepare(str(text_file), SMALL, again=True)
    assert files_of(folder) == before
    (folder / "val" / "tokens.bin").write_bytes(b"")
    prepare(str(text_file), SMALL)
    assert files_of(folder) == before


def test_other_text_under_the_same_name_needs_again(home: Path, text_file: Path) -> None:
    first = prepare(str(text_file), SMALL)
    text_file.write_text(text_file.read_text(encoding="utf-8") + "more\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"prepared with other text; --again makes it anew"):
        prepare(str(text_file), SMALL)
    assert prepare(str(text_file), SMALL, again=True).corpus != first.corpus


def test_sizes_have_folders_and_digests_of_their_own(home: Path, text_file: Path) -> None:
    made = [
        prepare(str(text_file), sizes)
        for sizes in (SMALL, Sizes(bytes_only=True, context=32), Sizes(vocab_size=300))
    ]
    stem = dataset_folder(str(text_file)).name
    suffixes = ("-v300-t32", "-bytes-t32", "-v300")
    assert [info.name for info in made] == [stem + suffix for suffix in suffixes]
    assert len({info.corpus for info in made}) == 1
    assert len({info.tokenizer for info in made}) == 2
    assert len({info.packing for info in made}) == 3
    assert made[1].vocab_size == 257


def test_xz_takes_less_memory_but_comes_to_the_same(prose: str) -> None:
    text = prose.encode()
    plain = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    assert xz_bits_per_byte(text) == 8 * len(plain) / len(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"rows.jsonl has 0 bytes of text; at least 200,000 are needed"),
        ('{"text": "%s"}\n' % ("word " * 50_000), r"has \d+ tokens; at least 264 are needed"),
    ],
    ids=["tiny", "one document"],
)
def test_too_small_a_corpus_says_so(home: Path, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text)
    with pytest.raises(CorpusError, match=said):
        prepare(str(path), SMALL)
    assert not folders(home)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((0, 512, 128), "a vocabulary of 0 tokens: give 257 .* to 65536"),
        ((65_537, 512, 128), "a vocabulary of 65537 tokens: give 257"),
        ((257, 1, 128), "context of 1 tokens: give 2 to 131072"),
        ((257, 131_073, 128), "context of 131073 tokens: give 2 to 131072"),
        ((257, 2, 7), "7 rows to score: give at least 8"),
    ],
)
def test_sizes_out_of_range_are_refused(sizes: tuple[int, int, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Sizes(*sizes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vocab-size", "256"], "error: a vocabulary of 256 tokens: give 257"),
        (["--vocab-size", "300", "--bytes"], "error: --vocab-size is 300, but with --bytes"),
    ],
)
def test_sizes_are_refused_before_anything_is_read(
    home: Path, text_file: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main([str(text_file), *arguments]) == 1
    assert capfd.readouterr().out.startswith(said)
    assert not home.exists()


def test_command_prints_the_folder_last_and_talks_on_stderr(
    home: Path, text_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(text_file), *SMALL_ARGUMENTS]) == 0
    out, err = capfd.readouterr()
    assert out == f"{dataset_folder(str(text_file))}-v300-t32\n"
    info = open_dataset(Path(out.strip())).info
    assert re.search(r"packing tokens +: 100%.*B/s\] *\n", err)
    assert f"in rows of 33 from BOS: {info.cropped:.3%} of the tokens cropped away" in err
    assert f"xz -9e needs {info.xz_bpb:.3f} bits per byte" in err


def test_a_mistake_is_one_line(
    home: Path, text_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["nothing"]) == 1
    assert capfd.readouterr().out.startswith("error: no corpus 'nothing': give stdlib")
    home.write_text("a file is in the way")
    assert main([str(text_file)]) == 1
    assert capfd.readouterr().out == f"error: {home}: File exists\n"


STOPPED = """
import resource, signal, sys
from autoresearch_kit.tasks.lm import build, prepare

def pack_and_stop(*arguments):
    pack(*arguments)
    signal.raise_signal(how)

pack, how = build.pack, int(sys.argv.pop(1))
if how:
    build.pack = pack_and_stop
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
else:  # a limit on the size of files fails a write as a full disk does
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.exit(prepare.main(sys.argv[1:]))
"""
"""Gets a signal when the first shard is packed, or finds the disk full."""


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (0, 1)], ids=str
)
def test_stopped_half_way_it_is_repeated(home: Path, text_file: Path, how: int, code: int) -> None:
    argv = [sys.executable, "-c", STOPPED, str(int(how)), str(text_file), *SMALL_ARGUMENTS]
    stopped = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert stopped.returncode == code
    assert stopped.stdout == ("" if how else f"error: {home}: File too large\n")
    assert not list(home.glob("*/dataset.json"))
    info = prepare(str(text_file), SMALL)
    assert all(len(open_dataset(home / info.name).shard(split)) for split in Split)
    assert folders(home) == [info.name]


def test_two_at_once_wait_for_each_other(home: Path, text_file: Path) -> None:
    name = dataset_folder(str(text_file)).name + SMALL.suffix(Sizes())
    home.mkdir()
    arguments = [*COMMAND, str(text_file), *SMALL_ARGUMENTS]
    lock = FileLock(home / f".{name}.lock")
    with lock, subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"waiting for another process that prepares it\n"
        lock.release()
        process.communicate()
    assert process.returncode == 0


def test_a_prepared_name_keeps_its_sizes(home: Path, text_file: Path) -> None:
    info = prepare(str(text_file), Sizes(bytes_only=True))
    assert prepare(info.name) == info
    with pytest.raises(InputError, match=f"{info.name} is prepared, with sizes of its own"):
        prepare(info.name, Sizes(vocab_size=400))
