#!/usr/bin/python3
"""Canary secrets in every input; then everything the daemon says, keeps and shows is searched.

Inputs: the provider's key (by variable and by file), a worker's variables, the image login, a
preflight's bearer, fleet files, reasons, request ids and lists of hosts typed by an operator, the
operator's name, log lines, error lines, labels, states and error texts of the provider, URLs with
the key in them. Places: every file of the store and of its backup, the log decoded to JSON, the
daemon's own log, its metrics, its command line, what every command shows, and what a target of
notices is told.
"""
import base64
import json
import pathlib
import re
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Stage, fleet  # noqa: E402

CANARIES = {
    "TEST_VAST_KEY": "canary-market-9f+8/aQ7",
    "TEST_HF_TOKEN": "hf_canary-Zq8\"w+3/x9",
    "TEST_LOGIN": "canary-user -p canary-P4ss&word registry",
    "TEST_BEARER": "canary-bearer-77xyzzy",
}
NO_SECRET = "canary-that-nobody-declared-a-secret"
FLEET = fleet("secret", launch="""\
  image: pytorch/pytorch:2.6.0-cuda12.6-cudnn9-runtime
  image_login: env:TEST_LOGIN
  disk: 15GB
  onstart: echo hello ONSTART
  env: {HF_TOKEN: "env:TEST_HF_TOKEN", PLAIN: "plain"}""", timers="account_poll: 1s, "
              "launch_settle: 4s, launch_lookup: 1s, destroy_again: 2s, error_grace: 2s")
PACE = """    pace: {search: 200ms, create: 100ms, list: 50ms, destroy: 50ms, logs: 20ms}
"""


def forms(secret):
    """The ways a secret may be spelled in what comes back."""
    raw = secret.encode()
    yield raw
    yield secret.replace("\\", "\\\\").replace('"', '\\"').encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield base64.b64encode(raw).rstrip(b"=")


def leaks(everything, canaries):
    """Which secret is where; each place that holds one is named."""
    return [f"{name} is in {where}" for where, content in everything.items()
            for name, secret in canaries.items() if any(form in content for form in forms(secret))]


def kinds(told):
    """The kinds of notices that were told so far."""
    lines = told.read_text().splitlines() if told.exists() else []
    return {json.loads(line)["kind"] for line in lines}


