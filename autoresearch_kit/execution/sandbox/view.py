"""The part of the file system that a sandbox shows, as options of bubblewrap."""

from collections.abc import Iterator
from pathlib import Path

MOST_LINKS = 40  # Linux follows no more symbolic links in one path


class View:
    """Paths that are shown, read-only, in an otherwise empty root.

    A folder is shown with all that it contains except for what is covered; parts of a covered
    folder can be shown again. Symbolic links on the way to a path are made too, so that it has the
    same names as outside.
    """

    def __init__(self) -> None:
        self._shown: dict[Path, bool] = {}  # False: covered
        self._instead: dict[Path, Path] = {}
        self._links: dict[Path, Path] = {}

    def show(self, path: Path) -> None:
        """Show a file or folder, if it exists, by this name and by those that links lead to."""
        at, left = Path("/"), list(path.parts[1:])
        links = 0
        while left:
            step = left.pop(0)
            at = at.parent if step == ".." else at / step
            if at.is_symlink():
                links += 1
                if links > MOST_LINKS:
                    return
                target = at.readlink()
                self._links[at] = target
                left = [*target.parts, *left]
                at = at.parent
                if left[0] == "/":
                    at, left = Path("/"), left[1:]
        if at.exists():
            self._shown[at] = True

    def cover(self, path: Path, instead: Path | None = None) -> None:
        """Take a file or folder (its path without links) out of a folder that is shown.

        The folder `instead` is put in place of a folder; without it, an empty one.
        """
        self._shown.setdefault(path, False)
        if instead:
            self._instead[path] = instead

    def sees(self, path: Path) -> bool:
        """Return whether a path without links is shown, or would be shown if it existed."""
        around = (path, *path.parents)
        return next((self._shown[folder] for folder in around if folder in self._shown), False)

    def around(self, path: Path) -> Path | None:
        """Return the outermost shown path that a path without links is or lies in."""
        above = (folder for folder in (*reversed(path.parents), path) if self._shown.get(folder))
        return next(above, None)

    def first_in(self, folder: Path) -> Path | None:
        """Return the first shown path in a folder (without links) that is not shown itself."""
        inside = (path for path in sorted(self._shown) if self._shown[path])
        return next((path for path in inside if folder in path.parents), None)

    def options(self) -> Iterator[str]:
        """Yield the options that make the root."""
        emptied = []
        for path in sorted(self._shown):
            inside = self.sees(path.parent)
            if self._shown[path]:
                if not inside:
                    yield from ("--ro-bind-try", str(path), str(path))
            elif not inside:
                continue
            elif path in self._instead:
                yield from ("--ro-bind-try", str(self._instead[path]), str(path))
            elif path.is_dir():
                emptied.append(path)
                yield from ("--tmpfs", str(path))
            else:
                yield from ("--ro-bind-try", "/dev/null", str(path))
        for path, target in sorted(self._links.items()):
            if not self.sees(path.parent):
                yield from ("--symlink", str(target), str(path))
        for path in emptied:
            yield from ("--remount-ro", str(path))
