#!/usr/bin/python3
"""kill -9 of musterd at random moments of a ramp-up: the provider's ledger equals the log.

Contracts and tokens one by one, and money within the published bound (queries/cost/README.md).
MUSTER_SEED repeats the moments of a run, as far as moments can be repeated among processes.
"""
import pathlib
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from audit import Audit  # noqa: E402
from harness import BIN, Stage, draw_seed, repeat  # noqa: E402

KILLS = 12
SPEED = 60
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
timers: {log_poll: 1s, list_poll: 1s, market_poll: 6s, account_poll: 5s, check: 1s,
         launch_settle: 4s, launch_lookup: 1s, destroy_again: 2s}
upgrades: {enabled: false}
"""
# Never slower than the market's own limits, which run SPEED times as fast.
PACE = """    pace: {search: 200ms, create: 600ms, list: 50ms, destroy: 50ms, logs: 20ms}
"""


class Crash(unittest.TestCase):
    def test_kill_9_loses_neither_a_cent_nor_a_fact(self):
        seed = draw_seed()
        try:
            self.run_with(random.Random(seed))
        except BaseException:
            print(f"seed {seed}; again: {repeat(seed, __file__)}", file=sys.stderr, flush=True)
            raise

    def run_with(self, chance):
        with Stage() as stage:
            stage.start_sim("--seed", "5", "--speed", SPEED)
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
            audit = Audit(stage, SPEED)
            print(audit.summary(), flush=True)
            self.assertEqual(audit.findings, [])
            self.assertGreaterEqual(len(audit.ledger), 5)
            self.assertEqual(daemon.stop(), 0)
            verified = subprocess.run([BIN / "musterd", "--config", config, "--verify"],
                                      capture_output=True, text=True, timeout=60)
            self.assertEqual(verified.returncode, 0, verified.stderr)

    def fleet(self, stage, ended=False):
        words = ["status", "--all"] if ended else ["status"]
        fleets = stage.muster_json(*words).get("fleets", [])
        return fleets[0] if fleets else {}


if __name__ == "__main__":
    unittest.main(verbosity=2)
