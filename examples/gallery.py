"""What the scripts share: where figures go."""

import argparse
import pathlib

import matplotlib

matplotlib.use("Agg")  # Figures are files, wherever the script runs.
import matplotlib.pyplot as plt  # noqa: E402


def output_folder(description):
    """The folder named by --output, made if it isn't there."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("."), help="folder of the figure")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def show_images(title_of_rows, rows, path, **options):
    """Rows of images [count, height, width] below one another, as one figure."""
    count = len(rows[0])
    figure, axes = plt.subplots(len(rows), count, figsize=(0.6 * count + 1.2, 0.7 * len(rows)), squeeze=False)
    for title, images, line in zip(title_of_rows, rows, axes):
        for image, axis in zip(images, line):
            axis.imshow(image, cmap="gray_r", **options)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title, rotation=0, ha="right", va="center")
    save(figure, path)


def save(figure, path):
    figure.savefig(path, bbox_inches="tight")
    print(f"Figure: {path}")
