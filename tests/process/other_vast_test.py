#!/usr/bin/python3
"""The real musterd against a stand-in of Vast.ai that shares no reading with it (other_vast.py).

Fleets of four live through every fault of other_vast_faults.py, one after the other, each at a high
chance, while machines are replaced so that every call has to be made; others through what befalls
machines, the account and the API. What must hold: no healthy worker is destroyed but by the operator, no two contracts for
one launch, none that the log does not know, full health when it is calm, and in the end no live
contract and money within the published bound. MUSTER_SEED repeats what was drawn.

    tests/process/other_vast_test.py [FAULT or STORY...]      only these, such as a_bad_day
"""
import concurrent.futures
import json
import sys
import time
import unittest

sys.path.insert(0, __file__.rpartition("/")[0])
from audit import TOKEN, Log  # noqa: E402
from harness import Stage, draw_seed, repeat  # noqa: E402
from other_vast import OtherVast  # noqa: E402
from other_vast_faults import FAULTS  # noqa: E402

WORKERS = 4
KEY, TOKEN_VALUE = "canary-market-9f+8/aQ7", "hf_canary-Zq8w+3/x9"
FLEET = """
name: zeb
workers: 4
market:
  price_max: $12/h
  gpus: {RTX 3060: 1.8 games/s, RTX 3070: 2.4 games/s, RTX 3070 Ti: 2.6 games/s, RTX 4070: 2.6 games/s}
launch:
  onstart: echo hi
  env: {WORKER_ID: "{worker}", HF_TOKEN: "env:TEST_HF_TOKEN"}
timers: {boot: 10s, setup: 10s, warmup: 10s, no_progress: 10s, error_grace: 2s, offline: 10s,
         log_poll: 1s, log_timeout: 4s, list_poll: 1s, market_poll: 6s, account_poll: 1s,
         credit_probe: 10s, check: 1s, launch_timeout: 2s, launch_settle: 5s, launch_lookup: 1s,
         destroy_again: 1s, launch_backoff: 2s, launch_backoff_max: 4s}
"""
PACE = """    pace: {search: 600ms, create: 45ms, list: 10ms, show: 20ms, destroy: 30ms, change: 10ms}
"""


