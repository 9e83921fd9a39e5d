"""What other_vast.py serves: offers, contracts, their clocks, their logs and an exact ledger.

Everything about a contract follows from a timeline of statuses, so that money is a sum over spans
and never the result of a tick. Times are Unix seconds, prices dollars per hour, as in the answers.
"""
import random
import re
import threading
import time

GPUS = {"RTX 3060": 0.045, "RTX 3060 Ti": 0.051, "RTX 3070": 0.058, "RTX 3070 Ti": 0.064,
        "RTX 3080": 0.071, "RTX 4070": 0.068, "RTX 4070 Ti": 0.079, "RTX 4090": 0.31}
PLACES = ["Sweden, SE", ", US", "California, US", "Poland, PL", None]
SETUP = ["=== Setup started at Sun Nov 22 03:00:00 UTC 2026 ===", "git installed", "repo cloned",
         "deps installed", "GPU OK: NVIDIA GeForce {gpu}",
         "=== Starting worker {worker} at Sun Nov 22 03:01:00 UTC 2026 ===",
         "Pulling initial weights from jasonyandell/zeb-42/zeb.pt...",
         "  Model loaded (step 142), 557,186 params, tokenizer=v1",
         "  Examples repo: jasonyandell/zeb-42-examples", "Creating self-play pipeline...",
         "Pipeline created in 8.3s", "", "Worker {worker} starting (output: /root/out (namespace: a))",
         "  games_per_batch=256, weight_sync_interval=2", "  upload_interval=240s (folder upload)"]
GPU_BILLED = ("running", "frozen")


