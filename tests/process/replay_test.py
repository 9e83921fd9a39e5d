#!/usr/bin/python3
"""The log decided again, with the real programs: by the daemon, from its store after it has ended,
and from a bundle in a folder that holds nothing else. Secrets planted in what operators, workers and
the provider write are searched for in the bundle.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import BIN, Stage, fleet  # noqa: E402

CANARY = "canary-s3cr3t"
FLEET = fleet("zeb", workers=3, timers="error_grace: 2s", launch=f"""\
  image: registry.example/{CANARY}-image:1
  disk: 15GB
  onstart: echo {CANARY}-onstart
  label: "{{fleet}}-{CANARY}-label-{{index}}"
  env: {{HF_TOKEN: "env:TEST_HF_TOKEN", PLAIN: {CANARY}-env}}""")


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = stage = Stage()
        stage.start_sim("--seed", "5", "--speed", 60)
        cls.daemon = stage.start_daemon(env={"TEST_HF_TOKEN": f"hf_{CANARY}"})
        stage.muster("apply", "-f", stage.write("zeb.yaml", FLEET), "--yes", check=True)
        stage.until("three workers are healthy", lambda: cls.healthy() >= 3, 90, cls.daemon)
        instance = stage.control("instances")["instances"][0]["id"]
        stage.control(f"instances/{instance}/log", {"lines": [f"RuntimeError: {CANARY}-line"]})
        stage.until("the planted line is read", lambda: f"{CANARY}-line" in cls.log(), 60, cls.daemon)
        stage.muster("scale", "zeb", "4", "--yes", check=True)
        stage.until("the fourth is asked for", lambda: len(
            stage.muster("get", "workers", "-o", "name").stdout.split()) >= 4, 90, cls.daemon)
        worker = stage.muster("get", "workers", "-o", "name").stdout.split()[0]
        stage.muster("replace", worker, "--reason", f"{CANARY}-reason", "--yes", check=True)
        stage.until("a decision more", lambda: stage.muster_json("replay")["decisions"] != "4", 60,
                    cls.daemon)

    @classmethod
    def tearDownClass(cls):
        cls.stage.__exit__()

    @classmethod
    def log(cls):
        return json.dumps(cls.stage.all_events())

    @classmethod
    def healthy(cls):
        fleets = cls.stage.muster_json("status").get("fleets", [])
        return fleets[0].get("healthy", 0) if fleets else 0

    def elsewhere(self, *words):
        """The command in an empty folder, without a daemon to ask."""
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run([str(BIN / "muster"), "--address", "127.0.0.1:1", *map(str, words)],
                                  capture_output=True, text=True, timeout=60, cwd=folder, env={})

    def test_everything_is_decided_again_by_the_daemon(self):
        answer = self.stage.muster_json("replay")
        self.assertGreater(int(answer["decisions"]), 4)
        self.assertEqual(answer["reproduced"], answer["decisions"])
        self.assertEqual(answer["digest"], answer["digest_replayed"])
        self.assertFalse(answer.get("diverged", False))
        self.stage.muster("replay", "--verify", check=True)

    def test_another_policy_diverges_and_the_answer_says_what_is_modelled(self):
        cheap = self.stage.write("cheap.yaml", FLEET.replace("$0.20/h", "$0.065/h"))
        answer = self.stage.muster_json("replay", "zeb", "--policy", cheap)
        self.assertTrue(answer["diverged"])
        self.assertTrue(answer["model"])
        self.assertEqual(answer["policy_changes"], ["market.price_max: $0.20/h -> $0.065/h"])
        self.assertEqual(int(answer["difference_micro_usd"]),
                         int(answer["replayed"]["spent_micro_usd"]) - int(answer["live"]["spent_micro_usd"]))
        text = self.stage.muster("replay", "zeb", "--policy", cheap, check=True).stdout
        for word in ("first divergence at", "exact ", "modelled ", "next: muster explain"):
            self.assertIn(word, text)
        self.assertEqual(self.stage.muster("replay", "zeb", "--policy", cheap, "--verify").returncode, 1)

    def test_what_makes_no_sense_is_refused(self):
        yak = self.stage.write("yak.yaml", FLEET.replace("name: zeb", "name: yak"))
        self.assertEqual(self.stage.muster("replay", "yak").returncode, 5)
        self.assertEqual(self.stage.muster("replay", "--policy", yak).returncode, 5)
        self.assertEqual(self.stage.muster("replay", "--since", "999999").returncode, 64)
        self.assertEqual(self.stage.muster("bundle", "-o", "x").returncode, 64)
        self.assertEqual(self.stage.muster("bundle", "--around", "3").returncode, 64)

    def test_a_bundle_gives_the_digest_on_another_machine_and_holds_no_secret(self):
        path = self.stage.folder / "b.bundle"
        self.stage.muster("bundle", "--around", 30, "-o", path, check=True)
        data = path.read_bytes()
        log = self.log()
        for where in ("-image", "-onstart", "-label", "-env", "-line", "-reason"):
            self.assertTrue(CANARY + where in log, f"{where} is not in the log")
        self.assertFalse(CANARY.encode() in data)
        self.assertFalse(b"registry.example" in data)
        result = self.elsewhere("replay", "--bundle", path, "--verify", "-o", "json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        there = json.loads(result.stdout)
        here = self.stage.muster_json("replay", "--until", there["to"]["position"])
        self.assertEqual(there["digest"], here["digest"])
        self.assertEqual(there["decisions"], here["decisions"])
        more = self.stage.write("more.yaml", FLEET.replace("workers: 3", "workers: 6"))
        text = self.elsewhere("replay", "--bundle", path, "--policy", more).stdout
        self.assertIn("first divergence at", text)

    def test_a_damaged_bundle_is_refused_by_file_field_and_expectation(self):
        path = self.stage.folder / "c.bundle"
        self.stage.muster("bundle", "--around", 10, "-o", path, check=True)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        result = self.elsewhere("replay", "--bundle", path)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"c\.bundle: field \w+: .*; expected ")
        result = self.elsewhere("replay", "--bundle", self.stage.folder / "zeb.yaml")
        self.assertIn('field magic: missing; expected "muster-bundle"', result.stderr)

    def test_the_store_of_a_daemon_that_runs_is_replayed_without_it(self):
        result = self.elsewhere("replay", "--store", self.stage.folder / "store", "-o", "json")
        self.assertEqual(result.returncode, 0, result.stderr)
        there = json.loads(result.stdout)
        self.assertEqual(there["digest"], there["digest_replayed"])
        self.assertEqual(there["reproduced"], there["decisions"])


if __name__ == "__main__":
    if not (BIN / "musterd").exists():
        sys.exit(77)
    unittest.main()
