#!/usr/bin/python3
"""kill -9 of musterd at random moments of a ramp-up: the provider's ledger equals the log."""
import pathlib
import random
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import BIN, Stage  # noqa: E402

KILLS = 12
FLEET = """
name: storm
provider: vast
workers: 5
work_unit: games
market:
  price_max: $0.20/h
  gpus: {RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 3070 Ti: 2.6 games/s, RTX 4070: 2.6 games/s}
  reliability_min: 90%
launch:
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  disk: 15GB
  onstart: echo hello
timers: {log_poll: 1s, list_poll: 1s, market_poll: 6s, account_poll: 5s, check: 1s, launch_settle: 6s}
upgrades: {enabled: false}
"""
PACE = """    pace: {search: 200ms, create: 100ms, list: 200ms, destroy: 100ms, logs: 50ms}
"""


class Crash(unittest.TestCase):
    def test_kill_9_loses_neither_a_cent_nor_a_fact(self):
        seed = random.SystemRandom().randrange(1 << 30)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        with Stage() as stage:
            stage.start_sim("--seed", "5", "--speed", "30")
            config = stage.config(provider_more=PACE)
            fleet = stage.write("storm.yaml", FLEET)
            daemon = stage.start_daemon(config)
            stage.muster("apply", "-f", fleet, "--yes", check=True)
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.02, 1.2))  # the moment of the crash is the input
                daemon.kill()
                daemon = stage.start_daemon(config)
            stage.until("the fleet is full",
                        lambda: self.fleet(stage).get("healthy", 0) == 5, 90, daemon)
            stage.muster("down", "storm", "--yes", check=True)
            stage.until("nothing is left at the provider",
                        lambda: not stage.control("instances")["instances"], 60, daemon)
            stage.until("the log says so too",
                        lambda: self.fleet(stage, True).get("ended"), 60, daemon)
            self.compare(stage)
            self.assertEqual(daemon.stop(), 0)
            verified = subprocess.run([BIN / "musterd", "--config", config, "--verify"],
                                      capture_output=True, text=True, timeout=60)
            self.assertEqual(verified.returncode, 0, verified.stderr)

    def fleet(self, stage, ended=False):
        words = ["status", "--all"] if ended else ["status"]
        fleets = stage.muster_json(*words).get("fleets", [])
        return fleets[0] if fleets else {}

    def compare(self, stage):
        """Every contract has exactly one intent in the log, with the same token, and was ended."""
        ledger = stage.control("ledger")["ledger"]
        events = stage.muster_json("events", "--after", "0", "--limit", "100000")["events"]
        intents = {e["stream"].split("/")[1] for e in events if e["type"] == "worker.launch_requested"}
        tokens = [re.search(r"\.([a-z2-7]+)$", line["label"]).group(1) for line in ledger]
        self.assertEqual(len(tokens), len(set(tokens)), "two machines for one intent")
        self.assertLessEqual(set(tokens), intents, "a machine without an intent")
        self.assertGreaterEqual(len(tokens), 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
