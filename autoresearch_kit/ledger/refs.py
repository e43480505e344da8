"""Names of campaigns, of their refs, and of the files in their commits."""

import re
from pathlib import Path

from autoresearch_kit.errors import InputError, LedgerError
from autoresearch_kit.ledger.git import Git

REFS = "refs/autoresearch"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")
_APPROVALS = "approvals"
_REF = re.compile(rf"{REFS}/([^/]+)/([0-9]{{4,9}})")
_FILE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)


def is_tag(name: str) -> bool:
    """Return True if `name` can name a campaign: a component of a git ref and of a path."""
    return bool(_TAG.fullmatch(name)) and ".." not in name and not name.endswith((".", ".lock"))


def valid_tag(tag: str) -> str:
    """Return `tag` if it can name a campaign; InputError if it can't."""
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


def approvals_refs(tag: str) -> str:
    """Return the prefix of the refs of a campaign's approvals."""
    return f"{campaign_refs(tag)}/{_APPROVALS}"


def approval_ref(tag: str, number: int) -> str:
    """Return the ref of the answer to whether keep `number` may be built on."""
    return f"{approvals_refs(tag)}/{number:04d}"


def parse_ref(ref: str) -> tuple[str, int] | None:
    """Return the tag and number in an experiment's ref, None for any other ref.

    Refs may come from strangers: a ref that no campaign could have made is not a campaign's.
    """
    match = _REF.fullmatch(ref)
    if match is None or not is_tag(match[1]) or ref != experiment_ref(match[1], int(match[2])):
        return None
    return match[1], int(match[2])


def parse_approval(ref: str) -> tuple[str, int] | None:
    """Return the tag and number in an approval's ref, None for any other ref."""
    parts = ref.rsplit("/", 2)
    if len(parts) != 3 or parts[1] != _APPROVALS:
        return None
    return parse_ref(f"{parts[0]}/{parts[2]}")


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


def campaigns(root: Path) -> list[str]:
    """Return the tags of all campaigns in the repository, in alphabetical order."""
    return sorted({ref[0] for ref in map(parse_ref, Git(root).refs(REFS)) if ref})


def check_known(git: Git, tag: str) -> None:
    """Check that campaign `tag` has an experiment.

    Raises:
        LedgerError: it has none; the message names the campaigns that have.
    """
    if not git.refs(campaign_refs(tag)):
        known = ", ".join(campaigns(git.root)) or "none yet"
        raise LedgerError(f"no campaign {tag!r} in {git.root}; there: {known}")
