#!/usr/bin/python3
"""./deploy/demo --script does what the README promises and leaves nothing behind."""
import fcntl
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SOURCE  # noqa: E402


def daemons():
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"muster-demo." in entry.read_bytes():
                found.add(entry.parent.name)
        except OSError:
            continue
    return found


class Demo(unittest.TestCase):
    def test_a_fleet_fills_fails_heals_and_is_explained(self):
        before = daemons()
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        killed, alive, foreign = (folder / f"muster-demo.{n}" for n in ("killed", "alive", "foreign"))
        for each in (killed, alive, foreign):
            each.mkdir()
        (killed / "lock").touch()
        held = self.enterContext(open(alive / "lock", "w"))
        fcntl.flock(held, fcntl.LOCK_EX)
        ran = subprocess.run([SOURCE / "deploy/demo", "--script"], capture_output=True, text=True,
                             timeout=300, stdin=subprocess.DEVNULL,
                             env={**os.environ, "TMPDIR": str(folder)})
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        for claim in ("has filled up", "was struck", "it was replaced", "explain worker/"):
            self.assertIn(claim, ran.stdout)
        self.assertEqual(daemons(), before, "a process was left behind")
        self.assertEqual({each for each in folder.iterdir()}, {alive, foreign},
                         "only what a killed demo left is to go, and nothing is to stay")


if __name__ == "__main__":
    unittest.main(verbosity=2)
