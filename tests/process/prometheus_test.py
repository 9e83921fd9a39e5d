#!/usr/bin/python3
"""A real Prometheus scrapes musterd: every metric is well-formed, every shipped rule evaluates, and
every panel of the dashboard shows something."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SOURCE, Stage  # noqa: E402

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
if PROMETHEUS is None or PROMTOOL is None:
    print("skipped: install Debian's prometheus to run this")
    sys.exit(77)


class Prometheus(unittest.TestCase):
    def test_scrapes_and_evaluates_the_shipped_rules(self):
        with Stage() as stage:
            stage.start_sim("--seed", "3", "--speed", "60")
            daemon = stage.start_daemon()
            url = next(word.split("=", 1)[1] for word in daemon.said().split()
                       if word.startswith("metrics=http"))
            with urllib.request.urlopen(url, timeout=20) as answer:
                text = answer.read()
            lint = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True,
                                  timeout=60)
            self.assertEqual(lint.returncode, 0, lint.stderr.decode())
            self.assertIn(b"muster_build_info", text)
            address = self.start_prometheus(stage, urllib.parse.urlparse(url).netloc)
            up = stage.until("a scrape went well",
                             lambda: self.query(address, 'up{job="muster"} == 1'), 30)
            self.assertEqual(len(up), 1)
            self.assertTrue(stage.until("the daemon's metrics are there",
                                        lambda: self.query(address, "muster_build_info"), 30))
            groups = self.get(address, "rules")["groups"]
            stage.until("every rule was evaluated", lambda: all(
                r["health"] == "ok" for g in self.get(address, "rules")["groups"]
                for r in g["rules"]), 30)
            self.assertGreater(sum(len(g["rules"]) for g in groups), 3)

    def test_every_panel_of_every_dashboard_shows_something(self):
        """Every query of every panel, on a fleet that works: no error, and none stays empty."""
        with Stage() as stage:
            config = stage.write("musterd.yaml", f"""
store: {{path: {stage.folder}/store}}
listen: ["{stage.socket}"]
metrics: 127.0.0.1:0
sim: {{embedded: true, seed: 7, speed: 60}}
providers: {{vast: {{}}}}
notify: {{targets: {{sink: {{command: [/bin/true]}}}}}}
""")
            daemon = stage.start_daemon(config)
            url = next(word.split("=", 1)[1] for word in daemon.said().split()
                       if word.startswith("metrics=http"))
            address = self.start_prometheus(stage, urllib.parse.urlparse(url).netloc)
            stage.muster("apply", "-f", SOURCE / "deploy/examples/demo.yaml", "--yes", check=True)
            asked = {}
            for path in sorted((SOURCE / "deploy/grafana").glob("*.json")):
                dashboard = json.loads(path.read_text())
                asked |= self.queries(dashboard["title"], dashboard["panels"])
            self.assertGreater(len(asked), 60)
            for (panel, expression), shown in asked.items():
                with self.subTest(panel=panel, expression=expression):
                    if self.OF_SERVERS.search(expression):  # none is ordered here
                        self.query(address, expression)
                        continue
                    stage.until(f"panel '{panel}' shows {shown}",
                                lambda shown=shown: self.query(address, shown), 90, daemon)
                    self.query(address, expression)  # an error would be a 400

    OF_SERVERS = re.compile(r"muster_(?:server|builder)_")
    # What shows only that something is wrong is empty on a healthy fleet; the series it draws from
    # must be there all the same.
    ONLY_WHEN_WRONG = re.compile(r"^(muster_(?:fleet_waiting|account_trouble|account_credit_wait)"
                                 r"[^=]*?(?:\{[^}]*\})?) (?:== 1|> 0)$")

    def queries(self, title, panels):
        """(panel, query): what must show something; with the variables filled in."""
        found = {}
        for panel in panels:
            found |= self.queries(title, panel.get("panels", []))
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$fleet", ".*")
                self.assertNotIn("$", expression)
                wrong = self.ONLY_WHEN_WRONG.match(expression)
                name = f"{title}: {panel['title']}"
                found[name, expression] = wrong.group(1) if wrong else expression
        return found

    def start_prometheus(self, stage, target):
        rules = SOURCE / "deploy/prometheus/alerts.yml"
        config = stage.write("prometheus.yml", f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs: [{{job_name: muster, static_configs: [{{targets: ["{target}"]}}]}}]
""")
        server = stage.start("prometheus", [
            PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={stage.folder}/tsdb",
            "--web.listen-address=127.0.0.1:0"])
        return stage.until("prometheus listens", lambda: self.address(server), 30)

    def address(self, server):
        for line in server.said().splitlines():
            if "Listening on" in line and "address=" in line:
                return line.split("address=")[1].split()[0]
        return None

    def get(self, address, what):
        with urllib.request.urlopen(f"http://{address}/api/v1/{what}", timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, address, expression):
        return self.get(address, "query?" + urllib.parse.urlencode({"query": expression}))["result"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