class Contract:
    """One rental, from its creation until its end; the ledger keeps it for ever."""

    def __init__(self, number, offer, body, now, world):
        self.id, self.offer, self.body = number, offer, body
        self.label = body.get("label")
        self.env = body.get("env") or {}
        self.disk = float(body.get("disk") or 8)
        self.created, self.ended, self.end_cause = now, None, ""
        self.intended = "running"
        self.fate = ""  # what its program does instead of working
        self.status_msg = None
        self.world = world
        self.timeline = []
        self.prices = [(now, offer["dph_base"])]
        self.up_since = None
        self.kept_log = []  # of earlier containers
        self.batches_before = 0

    # ---- what happens to it --------------------------------------------------------------------

    def _become(self, status, at):
        self.timeline = [entry for entry in self.timeline if entry[0] < at] + [(at, status)]

    def start(self, now):
        boot = self.world.settings["boot_s"]
        self._become(None if not self.timeline else "loading", now)
        self.timeline += [(now + boot * 0.2, "created"), (now + boot * 0.4, "loading")]
        self.intended, self.up_since = "running", None
        if self.fate != "loading":
            self.timeline.append((now + boot, "running"))
            self.up_since = now + boot

    def halt(self, status, now, message=None):
        if self.up_since is not None and self.up_since < now:
            self.kept_log = self.lines(now)
            self.batches_before = self._batches(now)
        self._become(status, now)
        self.status_msg = message or self.status_msg
        if status in ("stopped", "exited"):
            self.up_since = None

    def resume(self, now):
        """Back from a status that says nothing of the program, as `offline` does."""
        self._become("running", now)

    def end(self, now, cause):
        if self.ended is None:
            self.ended, self.end_cause = now, cause

    def status(self, now):
        said = None
        for at, status in self.timeline:
            if at <= now:
                said = status
        return said

    # ---- money ---------------------------------------------------------------------------------

    def dph_base(self, now):
        return [price for at, price in self.prices if at <= now or at == self.created][-1]

    def storage(self):
        return self.offer["storage_cost"] * self.disk / 720

    def cost(self, now):
        """Dollars until now: the GPU while it runs, the disk unless the host is offline."""
        until = min(now, self.ended) if self.ended is not None else now
        marks = sorted({self.created, until} | {at for at, _ in self.timeline + self.prices
                                                if self.created < at < until})
        total = 0.0
        for begin, finish in zip(marks, marks[1:]):
            status = self.status(begin)
            rate = 0.0 if status == "offline" else self.storage()
            if status in GPU_BILLED or self.world.settings["bill_loading"] and status != "stopped":
                rate += self.dph_base(begin)
            total += rate * (finish - begin) / 3600
        return total

    # ---- what it prints ------------------------------------------------------------------------

    def _batches(self, now):
        if self.up_since is None:
            return self.batches_before
        setup = self.world.settings["setup_s"]
        return self.batches_before + max(
            0, int((now - self.up_since - setup) / self.world.settings["batch_s"]))

    def lines(self, now):
        """Everything the container printed so far; None while there is no container."""
        if self.up_since is None or now < self.up_since:
            return self.kept_log or None
        worker = self.env.get("WORKER_ID", "worker-vast-0")
        share = (now - self.up_since) / self.world.settings["setup_s"]
        shown = SETUP[:max(1, int(len(SETUP) * min(1.0, share)))]
        lines = [line.format(gpu=self.offer["gpu_name"], worker=worker) for line in shown]
        if self.fate == "mute":
            return lines[:3]
        for batch in range(self.batches_before + 1, self._batches(now) + 1):
            step = 142 + batch // 10 * 8
            lines.append(f"[{worker}] batch {batch}: 7168 examples, 1.4 games/s, step={step}, "
                         f"total_games={256 * batch}")
            if batch % 2 == 0:
                lines.append(f"[{worker}] No new weights (still step {step})")
            if batch % 9 == 0:
                lines += [f"[{worker}] Uploading 9 batches to HF...",
                          f"[{worker}] Upload complete (9 batches)"]
        return self.kept_log + lines

    # ---- how a list shows it -------------------------------------------------------------------

    def row(self, now):
        offer, status = self.offer, self.status(now)
        up = status == "running"
        allocated = "running" if self.intended == "running" and status != "stopped" else "stopped"
        base = self.dph_base(now)
        return {
            "id": self.id, "label": self.label, "machine_id": offer["machine_id"],
            "host_id": offer["host_id"], "bundle_id": offer["bundle_id"], "actual_status": status,
            "intended_status": self.intended, "cur_state": allocated, "next_state": self.intended,
            "status_msg": self.status_msg or (f"success, running {self.body.get('image')}/ssh"
                                              if up else None),
            "gpu_name": offer["gpu_name"], "num_gpus": 1, "gpu_ram": offer["gpu_ram"],
            "gpu_totalram": offer["gpu_ram"], "gpu_util": 97.0 if up else None,
            "gpu_temp": 66.0 if up else None, "gpu_frac": offer["gpu_frac"], "gpu_lanes": 16,
            "gpu_mem_bw": 448.1, "pcie_bw": 12.4, "dph_base": base,
            "dph_total": base + self.storage(), "min_bid": offer["min_bid"], "is_bid": False,
            "storage_cost": offer["storage_cost"], "storage_total_cost": self.storage(),
            "instance": {"gpuCostPerHour": base, "diskHour": self.storage(),
                         "totalHour": base + self.storage(), "discountTotalHour": 0,
                         "discountedTotalPerHour": base + self.storage()},
            "start_date": self.created + self.world.settings["clock_skew_s"],
            "end_date": offer["end_date"], "duration": offer["end_date"] - now,
            "uptime_mins": (now - self.up_since) / 60 if up and self.up_since else None,
            "time_remaining": "", "ssh_host": "ssh5.vast.ai" if status else None, "ssh_idx": "5",
            "ssh_port": 14511 if status else None, "public_ipaddr": offer["public_ipaddr"] + "\n",
            "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "41022"},
                                 {"HostIp": "::", "HostPort": "41022"}]} if up else None,
            "direct_port_start": -1, "direct_port_end": -1, "direct_port_count": 19,
            "image_uuid": self.body.get("image"), "image_runtype": self.body.get("runtype") or "ssh",
            "image_args": [], "extra_env": [[k, str(v)] for k, v in self.env.items()],
            "onstart": self.body.get("onstart"), "jupyter_token": "jt-4ac1", "template_id": None,
            "template_hash_id": None, "disk_space": self.disk, "disk_usage": 7.9 if up else -1.0,
            "disk_util": 8.4 if up else -1.0, "disk_bw": 2120.0, "cpu_util": 0.11 if up else 0.0,
            "mem_limit": 31.2 if up else None, "mem_usage": 3.4 if up else None,
            "vmem_usage": None, "cpu_name": "Ryzen 9 5900X", "cpu_cores": 24,
            "cpu_cores_effective": 12.0, "cpu_ram": 32036, "inet_down": offer["inet_down"],
            "inet_up": offer["inet_up"], "inet_down_billed": None, "inet_up_billed": None,
            "internet_down_cost_per_tb": 2.0, "reliability2": offer["reliability2"],
            "cuda_max_good": 12.6, "driver_version": "560.35.03", "geolocation":
            offer["geolocation"], "country_code": None, "verification": "verified", "hosting_type": 0,
            "host_run_time": 2592000.0, "logo": "/static/logos/vastai_small2.png", "rentable": None,
            "rented": None, "webpage": None, "search": None, "score": None, "dlperf": 14.1,
            "flops_per_dphtotal": 250.1, "external": False, "static_ip": True, "machine_dir_ssh_port":
            41000, "local_ipaddrs": "192.168.1.5 172.17.0.1 \n", "credit_balance": None,
            "credit_discount": None, "credit_discount_max": 0.4, "client_run_time": 1.1,
            "bid_price": None, "volume_info": [], "autoscaler_id": None}


