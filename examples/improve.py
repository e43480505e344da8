"""Improve every example a little, without a network: `make examples`.

Each has a short campaign of the classical optimiser. It keeps whatever scores better in one run, as
the demo does; a campaign of your own runs an idea again before it believes it. Run once more, it
goes on where it ended. Prints the first and the best score of each.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXPERIMENTS = {"digits": 6, "log_parser": 5, "offers": 6, "own_model": 5}
COMMAND = [str(Path(sys.executable).with_name("autoresearch"))]
QUICK = ["--rule", "greedy", "--max-elsewhere", "1"]  # a busy machine is fine for a first look


def improve(name: str, experiments: int) -> str:
    """Run an example's campaign and return its first and its best score in words."""
    tag = f"example-{name}"
    task = ["--task", str(HERE / name), "--max-experiments", str(experiments)]
    subprocess.run([*COMMAND, "run", tag, *task, *QUICK], check=True)
    asked = [*COMMAND, "status", tag, "--json"]
    status = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    first, best = status[0]["baseline"], status[0]["best"]
    task = status[0]["task"]
    metric = next(each for each in task["metrics"] if each["name"] == task["objectives"][0])
    return f"{name:12} {metric['name']} {first:.5g} -> {best:.5g} {metric['unit']}"


def main() -> None:
    """Improve all examples and print what came of it."""
    lines = [improve(name, count) for name, count in EXPERIMENTS.items()]
    print("", *lines, sep="\n")
    print("\nThe picture of one: autoresearch plot example-digits -o digits.png")


if __name__ == "__main__":
    main()
