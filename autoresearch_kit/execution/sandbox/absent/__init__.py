"""Shown to a run in place of an installed package that is not on its list."""

raise ModuleNotFoundError(
    f"runs do not see the package {__name__!r}: they see what autoresearch_kit requires, and what "
    "the training notebook imports when its campaign starts"
)
