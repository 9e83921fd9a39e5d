#!/usr/bin/env python3
"""Checks that our C++ is as clang-format leaves it. Run as a ctest; --fix rewrites what is not.

The version is fixed, because every version breaks lines a little differently. Where it is not
installed the check is skipped (exit code 77).
"""
import pathlib
import shutil
import subprocess
import sys

PROGRAM = "clang-format-19"
ROOTS = ("commands", "eventstore", "queries", "services", "tests", "workers")
SKIPPED = 77
FILES_PER_RUN = 50


def sources(root):
    for top in ROOTS:
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path.relative_to(root).as_posix()


def changed(root, names):
    """The names among `names` that the program would rewrite."""
    done = subprocess.run([PROGRAM, "--dry-run", "--Werror", *names], cwd=root,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return []
    marked = {line.split(":", 1)[0] for line in done.stderr.splitlines() if ": error: " in line}
    return [name for name in names if name in marked]


def self_test(root):
    """The check must be able to fail."""
    done = subprocess.run([PROGRAM, "--dry-run", "--Werror", "--assume-filename=a.cc"], cwd=root,
                          input="int  a ;\n", capture_output=True, text=True)
    assert done.returncode != 0, "badly formatted text was not noticed"


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    if shutil.which(PROGRAM) is None:
        print(f"format: skipped, {PROGRAM} is not installed")
        return SKIPPED
    self_test(root)
    names = list(sources(root))
    bad = []
    for start in range(0, len(names), FILES_PER_RUN):
        bad += changed(root, names[start:start + FILES_PER_RUN])
    if bad and "--fix" in sys.argv[1:]:
        subprocess.run([PROGRAM, "-i", *bad], cwd=root, check=True)
        print(f"format: {len(bad)} file(s) rewritten")
        return 0
    for name in bad:
        print(f"{name}: run tests/tidy/format.py --fix")
    print(f"format: {len(bad)} problem(s) in {len(names)} files")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
