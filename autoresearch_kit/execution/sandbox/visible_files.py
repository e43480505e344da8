"""Find the files of this machine that runs of a campaign see, and those hidden from them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from autoresearch_kit.errors import InputError
from autoresearch_kit.execution.sandbox import packages, system
from autoresearch_kit.records import DatasetInfo, TaskInfo, VisibleFiles
from autoresearch_kit.tasks.kinds import hidden_here


def find_visible_files(
    info: DatasetInfo | TaskInfo, corpus: str, imports: Sequence[str]
) -> VisibleFiles:
    """Return the files of this machine that runs see. Never kept: files move, and Pythons change.

    `corpus` is what a data set was prepared from, `imports` are the modules of the notebook.

    Raises:
        InputError: a path that a task wants to be seen does not exist here, or what it hides has
            something in it that runs see.
    """
    if not isinstance(info, TaskInfo):
        return VisibleFiles(tuple(imports), hidden_here(info, corpus))
    shown = _shown(info)
    for problem in seen_in_hidden(info.hides, info.sees):
        raise InputError(f"task {info.name} {problem}")
    hidden = (place for path in hidden_here(info, corpus) for place in existing_paths(path))
    return VisibleFiles(tuple(imports), tuple(hidden), shown)


def seen_in_hidden(hides: Iterable[str], sees: Sequence[str]) -> Iterator[str]:
    """Yield which folders that a task hides have something in them that runs see all the same.

    What is in a folder that is shown as a whole can be hidden. A folder around shown ones can't.
    """
    shown = [Path(path).resolve() for path in sees]
    for named in hides:
        view = system.view()  # made once; a task that hides nothing needs none
        for path in (path.resolve() for path in existing_paths(Path(named))):
            inside = [place for place in shown if path in place.parents]
            if inside:
                yield f"hides {named}, and sees {inside[0]} in it; take one of them out"
            elif not view.sees(path) and (needed := view.first_in(path)):
                yield (
                    f"hides {named}, in which every run sees {needed}; hide only the part that "
                    "holds hidden data"
                )


def existing_paths(path: Path) -> Iterator[Path]:
    """Yield the places where a path exists; a relative one is in folders of packages."""
    for folder in packages.site_folders():
        if (folder / path).exists():  # an absolute path stays what it is
            yield folder / path
            if path.is_absolute():
                return


def absent_hidden(hides: Iterable[str]) -> list[str]:
    """Return those of the paths that a task hides that are not on this machine."""
    return [path for path in hides if not any(existing_paths(Path(path)))]


def _shown(info: TaskInfo) -> tuple[Path, ...]:
    for path in info.sees:
        if not Path(path).exists():
            raise InputError(
                f"task {info.name} sees {path}, which is not on this machine; put it there, or "
                "take it out of sees in its task.toml"
            )
    return tuple(Path(path).resolve() for path in info.sees)