class Life:
    """A market, a daemon and a fleet; `watch` holds what must never happen against the ledger."""

    def __init__(self, stage, seed):
        self.stage = stage
        self.vast = OtherVast(seed=seed)
        self.vast.set(key=KEY, pace=0.01, boot_s=0.5, setup_s=0.3, batch_s=0.3, log_ready_s=0.05,
                      price_scale=100.0, credit=10000.0)
        stage.key, stage.sim_url = KEY, self.vast.url
        self.config = stage.config(provider_more=PACE).read_text().replace(
            f'log_hosts: ["{self.vast.url}"]', f'log_hosts: ["{self.vast.service.object_url}"]')
        self.daemon = None
        self.asked_away = set()  # workers that the operator gave up
        self.excused = set()  # contracts that something befell
        self.strangers = set()  # contracts of somebody else

    def begin(self):
        self.daemon = self.stage.start_daemon(self.stage.write("musterd.yaml", self.config),
                                              {"TEST_HF_TOKEN": TOKEN_VALUE})
        self.stage.muster("apply", "-f", self.stage.write("zeb.yaml", FLEET), "--yes", check=True)

    def names(self):
        return self.stage.muster("get", "-o", "name").stdout.split()

    def fleet(self):
        return next(iter(self.stage.muster_json("status")["fleets"]), {})

    def ours(self):
        return [line for line in self.vast.live() if TOKEN.search(line["asked_label"] or "")]

    def healthy(self):
        fleet = self.fleet()
        return int(fleet.get("healthy", 0)) == WORKERS and len(self.ours()) == WORKERS

    def wait_until(self, what, condition, seconds):
        return self.stage.until(what, condition, seconds, self.daemon)

    def new_lists(self, count):
        """A condition: so many lists since now."""
        before = len(self.vast.journal)
        return lambda: sum(entry["route"] == "list" for entry in self.vast.journal[before:]) >= count

    def until_healthy(self, why, seconds=30):
        self.stage.until(f"four healthy workers {why}", self.healthy, seconds, self.daemon)

    def replace_one(self):
        """As an operator; the daemon may refuse while it knows too little."""
        for worker in self.names()[:1]:
            result = self.stage.muster("replace", worker, "--yes", "--reason", "a test")
            if result.returncode == 0:
                self.asked_away.add(worker.rpartition("/")[2])

    def live_through(self, name):
        """Until the fault has hit often enough, or long enough; how often it did."""
        self.vast.fault(name, 0.7)
        fault = self.vast.faults[-1]
        few = len(fault["on"]) < 4  # of those that are on for everything every third is enough
        rents = "create" in fault["on"] and (few or len(self.asked_away) % 3 == 0)
        begin = again = time.monotonic()
        while True:
            lived = time.monotonic() - begin
            if lived > (12 if fault["hits"] else 40) or lived > 1 and fault["hits"] >= (1 if few else 3):
                break
            if few and fault["hits"] == 0 and "search" in fault["on"]:
                self.stage.muster("offers", "--timeout", "2s")
            if (rents or few and "destroy" in fault["on"]) and time.monotonic() >= again:
                self.replace_one()
                again, rents = time.monotonic() + 3, few
            if self.daemon.process.poll() is not None:
                raise AssertionError(f"musterd ended under {name}:\n{self.daemon.said()[-3000:]}")
            time.sleep(0.05)
        self.vast.calm()
        return fault["hits"]

    def killed(self):
        """Contracts that were destroyed though they worked and nobody asked for it."""
        wrong = []
        for line in self.vast.ledger():
            token = TOKEN.search(line["asked_label"] or "")
            if line["cause"] != "destroyed" or not token or line["id"] in self.excused:
                continue
            if token.group(1) in self.asked_away or line["batches"] < 1:
                continue
            told = self.stage.muster("explain", f"worker/{token.group(1)}").stdout
            wrong.append(f"a healthy worker was destroyed:\n{told}")
        return wrong


class Verdict:
    """What must hold, read from the ledger and the log alone."""

    def __init__(self, life):
        self.life, self.vast = life, life.vast
        self.findings = list(life.vast.violations)
        self.log = Log(life.stage)
        self._contracts()
        self._money()
        self._secrets()

    def _contracts(self):
        seen = {}
        for line in self.vast.ledger():
            if line["id"] in self.life.strangers:
                continue
            token = TOKEN.search(line["asked_label"] or "")
            name = token.group(1) if token else None
            if name is None or name not in self.log.workers:
                self.findings.append(f"contract {line['id']} ({line['label']!r}): not in the log")
                continue
            if name in seen:
                self.findings.append(f"contracts {seen[name]} and {line['id']} are both of {name}")
            seen[name] = line["id"]
            if line["ended"] is None:
                self.findings.append(f"contract {line['id']} of {name} is still paid for")

    def _money(self):
        """The bound of queries/cost/README.md, contract by contract."""
        for line in self.vast.ledger():
            token = TOKEN.search(line["asked_label"] or "")
            worker = self.log.workers.get(token.group(1)) if token else None
            if worker is None or line["ended"] is None:
                continue
            billed, counted = line["usd"] * 1e6, worker.spent
            if worker.instance is None or worker.ended is None:
                self.findings.append(f"contract {line['id']}: the log says {worker.how or 'not ended'}"
                                     f" of {token.group(1)}, billed {billed:.0f} micro-dollars")
                continue
            per_second = max(worker.prices) / 3600
            slack = per_second * 0.05 + len(worker.prices) + 3
            least = billed - per_second * max(0.0, worker.billed_from - line["created"]) - slack
            most = per_second * (worker.ended - worker.billed_from) + slack
            if not least <= counted <= most:
                self.findings.append(f"{token.group(1)} cost {counted} by the log, {billed:.0f} by the "
                                     f"ledger; the bound is {least:.0f} to {most:.0f}")
        told = sum(int(row.get("total_micro_usd", 0)) for row in
                   self.life.stage.muster_json("cost").get("fleets", []))
        summed = sum(worker.spent for worker in self.log.workers.values())
        if told != summed:
            self.findings.append(f"'muster cost' says {told}, the log {summed}")

    def _secrets(self):
        said = self.life.daemon.said() + json.dumps(self.log.events)
        for secret in (KEY, TOKEN_VALUE, "canary-instance", "jt-4ac1"):
            if secret in said:
                self.findings.append(f"a secret is in the log: {secret}")


