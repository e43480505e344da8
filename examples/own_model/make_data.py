"""Divide the weekly CO2 at Mauna Loa, 1958 to 2001, into what is trained on and what is hidden.

`co2.csv` is `statsmodels/datasets/co2/co2.csv` of statsmodels 0.15, in the public domain: C.D.
Keeling and T.P. Whorf, "Atmospheric CO2 concentrations derived from flask air samples at sites in
the SIO network", Carbon Dioxide Information Analysis Center, Oak Ridge, 2004. A line is a week: its
date, and the mean of the CO2 in the air in ppm, or nothing where it was not measured.
"""

from pathlib import Path

HERE = Path(__file__).parent

PARTS = {"data": ("1958", "1990"), "hidden": ("1990", "1996"), "hidden/audit": ("1996", "2002")}
"""The first year of each part, and the one after its last: what is measured comes later, as it does
for whoever has to predict."""


def main() -> None:
    """Write the weeks of each part to a file of its own."""
    head, *weeks = (HERE / "co2.csv").read_text().splitlines()
    for part, (first, end) in PARTS.items():
        chosen = [week for week in weeks if first <= week[:4] < end]
        (HERE / part).mkdir(parents=True, exist_ok=True)
        (HERE / part / "co2.csv").write_text("\n".join([head, *chosen]) + "\n")


if __name__ == "__main__":
    main()
