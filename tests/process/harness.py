"""Starts the real programs in a folder of their own and ends them, whatever happens.

No fixed ports, no shared state: sockets live in the folder, ports are 0. Every wait has a deadline
and says what it waited for. Used by the tests of this folder, which are run by ctest.
"""
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ.get("MUSTER_BIN_DIR", "build/dev/bin")).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SANITIZER_REPORT = re.compile(r"(WARNING|ERROR): \w+Sanitizer:|: runtime error: ")
LAUNCH = """  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  disk: 15GB
  onstart: echo hello"""


def fleet(name, workers=2, launch=LAUNCH, timers="", more=""):
    """A fleet file that a simulated market under a fast clock fills within seconds.

    `timers` adds to those that a fast clock needs; `more` is what stands at the file's end."""
    clocks = {"log_poll": "1s", "list_poll": "1s", "market_poll": "6s", "account_poll": "5s",
              "check": "1s", **dict(pair.split(": ") for pair in timers.split(", ") if pair)}
    return f"""
name: {name}
provider: vast
workers: {workers}
work_unit: games
market:
  price_max: $0.20/h
  gpus: {{RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 4070: 2.6 games/s}}
launch:
{launch}
timers: {{{", ".join(f"{name}: {span}" for name, span in clocks.items())}}}
{more}"""


def draw_seed():
    """The seed of this run: MUSTER_SEED, or a fresh one. A test that takes chances prints it."""
    return int(os.environ.get("MUSTER_SEED") or random.SystemRandom().randrange(1 << 30))


def repeat(seed, script, *words):
    """The command that repeats a run; for the message of a failure."""
    name = pathlib.Path(script).resolve().relative_to(SOURCE)
    return " ".join([f"MUSTER_SEED={seed}", str(name), *words])


class Program:
    """One child process; its stderr goes to a file, so it can never block on a pipe."""

    def __init__(self, name, words, folder, env=None):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.{time.monotonic_ns()}.log"
        self._log_file = open(self.log, "wb")
        self.process = subprocess.Popen(
            [str(w) for w in words], stdout=subprocess.PIPE, stderr=self._log_file,
            env={**os.environ, **(env or {})}, cwd=folder)

    def first_line(self, seconds=20):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            raise AssertionError(f"{self.name} printed nothing within {seconds} s")
        return self.process.stdout.readline().decode().strip()

    def said(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        """As a power cut does it; only ever a process started here."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def stop(self, seconds=30):
        """Asks it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.said()}")

    def close(self):
        self.kill()
        self.process.stdout.close()
        self._log_file.close()


class Stage:
    """A folder with a market, a daemon and the command. Use as a context manager."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-"))
        self.programs = []
        self.sim_url = None
        self.key = "sim-key"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for program in reversed(self.programs):
            program.close()
        reports = [p.said() for p in self.programs if SANITIZER_REPORT.search(p.said())]
        shutil.rmtree(self.folder, ignore_errors=True)
        if reports:  # who is killed afterwards cannot say it by its exit code
            raise AssertionError("a sanitizer reported:\n" + "\n".join(reports))

    def start(self, name, words, env=None):
        program = Program(name, words, self.folder, env)
        self.programs.append(program)
        return program

    # ---- the market ---------------------------------------------------------------------------

    def start_sim(self, *more):
        sim = self.start("muster-sim", [BIN / "muster-sim", "vast", "--listen", "127.0.0.1:0", *more])
        self.sim_url = sim.first_line()
        assert self.sim_url.startswith("http://127.0.0.1:"), self.sim_url
        return sim

    def control(self, what, body=None, method=None):
        request = urllib.request.Request(
            f"{self.sim_url}/control/{what}",
            data=None if body is None else json.dumps(body).encode(),
            method=method or ("GET" if body is None else "POST"))
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    # ---- the daemon ---------------------------------------------------------------------------

    @property
    def socket(self):
        return f"unix://{self.folder}/musterd.sock"

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self, more="", provider_more="", api_key="env:TEST_VAST_KEY", store=None):
        return self.write("musterd.yaml", f"""
store: {{path: {store or self.folder / "store"}}}
listen: ["{self.socket}"]
metrics: 127.0.0.1:0
providers:
  vast:
    base_url: {self.sim_url}
    api_key: {api_key}
    log_hosts: ["{self.sim_url}"]
{provider_more}
{more}
""")

    def start_daemon(self, config=None, env=None, wait=True):
        config = config or self.config()
        daemon = self.start("musterd", [BIN / "musterd", "--config", config],
                            {"TEST_VAST_KEY": self.key, **(env or {})})
        if wait:
            self.until("musterd answers", lambda: self.muster("status").returncode == 0, daemon=daemon)
        return daemon

    # ---- the command --------------------------------------------------------------------------

    def muster(self, *words, seconds=60, check=False, env=None):
        result = subprocess.run(
            [str(BIN / "muster"), "--address", self.socket, *map(str, words)],
            capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})})
        if check and result.returncode != 0:
            raise AssertionError(f"muster {' '.join(map(str, words))}: exit {result.returncode}\n"
                                 f"{result.stdout}{result.stderr}")
        return result

    def muster_json(self, *words):
        return json.loads(self.muster(*words, "-o", "json", check=True).stdout or "{}")

    def all_events(self):
        """The whole log, oldest first, with payloads; in pages, whatever their size."""
        events, after = [], 0
        while True:
            page = self.muster_json("events", "--after", after, "--limit", 1000).get("events", [])
            if not page:
                return events
            events += page
            after = int(page[-1]["position"])

    def until(self, what, condition, seconds=60, daemon=None):
        """Waits for `condition`; every wait in these tests ends here, with a deadline."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if daemon is not None and daemon.process.poll() is not None:
                raise AssertionError(f"musterd ended while waiting until {what}:\n{daemon.said()}")
            try:
                value = condition()
            except (urllib.error.URLError, ConnectionError):
                value = None
            if value:
                return value
            select.select([], [], [], 0.1)
        said = daemon.said()[-4000:] if daemon else ""
        raise AssertionError(f"not within {seconds} s: {what}\n{self.muster('status').stdout}{said}")
