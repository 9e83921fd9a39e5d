#!/usr/bin/python3
"""A second reading of the Vast.ai API, as a stand-in over HTTP.

The adapter and the simulator under workers/providers/vast come from the same hands; if both misread
the API, they agree with each other and are both wrong. This was written from the API's description
alone, by somebody who had not read either of them, so that they cannot share a misunderstanding.

    tests/process/other_vast.py --port 0       prints the URL it serves, then serves until Ctrl-C

Faults and the world are set by POST with a JSON body:

    /_control/fault   {"name": "truncated_json", "chance": 0.5, "times": 3, "on": ["list"]}
    /_control/calm    no faults any more
    /_control/act     {"what": "vanish", "ids": [...]}      what befalls contracts, see World.act
    /_control/set     {"boot_s": 5, "key": "other", "credit": 0}
    /_control/foreign {"count": 300, "labels": ["somebody-else"]}
    /_control/state   everything: ledger, journal, faults, violations, credit

`violations` are requests that no client may send, such as the key to another host.
"""
import argparse
import base64
import json
import socket
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from other_vast_faults import FAULTS
from other_vast_http import Answer, Drop
from other_vast_world import World, matches

# Seconds between two calls of one identity; None: more than ten a minute are refused.
PACE = {"create": 4.5, "destroy": 3.0, "list": 1.0, "show": 2.0, "change": 1.0, "reboot": 1.0,
        "search": None}
STORED = {"id", "label", "actual_status", "gpu_name", "verification", "machine_id", "intended_status"}
NOT_FIELDS = {"order", "limit", "type", "allocated_storage", "disable_bundling", "q", "select_cols"}


def refuse(status, error, msg, **more):
    return Answer(status, {"success": False, "error": error, "msg": msg, **more})


class Call:
    """One request, taken apart: which endpoint, whose id, what body."""

    def __init__(self, method, target, headers, body):
        parts = urllib.parse.urlsplit(target)
        self.method, self.path, self.headers = method, parts.path, headers
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.raw = body
        try:
            self.body = json.loads(body) if body else {}
        except ValueError:
            self.body = None
        self.route, self.id = self._route([p for p in parts.path.split("/") if p])
        auth = headers.get("Authorization") or ""
        self.key = auth[7:] if auth.startswith("Bearer ") else self.query.get("api_key", "")

    def _route(self, path):
        shapes = {("GET", "v1", "instances"): "list", ("GET", "v0", "instances"): "v0_list",
                  ("POST", "v0", "bundles"): "search", ("PUT", "v0", "asks", "#"): "create",
                  ("GET", "v0", "instances", "#"): "show", ("PUT", "v0", "instances", "#"): "change",
                  ("DELETE", "v0", "instances", "#"): "destroy",
                  ("PUT", "v0", "instances", "request_logs", "#"): "logs",
                  ("PUT", "v0", "instances", "reboot", "#"): "reboot",
                  ("PUT", "v0", "instances", "recycle", "#"): "reboot",
                  ("GET", "v0", "users", "current"): "account",
                  ("GET", "v0", "gpu_names", "unique"): "gpu_names"}
        if path[:1] != ["api"]:
            return "", None
        shape = (self.method, *("#" if p.isdigit() else p for p in path[1:]))
        numbers = [int(p) for p in path[1:] if p.isdigit()]
        return shapes.get(shape, ""), numbers[-1] if numbers else None


