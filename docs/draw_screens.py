"""Draw the pictures of commands that print and end: ``images/NAME.svg``.

    python docs/draw_screens.py [status] [sessions] [usage] [show] [pool]

The commands run in a terminal on a new personal pool. The pictures are kept in git, because a run needs a pool. Run
this after a change of the output, and look at them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from terminal import record, still

from condor_futures.personal import PersonalPool

#: It is as long as the name that it gets in the pictures, so that tables stay as they are.
HOME, SHOWN = Path("/tmp/ada1"), "/home/ada"  # noqa: S108
IMAGES = Path(__file__).parent / "images"
COLUMNS = 110

#: A program that runs while the commands do.
PROGRAM = """\
import sys, time
from condor_futures import CondorExecutor, report

def fit(sample):
    print("fitting sample", sample)
    for step in range(1 if sample < 6 else 1000):
        report(min(step / 30, 0.9), f"step {step}")
        time.sleep(0.2)
    return sample

executor = CondorExecutor(4, access_point="personal", session=sys.argv[1], warm=600)
results = executor.with_options(name="fit-{0}").map(fit, range(12))
for _ in range(6):
    next(results)
time.sleep(2)
print("begun", flush=True)
time.sleep(600)
"""

COMMANDS = {
    "status": "condor-futures status --access-point personal",
    "sessions": "condor-futures sessions {home}",
    "usage": "condor-futures usage {home}/sweep",
    "show": "condor-futures show {calls}",
    "pool": "condor-futures pool status",
}


def main() -> None:
    """Draw the pictures that are asked for, or all."""
    HOME.mkdir(mode=0o711)
    try:
        os.environ["XDG_STATE_HOME"] = f"{HOME}/.local/state"
        with PersonalPool(slots=4):
            program = subprocess.Popen([sys.executable, "-c", PROGRAM, f"{HOME}/sweep"], stdout=subprocess.PIPE)
            try:
                assert program.stdout is not None
                assert program.stdout.readline() == b"begun\n"
                [calls, *_] = sorted(Path(HOME, "sweep/bundles").glob("*/*.calls"))
                for name in sys.argv[1:] or COMMANDS:
                    command = COMMANDS[name].format(home=HOME, calls=calls)
                    picture = still(command, record(command.split(), COLUMNS, 50), COLUMNS)
                    (IMAGES / f"{name}.svg").write_text(picture.replace(str(HOME), SHOWN))
            finally:
                program.kill()
                program.wait()
    finally:
        shutil.rmtree(HOME)


if __name__ == "__main__":
    main()
