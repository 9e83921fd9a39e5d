#!/usr/bin/python3
"""The log as evidence, with the real programs: exported, checked by deploy/audit/check_log.py, which
shares no code with muster, spoiled in many ways, and checked again. MUSTER_SEED repeats a run.
"""
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SOURCE, BIN, Stage, draw_seed, fleet, repeat  # noqa: E402

CHECKER = SOURCE / "deploy/audit/check_log.py"
MUTATIONS = 400
FLEET = fleet("zeb")


def load_checker():
    spec = importlib.util.spec_from_file_location("check_log", CHECKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def split_export(data):
    """The first line, and the records."""
    start = data.index(b"\n") + 1
    records, at = [], start
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        records.append(data[at + 4:at + 4 + size])
        at += 4 + size
    return data[:start], records


def join_export(line, records):
    return line + b"".join(struct.pack("<I", len(record)) + record for record in records)


def spoil(checker, records, chance):
    """A spoiled copy of the records, the first bad position, and whether only a head can tell."""
    records = list(records)
    at = chance.randrange(len(records))
    how = chance.choice(["flip", "forge", "drop", "swap", "cut", "tail"])
    if how in ("flip", "forge"):
        record = bytearray(records[at])
        bit = chance.randrange(0 if how == "flip" else 32, len(record) * 8)
        record[bit // 8] ^= 1 << bit % 8
        if how == "forge":  # by someone who knows about checksums
            record[:4] = struct.pack("<I", checker.crc32c(bytes(record[4:])))
        records[at] = bytes(record)
    elif how == "drop":
        del records[at]
        return how, records, at + 1, at == len(records)
    elif how == "swap":
        other = (at + 1 + chance.randrange(len(records) - 1)) % len(records)
        records[at], records[other] = records[other], records[at]
        at = min(at, other)
    elif how == "cut":
        records[at] = records[at][:chance.randrange(len(records[at]))]
    else:
        return how, records[:at], at + 1, True
    return how, records, at + 1, False


class Evidence(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checker = load_checker()
        cls.stage = Stage()
        stage = cls.stage
        stage.start_sim("--seed", "5", "--speed", 60)
        cls.config = stage.config()
        daemon = stage.start_daemon(cls.config)
        stage.muster("apply", "-f", stage.write("zeb.yaml", FLEET), "--yes", check=True)
        stage.until("two workers are rented", lambda: len(
            stage.muster("get", "workers", "-o", "name").stdout.split()) == 2 and "LAUNCHING" not in
            stage.muster("get", "workers").stdout, daemon=daemon)
        cls.path("key.pem").write_text(stage.muster("audit", "key", check=True).stdout)
        stage.muster("audit", "head", "--out", cls.path("head.json"), check=True)
        stage.muster("audit", "export", "--raw", "--out", cls.path("log"), check=True)

    @classmethod
    def tearDownClass(cls):
        cls.stage.__exit__()

    @classmethod
    def path(cls, name):
        return cls.stage.folder / name

    def check(self, *words):
        return subprocess.run(["/usr/bin/python3", str(CHECKER), *map(str, words)],
                              capture_output=True, text=True, timeout=60)

    def problem(self, data, head=None):
        """What the checker says of an export with these bytes; "" when it is whole."""
        self.path("spoiled").write_bytes(data)
        try:
            self.checker.check_log(self.path("spoiled"), head)
        except self.checker.Bad as bad:
            return str(bad)
        return ""

    # ---- whole --------------------------------------------------------------------------------

    def test_the_checker_finds_a_good_export_whole_and_the_head_rightly_signed(self):
        result = self.check(self.path("log"), "--head", self.path("head.json"), "--key", self.path("key.pem"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^\d+ events, the chain is whole, hash [0-9a-f]{64}")

    def test_the_checker_reads_every_payload_by_the_published_protos(self):
        result = self.check(self.path("log"), "--events")
        self.assertEqual(result.returncode, 0, result.stderr)
        types = [json.loads(line)["type"] for line in result.stdout.splitlines()]
        self.assertEqual(types[0], "installation.created")
        self.assertIn("worker.launch_requested", types)

    def test_signatures_are_checked_by_openssl_as_by_the_library(self):
        head = json.loads(self.path("head.json").read_text())
        key, signature = bytes.fromhex(head["key"]), bytes.fromhex(head["signature"])
        text = self.checker.statement(head)
        for verify in (self.checker.verify_signature, self.checker.verify_by_openssl):
            self.assertTrue(verify(key, text, signature))
            self.assertFalse(verify(key, text + b" ", signature))

    def test_the_folder_of_a_store_verifies_without_a_daemon_and_so_does_a_live_one(self):
        store = self.path("copy")
        shutil.copytree(self.stage.folder / "store", store)
        for where in ([], ["--store", store], ["--file", self.path("log")]):
            result = self.stage.muster("audit", "verify", *where, "--head", self.path("head.json"),
                                       "--key", self.path("key.pem"))
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertIn("the chain is whole", result.stdout)
            self.assertIn("it is the log of the head", result.stdout)
        self.stage.muster("audit", "export", "--raw", "--store", store, "--out", self.path("log2"), check=True)
        self.assertTrue(self.path("log2").read_bytes().startswith(self.path("log").read_bytes()))

    # ---- spoiled ------------------------------------------------------------------------------

    def test_whatever_is_done_to_an_export_is_found_where_it_was_done(self):
        seed = draw_seed()
        chance = random.Random(seed)
        line, records = split_export(self.path("log").read_bytes())
        head = json.loads(self.path("head.json").read_text())
        records = records[:head["position"]]
        for _ in range(MUTATIONS):
            how, spoiled, position, needs_head = spoil(self.checker, records, chance)
            told = f"{how} at {position}; again: {repeat(seed, __file__)}"
            data = join_export(line, spoiled)
            self.assertEqual(self.problem(data) == "", needs_head, told)
            self.assertTrue(self.problem(data, head).startswith(f"event {position} "),
                            f"{told}: {self.problem(data, head)}")

    def test_muster_and_the_checker_name_the_same_position(self):
        line, records = split_export(self.path("log").read_bytes())
        bad = bytearray(records[6])
        bad[60] ^= 1
        records[6] = bytes(bad)
        self.path("bad").write_bytes(join_export(line, records))
        self.assertIn("event 7 ", self.check(self.path("bad")).stderr)
        result = self.stage.muster("audit", "verify", "--file", self.path("bad"), "-o", "json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(json.loads(result.stdout)["first_bad"], "7")

    def test_a_tail_cut_off_is_found_against_the_head_only(self):
        line, records = split_export(self.path("log").read_bytes())
        self.path("cut").write_bytes(join_export(line, records[:-3][:json.loads(
            self.path("head.json").read_text())["position"] - 3]))
        self.assertEqual(self.check(self.path("cut")).returncode, 0)
        for said in (self.check(self.path("cut"), "--head", self.path("head.json")).stderr,
                     self.stage.muster("audit", "verify", "--file", self.path("cut"), "--head",
                                       self.path("head.json")).stdout):
            self.assertIn("3 events are cut off", said)

    def test_a_head_of_another_key_or_a_changed_one_is_refused(self):
        head = json.loads(self.path("head.json").read_text())
        self.path("other.hex").write_text("00" * 32)
        changed = {**head, "position": head["position"] - 1}
        self.path("changed.json").write_text(json.dumps(changed))
        for words in (["--head", self.path("head.json"), "--key", self.path("other.hex")],
                      ["--head", self.path("changed.json")]):
            self.assertEqual(self.check(self.path("log"), *words).returncode, 1)
            self.assertEqual(self.stage.muster("audit", "verify", *words).returncode, 1)

    # ---- single events ------------------------------------------------------------------------

    def test_a_single_event_is_proved_by_a_few_kilobytes_and_a_forged_proof_is_not(self):
        proof = self.path("proof.json")
        self.stage.muster("audit", "prove", "5", "--head", self.path("head.json"), "--out", proof, check=True)
        self.assertLess(len(proof.read_bytes()), 8000)
        said = self.stage.muster("audit", "check-proof", proof, "--key", self.path("key.pem"), check=True).stdout
        self.assertIn("proved: event 5", said)
        self.assertEqual(self.check("--proof", proof, "--key", self.path("key.pem")).returncode, 0)
        text = proof.read_text()
        place = text.index('"record":"') + 150
        proof.write_text(text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1:])
        self.assertEqual(self.check("--proof", proof).returncode, 1)
        self.assertEqual(self.stage.muster("audit", "check-proof", proof).returncode, 1)

    # ---- exports and money --------------------------------------------------------------------

    def test_cloud_events_are_the_fleets_with_legal_attributes(self):
        out = self.stage.muster("audit", "export", "--fleet", "zeb", check=True).stdout
        events = [json.loads(line) for line in out.splitlines()]
        self.assertGreater(len(events), 4)
        for event in events:
            self.assertEqual(event["specversion"], "1.0")
            self.assertTrue(all(event[name] for name in ("id", "source", "type")), event)
            self.assertTrue(all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event), event)
            self.assertTrue(event["subject"].startswith(("fleet/zeb", "worker/", "host/")), event)
        offline = self.stage.muster("audit", "export", "--fleet", "zeb", "--file", self.path("log"), check=True)
        self.assertTrue(out.startswith(offline.stdout))

    def test_every_machine_billed_is_mapped_to_its_intent_or_listed(self):
        proved = self.stage.muster_json("prove", "orphans")
        self.assertTrue(proved["proved"])
        for machine in proved["machines"]:
            self.assertEqual(machine["intent"], "worker.launch_requested")
        self.stage.control("instances", {"label": "somebody-elses", "gpu": "RTX 3070", "usd_per_hour": 0.5,
                                         "age_s": 7200})
        result = self.stage.muster("prove", "orphans")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout.splitlines()[1], r"RTX 3070 +0\.50?0? .*somebody-elses +NONE")
        self.assertIn("1 without an intent, $0.5", result.stdout)

    def test_the_worst_case_is_the_credit_of_the_account(self):
        budget = self.stage.muster_json("prove", "budget")
        self.assertTrue(budget["bounded"])
        self.assertEqual(budget["worst_micro_usd"], budget["accounts"][0]["credit_micro_usd"])
        self.assertGreater(int(budget["burn_micro_usd_per_hour"]), 0)
        self.assertEqual(budget["fleets"][0]["fleet"], "zeb")

    def test_what_was_proved_and_offered_at_a_moment_is_told_of_it_again(self):
        budget = self.stage.muster_json("prove", "budget")
        again = self.stage.muster_json("prove", "budget", "--at", budget["position"])
        # A position means when it was recorded; the daemon was asked a little later.
        for field in ("burn_micro_usd_per_hour", "worst_micro_usd", "bounded", "position"):
            self.assertEqual(again[field], budget[field])
        # Another test may have put a stranger there, of which no list was recorded yet.
        orphans = json.loads(self.stage.muster("prove", "orphans", "-o", "json").stdout)
        then = json.loads(self.stage.muster("prove", "orphans", "--at", orphans["position"],
                                            "-o", "json").stdout)
        who = [{(m["instance"], m["worker"], m["position"]) for m in answer["machines"] if m["worker"]}
               for answer in (orphans, then)]
        self.assertEqual(who[0], who[1])
        self.assertEqual(len(who[0]), 2)
        self.assertIn("nobody was asked", then["notes"][0])
        offers = self.stage.muster_json("offers", "zeb", "--all", "--at", orphans["position"])
        self.assertGreater(len(offers["offers"]), 0)
        self.assertLessEqual(int(offers["position"]), int(orphans["position"]))

    # ---- redaction ----------------------------------------------------------------------------

    def test_text_taken_out_is_in_no_file_while_the_chain_and_old_heads_hold(self):
        with Stage() as stage:
            stage.start_sim("--seed", "7", "--speed", 60)
            config = stage.config()
            daemon = stage.start_daemon(config)
            stage.muster("apply", "-f", stage.write("zeb.yaml", FLEET), "--yes", check=True)
            stage.muster("down", "zeb", "--reason", "call-alice-at-555-0100", "--yes", check=True)
            asked = next(event for event in stage.all_events() if event["type"] == "fleet.down_requested")
            head = stage.folder / "head.json"
            stage.muster("audit", "head", "--out", head, check=True)
            words = ["audit", "redact", asked["position"], "--field", "reason", "--reason", "a phone number"]
            self.assertIn("fleet_down_requested.reason", stage.muster(*words, "--dry-run", check=True).stdout)
            self.assertEqual(stage.muster(*words).returncode, 3)
            stage.muster(*words, "--yes", check=True)
            self.assertEqual(stage.muster(*words[:4], "workers", *words[5:], "--yes").returncode, 64)
            for _ in range(2):  # as it is, and after a start from the log alone
                store = stage.folder / "store"
                found = [path for path in store.rglob("*") if path.is_file()
                         and b"call-alice" in path.read_bytes()]
                self.assertEqual(found, [])
                self.assertIn("[redacted]", stage.muster("events", "fleet/zeb", check=True).stdout)
                verdict = stage.muster("audit", "verify", "--head", head, check=True).stdout
                self.assertIn("1 of them redacted", verdict)
                stage.muster("audit", "export", "--raw", "--out", stage.folder / "log", check=True)
                checked = self.check(stage.folder / "log", "--events", "--head", head)
                self.assertEqual(checked.returncode, 0, checked.stderr)
                self.assertIn("1 redacted", checked.stderr)
                daemon.stop()
                daemon = stage.start_daemon(config)

    def test_a_payload_that_is_gone_without_an_event_that_says_so_is_found(self):
        line, records = split_export(self.path("log").read_bytes())
        record = self.checker.Record(records[4])
        body = (record.hash + struct.pack("<I", len(record.header)) + record.header
                + bytes([self.checker.PRUNED]) + record.digest)
        records[4] = struct.pack("<I", self.checker.crc32c(body)) + body
        self.path("pruned").write_bytes(join_export(line, records))
        self.assertEqual(self.check(self.path("pruned")).returncode, 0)
        said = self.check(self.path("pruned"), "--events").stderr
        self.assertIn("event 5 lost its payload, and no event tells why", said)

    def test_the_key_is_for_its_owner_only(self):
        key = self.stage.folder / "store" / "audit.key"
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        self.assertIn("BEGIN PUBLIC KEY", self.path("key.pem").read_text())


if __name__ == "__main__":
    if not (BIN / "musterd").exists():
        sys.exit(77)
    unittest.main()
