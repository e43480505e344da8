"""Settings of a campaign: decided once at its start, then the same for its life."""

from dataclasses import fields, replace
from pathlib import Path

from autoresearch_kit.campaign.new_settings import begin
from autoresearch_kit.campaign.options import Options, flag, resolved
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Settings, Task
from autoresearch_kit.tasks.measured import layout, task_file


def settle(root: Path, tag: str, options: Options) -> Settings:
    """Return the settings of campaign `tag`: as it was started, else as asked, else the defaults.

    Raises:
        InputError: a number is out of bounds, or an option differs from what the campaign was
            started with; or the campaign is new and there is no training notebook.
    """
    options = resolved(root, options)
    started = started_with(root, tag)
    return begin(root, options) if started is None else resume(root, tag, started, options)


def started_with(root: Path, tag: str) -> Settings | None:
    """Return what campaign `tag` was started with, here or where it was fetched from; None if new.

    Raises:
        InputError: what is written down here is damaged, and there is no experiment yet.
    """
    experiments = History(root, tag).experiments()
    try:
        here = Workspace(root, tag).settings()
    except InputError:
        if not experiments:
            raise
        here = None  # it is written anew at the start
    return here or (experiments[0].settings if experiments else None)


def resume(root: Path, tag: str, started: Settings, options: Options) -> Settings:
    """Return the settings of a campaign that goes on: those that it was started with.

    Raises:
        InputError: an option differs from them, which would make scores incomparable.
    """
    devices, pool = options.devices or started.devices, options.pool or started.pool
    started = replace(started, devices=devices, pool=pool)
    if options.max_elsewhere is not None and not History(root, tag).experiments():
        started = replace(started, max_elsewhere=options.max_elsewhere)  # nothing is judged yet
    if options.bound:
        raise InputError(
            f"campaign '{tag}' was started already; add a bound to it with: autoresearch bound "
            f"{tag} '{options.bound[0]}'"
        )
    task = started.task
    _check_unchanged(root, tag, task)
    of_task = {"task": task.folder or None, "objectives": ",".join(task.objectives), "bound": None}
    if options.approve and not started.approve:
        raise InputError(
            f"campaign '{tag}' was started without --approve, and its keeps were built on; leave "
            "it out, or choose another tag"
        )
    for field in fields(options):
        asked, name = getattr(options, field.name), field.name
        is_now = of_task[name] if name in of_task else getattr(started, name)
        if asked is not None and asked != is_now:
            option = flag(name)
            was = f"without {option}" if is_now is None else f"with {option} {is_now}"
            raise InputError(
                f"campaign '{tag}' was started {was}, and {asked} would make its "
                "scores incomparable; leave it out, or choose another tag"
            )
    return started


def _check_unchanged(root: Path, tag: str, task: Task) -> None:
    """Refuse a task.toml with other aims than a campaign was begun with that has no baseline yet.

    A campaign that has one is refused by its fingerprint.
    """
    there = task.folder and (root / task.folder / layout.TASK_FILE).exists()
    if not there or History(root, tag).experiments():
        return
    found = task_file.read(root, task.folder).task
    if (found.metrics, found.trusted) != (task.metrics, task.trusted):
        raise InputError(
            f"{task.folder}/{layout.TASK_FILE} has other metrics than when campaign '{tag}' was "
            f"begun, which has no baseline yet; begin it anew: autoresearch delete {tag}, then run "
            "it again with its options"
        )
