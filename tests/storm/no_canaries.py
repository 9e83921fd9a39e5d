#!/usr/bin/env python3
"""Checks that an old bug can be let in in muster-storm alone (see README.md).

usage: no_canaries.py CANARIES_DEF MUSTER_STORM PROGRAM...

Fails when a name of CANARIES_DEF, or the switch itself, stands in one of the programs, and when
muster-storm lacks a canary that the code has (then nothing was linked in its place).
"""
import re
import sys
from pathlib import Path

SWITCH = b"CanarySings"


def main() -> int:
    names = re.findall(r'^CANARY\("([^"]+)"', Path(sys.argv[1]).read_text(), re.M)
    wanted = [name.encode() + b"\0" for name in names]
    problems = []
    storm = Path(sys.argv[2]).read_bytes()
    problems += [f"muster-storm lacks {name[:-1].decode()}" for name in wanted if name not in storm]
    for program in map(Path, sys.argv[3:]):
        data = program.read_bytes()
        found = [name[:-1].decode() for name in [*wanted, SWITCH + b"\0"] if name in data]
        if SWITCH in data and not found:
            found = [SWITCH.decode()]
        problems += [f"{program.name} has {name}" for name in found]
    for problem in problems:
        print(problem)
    print(f"canaries: {len(problems)} problem(s), {len(names)} canaries, {len(sys.argv) - 3} programs")
    return 1 if problems or not names else 0


if __name__ == "__main__":
    sys.exit(main())
