"""A simulated seller of dedicated servers, the real daemon and command, and a real Nix: what the tests
that make Nix builders share, here with machines behind real sshds and in tests/metal with virtual ones.
"""
import hashlib
import os
import subprocess

import harness

NAME = "builder-01"
LOGIN = "#ws+sim", "sim-password"
# A port of this run's own: on loopback the machines' addresses are the same in every run.
PORT = 20000 + os.getpid() % 20000
PROBE = """{ nonce, features }: derivation {
  name = "probe-${nonce}"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo ${nonce} > $out" ]; requiredSystemFeatures = builtins.fromJSON features; }
"""


class BuilderStage(harness.Stage):
    """`port` is where all machines answer. `start_web_service`, `write_files`, then `up_daemon`."""

    def __init__(self, port=PORT):
        super().__init__()
        self.port = port

    def start_web_service(self, **settings):
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        sim = self.start("muster-sim", [
            harness.BIN / "muster-sim", "hetzner", "--listen", "127.0.0.1:0", "--speed", "60",
            "--set", f"ssh_port={self.port}", "--set", "gpu_share=1", "--set", "ada_share=1", *words],
            {"TMPDIR": str(self.folder)})  # for its machines, since it is killed in the end
        self.sim_url = sim.first_line()

    def write_files(self, image, span="2m", ipv4=True, provider_more=""):
        """For a builder made of `image`; `span` is what a start of its may take."""
        (self.folder / "nix-conf").mkdir()
        self.write("nix-conf/nix.conf", "experimental-features = nix-command flakes\n"
                   "substituters =\nsandbox = false\nbuild-users-group =\n"
                   "sandbox-paths = /bin /usr /lib /lib64\n")
        self.nix = {"HOME": str(self.folder), "NIX_CONF_DIR": str(self.folder / "nix-conf")}
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nix", "-f",
                        self.folder / "nix_key"], check=True)
        key = (self.folder / "nix_key.pub").read_text().strip()
        self.builder_file = self.write("builder.yaml", f"""
name: {NAME}
provider: hetzner
market: {{price_max: 900.00 EUR/month, setup_max: 0.00 EUR, gpu: ada, ipv4: {str(ipv4).lower()}}}
access: {{authorized_keys: ["{key}"]}}
install:
  image: {image}
  image_sha256: {hashlib.sha256(image.read_bytes()).hexdigest()}
nix:
  max_jobs: 2
  supported_features: [benchmark]
  mandatory_features: [cuda]
  ssh_key: {self.folder / "nix_key"}
timers: {{poll: 5s, rescue: {span}, boot: {span}, order_settle: 1m}}
""")
        self.daemon_config = self.write("musterd.yaml", f"""
store: {{path: {self.folder / "store"}}}
listen: ["{self.socket}"]
metrics: 127.0.0.1:0
nix: {{machines_file: {self.folder / "machines"}, store: {self.folder / "client"}}}
providers:
  hetzner:
    base_url: {self.sim_url}
    user: "{LOGIN[0]}"
    password: env:TEST_ROBOT_PASSWORD
    ssh_port: {self.port}
    {provider_more}
""")

    def up_daemon(self):
        self.daemon = self.start_daemon(
            self.daemon_config, {"TEST_ROBOT_PASSWORD": LOGIN[1], **self.nix})

    def start_up(self):
        """`muster server up`, going on beside the test."""
        return self.start("muster", [
            harness.BIN / "muster", "--address", self.socket, "server", "up", "-f", self.builder_file,
            "--yes", "--confirm", NAME])

    def kinds(self):
        return [event["type"] for event in self.all_events()]

    def servers(self):
        return self.control("servers")["servers"]

    def build(self, nonce, features):
        """What Nix said; the build itself must have succeeded."""
        probe = self.write("probe.nix", PROBE)
        done = subprocess.run(
            ["nix", "build", "--store", str(self.folder / "client"), "-f", str(probe), "--argstr",
             "nonce", nonce, "--argstr", "features", features, "--builders",
             f"@{self.folder / 'machines'}", "--no-link", "-L", "-v"],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={**os.environ, **self.nix,
                 "NIX_SSHOPTS": f"-F none -p {self.port} -o BatchMode=yes -o IdentitiesOnly=yes"})
        assert done.returncode == 0, done.stderr
        return done.stderr

    def check_serves(self, nonce=""):
        """It builds what asks for cuda, and the rest stays at home. What was built before is not built
        again: then with another `nonce`."""
        assert "on 'ssh-ng://builder@" in self.build("gpu" + nonce, '["cuda"]')
        assert "on 'ssh-ng://builder@" not in self.build("cpu" + nonce, "[]")

    def give_back(self):
        self.muster("server", "cancel", NAME, "--date", "now", "--yes", "--confirm", NAME, check=True)
        self.until("the server is given back", lambda: not self.servers(), daemon=self.daemon)
