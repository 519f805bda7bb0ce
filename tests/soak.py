# SPDX-License-Identifier: BSD-3-Clause
"""Ten thousand bad hours for each recipe that has an invariant: what `make soak` runs.

    python tests/soak.py                         every recipe, 10,000 seeds; exit code 1 if one fails
    python tests/soak.py majordomo 500           one recipe, so many seeds
    python tests/soak.py majordomo --seed 17     one seed again, drawn

The test file of such a recipe has a function `hostile(seed, write)`: it lives through the bad hour of that seed, in the
simulation, and returns what went wrong. `write` is told what happens in the words of a recording.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

RECIPES = [
    "binary_star",
    "clone",
    "cluster",
    "freelance",
    "heartbeats",
    "inter_broker",
    "leader_election",
    "majordomo",
    "majordomo_v2",
    "paranoid_pirate",
    "replay",
    "steering",
    "titanic",
]
SEEDS, CHUNK = 10_000, 100
ROWS = 80  # of a failing hour that are drawn: its end


def hostile(recipe: str) -> Callable[..., list[str]]:
    return importlib.import_module(f"test_{recipe}").hostile  # type: ignore[no-any-return]


def failures(recipe: str, first: int, last: int) -> list[tuple[int, list[str]]]:
    """The seeds from `first` up to `last` that fail, and why."""
    live = hostile(recipe)
    return [(seed, wrong) for seed in range(first, last) if (wrong := live(seed))]


def soak(recipe: str, seeds: int) -> bool:
    """Live through the hours of all seeds, on all cores; say what failed, or how long it took."""
    since, chunks = time.monotonic(), range(0, seeds, CHUNK)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(partial(failures, recipe), chunks, [min(first + CHUNK, seeds) for first in chunks])
        failed = [failure for run in runs for failure in run]
    print(f"{recipe}: {seeds:,} seeds in {time.monotonic() - since:.0f} s, {len(failed)} failed", flush=True)
    for seed, wrong in failed[:10]:
        print(f"  seed {seed}: {wrong[0]}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else ""))
    if failed:
        replay(recipe, failed[0][0])
    return not failed


def replay(recipe: str, seed: int) -> bool:
    """Live through one hour again and draw it."""
    from diagrams import draw
    from diagrams.recording import Recording

    recording = Recording()
    wrong = hostile(recipe)(seed, recording.write)
    print(f"{recipe}, seed {seed}: " + ("\n".join(wrong) or "nothing went wrong"))
    whole = draw.sequence(recording, rows=10**6)
    picture, _ = draw.until(recording, recording.events[-1], ROWS)
    folder = Path(tempfile.mkdtemp(prefix=f"{recipe}-{seed}-"))
    (folder / "hour.txt").write_text(whole.text, encoding="utf-8")
    (folder / "end.svg").write_text(picture.svg, encoding="utf-8")
    recording.save(folder / "hour.jsonl")
    print(f"All that was said is in {folder / 'hour.txt'}, its end drawn in {folder / 'end.svg'}.")
    return not wrong


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("recipe", nargs="?", choices=RECIPES)
    arguments.add_argument("seeds", nargs="?", type=int, default=SEEDS)
    arguments.add_argument("--seed", type=int, help="this one alone")
    given = arguments.parse_args()
    if given.seed is not None:
        sys.exit(not replay(given.recipe or RECIPES[0], given.seed))
    wanted = [given.recipe] if given.recipe else RECIPES
    sys.exit(sum(not soak(recipe, given.seeds) for recipe in wanted))
