"""Sharing campaigns between repositories: push, fetch, and one file that holds a campaign.

`git clone` leaves a campaign's refs behind, so they are sent by name. Nothing is ever forced: if a
ref means different experiments on both sides, nothing is sent.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from autoresearch_kit.errors import LedgerError
from autoresearch_kit.ledger.branch import Branch, branch_ref
from autoresearch_kit.ledger.git import Git
from autoresearch_kit.ledger.history import History
from autoresearch_kit.ledger.refs import (
    REFS,
    campaign_refs,
    check_known,
    parse_approval,
    parse_ref,
    valid_tag,
)


def push(root: Path, tag: str, remote: str) -> int:
    """Copy campaign `tag` and its branch to `remote`; return the number of experiments new there.

    Raises:
        LedgerError: there is no such campaign, the remote has a different one under this tag or
            can't be reached.
    """
    git = Git(root, terminal=True)
    check_known(git, valid_tag(tag))
    address = _address(git, remote)
    mine, theirs = git.refs(campaign_refs(tag)), _remote_refs(git, address, campaign_refs(tag))
    _refuse_differences(mine, theirs, remote)
    specs = [f"{campaign_refs(tag)}/*:{campaign_refs(tag)}/*"]
    if Branch(git, tag).commit():
        specs.append(f"{branch_ref(tag)}:{branch_ref(tag)}")
    git.run("push", "--quiet", "--", address, *specs)
    return sum(parse_ref(ref) is not None for ref in mine.keys() - theirs.keys())


def fetch(root: Path, tag: str | None, remote: str) -> list[str]:
    """Copy campaign `tag`, or all, from `remote`: a repository, or a file made by `bundle`.

    Return the tags that are there. Experiments that are here already stay as they are.

    Raises:
        LedgerError: the remote has no such campaign, has a different one under the same tag, or
            can't be reached.
    """
    git = Git(root, terminal=True)
    address = _address(git, remote)
    theirs = _remote_refs(git, address, campaign_refs(valid_tag(tag)) if tag else REFS)
    if not theirs:
        wanted = f"campaign {tag!r}" if tag else "campaign"
        known = ", ".join(_tags(_remote_refs(git, address, REFS))) or "none"
        raise LedgerError(f"no {wanted} at {remote}; there: {known}")
    mine = git.refs(REFS)
    _refuse_differences(mine, theirs, remote)
    new = {ref: commit for ref, commit in theirs.items() if ref not in mine}
    if new:
        wanted_refs = "".join(f"{ref}\n" for ref in new).encode()
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--stdin"]
        git.run("fetch", *options, "--", address, stdin=wanted_refs)
        git.update_refs([f"create {ref} {commit}" for ref, commit in new.items()])
    tags = _tags(theirs)
    for name in tags:
        with suppress(LedgerError):  # the branch is derived, and a campaign's start checks it
            History(root, name).follow_best()
    return tags


def bundle(root: Path, tag: str, path: Path) -> None:
    """Write campaign `tag` and the history below it into one file that `fetch` reads.

    Raises:
        LedgerError: there is no such campaign, or the file can't be written.
    """
    git = Git(root)
    check_known(git, valid_tag(tag))
    names = "".join(f"{ref}\n" for ref in git.refs(campaign_refs(tag), branch_ref(tag))).encode()
    one_core = ("-c", "pack.threads=1")  # a run may be training on the others
    git.run(*one_core, "bundle", "create", "--quiet", str(path.absolute()), "--stdin", stdin=names)


def _address(git: Git, remote: str) -> str:
    """Return a remote's name or address, a path made absolute."""
    remotes = git.run("remote").decode().split()
    path = Path(remote).expanduser()
    if remote in remotes:
        return remote
    if path.exists():
        return str(path.absolute())
    if ":" in remote:
        return remote
    known = ", ".join(remotes) or "none"
    raise LedgerError(f"no file, folder or remote {remote!r}; remotes: {known}")


def _remote_refs(git: Git, address: str, prefix: str) -> dict[str, str]:
    """Return the commit of each experiment's and each approval's ref under `prefix`."""
    out = git.run("ls-remote", "--quiet", "--refs", "--", address, f"{prefix}/*").decode()
    lines = [line.split("\t") for line in out.splitlines()]
    return {ref: commit for commit, ref in lines if parse_ref(ref) or parse_approval(ref)}


def _tags(refs: Iterable[str]) -> list[str]:
    return sorted({known[0] for ref in refs if (known := parse_ref(ref))})


def _refuse_differences(mine: Mapping[str, str], theirs: Mapping[str, str], remote: str) -> None:
    for ref in sorted(mine.keys() & theirs.keys()):
        if mine[ref] != theirs[ref] and parse_approval(ref):
            raise LedgerError(
                f"{ref} is a different answer at {remote}, and none is ever overwritten; "
                f"remove the one that is not to count: git update-ref -d {ref}"
            )
        if mine[ref] != theirs[ref]:
            raise LedgerError(
                f"{ref} is a different experiment at {remote}, and none is ever overwritten; "
                "delete the campaign on one side, or go on under another tag"
            )
