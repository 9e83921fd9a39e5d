#!/usr/bin/python3
"""A client of Robot that others wrote, Ansible's collection community.hrobot, unchanged against
muster-sim hetzner. Only the address of the service, a constant there, is another one."""
import base64
import importlib.util
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import BIN, Stage  # noqa: E402

try:
    found = importlib.util.find_spec("ansible_collections.community.hrobot.plugins.module_utils.robot")
except ModuleNotFoundError:
    found = None
if found is None:
    print("skipped: no ansible_collections.community.hrobot; install ansible")
    sys.exit(77)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJkNMXe3uw7GHCb3rtPKBK3z4PUIUxdRkeSJIiVoBvOX order-a"
MD5 = "5d:ea:a0:84:39:01:7d:5e:55:e1:f9:5c:e2:04:ef:ee"

# One module run as Ansible runs it on the other side: its arguments in, JSON out.
RUN = """
import importlib, json, sys
url, name, arguments = sys.argv[1:]
from ansible_collections.community.hrobot.plugins.module_utils import robot
robot.BASE_URL = url
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(arguments)}).encode()
importlib.import_module("ansible_collections.community.hrobot.plugins.modules." + name).main()
"""


class HetznerClient(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.__exit__)
        sim = self.stage.start("muster-sim", [BIN / "muster-sim", "hetzner", "--listen", "127.0.0.1:0",
                                              "--set", "products=3"])
        self.stage.sim_url = sim.first_line()
        self.password = "sim-password"

    def module(self, name, /, **arguments):
        arguments = {"hetzner_user": "#ws+sim", "hetzner_password": self.password, **arguments}
        ran = subprocess.run(["/usr/bin/python3", "-c", RUN, self.stage.sim_url, name,
                              json.dumps(arguments)], capture_output=True, text=True, timeout=60)
        self.assertTrue(ran.stdout.strip(), ran.stderr)
        answer = json.loads(ran.stdout.strip().splitlines()[-1])
        answer["failed"] = answer.get("failed", False)
        return answer

    def works(self, name, /, **arguments):
        answer = self.module(name, **arguments)
        self.assertFalse(answer["failed"], answer)
        return answer

    def order(self):
        """What the collection has no module for; then time passes until it is delivered."""
        product = self.stage.control("products")["products"][0]["id"]
        form = {"product_id": product, "authorized_key[]": MD5, "addon[]": "primary_ipv4"}
        request = urllib.request.Request(
            f"{self.stage.sim_url}/order/server_market/transaction",
            data=urllib.parse.urlencode(form).encode())
        login = base64.b64encode(f"#ws+sim:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            self.assertEqual(answer.status, 201)
        self.skip(600)
        return int(product)

    def skip(self, seconds):
        self.stage.control("clock", {"skip_s": seconds})

    def test_a_key_is_stored_renamed_found_and_removed(self):
        self.assertTrue(self.works("ssh_key", state="present", name="one", public_key=KEY)["changed"])
        self.assertFalse(self.works("ssh_key", state="present", name="one", public_key=KEY)["changed"])
        self.assertTrue(self.works("ssh_key", state="present", name="two", public_key=KEY)["changed"])
        keys = self.works("ssh_key_info")["ssh_keys"]
        self.assertEqual([(k["name"], k["fingerprint"]) for k in keys], [("two", MD5)])
        self.assertTrue(self.works("ssh_key", state="absent", public_key=KEY)["changed"])
        self.assertFalse(self.works("ssh_key", state="absent", public_key=KEY)["changed"])
        self.assertEqual(self.works("ssh_key_info")["ssh_keys"], [])

    def test_a_server_is_seen_named_rescued_and_reset(self):
        self.assertEqual(self.works("server_info")["servers"], [])
        self.works("ssh_key", state="present", name="one", public_key=KEY)
        number = self.order()
        self.assertEqual(self.works("server_info", full_info=True)["servers"][0]["server_number"], number)
        named = self.works("server", server_number=number, server_name="builder-01")
        self.assertTrue(named["changed"])
        self.assertEqual(named["server"]["server_name"], "builder-01")
        self.assertFalse(self.works("server", server_number=number, server_name="builder-01")["changed"])
        rescue = {"os": "linux", "authorized_keys": [MD5]}
        booted = self.works("boot", server_number=number, rescue=rescue)
        self.assertTrue(booted["changed"])
        self.assertTrue(booted["password"])
        self.assertFalse(self.works("boot", server_number=number, rescue=rescue)["changed"])
        self.works("reset", server_number=number, reset_type="hardware")
        self.skip(120)
        server = self.stage.control("servers")["servers"][0]
        self.assertEqual((server["power"], server["rescue_active"]), ("rescue", False))
        self.assertTrue(self.works("boot", server_number=number, rescue=rescue)["changed"])
        self.assertTrue(self.works("boot", server_number=number, regular_boot=True)["changed"])
        self.works("reset", server_number=number, reset_type="hardware")
        self.skip(120)
        self.assertEqual(self.stage.control("servers")["servers"][0]["power"], "installed")

    def test_refusals_read_as_the_client_expects_them(self):
        refused = self.module("boot", server_number=77, regular_boot=True)
        self.assertIn("does not exist", refused["msg"])
        self.stage.control("faults", {"trap": "reset_manual_active"})
        number = self.stage.control("servers", {"name": "old"})["server"]
        busy = self.module("reset", server_number=number, reset_type="hardware")
        self.assertIn("manual reset is already running", busy["msg"])
        self.stage.control("faults", {"trap": "quota"})
        self.assertIn("RATE_LIMIT_EXCEEDED", self.module("server_info")["msg"])
        self.stage.control("faults", method="DELETE")
        self.password = "another"
        self.assertTrue(self.module("server_info")["failed"])


if __name__ == "__main__":
    unittest.main()
