#!/usr/bin/env python3
"""From an offer of the auction to a Nix builder, by the real programs: the simulated web service, its
machines behind real sshds, the real daemon and command, and a real Nix that builds over there. Once
undisturbed, and once with the daemon killed at every step.

Needs root (the machines have name spaces of their own), openssh-server and nix-bin; else skipped.
"""
import os
import subprocess
import sys

import builders

SKIPPED = 77
NEEDED = {"/usr/sbin/sshd": "openssh-server", "/usr/bin/ssh-keygen": "openssh-client",
          "/usr/bin/nix-daemon": "nix-bin"}


def missing():
    if os.geteuid() != 0:
        return "it must be root"
    for path, package in NEEDED.items():
        if not os.path.exists(path):
            return f"{package} is not installed"
    mounts = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return "no name spaces here" if mounts.returncode else ""


class SshdStage(builders.BuilderStage):
    """Machines behind real sshds, and an image to be installed."""

    def __enter__(self):
        self.start_web_service()
        self.write_files(self.make_image())
        self.up_daemon()
        return self

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


def whole_way():
    with SshdStage() as stage:
        done = stage.muster("server", "up", "-f", stage.builder_file, "--yes", "--confirm", builders.NAME,
                            seconds=200)
        assert done.returncode == 0, done.stdout + done.stderr + stage.daemon.said()[-3000:]
        stage.check_serves()
        machines = (stage.folder / "machines").read_text()
        assert "builder@127.1." in machines, machines
        stage.give_back()
        stage.until("that is noted", lambda: "server.cancel_set" in stage.kinds(), daemon=stage.daemon)
        stage.until("its line is gone",
                    lambda: "builder@" not in (stage.folder / "machines").read_text())
        text = "\n".join(map(str, stage.all_events()))
        assert builders.LOGIN[1] not in text and "PRIVATE KEY" not in text


def killed_at_every_step():
    """One order and one installation, whenever the daemon is killed. `up` goes on by itself when it is
    back, or is started again."""
    with SshdStage() as stage:
        killed, going, seen = 0, None, 0
        while killed < 40:
            if going is None or going.process.poll() not in (None, 0):
                going = stage.start_up()

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
        orders = stage.control("orders")["orders"]
        assert len(orders) == 1, orders
        assert stage.kinds().count("server.delivered") == 1
        stage.check_serves()
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
