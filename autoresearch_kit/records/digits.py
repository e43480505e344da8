"""A measured number with its standard error, in as many digits as mean something."""

import math

DECIMALS = 6
"""Of a number whose error nobody knows."""


def with_error(value: float, error: float | None = None, *, signed: bool = False) -> str:
    """`1.2345 ± 0.0012`: the error in two significant digits, the value to the same place.

    Six decimals where the error is not known, which is None or NaN. `signed` begins with + or -.
    """
    shown = rounded(value, error, signed=signed)
    if error is None or math.isnan(error):
        return shown
    return f"{shown} ± {error:.{_places(error)}f}"


def rounded(value: float, error: float | None, *, signed: bool = False) -> str:
    """The same without the error, where there is no room for it."""
    return f"{value:{'+' if signed else ''}.{_places(error)}f}"


def _places(error: float | None) -> int:
    """Decimals that show two significant digits of `error`, once it is rounded to them."""
    if error is None or math.isnan(error):
        return DECIMALS
    exponent = int(f"{error:.1e}".partition("e")[2])
    return min(max(1 - exponent, 0), DECIMALS)
