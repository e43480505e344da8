"""Google Colab: whether this is one of its machines, and the user's secrets."""

import importlib.util


def on_colab() -> bool:
    """Return whether this is one of Colab's machines, in a notebook or in another process."""
    google = importlib.util.find_spec("google")
    return google is not None and importlib.util.find_spec("google.colab") is not None


def secret(name: str) -> str | None:
    """Return the user's secret of that name, in a notebook that Colab's own page shows.

    None off Colab, in another editor, and where the secret does not exist or the user does not let
    this notebook see it.
    """
    if not on_colab():
        return None
    from google.colab import userdata  # exists on Colab only

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
