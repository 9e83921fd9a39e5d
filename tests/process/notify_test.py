#!/usr/bin/python3
"""The documented receiver is told what the real daemon does: signed, over kill -9 and outages of the
receiver, each thing once for who drops repeats; a program, too; and no secret reaches either."""
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy/notify"))
from harness import BIN, SOURCE, Stage, fleet  # noqa: E402
import receiver  # noqa: E402

KEY = "canary-hook-key-9f+8/aQ7"
FLEET = fleet("told")
PACE = """    pace: {search: 200ms, create: 100ms, list: 50ms, destroy: 50ms, logs: 20ms}
"""


class SlowHook(receiver.Hook):
    """The documented receiver, whose answers can be held back."""
    seen = receiver.Seen(None)
    key = KEY
    answers = []  # (id, answer) of all calls
    arrived = threading.Event()
    release = threading.Event()

    def answer(self, status, text):
        self.answers.append((self.headers["Idempotency-Key"], text))
        self.arrived.set()
        self.release.wait(60)
        try:
            super().answer(status, text)
        except OSError:
            pass  # who asked is dead


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

    def test_a_kill_between_arrival_and_its_record_repeats_the_same_message(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHook)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.listen = f"127.0.0.1:{server.server_port}"
        daemon = self.start_daemon()
        self.stage.muster("apply", "-f", self.stage.write("told.yaml", FLEET), "--yes", check=True)
        self.assertTrue(SlowHook.arrived.wait(30))
        daemon.kill()  # it has sent, and does not know that it arrived
        SlowHook.release.set()
        daemon = self.start_daemon()
        self.stage.until("the repeat was answered", lambda: len(SlowHook.answers) >= 2, 30, daemon)
        (first, taken), (again, dropped) = SlowHook.answers[:2]
        self.assertEqual(first, again)
        self.assertEqual((taken, dropped), ("thank you", "known already"))
        self.stage.until("the arrival is in the log", lambda: [
            e for e in self.stage.all_events() if e["type"] == "notify.served"
            and e["stream"] == "notify/hook" and first in e["payload_json"]], 30, daemon)
        daemon.kill()
        told = len(SlowHook.answers)
        daemon = self.start_daemon()
        self.stage.until("it is served", lambda: int(self.target("hook").get("behind", 0)) == 0, 30,
                         daemon)
        self.assertNotIn(first, [message for message, _ in SlowHook.answers[told:]])

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

    def test_a_check_of_the_configuration_names_what_does_not_resolve(self):
        config = self.stage.config("""
notify:
  targets:
    chat: {slack: "env:NO_SUCH_URL"}
    hook: {webhook: "https://hooks.example/m", key: "env:NO_SUCH_KEY", token: "env:TEST_TOKEN"}
""")
        checked = subprocess.run([BIN / "musterd", "--config", config, "--check-config"],
                                 env={"TEST_VAST_KEY": "k", "TEST_TOKEN": "t"}, text=True,
                                 capture_output=True, timeout=30)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("notify.targets.chat: env:NO_SUCH_URL", checked.stderr)
        self.assertIn("notify.targets.hook.key: env:NO_SUCH_KEY", checked.stderr)
        self.assertNotIn("TEST_TOKEN", checked.stderr)

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
