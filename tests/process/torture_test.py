#!/usr/bin/python3
"""The real musterd on a real disk, killed with -9 under load, again and again.

    tests/process/torture_test.py [--kills 40] [--seconds 45]     as ctest runs it
    tests/process/torture_test.py --kills 300 --seconds 1200      the long one

Three fleets, a provider that loses answers, throttles and fails, machines that break, operators who
scale, replace and apply all the time, and a disk that is full now and then. After the last kill:
calm, everything down, and the books are compared (audit.py). Further: nothing that was answered OK
is missing from the log, the hash chain verifies, nothing of an ended fleet is left, and no secret is
in any file. MUSTER_SEED repeats what was drawn, as far as moments can be repeated among processes.

The disk is a tmpfs of its own in a mount namespace of its own, so nothing stays mounted. Where
neither root nor user namespaces allow that, RLIMIT_FSIZE stands in: no file may grow.
"""
import argparse
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from audit import Audit  # noqa: E402
from harness import BIN, Stage, draw_seed, repeat  # noqa: E402
from secrets_test import leaks  # noqa: E402

SPEED = 60
SECRETS = {"TEST_VAST_KEY": "canary-market-9f+8/aQ7", "TEST_HF_TOKEN": "hf_canary-Zq8w+3/x9"}
FLEETS = {"alpha": 4, "beta": 3, "gamma": 2}
FLEET = """
name: {name}
provider: vast
workers: {workers}
work_unit: games
market:
  price_max: $0.30/h
  gpus: {{RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 3070 Ti: 2.6 games/s, RTX 4070: 2.6 games/s}}
launch:
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  disk: 15GB
  onstart: echo hello
  env: {{HF_TOKEN: "env:TEST_HF_TOKEN"}}
timers: {{log_poll: 1s, list_poll: 1s, market_poll: 6s, account_poll: 5s, check: 1s, launch_timeout: 2s,
         launch_settle: 4s, launch_lookup: 1s, destroy_again: 2s, error_grace: 1s, no_progress: 15s}}
upgrades: {{enabled: false}}
"""
PACE = """    pace: {search: 100ms, create: 100ms, list: 20ms, destroy: 50ms, show: 20ms, logs: 10ms}
"""
# What a network and a busy provider do. Left out: traps by which the provider breaks its word (rents
# twice, bills more than it listed), against which no client can keep the books.
FAULTS = [("reset_after", "PUT asks/{id}", 0.2), ("server_error_after", "PUT asks/{id}", 0.1),
          ("hang_after", "PUT asks/{id}", 0.05), ("create_no_contract", "PUT asks/{id}", 0.05),
          ("reset_after", "DELETE instances/{id}", 0.2), ("throttle_detail", "", 0.02),
          ("list_total_mismatch", "GET v1/instances", 0.05), ("truncate_after", "", 0.02),
          ("server_error_before", "", 0.02), ("error_echoes_body", "PUT asks/{id}", 0.1)]
FAILURES = ["stall", "fatal_error", "vanish", "exit", "offline", "host_error"]