class Service:
    """What the API does when nothing goes wrong."""

    def __init__(self, world):
        self.world = world
        self.objects = {}  # path: (ready at, bytes)
        self.object_url = ""
        self.last = {}  # of each (route, identity): the times of the last calls
        self.locked = {}

    def answer(self, call):
        now = time.time()
        with self.world.lock:
            self.world.keep_books(now)
            if call.route == "":
                return Answer(404, b"<html><body>Not Found</body></html>", {"Content-Type": "text/html"})
            if call.route == "gpu_names":
                return Answer(200, {"gpu_names": ["RTX 3060", "RTX 3070"]})
            if call.key != self.world.settings["key"]:
                return refuse(401, "auth_error", "Invalid user key")
            if call.body is None:
                return refuse(400, "invalid_args", "error 400/3467: Invalid args: not JSON")
            return self._throttle(call, now) or getattr(self, call.route)(call, now)

    def _throttle(self, call, now):
        settings = self.world.settings
        if call.route not in PACE:
            return None
        least, who = PACE[call.route], (call.route, call.key)
        times = self.last.setdefault(who, [])
        if least is None:
            times[:] = [at for at in times if at > now - 60 * settings["pace"]]
            refused = len(times) >= 10
        else:
            least *= settings["pace"]
            refused = bool(times) and now - times[-1] < least or now < self.locked.get(who, 0)
        if not refused or settings["refusal_restarts"]:
            times.append(now)
        if refused and call.route == "create":
            self.locked[who] = now + settings["penalty_s"] * settings["pace"]
        if not refused:
            return None
        if call.route == "destroy":
            return refuse(429, "rate_limit_exceeded",
                          f"API requests too frequent endpoint threshold={least}")
        return Answer(429, f"API requests too frequent: endpoint threshold={least}".encode(),
                      {"Content-Type": "text/plain"})

    # ---- the market ----------------------------------------------------------------------------

    def search(self, call, now):
        query = dict(call.body)
        order = query.get("order") or [["score", "desc"]]
        filters = {k: v for k, v in query.items() if k not in NOT_FIELDS}
        disk = float(query.get("allocated_storage") or 8)
        rows = [self.world.offer_row(offer, disk, now) for offer in self.world.offers.values()]
        for row in rows:
            row["verified"] = row["verification"] == "verified"
        for field, tests in filters.items():
            if not isinstance(tests, dict) or rows and field not in rows[0]:
                return Answer(400, {"success": False, "msg": f"{field} is not a valid search key"})
            if any(value is None for value in tests.values()):
                return Answer(400, {"msg": f"ask_contract_offers.{field} eq None: query values can't be None"})
        rows = [row for row in rows if "id" not in filters and matches(row, filters)]
        for field, way in reversed(order):
            rows.sort(key=lambda row, f=field: (row.get(f) is None, row.get(f)), reverse=way == "desc")
        for row in rows:
            del row["verified"]
        return Answer(200, {"offers": rows[:min(64, int(query.get("limit") or 64))]})

    def create(self, call, now):
        if call.id not in self.world.offers:
            return refuse(404, "invalid_args", f"error 404/3603: no_such_ask Instance type by id "
                          f"{call.id} is not available.", ask_id=call.id)
        if self.world.credit(now) <= 0:
            return refuse(400, "insufficient_credit", "Your account lacks credit; see the billing page.")
        body = call.body
        if not body.get("image") or not isinstance(body.get("env") or {}, dict):
            return refuse(400, "invalid_args", "error 400/3467: Invalid args: image, env")
        if float(body.get("disk") or 8) < 8 or len(body.get("onstart") or "") > 4096 or \
                len(body.get("label") or "") > 256:
            return refuse(400, "invalid_args", "error 400/3467: Invalid args: disk, onstart, label")
        contract = self.world.rent(call.id, body, now)
        return Answer(200, {"success": True, "new_contract": contract.id,
                            "instance_api_key": f"canary-instance-{contract.id}"})

    # ---- contracts -----------------------------------------------------------------------------

    def list(self, call, now):
        filters = json.loads(call.query.get("select_filters") or "{}")
        order = json.loads(call.query.get("order_by") or '[{"col":"id","dir":"asc"}]')
        asked = {*filters, *(one["col"] for one in order)} - STORED
        if asked:
            return Answer(400, {"error": "invalid_request", "msg": f"unknown columns {sorted(asked)}"})
        limit = int(call.query.get("limit") or 25)
        limit = 5 if limit <= 0 else min(limit, 25)
        rows = [row for row in (c.row(now) for c in self.world.contracts.values())
                if matches(row, filters)]
        rows.sort(key=lambda row: row["id"])
        for one in reversed(order):
            rows.sort(key=lambda row, col=one["col"]: (row[col] is not None, row[col]),
                      reverse=one.get("dir") == "desc")
        begin = 0
        if call.query.get("after_token"):
            try:
                last = int(base64.urlsafe_b64decode(call.query["after_token"]))
            except ValueError:
                return Answer(400, {"error": "invalid_token", "msg": "after_token is not valid"})
            places = [at for at, row in enumerate(rows) if row["id"] <= last]
            begin = max(places) + 1 if places else 0
        page = rows[begin:begin + limit]
        more = begin + limit < len(rows)
        counts = {}
        for row in rows:
            counts[row["label"] or ""] = counts.get(row["label"] or "", 0) + 1
        token = base64.urlsafe_b64encode(str(page[-1]["id"]).encode()).decode() if more else None
        return Answer(200, {"success": True, "instances_found": len(page), "total_instances": len(rows),
                            "label_counts": counts, "next_token": token, "instances": page})

    def v0_list(self, call, now):
        if self.world.settings["v0_list"]:
            return Answer(200, {"instances": [c.row(now) for c in self.world.contracts.values()]})
        return refuse(410, "deprecated_endpoint",
                      "/api/v0/instances/ is deprecated. Use /api/v1/instances/ instead.")

    def show(self, call, now):
        contract = self.world.contracts.get(call.id)
        return Answer(200, {"instances": contract.row(now) if contract else None})

    def destroy(self, call, now):
        contract = self.world.contracts.get(call.id)
        if contract is None:
            return refuse(404, "not_found", f"instance {call.id} not found")
        self.world.end(contract, "destroyed", now)
        return Answer(200, {"success": True})

    def change(self, call, now):
        contract = self.world.contracts.get(call.id)
        if contract is None:
            return refuse(404, "no_such_instance", f"error 404/3468: no_such_instance {call.id}")
        if "label" in call.body:
            contract.label = call.body["label"]
        if call.body.get("state") == "stopped":
            contract.intended = "stopped"
            contract.halt("stopped", now)
        elif call.body.get("state") == "running" and contract.intended != "running":
            if self.world.credit(now) <= 0:
                return refuse(400, "insufficient_credit", "Your account lacks credit.")
            contract.intended = "running"
            if self.world.settings["start_queued"]:
                return Answer(200, {"success": False, "msg": "Required resources are currently "
                                    "unavailable, state change queued."})
            contract.start(now)
        return Answer(200, {"success": True})

    def reboot(self, call, now):
        contract = self.world.contracts.get(call.id)
        if contract is None:
            return refuse(404, "no_such_instance", "no such instance")
        contract.halt("rebooting", now)
        contract.start(now)
        return Answer(200, {"success": True})

    def account(self, call, now):
        credit = self.world.credit(now)
        return Answer(200, {"id": 88123, "email": "owner@example.org", "credit": max(credit, 0.0),
                            "balance": min(credit, 0.0), "ssh_key": None, "api_key": call.key,
                            "username": None, "fullname": None, "balance_threshold_enabled": False})

    # ---- logs ----------------------------------------------------------------------------------

    def logs(self, call, now):
        contract = self.world.contracts.get(call.id)
        if contract is None:
            return refuse(404, "invalid_id", f"Instance {call.id} not found")
        lines = contract.lines(now)
        text = f"Error response from daemon: No such container: C.{call.id}\n"
        if lines is not None:
            text = "\n".join(lines[-int(call.body.get("tail") or 1000):]) + "\n"
        return Answer(200, {"success": True, "result_url": self.put(text.encode(), now), "msg": ""})

    def put(self, data, now, ready_s=None):
        ready = self.world.settings["log_ready_s"] if ready_s is None else ready_s
        path = f"/vast.ai/instance_logs/{len(self.objects):08x}.log"
        self.objects[path] = (now + ready, data)
        return self.object_url + path

    def fetch(self, call):
        ready, data = self.objects.get(call.path, (float("inf"), b""))
        if time.time() < ready:
            return Answer(403, b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                          {"Content-Type": "application/xml"})
        return Answer(200, data, {"Content-Type": "text/plain"})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, format, *words):  # the journal is the log
        pass

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, self.headers, body)
        try:
            self.server.owner.serve(self, call).send(self)
        except Drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, owner, port):
        self.owner, self.living = owner, set()
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def process_request(self, request, address):
        self.living.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.living.discard(request)
        super().shutdown_request(request)

    def cut(self):
        """As when the process dies: nothing listens, and every connection breaks."""
        self.shutdown()
        self.server_close()
        for request in list(self.living):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class OtherVast:
    """The API, the object store of the logs, and a third host that must never see the key."""

    def __init__(self, port=0, seed=1):
        self.world = World(seed)
        self.service = Service(self.world)
        self.faults, self.journal, self.violations = [], [], []
        self.api, self.store, self.other = Server(self, port), Server(self, 0), Server(self, 0)
        self.port = self.api.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.service.object_url = f"http://127.0.0.1:{self.store.server_port}"
        self.other_url = f"http://127.0.0.1:{self.other.server_port}"

    def close(self):
        for server in (self.api, self.store, self.other):
            server.cut()

    def go_away(self):
        self.api.cut()

    def come_back(self):
        self.api = Server(self, self.port)

    def serve(self, handler, call):
        if handler.server is not self.api:
            if call.headers.get("Authorization") or "api_key" in call.query:
                self.violations.append(f"the key went to another host: {call.method} {call.path}")
            if handler.server is self.other:
                self.violations.append(f"a redirect was followed: {call.method} {call.path}")
            call.route = "object"
        elif call.path.startswith("/_control/"):
            return Answer(200, self.control(call.path.split("/")[2], call.body))
        elif "api_key" in call.query:
            self.violations.append(f"the key stood in a URL: {call.method} {call.path}")
        answer = self._through(list(self.faults), call)
        self.journal.append({"at": time.time(), "route": call.route, "id": call.id, "status":
                             answer.status, "method": call.method, "label":
                             (call.body or {}).get("label")})
        return answer

    def _through(self, faults, call):
        """The call through every fault that is on for it, the real service last."""
        while faults:
            fault = faults.pop(0)
            with self.world.lock:
                hit = call.route in fault["on"] and fault["times"] != 0 and \
                    self.world.chance.random() < fault["chance"]
                if hit:
                    fault["times"] -= 1
                    fault["hits"] += 1
            if hit:
                return FAULTS[fault["name"]].run(self, call, lambda: self._through(faults, call))
        return self.service.fetch(call) if call.route == "object" else self.service.answer(call)

    # ---- control -------------------------------------------------------------------------------

    def fault(self, name, chance=1.0, times=-1, on=None):
        self.faults.append({"name": name, "chance": chance, "times": times, "hits": 0,
                            "on": list(on or FAULTS[name].on)})

    def calm(self):
        self.faults.clear()

    def act(self, what, ids=None, value=None):
        with self.world.lock:
            chosen = [c for c in self.world.contracts.values() if ids is None or c.id in ids]
            self.world.act(what, chosen, time.time(), value)

    def set(self, **settings):
        with self.world.lock:
            now = time.time()
            if "credit" in settings:
                self.world.paid_in += settings.pop("credit") - self.world.credit(now)
            self.world.settings.update(settings)

    def start_queued(self):
        with self.world.lock:
            self.world.start_queued(time.time())

    def ledger(self):
        with self.world.lock:
            return self.world.ledger(time.time())

    def live(self):
        return [line for line in self.ledger() if line["ended"] is None]

    def control(self, verb, body):
        if verb == "fault":
            self.fault(**body)
        elif verb == "calm":
            self.calm()
        elif verb == "act":
            self.act(**body)
        elif verb == "set":
            self.set(**body)
        elif verb == "foreign":
            with self.world.lock:
                self.world.add_foreign(body["count"], body["labels"], time.time())
        return {"faults": self.faults, "violations": self.violations, "ledger": self.ledger(),
                "credit": self.world.credit(time.time()), "journal": self.journal[-200:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0)
    vast = OtherVast(parser.parse_args().port)
    print(vast.url, vast.service.object_url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        vast.close()


if __name__ == "__main__":
    main()
