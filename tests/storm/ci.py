#!/usr/bin/env python3
"""The storms of every commit: fixed seeds, and a few that nobody ran before.

  tests/storm/ci.py PROGRAM [--cover]

The fresh seeds are drawn from the commit, so that a commit always has the same; outside of a git
checkout there are none. Exit code: that of muster-storm.
"""
import hashlib
import pathlib
import subprocess
import sys

# They hold what was found so far.
FIXED = "1..40,53,57,63,78,99"
FRESH = 3


def fresh_seeds():
    here = pathlib.Path(__file__).resolve().parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True)
    except FileNotFoundError:
        return []
    if head.returncode != 0:
        return []
    drawn = hashlib.sha256(head.stdout.strip().encode()).digest()
    return [int.from_bytes(drawn[4 * i:4 * i + 4], "big") for i in range(FRESH)]


def main():
    fresh = fresh_seeds()
    command = [sys.argv[1], "--seeds", FIXED, "--jobs", "2", *sys.argv[2:]]
    if fresh:
        command += ["--fresh", ",".join(map(str, fresh))]
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
