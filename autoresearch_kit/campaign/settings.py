"""Settings of a campaign: decided once at its start, then the same for its life."""

from dataclasses import fields, replace
from pathlib import Path

from autoresearch_kit.campaign.new_settings import begin
from autoresearch_kit.campaign.options import Wishes, checked, flag
from autoresearch_kit.errors import InputError
from autoresearch_kit.files.workspace import Workspace
from autoresearch_kit.ledger import History
from autoresearch_kit.records import Settings


def settle(root: Path, tag: str, wishes: Wishes) -> Settings:
    """Return the settings of campaign `tag`: as it was started, else as wished, else the defaults.

    Raises:
        InputError: a number is out of bounds, or a wish differs from what the campaign was
            started with; or the campaign is new and there is no training notebook.
    """
    wishes = checked(root, wishes)
    started = started_with(root, tag)
    return begin(root, wishes) if started is None else resume(root, tag, started, wishes)


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


def resume(root: Path, tag: str, started: Settings, wishes: Wishes) -> Settings:
    """Return the settings of a campaign that goes on: those that it was started with.

    Raises:
        InputError: a wish differs from them, which would make scores incomparable.
    """
    devices, pool = wishes.devices or started.devices, wishes.pool or started.pool
    started = replace(started, devices=devices, pool=pool)
    if wishes.max_elsewhere is not None and not History(root, tag).experiments():
        started = replace(started, max_elsewhere=wishes.max_elsewhere)  # nothing is judged yet
    if wishes.bound:
        raise InputError(
            f"campaign '{tag}' was started already; add a bound to it with: autoresearch bound "
            f"{tag} '{wishes.bound[0]}'"
        )
    task = started.task
    of_task = {"task": task.folder or None, "objectives": ",".join(task.objectives), "bound": None}
    if wishes.approve and not started.approve:
        raise InputError(
            f"campaign '{tag}' was started without --approve, and its keeps were built on; leave "
            "it out, or choose another tag"
        )
    for field in fields(wishes):
        wish, name = getattr(wishes, field.name), field.name
        is_now = of_task[name] if name in of_task else getattr(started, name)
        if wish is not None and wish != is_now:
            option = flag(field.name)
            was = f"without {option}" if is_now is None else f"with {option} {is_now}"
            raise InputError(
                f"campaign '{tag}' was started {was}, and {wish} would make its "
                "scores incomparable; leave it out, or choose another tag"
            )
    return started
