"""Draw ``images/demo.svg``: an animated picture of a terminal in which a command runs.

    python docs/draw_recording.py [./run demo]

The picture is kept in git, because a run needs a pool. Run this after a change of the output, and look at it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from terminal import draw, frames_of, record

IMAGE = Path(__file__).parent / "images" / "demo.svg"

if __name__ == "__main__":
    words = sys.argv[1:] or ["./run", "demo"]
    IMAGE.write_text(draw(frames_of(" ".join(words), record(words))))
    print(f"{IMAGE.stat().st_size} bytes")