def lead(seed, story):
    """One life from the first apply to the end of the fleet; what was found wrong on the way."""
    with Stage() as stage:
        life = Life(stage, seed)
        try:
            findings = story(life)
            life.vast.calm()
            findings += life.killed()
            stage.muster("down", "zeb", "--yes", check=True)
            stage.until("nothing is left at the provider", lambda: not life.ours(), 60, life.daemon)
            stage.until("the log says so too", lambda: all(
                f.get("ended") for f in stage.muster_json("status", "--all")["fleets"]), 60, life.daemon)
            verdict = Verdict(life)
            if life.daemon.stop() != 0:
                findings.append("musterd ended badly")
            print(f"{len(life.vast.ledger())} contracts, {len(verdict.log.events)} events, "
                  f"${sum(line['usd'] for line in life.vast.ledger()):.4f} billed", flush=True)
            return findings + verdict.findings
        finally:
            life.vast.close()


def every_fault(names):
    """A life through these faults, one after the other, with full health between them."""
    def story(life):
        findings = []
        life.begin()
        life.until_healthy("at first")
        for name in names:
            begin = time.monotonic()
            hits = life.live_through(name)
            ill = time.monotonic() - begin
            life.until_healthy(f"after {name}")
            well = time.monotonic() - begin - ill
            print(f"{name}: {hits} hits in {ill:.1f} s, healthy again after {well:.1f} s", flush=True)
            if hits == 0:
                findings.append(f"{name} never hit")
        return findings
    return story


def a_bad_day(life):
    """Every fault at once, each seldom, while machines are replaced all the time."""
    life.begin()
    life.until_healthy("at first")
    for name in FAULTS:
        life.vast.fault(name, 0.02)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        life.replace_one()
        time.sleep(1)
    hits = sum(fault["hits"] for fault in life.vast.faults)
    life.vast.calm()
    life.until_healthy("after a bad day", 60)
    print(f"a bad day: {hits} hits", flush=True)
    return [] if hits > 20 else [f"only {hits} faults on a bad day"]


def machines_fail(life):
    life.begin()
    life.until_healthy("at first")
    for what in ("offline", "unknown", "hibernating", "frozen"):  # for a while, then as before
        one = life.ours()[0]["id"]
        life.vast.act(what, [one])
        life.wait_until(f"the {what} one is seen", lambda: life.fleet().get("healthy") != WORKERS or
                        what in ("frozen", "hibernating"), 5)
        life.vast.act("back", [one])
        life.until_healthy(f"after one was {what}")
    for what in ("vanish", "exited", "mute", "label"):  # for ever: replaced
        one = life.ours()[0]["id"]
        life.excused.add(one)
        if what == "label":
            life.vast.act("label", [one], None)
            time.sleep(2)
            life.vast.act("vanish", [one])
        else:
            life.vast.act(what, [one], "OCI runtime error" if what == "exited" else None)
        life.wait_until(f"the one with {what} is gone",
                        lambda o=one: o not in [line["id"] for line in life.vast.live()], 40)
        life.until_healthy(f"after {what}")
    life.vast.act("price", value=1.2)
    life.wait_until("the dearer price is known", lambda: abs(
        float(life.fleet()["burn_micro_usd_per_hour"]) / 1e6 -
        sum(line["dph"] for line in life.ours())) < 0.01, 10)
    life.until_healthy("after a rise of prices")
    return []


