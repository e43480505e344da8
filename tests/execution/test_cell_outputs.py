import nbformat
import pytest
from nbformat import NotebookNode

from autoresearch_kit.execution.runner.cell_outputs import ERROR, HEAD, TAIL, CellOutputs


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return NotebookNode(output_type="stream", name=name, text=text)


def display(data: dict[str, str]) -> NotebookNode:
    return NotebookNode(output_type="display_data", data=data, metadata={})


def picture(size: int) -> NotebookNode:
    return display({"image/png": "x" * size})


def texts(outputs: CellOutputs) -> list[str]:
    return [output.text for output in outputs.result()]


def fill(*pieces: NotebookNode) -> CellOutputs:
    outputs = CellOutputs()
    for piece in pieces:
        if piece.output_type == "stream":
            outputs.add_text(piece.name, piece.text)
        else:
            outputs.add(piece)
    return outputs


def test_pieces_of_a_stream_are_joined() -> None:
    outputs = fill(stream("a"), stream("b\n"), stream("c", "stderr"), stream("d"))
    assert texts(outputs) == ["ab\n", "c", "d"]


def test_a_flood_keeps_its_start_and_end() -> None:
    outputs = fill(*(stream(f"line {i:07}\n") for i in range(40_000)))
    kept = texts(outputs)
    assert kept[0].startswith("line 0000000\n")
    assert kept[-1].endswith("line 0039999\n")
    cut = 40_000 * 13 - len(kept[0]) - len(kept[-1])
    assert kept[1] == f"\n[{cut:,} characters of this cell's output were cut here]\n"
    assert sum(map(len, kept)) <= HEAD + TAIL + 100


def test_carriage_returns_leave_the_last_state_of_a_line() -> None:
    outputs = fill(*(stream(f"\rstep {i}") for i in range(40_000)), stream("\ndone\r\n"))
    assert texts(outputs) == ["step 39999\ndone\r\n"]


@pytest.mark.parametrize(
    "outputs",
    [(stream("x" * 10**7),), tuple(picture(10_000) for _ in range(100))],
    ids=["a huge piece", "pictures"],
)
def test_all_outputs_are_bounded(outputs: tuple[NotebookNode, ...]) -> None:
    size = sum(len(str(output)) for output in fill(*outputs).result())
    assert size < 1.1 * (HEAD + TAIL)


def test_an_error_is_kept_after_a_flood_and_shortened() -> None:
    lines = ["x" * 100] * 10_000
    error = NotebookNode(output_type="error", ename="E", evalue="v", traceback=lines)
    kept = fill(stream("x" * 10**6), error).result()[-1]
    assert kept.ename == "E"
    assert len("".join(kept.traceback)) <= ERROR + 100


def test_an_updated_display_shows_its_last_state() -> None:
    outputs = CellOutputs()
    outputs.add(picture(10), "id")
    for _ in range(1000):
        outputs.update("id", picture(20))
    assert [output.data for output in outputs.result()] == [picture(20).data]


@pytest.mark.parametrize(("wait", "kept"), [(False, []), (True, ["a"])])
def test_clearing_is_obeyed(wait: bool, kept: list[str]) -> None:
    outputs = fill(stream("a"))
    outputs.clear(wait=wait)
    assert texts(outputs) == kept
    outputs.add_text("stdout", "b")
    assert texts(outputs) == ["b"]


def test_the_result_is_valid() -> None:
    outputs = fill(stream("x" * 10**6), picture(10), stream("y"))
    cell = NotebookNode(
        cell_type="code",
        id="a",
        source="",
        metadata={},
        execution_count=None,
        outputs=outputs.result(),
    )
    book = NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=[cell])
    nbformat.validate(book)
