#!/usr/bin/env python3
"""Lints the .proto files by the rules of proto/buf.yaml, and compares them with the committed baseline.

buf comes from npm; without npx or without a network the test is skipped (exit 77). The comparison
that must always run is proto_breaking.py, which needs nothing but protoc.
"""
import os
import pathlib
import shutil
import subprocess
import sys

BUF = "@bufbuild/buf@1.75.0"
BASELINE = "tests/golden/proto_baseline.binpb"
SKIPPED = 77
# Without a network npm gives up at once instead of trying for minutes.
IMPATIENT = {**os.environ, "npm_config_fetch_retries": "0", "npm_config_fetch_timeout": "20000"}
ROOT = pathlib.Path(__file__).resolve().parents[2]


def buf(*words, seconds=120):
    return subprocess.run(["npx", "--yes", BUF, *words], cwd=ROOT, env=IMPATIENT, timeout=seconds,
                          text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def skip(why):
    print(f"proto lint: skipped: {why}")
    return SKIPPED


def main():
    if not shutil.which("npx"):
        return skip("there is no npx")
    try:
        if buf("--version", seconds=60).returncode != 0:
            return skip("npx cannot bring buf (no network?)")
    except subprocess.TimeoutExpired:
        return skip("npx took more than a minute to bring buf")
    failed = False
    for words in (("lint", "proto"), ("breaking", "proto", "--against", BASELINE)):
        result = buf(*words)
        print(f"buf {' '.join(words)}: {'ok' if result.returncode == 0 else result.stdout}")
        failed |= result.returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