class Disk:
    """Where the store lies, and how it gets full."""

    def __init__(self, folder):
        self.path = folder / "disk"
        self.path.mkdir()
        self.how = "RLIMIT_FSIZE"
        if os.environ.get("MUSTER_TORTURE_NAMESPACE"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", self.path], check=True)
            self.how = "a tmpfs of 192 MB"
        self.full = False

    def fill(self, daemon):
        self.full = True
        if self.how == "RLIMIT_FSIZE":
            self._limit(daemon, 4096)
            return
        with open(self.path / "ballast", "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 20))
            except OSError:
                pass
            try:
                while True:
                    ballast.write(bytes(512))
            except OSError:
                pass

    def empty(self, daemon):
        self.full = False
        if self.how == "RLIMIT_FSIZE":
            self._limit(daemon, resource.RLIM_INFINITY)
        else:
            (self.path / "ballast").unlink()

    def _limit(self, daemon, size):
        if daemon.process.poll() is None:
            resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE,
                             (size, resource.RLIM_INFINITY))


class Operators(threading.Thread):
    """Somebody is always typing. Remembers which commands were answered OK."""

    def __init__(self, stage, files, seed):
        super().__init__(daemon=True)
        self.stage, self.files, self.chance = stage, files, random.Random(seed)
        self.asked, self.answered = 0, []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.chance.uniform(0.05, 0.4)):
            self.asked += 1
            name = f"torture-{self.asked}"
            done = self.stage.muster(*self.words(), "--yes", "--request-id", name,
                                     "--timeout", "5s", seconds=60)
            if done.returncode == 0:
                self.answered.append(name)

    def words(self):
        fleet = self.chance.choice(sorted(FLEETS))
        kind = self.chance.choice(["scale", "scale", "apply", "replace", "destroy", "pardon"])
        if kind == "scale":
            return ["scale", fleet, self.chance.randint(1, FLEETS[fleet] + 1)]
        if kind == "apply":
            return ["apply", "-f", self.files[fleet]]
        if kind == "pardon":
            return ["hosts", "pardon", self.chance.randint(1, 99), "--reason", "a test"]
        listed = self.stage.muster("get", "-o", "name", "--timeout", "5s").stdout.split()
        if not listed:
            return ["scale", fleet, FLEETS[fleet]]
        return [kind, self.chance.choice(listed), "--reason", "a test"]