class World:
    """The market and the account. Every public method holds the lock or is called under it."""

    def __init__(self, seed=1):
        self.lock = threading.RLock()
        self.chance = random.Random(seed)
        self.settings = {"boot_s": 2.0, "setup_s": 1.0, "batch_s": 0.7, "log_ready_s": 0.1,
                         "key": "sim-key", "pace": 1.0, "refusal_restarts": True, "penalty_s": 12.0,
                         "clock_skew_s": 0.0, "bill_loading": False, "price_scale": 1.0,
                         "start_queued": False, "v0_list": False}
        self.paid_in = 100.0
        self.contracts = {}
        self.past = []
        self.offers = {}
        self.next_id = 21934511 + self.chance.randrange(1000)
        for number in range(60):
            self.add_offer(number)

    def add_offer(self, number):
        chance, gpu = self.chance, list(GPUS)[number % len(GPUS)]
        base = round(GPUS[gpu] * chance.uniform(0.9, 1.25), 5)
        name = 31877042 + 7 * number
        now = time.time()
        self.offers[name] = {
            "id": name, "ask_contract_id": name, "bundle_id": 9120033 + number,
            "machine_id": 24800 + number, "host_id": 88000 + number // 2, "gpu_name": gpu,
            "num_gpus": 1, "gpu_ram": 8192, "gpu_total_ram": 8192, "gpu_frac": 0.5,
            "gpu_arch": "nvidia", "compute_cap": 860, "cpu_name": "Ryzen 9 5900X", "cpu_cores": 24,
            "cpu_cores_effective": 12.0, "cpu_ram": 32036, "cpu_arch": "amd64", "dph_base": base,
            "min_bid": round(base / 2, 4), "storage_cost": 0.15, "dlperf": 14.1, "score": 171.4,
            "reliability": 0.9931, "reliability2": 0.9931, "cuda_max_good": 12.6,
            "driver_version": "560.35.03", "inet_down": 742.5, "inet_up": 388.0,
            "inet_down_cost": 0.002, "inet_up_cost": 0.002, "disk_space": 214.7, "disk_bw": 2120.0,
            "direct_port_count": 19, "static_ip": True, "public_ipaddr": f"203.0.113.{number + 1}",
            "geolocation": PLACES[number % len(PLACES)], "verification": "verified",
            "rentable": True, "rented": False, "external": False, "hosting_type": None,
            "datacenter": None, "is_bid": False, "mobo_name": None, "os_version": "22.04",
            "vms_enabled": False, "resource_type": "gpu", "webpage": None, "time_remaining": "",
            "start_date": now - 90000.0, "end_date": now + 3500000.5, "avail_vol_ask_id": None}

    def offer_row(self, offer, disk, now):
        base = offer["dph_base"] * self.settings["price_scale"]
        storage = offer["storage_cost"] * disk / 720
        return {**offer, "dph_base": base, "dph_total": base + storage,
                "storage_total_cost": storage, "duration": offer["end_date"] - now,
                "search": {"gpuCostPerHour": base, "diskHour": storage, "totalHour": base + storage,
                           "discountTotalHour": 0, "discountedTotalPerHour": base + storage}}

    def rent(self, offer_id, body, now):
        offer = dict(self.offers.pop(offer_id))
        offer["dph_base"] *= self.settings["price_scale"]
        self.next_id += self.chance.randrange(1, 40)
        contract = Contract(self.next_id, offer, body, now, self)
        self.contracts[contract.id] = contract
        if body.get("target_state") == "stopped":
            contract.intended = "stopped"
            contract.halt("stopped", now)
        else:
            contract.start(now)
        return contract

    def end(self, contract, cause, now):
        contract.end(now, cause)
        del self.contracts[contract.id]
        self.past.append(contract)
        back = {**contract.offer}
        back["dph_base"] /= self.settings["price_scale"]
        self.offers[back["id"]] = back

    def everything(self):
        return self.past + list(self.contracts.values())

    def credit(self, now):
        return self.paid_in - sum(contract.cost(now) for contract in self.everything())

    def keep_books(self, now):
        """Stops everything once the money is gone; nothing starts again by itself."""
        if self.contracts and self.credit(now) <= 0:
            for contract in self.contracts.values():
                if contract.status(now) != "stopped":
                    contract.intended = "stopped"
                    contract.halt("stopped", now)

    def ledger(self, now):
        return [{"id": c.id, "label": c.label, "asked_label": c.body.get("label"), "machine": c.offer["machine_id"], "gpu":
                 c.offer["gpu_name"], "created": c.created, "ended": c.ended, "cause": c.end_cause,
                 "status": c.status(now), "fate": c.fate, "batches": c._batches(now),
                 "usd": c.cost(now), "dph": c.dph_base(now) + c.storage(),
                 "storage": c.storage()} for c in self.everything()]

    def start_queued(self, now):
        """The hosts have room again: what was asked to start does."""
        for contract in self.contracts.values():
            if contract.intended == "running" and contract.status(now) == "stopped":
                contract.start(now)

    # ---- what can be done to contracts by hand -------------------------------------------------

    def act(self, what, contracts, now, value=None):
        for contract in contracts:
            if what == "vanish":
                self.end(contract, "vanished", now)
            elif what in ("stopped", "exited", "offline", "unknown", "hibernating", "frozen"):
                contract.halt(what, now, value)
            elif what == "back":
                contract.resume(now)
            elif what == "mute":  # `running`, and nothing more is printed
                contract.kept_log = contract.lines(now) or []
                contract.batches_before = contract._batches(now)
                contract.up_since = None
            elif what == "price":
                contract.prices.append((now, contract.dph_base(now) * float(value)))
            elif what == "label":
                contract.label = value
            else:
                raise KeyError(what)

    def add_foreign(self, count, labels, now):
        """Rentals of somebody else on the same account, on machines that were never on offer."""
        for number in range(count):
            self.add_offer(1000 + len(self.contracts))
            body = {"label": labels[number % len(labels)], "image": "ubuntu:22.04", "disk": 10}
            self.rent(list(self.offers)[-1], body, now)


def matches(row, filters):
    """Server-side filters: `{"field": {"op": value}}`, values as numbers or as their text."""
    for field, tests in filters.items():
        have = row.get(field)
        for op, want in tests.items():
            if op in ("in", "notin"):
                if (have in [_like(have, one) for one in want]) != (op == "in"):
                    return False
                continue
            want = _like(have, want)
            if op in ("eq", "neq"):
                if (have == want) != (op == "eq"):
                    return False
            elif have is None or not {"gt": have > want, "gte": have >= want, "lt": have < want,
                                      "lte": have <= want}[op]:
                return False
    return True


def _like(have, want):
    """`want` in the type of `have`: the official client sends numbers as text."""
    if isinstance(want, str) and isinstance(have, bool):
        return want.lower() == "true"
    if isinstance(want, str) and isinstance(have, (int, float)) and re.fullmatch(r"-?[\d.]+", want):
        return float(want)
    return want
