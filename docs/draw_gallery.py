"""Draw the pictures of ``gallery.md`` from runs of the examples on the personal pool.

    python docs/draw_gallery.py [fit_curves] [ising] [star_images] [early_stopping] [dag_survey]

The pictures are kept in git, because a run needs a pool. Run this after a change of an example, and look at them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from condor_futures.personal import PersonalPool

EXAMPLES = Path(__file__).parents[1] / "examples"
IMAGES = Path(__file__).parent / "images"
NAMES = ["fit_curves", "ising", "star_images", "early_stopping", "dag_survey"]


if __name__ == "__main__":
    with PersonalPool():
        for name in sys.argv[1:] or NAMES:
            print(f"== {name}", flush=True)
            subprocess.run(
                [sys.executable, EXAMPLES / f"{name}.py", "--picture", IMAGES / f"gallery_{name}.png"], check=True
            )
