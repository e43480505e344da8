"""What the control notebook calls: look at the machine, prepare, direct, start, watch, steer."""

import sys
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.ui.doctor import Findings, examine
from autoresearch_kit.ui.panel import Directive, Panel

__all__ = ["Directive", "Panel", "doctor", "prepare"]


def doctor() -> Findings:
    """What this machine can do, and what to do about each gap."""
    return examine(Path.cwd())


def prepare(corpus: str = "stdlib") -> None:
    """Tokenize and pack a corpus, once, showing how far it is; later runs find it.

    One by its path is prepared with the sizes that suit this machine.

    Raises:
        KitError: the corpus can't be used; the message says why.
    """
    suits = context.text_sizes(corpus)
    options = context.size_options(suits.vocab_size, suits.context) if suits else []
    context.prepare(corpus, *options, tell=sys.stdout.write)
