"""Draws the documents' figures, all by the library: draw.py FOLDER [NAME...]."""

import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

import halting
import memories

STYLE = {
    "figure.figsize": (6.0, 3.2),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "legend.frameon": False,
    "svg.hashsalt": "attractor",  # The same names inside of a figure each time.
}


def main(folder, *names):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = memories.FIGURES | halting.FIGURES
    for name in names or figures:
        with plt.rc_context(STYLE):
            figure = figures[name]()
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
