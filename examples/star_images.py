"""Image folder: find the stars in each image of a folder; the images go to the jobs as input files.

python examples/star_images.py [--access-point personal] [--images 16] [--picture star_images.png] [FOLDER]

Without FOLDER, a folder of simulated images is made first. Needs numpy and matplotlib.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from condor_futures import CondorExecutor, as_completed


def simulate(folder: Path, count: int) -> None:
    """Write *count* images of the sky, as arrays."""
    for number in range(count):
        draw = np.random.default_rng(number)
        rows, columns = np.indices((128, 128))
        image = draw.normal(100, 4, rows.shape)
        for _ in range(draw.integers(5, 40)):
            row, column = draw.uniform(4, 124, 2)
            image += draw.uniform(40, 400) * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4)
        np.save(folder / f"field-{number:02}.npy", image)


def find_stars(name: str) -> list[tuple[int, int]]:
    """Return the places of the stars: pixels that are brighter than the noise, and than all pixels around them."""
    image = np.load(name)  # HTCondor has put the file into the current directory of the job
    noise = np.median(abs(image - np.median(image))) * 1.48
    inner = image[1:-1, 1:-1]
    peak = inner > np.median(image) + 6 * noise
    for rows in range(3):
        for columns in range(3):
            if (rows, columns) != (1, 1):
                peak &= inner >= image[rows : rows + inner.shape[0], columns : columns + inner.shape[1]]
    return [(int(row) + 1, int(column) + 1) for row, column in np.argwhere(peak)]


def draw(found: dict[Path, list[tuple[int, int]]], picture: Path) -> None:
    """Draw the images with their stars."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = sorted(found)[:8]
    figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, path in zip(axes.flat, shown, strict=False):
        axis.imshow(np.load(path), cmap="gray", vmax=300)
        axis.plot(*np.array([(column, row) for row, column in found[path]]).T, "o", mfc="none", mec="tab:orange", ms=9)
        axis.set_title(f"{path.stem}: {len(found[path])} stars", fontsize=10)
    figure.savefig(picture, dpi=100)


def main(folder: Path, access_point: str, picture: Path) -> None:
    """Find the stars in all images of the folder."""
    found: dict[Path, list[tuple[int, int]]] = {}
    with CondorExecutor(access_point=access_point, progress=True) as executor:
        futures = {
            executor.with_options(transfer_input_files=path).submit(find_stars, path.name): path
            for path in sorted(folder.glob("*.npy"))
        }
        for future in as_completed(futures):
            found[futures[future]] = future.result()
    for path in sorted(found):
        print(f"{path.name}: {len(found[path])} stars")
    draw(found, picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="stars in a folder of images")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--access-point", default="personal")
    parser.add_argument("--images", type=int, default=16, help="how many images are simulated")
    parser.add_argument("--picture", type=Path, default=Path("star_images.png"))
    options = parser.parse_args()
    if options.folder:
        main(options.folder, options.access_point, options.picture)
    else:
        with tempfile.TemporaryDirectory() as directory:
            simulate(Path(directory), options.images)
            main(Path(directory), options.access_point, options.picture)
