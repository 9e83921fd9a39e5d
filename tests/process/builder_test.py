#!/usr/bin/env python3
"""From an offer of the auction to a Nix builder, by the real programs: the simulated web service, its
machines behind real sshds, the real daemon and command, and a real Nix that builds over there. Once
undisturbed, and once with the daemon killed at every step.

Needs root (the machines have name spaces of their own), openssh-server and nix-bin; else skipped.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import harness

SKIPPED = 77
NEEDED = {"/usr/sbin/sshd": "openssh-server", "/usr/bin/ssh-keygen": "openssh-client",
          "/usr/bin/nix-daemon": "nix-bin"}
# A port of this run's own: the machines' addresses are the same in every run.
PORT = 20000 + os.getpid() % 20000
NAME = "builder-01"
PROBE = """{ nonce, features }: derivation {
  name = "probe-${nonce}"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo ${nonce} > $out" ]; requiredSystemFeatures = builtins.fromJSON features; }
"""


def missing():
    if os.geteuid() != 0:
        return "it must be root"
    for path, package in NEEDED.items():
        if not os.path.exists(path):
            return f"{package} is not installed"
    mounts = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return "no name spaces here" if mounts.returncode else ""


class BuilderStage(harness.Stage):
    """A web service with machines, a daemon, and an image to be installed."""

    def __enter__(self):
        sim = self.start("muster-sim", [
            harness.BIN / "muster-sim", "hetzner", "--listen", "127.0.0.1:0", "--speed", "60",
            "--set", f"ssh_port={PORT}", "--set", "gpu_share=1", "--set", "ada_share=1"],
            {"TMPDIR": str(self.folder)})  # for its machines, since it is killed in the end
        self.sim_url = sim.first_line()
        (self.folder / "nix-conf").mkdir()
        self.write("nix-conf/nix.conf", "experimental-features = nix-command flakes\n"
                   "substituters =\nsandbox = false\nbuild-users-group =\n"
                   "sandbox-paths = /bin /usr /lib /lib64\n")
        self.nix = {"HOME": str(self.folder), "NIX_CONF_DIR": str(self.folder / "nix-conf")}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nix", "-f",
                        self.folder / "nix_key"], check=True)
        self.builder_file = self.make_builder(self.make_image())
        self.daemon_config = self.write("musterd.yaml", f"""
store: {{path: {self.folder / "store"}}}
listen: ["{self.socket}"]
metrics: 127.0.0.1:0
nix: {{machines_file: {self.folder / "machines"}, store: {self.folder / "client"}}}
providers:
  hetzner:
    base_url: {self.sim_url}
    user: "#ws+sim"
    password: env:TEST_ROBOT_PASSWORD
    ssh_port: {PORT}
""")
        self.up_daemon()
        return self

    def up_daemon(self):
        self.daemon = self.start_daemon(
            self.daemon_config, {"TEST_ROBOT_PASSWORD": "sim-password", **self.nix})

    def make_image(self):
        root = self.folder / "image"
        for name, text in {
                "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
                "etc/nix/nix.conf": "sandbox = false\nsubstituters =\nbuild-users-group =\n",
                "etc/ssh/sshd_config": "PermitRootLogin no\n"}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "boot").mkdir()
        (root / "root").mkdir()
        image = self.folder / "image.tar.gz"
        subprocess.run(["tar", "-C", root, "-czf", image, "."], check=True)
        return image

    def make_builder(self, image):
        key = (self.folder / "nix_key.pub").read_text().strip()
        return self.write("builder.yaml", f"""
name: {NAME}
provider: hetzner
market: {{price_max: 900.00 EUR/month, setup_max: 0.00 EUR, gpu: ada, ipv4: true}}
access: {{authorized_keys: ["{key}"]}}
install:
  image: {image}
  image_sha256: {hashlib.sha256(image.read_bytes()).hexdigest()}
nix:
  max_jobs: 2
  supported_features: [benchmark]
  mandatory_features: [cuda]
  ssh_key: {self.folder / "nix_key"}
timers: {{poll: 5s, rescue: 2m, boot: 2m, order_settle: 1m}}
""")

    def up(self):
        return self.muster("server", "up", "-f", self.builder_file, "--yes", "--confirm", NAME,
                           seconds=200)

    def kinds(self):
        return [event["type"] for event in self.all_events()]

    def build(self, nonce, features):
        """What Nix said; the build itself must have succeeded."""
        probe = self.write("probe.nix", PROBE)
        done = subprocess.run(
            ["nix", "build", "--store", str(self.folder / "client"), "-f", str(probe), "--argstr",
             "nonce", nonce, "--argstr", "features", features, "--builders",
             f"@{self.folder / 'machines'}", "--no-link", "-L", "-v"],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={**os.environ, **self.nix,
                 "NIX_SSHOPTS": f"-F none -p {PORT} -o BatchMode=yes -o IdentitiesOnly=yes"})
        assert done.returncode == 0, done.stderr
        return done.stderr

    def orders(self):
        return self.control("orders")["orders"]

    def servers(self):
        return self.control("servers")["servers"]


def check_serves(stage):
    """It builds what asks for cuda, and the rest stays at home."""
    assert "on 'ssh-ng://builder@" in stage.build("gpu", '["cuda"]')
    assert "on 'ssh-ng://builder@" not in stage.build("cpu", "[]")


def whole_way():
    with BuilderStage() as stage:
        done = stage.up()
        assert done.returncode == 0, done.stdout + done.stderr + stage.daemon.said()[-3000:]
        check_serves(stage)
        machines = (stage.folder / "machines").read_text()
        assert "builder@127.1." in machines, machines
        stage.muster("server", "cancel", NAME, "--date", "now", "--yes", "--confirm", NAME, check=True)
        stage.until("the server is given back",
                    lambda: "server.cancel_set" in stage.kinds() and not stage.servers(),
                    daemon=stage.daemon)
        stage.until("its line is gone",
                    lambda: "builder@" not in (stage.folder / "machines").read_text())
        text = "\n".join(map(str, stage.all_events()))
        assert "sim-password" not in text and "PRIVATE KEY" not in text


def killed_at_every_step():
    """One order and one installation, whenever the daemon is killed. `up` goes on by itself when it is
    back, or is started again."""
    with BuilderStage() as stage:
        killed, going, seen = 0, None, 0
        while killed < 40:
            if going is None or going.process.poll() not in (None, 0):
                going = stage.start("muster", [
                    harness.BIN / "muster", "--address", stage.socket, "server", "up", "-f",
                    stage.builder_file, "--yes", "--confirm", NAME])

            def news():
                return (going.process.poll() is not None or
                        any("requested" in kind for kind in stage.kinds()[seen:]))
            stage.until("a step is requested or it serves", news, seconds=200, daemon=stage.daemon)
            if going.process.poll() == 0:
                break
            stage.daemon.kill()
            killed += 1
            stage.up_daemon()
            seen = len(stage.kinds())
        assert going.process.poll() == 0, f"after {killed} kills: {stage.kinds()}"
        assert killed >= 5, killed
        orders = stage.orders()
        assert len(orders) == 1, orders
        assert stage.kinds().count("server.delivered") == 1
        check_serves(stage)
        print(f"killed {killed} times")


def main():
    why = missing()
    if why:
        print(f"skipped: {why}")
        return SKIPPED
    for test in (whole_way, killed_at_every_step):
        test()
        print(f"{test.__name__}: ok", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