class Torture:
    def __init__(self, stage, seed, kills, seconds):
        self.stage, self.kills, self.seconds = stage, kills, seconds
        self.chance = random.Random(seed)
        stage.key = SECRETS["TEST_VAST_KEY"]
        stage.start_sim("--seed", seed % 1000 + 1, "--speed", SPEED, "--set", "credit_usd=500",
                        "--set", f"api_key={stage.key}")
        self.disk = Disk(stage.folder)
        self.config = stage.config(provider_more=PACE, store=self.disk.path / "store")
        self.files = {name: stage.write(f"{name}.yaml", FLEET.format(name=name, workers=workers))
                      for name, workers in FLEETS.items()}
        self.operators = Operators(stage, self.files, seed + 1)
        self.daemon = None
        self.killed = self.filled = self.ended_by_itself = 0

    def start(self, wait=True):
        self.daemon = self.stage.start_daemon(
            self.config, env={"TEST_HF_TOKEN": SECRETS["TEST_HF_TOKEN"]}, wait=wait)

    def again(self):
        """One death and what may go with it."""
        time.sleep(self.chance.uniform(0.01, 0.8))  # the moment of the crash is the input
        filled = self.chance.random() < 0.25
        if filled:
            self.disk.fill(self.daemon)
            self.filled += 1
            time.sleep(self.chance.uniform(0.1, 1.0))
            if self.chance.random() < 0.5:  # full only for a while; else it is killed while full
                self.disk.empty(self.daemon)
                time.sleep(self.chance.uniform(0.1, 0.5))
        if self.chance.random() < 0.3:
            self.break_a_machine()
        if self.daemon.process.poll() is not None:
            self.ended_by_itself += 1  # it may on a full disk; never otherwise
            last = self.daemon.said().strip().splitlines()[-1:]
            print(f"musterd ended with {self.daemon.process.returncode}: {last}", flush=True)
            if not filled or self.daemon.process.returncode < 0:
                raise AssertionError(f"musterd ended by itself:\n{self.daemon.said()[-3000:]}")
        self.daemon.close()
        self.stage.programs.remove(self.daemon)
        self.killed += 1
        if self.disk.full:
            self.start_without_room()
            self.disk.empty(self.daemon)
        self.start(wait=self.chance.random() < 0.8)

    def start_without_room(self):
        """It serves or says that there is no room; it does not fall."""
        self.start(wait=False)
        time.sleep(0.5)
        code = self.daemon.process.poll()
        if code not in (None, 1):
            raise AssertionError(f"musterd ended with {code} on a full disk:\n{self.daemon.said()}")
        self.daemon.close()
        self.stage.programs.remove(self.daemon)

    def break_a_machine(self):
        living = self.stage.control("instances")["instances"]
        if living:
            one = self.chance.choice(living)["id"]
            try:
                self.stage.control(f"instances/{one}/fail", {"how": self.chance.choice(FAILURES)})
            except OSError:  # it has gone meanwhile
                pass

    def rage(self):
        self.start()
        for name in FLEETS:
            self.stage.muster("apply", "-f", self.files[name], "--yes", check=True)
        for trap, endpoint, chance in FAULTS:
            self.stage.control("faults", {"trap": trap, "endpoint": endpoint, "chance": chance})
        self.operators.start()
        end = time.monotonic() + self.seconds
        while self.killed < self.kills and time.monotonic() < end:
            self.again()
        self.operators.over.set()
        self.operators.join(90)

    def calm(self):
        stage = self.stage
        stage.control("faults", method="DELETE")
        self.daemon.close()
        self.start()
        for name in FLEETS:
            stage.muster("down", name, "--yes", check=True)
        stage.until("nothing of an ended fleet is left at the provider",
                    lambda: not stage.control("instances")["instances"], 120, self.daemon)
        stage.until("the log says so too", lambda: all(
            f.get("ended") for f in stage.muster_json("status", "--all")["fleets"]), 120, self.daemon)

    def judge(self):
        audit = Audit(self.stage, SPEED)
        findings = list(audit.findings)
        known = {event["stream"] for event in audit.log.events}
        lost = [name for name in self.operators.answered if f"request/{name}" not in known]
        if lost:
            findings.append(f"answered OK and not in the log: {', '.join(lost)}")
        code = self.daemon.stop()
        if code != 0:
            findings.append(f"musterd ended with {code}")
        verified = subprocess.run([BIN / "musterd", "--config", self.config, "--verify"],
                                  capture_output=True, text=True, timeout=120)
        if verified.returncode != 0:
            findings.append(f"--verify: {verified.stdout}{verified.stderr}")
        files = {str(path.relative_to(self.stage.folder)): path.read_bytes()
                 for path in self.stage.folder.rglob("*") if path.is_file()}
        files.pop("disk/ballast", None)
        findings += leaks(files, SECRETS)
        print(f"{self.killed} kills, {self.filled} full disks ({self.disk.how}), "
              f"{self.ended_by_itself} ends by itself on one; {len(self.operators.answered)} of "
              f"{self.operators.asked} commands answered OK; {audit.summary()}", flush=True)
        return findings


def own_mounts():
    """Goes on in a mount namespace of its own, where that is allowed."""
    if os.environ.get("MUSTER_TORTURE_NAMESPACE"):
        return
    ways = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
    for way in ways:
        probe = [*way, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        try:
            allowed = subprocess.run(probe, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return
        if allowed:
            os.environ["MUSTER_TORTURE_NAMESPACE"] = "1"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=45, help="of killing, at most")
    words = parser.parse_args()
    own_mounts()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # children inherit it: a write fails instead
    seed = draw_seed()
    findings = ["it did not come to an end"]
    try:
        with Stage() as stage:
            torture = Torture(stage, seed, words.kills, words.seconds)
            try:
                torture.rage()
                torture.calm()
                findings = torture.judge()
            finally:
                torture.operators.over.set()
                if torture.disk.how != "RLIMIT_FSIZE":
                    for program in stage.programs:
                        program.close()
                    subprocess.run(["umount", "--lazy", torture.disk.path], check=False)
    finally:
        for finding in findings:
            print(f"torture: {finding}", file=sys.stderr)
        if findings:
            again = repeat(seed, __file__, "--kills", str(words.kills), "--seconds",
                           f"{words.seconds:g}")
            print(f"torture: seed {seed}; again: {again}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
