#!/usr/bin/python3
"""The documented receiver is told what the real daemon does: signed, over kill -9 and outages of the
receiver, each thing once for who drops repeats; a program, too; and no secret reaches either."""
import json
import pathlib
import re
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy/notify"))
from harness import SOURCE, Stage  # noqa: E402
import receiver  # noqa: E402

KEY = "canary-hook-key-9f+8/aQ7"
FLEET = """
name: told
provider: vast
workers: 2
work_unit: games
market:
  price_max: $0.20/h
  gpus: {RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 4070: 2.6 games/s}
launch:
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  disk: 15GB
  onstart: echo hello
timers: {log_poll: 1s, list_poll: 1s, market_poll: 6s, check: 1s}
"""
PACE = """    pace: {search: 200ms, create: 100ms, list: 50ms, destroy: 50ms, logs: 20ms}
"""


class Notify(unittest.TestCase):
    def setUp(self):
        self.stage = self.enterContext(Stage())
        self.stage.start_sim("--seed", "5", "--speed", "60")
        self.listen = "127.0.0.1:0"
        self.script = self.stage.write("tell", "#!/bin/sh\ncat >> \"$1\"\nenv >> \"$1.env\"\n")
        self.script.chmod(0o755)
        self.told = self.stage.folder / "told"

    def start_receiver(self):
        hook = self.stage.start("receiver", [
            sys.executable, SOURCE / "deploy/notify/receiver.py", "--listen", self.listen,
            "--seen", self.stage.folder / "seen"], {"MUSTER_HOOK_KEY": KEY})
        url = hook.first_line()
        self.listen = url.split("/")[2]  # the next one takes its place
        hook.lines = []
        reader = threading.Thread(target=lambda: hook.lines.extend(
            line.decode().strip() for line in hook.process.stdout), daemon=True)
        reader.start()
        return hook

    def start_daemon(self):
        notify = f"""
notify:
  targets:
    hook: {{webhook: "http://{self.listen}/", key: env:HOOK_KEY, per_hour: 10000, burst: 1000}}
    script: {{command: ["{self.script}", "{self.told}"]}}
    gone: {{webhook: "http://127.0.0.1:1/", key: env:HOOK_KEY}}
  rules:
    - {{to: hook}}
    - {{kinds: [fleet-changed], to: script}}
    - {{to: gone}}
  repeat_after: 1s
"""
        config = self.stage.config(notify, provider_more=PACE)
        return self.stage.start_daemon(config, {"HOOK_KEY": KEY, "CANARY": KEY})

    def scale(self, workers):
        self.stage.muster("scale", "told", workers, "--yes", check=True)

    def heard(self, hooks, what):
        return [line for hook in hooks for line in hook.lines if what in line]

    def target(self, name):
        targets = self.stage.muster_json("notify", "status")["targets"]
        return next(target for target in targets if target["name"] == name)

    def test_everything_is_told_once_over_kills_of_both_sides(self):
        stage = self.stage
        hooks = [self.start_receiver()]
        daemon = self.start_daemon()
        tested = stage.muster("notify", "test", "hook", check=True)
        self.assertRegex(tested.stdout, r"^arrived after \d+ ms: HTTP 200")
        failed = stage.muster("notify", "test", "gone")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("NOT ARRIVED", failed.stdout)
        stage.muster("apply", "-f", stage.write("told.yaml", FLEET), "--yes", check=True)
        stage.until("the hook was told of the fleet",
                    lambda: self.heard(hooks, "fleet applied"), 30, daemon)
        # The receiver dies, the daemon dies, things happen in between.
        hooks[-1].kill()
        self.scale(3)
        stage.until("the hook is found dead", lambda: self.target("hook").get("error"), 30, daemon)
        daemon.kill()
        hooks.append(self.start_receiver())
        daemon = self.start_daemon()
        stage.until("the new hook was told", lambda: self.heard(hooks, "scaled from 2 to 3"), 60,
                    daemon)
        for round_no in range(3):  # whenever it dies, nothing is lost
            self.scale(1 + round_no % 2)
            daemon.kill()
            daemon = self.start_daemon()
        # The log is the truth: each change of it was told, and none twice.
        stage.until("the hook is served", lambda: int(self.target("hook").get("waiting", 0)) == 0 and
                    not self.target("hook").get("error"), 60, daemon)
        scaled = [e for e in stage.all_events() if e["type"] == "fleet.scaled"]
        self.assertGreaterEqual(len(scaled), 4)
        stage.until("each change is told, in its own words or in a sum",
                    lambda: self.changes_told(hooks) == len(scaled), 30, daemon)
        self.check_script()
        self.assertGreater(int(self.target("gone")["failed"]), 0)
        self.assertEqual(int(self.target("gone").get("sent", 0)), 0)
        everything = "\n".join(line for hook in hooks for line in hook.lines)
        self.assertNotIn(KEY, everything + daemon.said() + self.told.read_text())

    def changes_told(self, hooks):
        """How often the hooks heard of a change of size, repeats that were summed up included."""
        told = 0
        for line in self.heard(hooks, "scaled from"):
            more = re.search(r"and (\d+) more", line)
            told += int(more.group(1)) if more else 1
        return told

    def check_script(self):
        self.stage.until("the program was told", self.told.exists, 30)
        messages = [json.loads(line) for line in self.told.read_text().splitlines()]
        self.assertEqual(messages[0]["kind"], "fleet-changed")
        environment = pathlib.Path(f"{self.told}.env").read_text()
        self.assertEqual({line.split("=")[0] for line in environment.splitlines()},
                         {"PATH", "LANG", "PWD"})

    def test_the_documented_receiver_believes_nothing_that_is_not_signed_now(self):
        body = b'{"id": "a"}'
        good = {"Muster-Timestamp": "1000", "Muster-Signature": receiver.signature(KEY, "1000", body)}
        self.assertEqual(receiver.problem(KEY, good, body, 1000), "")
        self.assertEqual(receiver.problem(KEY, good, body, 1300), "")
        self.assertIn("old", receiver.problem(KEY, good, body, 1301))
        self.assertIn("old", receiver.problem(KEY, {}, body, 1000))
        self.assertIn("wrong", receiver.problem(KEY, good, body + b" ", 1000))
        self.assertIn("wrong", receiver.problem("another key", good, body, 1000))
        self.assertIn("wrong", receiver.problem(KEY, {**good, "Muster-Timestamp": "1001"}, body, 1001))


if __name__ == "__main__":
    unittest.main(verbosity=2)