class Secrets(unittest.TestCase):
    def setUp(self):
        self.stage = self.enterContext(Stage())
        self.stage.key = CANARIES["TEST_VAST_KEY"]
        self.stage.start_sim("--seed", "5", "--speed", "60", "--set", f"api_key={self.stage.key}")
        self.everything = {}

    def test_no_secret_reaches_anything_that_is_kept_or_shown(self):
        stage = self.stage
        told = stage.folder / "told"
        notify = (f"notify: {{targets: {{sink: {{command: [/usr/bin/tee, -a, '{told}'], burst: 999}}}}, "
                  "rules: [{to: sink}]}")
        daemon = self.start(stage.config(notify, provider_more=PACE))
        self.fault("error_echoes_body", "PUT asks/{id}")
        fleet = stage.write("secret.yaml", FLEET)
        self.show("plan", "-f", fleet)
        self.show("apply", "-f", fleet, "--yes", check=True)
        self.wait_until_full(daemon)
        # A check that fails at whoever listens there: its error is kept, its bearer is not.
        market = self.stage.sim_url.replace("http:", "https:")
        checked = FLEET.replace("name: secret", "name: checked") + (
            f"preflight: [{{name: weights, url: '{market}/w', bearer: 'env:TEST_BEARER'}}]\n")
        self.show("apply", "-f", stage.write("checked.yaml", checked), "--yes", check=True)
        stage.until("the preflight has failed", lambda: stage.muster_json(
            "events", "--type", "fleet.preflight_checked", "--limit", "1").get("events"), 60, daemon)
        self.operator_types_secrets()
        self.provider_says_secrets(daemon)
        stage.until("the target was told of the stray and the failed worker",
                    lambda: {"orphan", "worker-condemned"} <= kinds(told), 60, daemon)
        self.show("notify", "status")
        self.everything["what a target was told"] = told.read_bytes()
        self.look_at_everything(daemon, "by variable")
        key_file = stage.write("key", CANARIES["TEST_VAST_KEY"] + "\n")
        daemon = self.start(stage.config(provider_more=PACE, api_key=f"file:{key_file}"))
        self.fault("success_false", "GET v1/instances", text=self.sentence())
        stage.until("the market is heard by the key of the file",
                    lambda: self.healthy() >= 1, 60, daemon)
        self.look_at_everything(daemon, "by file")
        self.assertGreater(len(self.everything), 60)
        self.assertEqual(leaks(self.everything, CANARIES), [])

    def test_the_search_finds_a_leak_and_names_the_places(self):
        """The same places, and a text that is no secret to the daemon: it must be found."""
        stage = self.stage
        daemon = self.start(stage.config(provider_more=PACE))
        fleet = stage.write("secret.yaml", FLEET.replace("ONSTART", NO_SECRET))
        self.show("apply", "-f", fleet, "--yes", check=True)
        self.wait_until_full(daemon)
        instance = stage.control("instances")["instances"][0]["id"]
        stage.control(f"instances/{instance}/log", {"lines": [f"export KEY={NO_SECRET}"]})
        stage.until("the planted log is read", lambda: NO_SECRET in self.logs(), 30, daemon)
        self.look_at_everything(daemon, "planted")
        found = "\n".join(leaks(self.everything, {"PLANTED": NO_SECRET}))
        for place in (r"store/db/\d+\.log", r"store/tails/", r"-backup/", r"events --after 0",
                      r"get fleet/secret", r"planted: muster logs"):
            self.assertRegex(found, place)

    # ---- planting -----------------------------------------------------------------------------

    def sentence(self):
        """Every secret in every form, as a careless program would print them."""
        spelled = [form.decode() for secret in CANARIES.values() for form in forms(secret)]
        key = urllib.parse.quote(CANARIES["TEST_VAST_KEY"], safe="")
        return f"bad key at https://market/api/v0/instances/?api_key={key}: {' '.join(spelled)}"

    def fault(self, trap, endpoint, **more):
        self.stage.control("faults", {"trap": trap, "endpoint": endpoint, "times": 1, **more})

    def operator_types_secrets(self):
        """All refused, since they would be kept for ever; the refusal names the field only."""
        stage, key = self.stage, CANARIES["TEST_VAST_KEY"]
        worker = stage.muster_json("get")["workers"][0]["id"]
        hosts = stage.write("bad-hosts.txt", f"5512 # {CANARIES['TEST_HF_TOKEN']}\n")
        literal = {"onstart": ("ONSTART", CANARIES["TEST_BEARER"]),
                   "env": ('"plain"', f'"{key}"'),
                   "label": ("  disk:", f"  label: \"{{fleet}}-{key}-{{index}}\"\n  disk:")}
        for name, (old, new) in literal.items():
            path = stage.write(f"{name}.yaml", FLEET.replace(old, new))
            refused = self.show("apply", "-f", path, "--yes")
            self.assertNotEqual(refused.returncode, 0, f"a secret in {name} was taken")
        for words in (["replace", worker, "--yes", "--reason", f"key {key} leaked"],
                      ["destroy", worker, "--yes", "--reason", CANARIES["TEST_LOGIN"]],
                      ["down", "secret", "--yes", "--reason", CANARIES["TEST_HF_TOKEN"]],
                      ["scale", "secret", "3", "--yes", "--request-id", key],
                      ["hosts", "import", hosts, "--yes"]):
            refused = self.show(*words, env={"USER": key, "LOGNAME": key})
            self.assertNotEqual(refused.returncode, 0, f"{words[0]} took a secret")
        self.show("hosts", "pardon", "5512", "--yes", env={"USER": key, "LOGNAME": key})

    def provider_says_secrets(self, daemon):
        stage, text = self.stage, self.sentence()
        for endpoint in ("GET v1/instances", "PUT asks/{id}", "DELETE instances/{id}",
                         "GET users/current", "PUT instances/request_logs/{id}"):
            self.fault("success_false", endpoint, text=text)
        first, second = [i["id"] for i in stage.control("instances")["instances"]][:2]
        stage.control(f"instances/{first}/log", {"lines": [
            f"export HF_TOKEN={v}" for v in CANARIES.values()] + [text]})
        stage.until("the planted log is read", lambda: "[secret]" in self.logs(), 30, daemon)
        stage.control(f"instances/{first}/fail",
                      {"how": "fatal_error", "text": f"RuntimeError: CUDA error: {text}"})
        stage.control(f"instances/{second}/fail",
                      {"how": "strange_status", "text": CANARIES["TEST_VAST_KEY"]})
        stage.until("the failed worker is condemned", lambda: stage.muster_json(
            "events", "--type", "worker.condemned", "--limit", "1").get("events"), 60, daemon)
        self.wait_until_full(daemon)
        stage.control("instances", {"label": f"secret-worker-vast-7.{CANARIES['TEST_VAST_KEY']}"})
        stage.until("the stray is seen", lambda: "orphan" in stage.muster("status").stdout, 60,
                    daemon)

    # ---- looking ------------------------------------------------------------------------------

    def start(self, config):
        others = {k: v for k, v in CANARIES.items() if k != "TEST_VAST_KEY"}
        return self.stage.start_daemon(config, env=others)

    def show(self, *words, check=False, env=None, note=""):
        result = self.stage.muster(*words, check=check, env=env)
        typed = " ".join(map(str, words)).replace(str(self.stage.folder), "")
        name = f"{note}muster {typed} (#{len(self.everything)})"
        self.everything[name] = (result.stdout + result.stderr).encode()
        return result

    def healthy(self):
        fleets = self.stage.muster_json("status").get("fleets", [])
        return sum(f.get("healthy", 0) for f in fleets if "secret" in f["name"])

    def wait_until_full(self, daemon):
        self.stage.until("the fleet is full", lambda: self.healthy() == 2, 90, daemon)

    def logs(self):
        workers = self.stage.muster_json("get")["workers"]
        return "".join(self.stage.muster("logs", w["id"], "--refresh").stdout for w in workers)

    def look_at_everything(self, daemon, when):
        """Asks for all there is, ends the daemon and reads what it leaves."""
        stage, note = self.stage, f"{when}: "
        for words in (["status"], ["get"], ["stats"], ["cost"], ["doctor"], ["hosts", "--all"],
                      ["events", "--after", "0", "--limit", "5000"],
                      ["get", "fleet/secret", "-o", "yaml"], ["get", "-o", "json"],
                      ["explain", "fleet/secret"], ["offers", "secret"], ["backup"]):
            self.show(*words, note=note)
        for worker in stage.muster_json("get", "--all")["workers"]:
            for verb in ("describe", "logs", "explain"):
                self.show(verb, worker["id"], note=note)
        self.everything[f"{note}the log as JSON (events --after 0 -o json)"] = "\n".join(
            e["stream"] + e["actor"] + e["payload_json"] for e in stage.all_events()).encode()
        metrics = re.search(r"metrics=(http\S+)", daemon.said()).group(1)
        with urllib.request.urlopen(metrics, timeout=20) as answer:
            self.everything[f"{note}metrics"] = answer.read()
        for entry in ("cmdline", "comm"):
            self.everything[f"{note}/proc/PID/{entry}"] = pathlib.Path(
                f"/proc/{daemon.process.pid}/{entry}").read_bytes()
        self.assertEqual(daemon.stop(), 0)
        self.everything[f"{note}the daemon's log"] = daemon.said().encode()
        for path in stage.folder.glob("store*/**/*"):
            if path.is_file():
                self.everything[f"{note}{path.relative_to(stage.folder)}"] = path.read_bytes()


if __name__ == "__main__":
    unittest.main(verbosity=2)
