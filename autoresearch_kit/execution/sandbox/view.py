"""What of the file system a sandbox shows: a list of places, as options of bubblewrap."""

from collections.abc import Iterator
from pathlib import Path

MOST_LINKS = 40
"""Linux follows no more in one path."""


class View:
    """Places that are shown, read-only, in an otherwise empty root.

    A folder that is shown is shown with all that it holds, but for what is covered in it; what is
    covered can be shown again in part. Links on the way to a place are made, so that it is found
    by the same names as outside.
    """

    def __init__(self) -> None:
        self._shown: dict[Path, bool] = {}  # False: covered
        self._instead: dict[Path, Path] = {}
        self._links: dict[Path, Path] = {}

    def show(self, path: Path) -> None:
        """Show a file or folder, if it is there, by this name and those that links lead to."""
        place, left = Path("/"), list(path.parts[1:])
        links = 0
        while left:
            step = left.pop(0)
            place = place.parent if step == ".." else place / step
            if place.is_symlink():
                links += 1
                if links > MOST_LINKS:
                    return
                target = place.readlink()
                self._links[place] = target
                left = [*target.parts, *left]
                place = place.parent
                if left[0] == "/":
                    place, left = Path("/"), left[1:]
        if place.exists():
            self._shown[place] = True

    def cover(self, path: Path, instead: Path | None = None) -> None:
        """Take a file or folder (its path without links) out of a folder that is shown.

        A folder `instead` is there in place of a folder, else nothing.
        """
        self._shown.setdefault(path, False)
        if instead:
            self._instead[path] = instead

    def sees(self, path: Path) -> bool:
        """Whether a path without links is shown, or would be if it were there."""
        return next(
            (self._shown[one] for one in (path, *path.parents) if one in self._shown), False
        )

    def around(self, path: Path) -> Path | None:
        """Return the outermost place on the list that a path without links is or lies in."""
        above = (one for one in (*reversed(path.parents), path) if self._shown.get(one))
        return next(above, None)

    def options(self) -> Iterator[str]:
        """Yield the options of bubblewrap that make the root so."""
        covered = []
        for path in sorted(self._shown):
            if self._shown[path]:
                if not self._is_shown_above(path):
                    yield from ("--ro-bind-try", str(path), str(path))
            elif not self._is_shown_above(path):
                continue
            elif path in self._instead:
                yield from ("--ro-bind-try", str(self._instead[path]), str(path))
            elif path.is_dir():
                covered.append(path)
                yield from ("--tmpfs", str(path))
            else:
                yield from ("--ro-bind-try", "/dev/null", str(path))
        for path, target in sorted(self._links.items()):
            if not self._is_shown_above(path):
                yield from ("--symlink", str(target), str(path))
        for path in covered:
            yield from ("--remount-ro", str(path))

    def _is_shown_above(self, path: Path) -> bool:
        return self.sees(path.parent)