def account_fails(life):
    life.vast.set(credit=0.5, boot_s=1.0)
    life.begin()
    life.wait_until("some run", lambda: len(life.ours()) >= 2, 20)
    life.vast.set(credit=-1.0)
    life.wait_until("all are stopped", lambda: {line["status"] for line in life.ours()} == {"stopped"}, 20)
    life.wait_until("that is told", lambda: "add credit" in life.stage.muster("status").stdout, 20)
    life.vast.set(start_queued=True, credit=10000.0)
    life.wait_until("they are asked to start", lambda: any(
        entry["route"] == "change" for entry in life.vast.journal), 40)
    life.vast.set(start_queued=False)
    life.vast.start_queued()
    life.until_healthy("with credit again", 60)
    for key in ("another", KEY):
        life.vast.set(key=key)
        life.wait_until("the key is refused" if key != KEY else "it is good again", lambda k=key: (
            "refuses the key" in life.stage.muster("status").stdout) == (k != KEY), 20)
    life.until_healthy("with a good key again")
    for skew in (-86400.0, 86400.0, 0.0):
        life.vast.set(clock_skew_s=skew)
        life.wait_until("some lists", life.new_lists(3), 20)
    life.until_healthy("whatever the provider's clock shows")
    return []


def the_api_goes_away(life):
    life.begin()
    life.wait_until("one is rented", lambda: life.ours(), 20)
    for _ in range(2):
        life.vast.go_away()
        life.wait_until("that is told", lambda: "does not answer" in
                        life.stage.muster("status").stdout, 20)
        life.vast.come_back()
        life.until_healthy("after the API was away", 60)
    return []


def strangers(life):
    """Others rent on the same account; one bears a name like ours, and was made by nobody known."""
    life.vast.control("foreign", {"count": 300, "labels": ["somebody", "zebra-worker-vast-0", None, " x "]})
    life.vast.control("foreign", {"count": 1, "labels": ["zeb-worker-vast-0"]})
    foreign = {line["id"]: line["label"] for line in life.vast.live()}
    like_ours = max(foreign)
    life.begin()
    life.wait_until("three are healthy, one place is held for the stray", lambda: (
        int(life.fleet().get("healthy", 0)), len(life.ours())) == (3, 3), 40)
    said = life.stage.muster("status").stdout
    findings = [] if "bears this fleet's label" in said else [f"the stray is not shown:\n{said}"]
    life.vast.act("vanish", [like_ours])
    life.until_healthy("without the stray", 40)
    life.replace_one()
    life.wait_until("it is gone", lambda: any(
        line["cause"] == "destroyed" for line in life.vast.ledger()), 20)
    life.until_healthy("after a replacement among strangers", 40)
    left = {line["id"] for line in life.vast.live()}
    findings += [f"{label!r} of somebody else was touched" for one, label in foreign.items()
                 if one not in left and one != like_ours]
    life.strangers = set(foreign)
    return findings


STORIES = {story.__name__: story for story in
           (a_bad_day, machines_fail, account_fails, the_api_goes_away, strangers)}


class OtherVastTest(unittest.TestCase):
    only = []  # faults and stories named on the command line
    told = []

    def run_lives(self, stories):
        seed = draw_seed()
        with concurrent.futures.ThreadPoolExecutor(len(stories)) as pool:
            lives = [pool.submit(lead, seed + n, story) for n, story in enumerate(stories)]
        findings = []
        for life in lives:
            try:
                findings += life.result()
            except Exception as error:  # the other lives are of interest, too
                findings.append(f"{type(error).__name__}: {error}")
        self.assertFalse(findings, "\n".join([*findings, repeat(seed, __file__)]))

    def test_fleets_live_through_every_fault(self):
        named = self.only or self.told
        names = self.only if named else list(FAULTS)
        lives = min(4, len(names))
        stories = [every_fault(names[n::lives]) for n in range(lives)]
        self.run_lives(stories + (self.told if named else list(STORIES.values())))


if __name__ == "__main__":
    OtherVastTest.only = [word for word in sys.argv[1:] if word in FAULTS]
    OtherVastTest.told = [STORIES[word] for word in sys.argv[1:] if word in STORIES]
    unittest.main(argv=sys.argv[:1], verbosity=2)
