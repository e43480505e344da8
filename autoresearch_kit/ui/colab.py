"""Google Colab, where a notebook may be running: its secrets."""

import importlib.util


def on_colab() -> bool:
    """Whether this is one of Colab's machines, in a notebook or in a process of its own."""
    google = importlib.util.find_spec("google")
    return google is not None and importlib.util.find_spec("google.colab") is not None


def secret(name: str) -> str | None:
    """The user's secret of that name, for a notebook that Colab's own page shows.

    None where there is none, where the user does not let this notebook see it, where another
    editor shows it, and off Colab.
    """
    if not on_colab():
        return None
    from google.colab import userdata  # it is nowhere else

    withheld = (
        userdata.SecretNotFoundError,
        userdata.NotebookAccessError,
        userdata.TimeoutException,
    )
    try:
        value: str = userdata.get(name)
    except withheld:
        return None
    return value
