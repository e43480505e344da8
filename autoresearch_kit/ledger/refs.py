"""Names of a campaign in git: tags, refs, the branch, the folder of an experiment."""

import re

from autoresearch_kit.errors import InputError

REFS = "refs/autoresearch"
BRANCHES = "refs/heads/autoresearch"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_REF = re.compile(rf"{REFS}/([^/]+)/([0-9]{{4,9}})")
_FILE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)


def valid_tag(tag: str) -> str:
    """Return `tag` if it can name a campaign.

    Raises:
        InputError: it can't be one component of a git ref and of a path.
    """
    if not is_tag(tag):
        raise InputError(
            f"can't use {tag!r} as a tag; allowed: up to 50 letters, digits, '.', '_' and '-', "
            "starting with a letter or digit, without '..' and not ending in '.' or '.lock'"
        )
    return tag


def campaign_refs(tag: str) -> str:
    """Return the prefix of the refs of all experiments of a campaign."""
    return f"{REFS}/{tag}"


def experiment_ref(tag: str, number: int) -> str:
    """Return the ref of experiment `number`, which exists if and only if this ref does."""
    return f"{REFS}/{tag}/{number:04d}"


def parse_ref(ref: str) -> tuple[str, int] | None:
    """Return the tag and number in an experiment's ref, None for any other ref.

    Refs may come from strangers: a ref that no campaign could have made is not a campaign's.
    """
    match = _REF.fullmatch(ref)
    return (match[1], int(match[2])) if match and is_tag(match[1]) else None


def is_tag(name: str) -> bool:
    """Return True if `name` can name a campaign."""
    return bool(_TAG.fullmatch(name)) and ".." not in name and not name.endswith((".", ".lock"))


def branch_ref(tag: str) -> str:
    """Return the full name of the branch of a campaign's kept edits."""
    return f"{BRANCHES}/{tag}"


def experiment_file(tag: str, number: int, name: str) -> str:
    """Return the path of an experiment's file in its record commit.

    Raises:
        InputError: git would silently leave out a file of that name.
    """
    if not _FILE.fullmatch(name):
        raise InputError(
            f"can't use {name!r} as a file name; allowed: words joined by '.', '-', '/'"
        )
    return f"experiments/{tag}/{number:04d}/{name}"
