"""Take the Open Bandit sample out of obp's wheel: what an algorithm showed, and what chance did.

Run once: pip download --no-deps obp, then python make_data.py obp-0.4.1-py3-none-any.whl
"""

import sys
import zipfile
from pathlib import Path

import pandas as pd

CAMPAIGNS = ("all", "men", "women")
HERE = Path(__file__).parent


def impressions(wheel: zipfile.ZipFile, policy: str) -> pd.DataFrame:
    """Return what a policy showed in the three campaigns, in the order of time."""
    parts = []
    for campaign in CAMPAIGNS:
        with wheel.open(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv") as file:
            parts.append(pd.read_csv(file, index_col=0).assign(campaign=campaign))
    table = pd.concat(parts).sort_values("timestamp", ignore_index=True)
    features = [f"user_feature_{i}" for i in range(4)]
    return table[["campaign", "position", *features, "item_id", "propensity_score", "click"]]


with zipfile.ZipFile(sys.argv[1]) as wheel:
    shown, random = impressions(wheel, "bts"), impressions(wheel, "random")

names = {f"user_feature_{i}": f"user_{i}" for i in range(4)}
for feature in names:  # a hash for each value becomes a small number, in the order of the hashes
    values = sorted({*shown[feature], *random[feature]})
    numbers = {value: number for number, value in enumerate(values)}
    for table in (shown, random):
        table[feature] = table[feature].map(numbers)

names |= {"item_id": "item", "propensity_score": "propensity"}
shown = shown.rename(columns=names)
random = random.rename(columns=names).drop(columns="propensity")  # one over the items, for all
shown.to_csv(
    HERE / "data" / "shown.csv.gz", index=False, compression={"method": "gzip", "mtime": 0}
)
random.to_csv(
    HERE / "hidden" / "random.csv.gz", index=False, compression={"method": "gzip", "mtime": 0}
)
