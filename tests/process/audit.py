"""The provider's books against the log's: what an auditor finds who believes neither.

What exists and what it cost comes from the simulator (its ledger), what was intended and what was
counted from the log (`muster events`, `muster cost`). `findings` is a list of sentences, empty when
all agrees. The bound on money is the one that queries/cost/README.md publishes.
"""
import datetime
import json
import re
import time

TOKEN = re.compile(r"\.([a-z2-7]+)$")  # a launch token ends the label at the provider


def seconds(stamp):
    """Unix time of a timestamp as JSON spells it; Python 3.11 knows no nanoseconds."""
    stamp = re.sub(r"(\.\d{6})\d+", r"\1", stamp).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(stamp).timestamp()


class Worker:
    """One worker as the log tells it."""

    def __init__(self, fleet, asked, price):
        self.fleet = fleet
        self.asked = asked
        self.prices = [price]
        self.billed_from = None  # the answer's time; a rental found afterwards: the request's
        self.instance = None
        self.ended = None
        self.spent = 0
        self.how = ""


class Log:
    """The whole log, folded by hand: no code of muster's has a part in it."""

    def __init__(self, stage):
        self.events = stage.all_events()
        self.workers = {}
        self.fleets_down = {}
        for event in self.events:
            self._fold(event)

    def _fold(self, event):
        kind, _, name = event["stream"].partition("/")
        body = next(iter(json.loads(event["payload_json"]).values()))
        at = seconds(event["occurred_at"])
        if event["type"] in ("worker.launch_requested", "worker.adopted"):
            price = int(body.get("offer", {}).get("price_micro_usd_per_hour", 0))
            self.workers[name] = worker = Worker(body.get("fleet", ""), at, price)
            if event["type"] == "worker.adopted":
                worker.instance, worker.billed_from = body["instance"], at
        elif event["type"] == "worker.launch_accepted":
            worker = self.workers[name]
            worker.instance = body["instance"]
            worker.billed_from = worker.asked if body.get("how") == "LOOKUP" else at
        elif event["type"] == "worker.instance_observed" and body.get("price_known"):
            self.workers[name].prices.append(int(body.get("price_micro_usd_per_hour", 0)))
        elif event["type"] == "worker.ended":
            worker = self.workers[name]
            worker.ended, worker.how = at, body.get("how", "")
            worker.spent = int(body.get("spent_micro_usd", 0))
        elif kind == "fleet" and event["type"] == "fleet.ended":
            self.fleets_down[name] = at


class Audit:
    """Compares once, when nothing runs any more. `speed`: the simulator's seconds per second."""

    def __init__(self, stage, speed):
        self.speed = speed
        before = time.time()
        now = stage.control("state")["now"]
        after = time.time()
        self._zero = (before + after) / 2 - now / speed
        self.slack_s = after - before + 0.05  # how well the two clocks are known to each other
        self.ledger = stage.control("ledger")["ledger"]
        self.log = Log(stage)
        self.cost = stage.muster_json("cost")
        self.findings = []
        self._past = {i["id"]: i["end_cause"] for i in stage.control("past")["past"]}
        self.billed = self.counted = self.unseen = 0.0
        self._intents()
        self._money()

    def _our_time(self, at_provider):
        return self._zero + at_provider / self.speed

    def _vanished(self, line):
        return self._past.get(line["instance"]) == "vanished"

    def _say(self, text):
        self.findings.append(text)

    def _intents(self):
        """Every contract has exactly one intent in the log, written before it was made."""
        seen = {}
        for line in self.ledger:
            token = TOKEN.search(line["label"] or "")
            if token is None or token.group(1) not in self.log.workers:
                self._say(f"instance {line['instance']} ({line['label']!r}): no intent in the log")
                continue
            token = token.group(1)
            if token in seen:
                self._say(f"instances {seen[token]} and {line['instance']} have one token, {token}")
            seen[token] = line["instance"]
            asked = self.log.workers[token].asked
            if asked > self._our_time(line["created"]) + self.slack_s:
                self._say(f"instance {line['instance']} was there before its intent {token}")

    def _money(self):
        for line in self.ledger:
            token = TOKEN.search(line["label"] or "")
            worker = self.log.workers.get(token.group(1)) if token else None
            if worker is not None:
                self._one(token.group(1), worker, line)
        never = {str(line["instance"]) for line in self.ledger}
        for name, worker in self.log.workers.items():
            if worker.instance is not None and worker.instance not in never:
                self._say(f"worker {name}: instance {worker.instance} was never at the provider")
            if worker.instance is None and worker.spent:
                self._say(f"worker {name} rented nothing and cost {worker.spent}")
        told = sum(int(row.get("total_micro_usd", 0)) for row in self.cost.get("fleets", []))
        summed = sum(worker.spent for worker in self.log.workers.values())
        if told != summed:
            self._say(f"'muster cost' says {told} in all, the log {summed}")

    def _one(self, name, worker, line):
        """The published bound, for one worker (micro-dollars)."""
        if line["ended"] is None:
            self._say(f"instance {line['instance']} of worker {name} is still paid for")
            return
        billed = line["total_micro_usd"] / self.speed
        if worker.instance is None and worker.how == "NEVER_BEGAN" and self._vanished(line):
            self.unseen += billed  # its answer was lost, and it was gone before a list showed it
            return
        if worker.ended is None or worker.instance is None:
            life = self._our_time(line["ended"]) - self._our_time(line["created"])
            self._say(f"instance {line['instance']} ({self._past.get(line['instance'])} after "
                      f"{life:.2f} s, asked for {self._our_time(line['created']) - worker.asked:.2f}"
                      f" s before): the log says of {name}: instance {worker.instance}, "
                      f"{worker.how or 'not ended'}: {self._story(name)}")
            return
        per_second = max(worker.prices) / 3600
        rounding = len(worker.prices) + 3  # each piece is rounded up, the ledger down
        slack = per_second * self.slack_s + rounding
        unheard = max(0.0, worker.billed_from - self._our_time(line["created"]))
        least = billed - per_second * unheard - slack
        most = per_second * (worker.ended - worker.billed_from) + slack
        if not least <= worker.spent <= most:
            self._say(f"worker {name} cost {worker.spent} by the log and {billed:.0f} by the "
                      f"provider's ledger; the bound is {least:.0f} to {most:.0f}")
        self.billed += billed
        self.counted += worker.spent

    def _story(self, name):
        told = [e for e in self.log.events if e["stream"] == f"worker/{name}"]
        return ", ".join(f"{e['type'].partition('.')[2]} {seconds(e['occurred_at']):.2f}" for e in told)

    def summary(self):
        return (f"{len(self.ledger)} contracts, {len(self.log.workers)} intents, "
                f"{len(self.log.events)} events; billed ${self.billed / 1e6:.6f}, "
                f"counted ${self.counted / 1e6:.6f}, "
                f"unseen ${self.unseen / 1e6:.6f}")
