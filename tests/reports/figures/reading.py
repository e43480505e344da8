"""Read what a figure shows."""

import numpy as np
from matplotlib.figure import Figure


def line_of_steps(figure: Figure) -> np.ndarray:
    """Return the only line that goes in steps: rows of x and y."""
    [line] = [each for each in figure.axes[0].lines if each.get_drawstyle() == "steps-post"]
    return np.asarray(line.get_xydata())


def said(figure: Figure) -> str:
    """Return the title, the caption and the legend."""
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    texts = [text.get_text() for text in figure.texts]
    return " ".join([*texts, figure.axes[0].get_title("left"), *legends]).replace("\n", " ")
