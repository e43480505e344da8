"""The functions and widgets of the control notebook."""

import sys
from pathlib import Path

from autoresearch_kit.campaign import context
from autoresearch_kit.ui.doctor import Findings, examine
from autoresearch_kit.ui.panel import Directive, Panel

__all__ = ["Directive", "Panel", "doctor", "prepare"]


def doctor() -> Findings:
    """Examine what this machine can do, and say how to close each gap."""
    return examine(Path.cwd())


def prepare(corpus: str = "stdlib") -> None:
    """Tokenize and pack a corpus, once, and show the progress.

    A file or folder is prepared with the sizes that suit this machine.

    Raises:
        KitError: the corpus can't be used; the message says why.
    """
    suits = context.text_sizes(corpus)
    options = context.size_options(suits.vocab_size, suits.context) if suits else []
    context.prepare(corpus, *options, tell=sys.stdout.write)
