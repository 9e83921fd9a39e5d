#!/usr/bin/python3
"""Canary secrets in every input; then everything the daemon says, keeps and shows is searched."""
import base64
import pathlib
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Stage  # noqa: E402

KEY = "sim-key"  # the market's own; too short and too common to search for
CANARIES = {
    "TEST_HF_TOKEN": "hf_canary-Zq8\"w+3/x9",
    "TEST_LOGIN": "canary-user -p canary-P4ss&word registry",
}
FLEET = """
name: secret
provider: vast
workers: 2
work_unit: games
market:
  price_max: $0.20/h
  gpus: {RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 4070: 2.6 games/s}
launch:
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  image_login: env:TEST_LOGIN
  disk: 15GB
  onstart: echo hello
  env: {HF_TOKEN: "env:TEST_HF_TOKEN"}
timers: {log_poll: 1s, list_poll: 1s, market_poll: 6s, account_poll: 5s, check: 1s}
"""
PACE = """    pace: {search: 200ms, create: 100ms, list: 200ms, destroy: 100ms, logs: 50ms}
"""


def forms(secret):
    """The ways a secret may be spelled in what comes back."""
    raw = secret.encode()
    yield raw
    yield secret.replace("\\", "\\\\").replace('"', '\\"').encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield base64.b64encode(raw).rstrip(b"=")


class Secrets(unittest.TestCase):
    def test_no_secret_reaches_anything_that_is_kept_or_shown(self):
        with Stage() as stage:
            stage.start_sim("--seed", "5", "--speed", "60")
            # The worst a provider can do: repeat our request in its error.
            stage.control("faults", {"trap": "error_echoes_body", "endpoint": "PUT asks/{id}",
                                     "times": 1})
            config = stage.config(provider_more=PACE)
            daemon = stage.start_daemon(config, env=CANARIES)
            fleet = stage.write("secret.yaml", FLEET)
            shown = [stage.muster("plan", "-f", fleet), stage.muster("apply", "-f", fleet, "--yes")]
            self.assertEqual(shown[1].returncode, 0, shown[1].stderr)
            stage.until("the fleet is full", lambda: self.healthy(stage) == 2, 60, daemon)
            instance = stage.control("instances")["instances"][0]["id"]
            stage.control(f"instances/{instance}/log",
                          {"lines": [f"export HF_TOKEN={v}" for v in CANARIES.values()]})
            for words in (["status"], ["get"], ["stats"], ["cost"], ["doctor"], ["hosts", "--all"],
                          ["events", "--after", "0", "--limit", "5000", "-o", "json"],
                          ["get", "fleet/secret", "-o", "yaml"], ["get", "-o", "json"],
                          ["explain", "fleet/secret"]):
                shown.append(stage.muster(*words))
            worker = stage.muster_json("get")["workers"][0]["id"]
            stage.until("the planted log is read", lambda: "[secret]" in self.logs(stage), 30, daemon)
            shown += [stage.muster("describe", worker), stage.muster("logs", worker)]
            metrics = self.metrics(daemon)
            command_line = pathlib.Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
            self.assertEqual(daemon.stop(), 0)
            everything = {"metrics": metrics, "command line": command_line,
                          "log": daemon.said().encode()}
            for index, result in enumerate(shown):
                everything[f"output {index}"] = (result.stdout + result.stderr).encode()
            for path in (stage.folder / "store").rglob("*"):
                if path.is_file():
                    everything[str(path)] = path.read_bytes()
            self.assertGreater(len(everything), 15)
            self.search(everything)

    def healthy(self, stage):
        fleets = stage.muster_json("status").get("fleets", [])
        return fleets[0].get("healthy", 0) if fleets else 0

    def logs(self, stage):
        workers = stage.muster_json("get")["workers"]
        return "".join(stage.muster("logs", w["id"], "--refresh").stdout for w in workers)

    def metrics(self, daemon):
        url = next(word.split("=", 1)[1] for word in daemon.said().split()
                   if word.startswith("metrics=http"))
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read()

    def search(self, everything):
        for name, secret in CANARIES.items():
            for form in forms(secret):
                for where, content in everything.items():
                    self.assertNotIn(form, content, f"{name} is in {where}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
