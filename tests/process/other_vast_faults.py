"""What goes wrong on the wire of other_vast.py: every trap known of the API, and bad HTTP besides.

A fault stands around the real service as a function of (stand-in, call, go): `go()` does what was
asked for and gives the answer, so a fault may act before it, after it, instead of it, or change it.
"""
import time

from other_vast_http import WIRES, Answer, Drop


class Fault:
    def __init__(self, run, on):
        self.run, self.on = run, on


API = ("list", "search", "create", "show", "destroy", "change", "logs", "account")
READS = ("list", "search", "show", "logs", "account")
FAULTS = {}


def fault(*on):
    def add(run):
        FAULTS[run.__name__] = Fault(run, on)
        return run
    return add


def instead(name, on, status, body, headers=None):
    """A fault that answers without doing anything."""
    FAULTS[name] = Fault(lambda vast, call, go: Answer(status, body, headers), on)


TEXT, HTML = {"Content-Type": "text/plain"}, {"Content-Type": "text/html; charset=utf-8"}
ALL = API + ("object",)

# ---- 1 to 4: refusals, and answers that are none ------------------------------------------------

instead("throttle_text", API, 429, b"API requests too frequent", TEXT)
instead("throttle_threshold", API, 429, b"API requests too frequent: endpoint threshold=1.5", TEXT)
instead("throttle_detail", API, 429,
        {"detail": "API requests too frequent endpoint threshold=1.0"})
instead("throttle_json", API, 429, {"success": False, "error": "rate_limit_exceeded",
                                    "msg": "API requests too frequent endpoint threshold=1.0"})
instead("throttle_retry_after", API, 429, {"retry_after": 1.5, "msg": "too frequent"})
instead("auth_401", API, 401, {"success": False, "error": "auth_error", "msg": "Invalid user key"})
instead("auth_404", API, 404, {"success": False, "error": "auth_error", "msg": "Invalid user key"})
instead("session_expired", API, 404, {"msg": "Session expired. Please log in again."})
instead("forbidden", API, 403, {"error": "not_authorized", "msg": "not authorized"})
instead("bare_404", API, 404, b"<html><body><h1>404 Not Found</h1></body></html>", HTML)
instead("server_error", API, 500, b"<html><body>Internal Server Error</body></html>", HTML)
instead("bad_gateway", API, 502, b"<html><title>502 Bad Gateway</title></html>", HTML)
instead("unavailable", API, 503, b"", TEXT)
instead("list_gone", ("list",), 410, {"success": False, "error": "deprecated_endpoint", "msg": "/api/"
                                      "v1/instances/ is deprecated. Use /api/v2/ instead."})
instead("success_false", API, 200, {"success": False, "msg": "try again later"})
instead("null_instances", ("list", "show"), 200, {"success": True, "instances": None})
instead("empty_list", ("list",), 200, {"success": True, "instances_found": 0, "total_instances": 4,
                                       "label_counts": {}, "next_token": None, "instances": []})
instead("bare_list", ("list",), 200, [])
instead("null_answer", API, 200, b"null")
instead("empty_body", API, 200, b"")
instead("number_answer", API, 200, b"17")
instead("empty_object", API, 200, {})


@fault("list")
def total_mismatch(vast, call, go):
    answer = go()
    if isinstance(answer.body, dict) and "total_instances" in answer.body:
        answer.body["total_instances"] += 1
    return answer


@fault("list")
def lost_rows(vast, call, go):
    """The newest half is missing from a page, whose counts still tell of it."""
    answer = go()
    if isinstance(answer.body, dict) and answer.body.get("instances"):
        rows = answer.body["instances"]
        answer.body["instances"] = rows[:len(rows) // 2]
    return answer


@fault("list")
def token_invalid(vast, call, go):
    if call.query.get("after_token"):
        return Answer(400, {"error": "invalid_token", "msg": "after_token is not valid"})
    return go()


@fault("list")
def tiny_pages(vast, call, go):
    call.query["limit"] = "2"
    return go()


@fault("list")
def token_circle(vast, call, go):
    """The token of the first page is given again and again."""
    answer = go()
    if isinstance(answer.body, dict) and answer.body.get("instances"):
        answer.body["next_token"] = "MA=="
    return answer


@fault(*API)
def garbage_after(vast, call, go):
    answer = go()
    answer.body = answer.data() + b'\n{"trailing": "rubbish"}'
    return answer


@fault(*API)
def truncated_json(vast, call, go):
    answer = go()
    answer.body = answer.data()[:len(answer.data()) * 2 // 3]
    return answer


@fault(*API)
def wrong_type(vast, call, go):
    answer = go()
    answer.headers["Content-Type"] = "text/html; charset=utf-8"
    return answer


@fault(*API)
def bad_utf8(vast, call, go):
    answer = go()
    answer.body = answer.data().replace(b"Sweden", b"Swed\xe9\xff")
    return answer


# ---- 5: unclear creates -------------------------------------------------------------------------


@fault("create", "destroy", "change")
def hang_after(vast, call, go):
    go()
    time.sleep(8)
    raise Drop


@fault("create", "destroy", "change")
def reset_after(vast, call, go):
    go()
    raise Drop


@fault("create", "destroy", "change")
def error_after(vast, call, go):
    go()
    return Answer(500, b"<html>Internal Server Error</html>", HTML)


@fault("create", "destroy", "change")
def gateway_timeout_after(vast, call, go):
    go()
    return Answer(504, b"upstream request timeout", TEXT)


@fault("create")
def no_contract(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body = {"success": True}
    return answer


@fault("create")
def null_contract(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body["new_contract"] = None
    return answer


@fault("list", "show")
def list_lag(vast, call, go):
    """Contracts younger than three seconds are not shown yet."""
    return without(go(), [c["id"] for c in vast.live() if c["created"] > time.time() - 3])


@fault("create")
def created_stopped(vast, call, go):
    call.body["target_state"] = "stopped"
    return go()


# ---- 6: the market ------------------------------------------------------------------------------

instead("offer_gone_410", ("create",), 410, {"success": False, "error": "no_such_ask", "msg": "error "
                                             "410/3907: no_such_ask is no longer available."})
instead("offer_gone_400", ("create",), 400, {"msg": "error 400: no_such_ask 9001"})
instead("offer_gone_200", ("create",), 200, {"success": False, "msg": "offer is no longer available"})
instead("no_offers", ("search",), 200, {"offers": []})
instead("no_credit", ("create",), 400, {"error": "insufficient_credit", "msg": "Your account lacks "
                                        "credit; see the billing page."})
instead("spend_limit", ("create",), 400, {"success": False, "error": "spend_rate_limit",
                                          "msg": "spend_rate_limit exceeded"})


@fault("create")
def offer_gone_404(vast, call, go):
    call.id = 1
    return go()


@fault("search")
def over_price(vast, call, go):
    """Filters are not applied: the dearest offers come, too, and those of other GPUs."""
    call.body = {k: v for k, v in call.body.items() if k in ("order", "limit", "allocated_storage")}
    return go()


@fault("search")
def few_fields(vast, call, go):
    keep = ("id", "machine_id", "gpu_name", "num_gpus", "dph_total", "dph_base")
    return each_row(go(), lambda row: {k: row[k] for k in keep})


@fault("search", "list", "show")
def nulls(vast, call, go):
    """Everything is null that no row needs to be known by."""
    keep = ("id", "label", "machine_id", "gpu_name", "dph_total", "actual_status", "num_gpus",
            "intended_status")
    return each_row(go(), lambda row: {k: v if k in keep else None for k, v in row.items()})


@fault("search", "list", "show")
def numbers_as_text(vast, call, go):
    return each_row(go(), lambda row: {k: str(v) if is_number(v) else v for k, v in row.items()})


@fault("search", "list", "show")
def whole_floats(vast, call, go):
    return each_row(go(), lambda row: {k: float(v) if is_number(v) else v for k, v in row.items()})


@fault("create")
def contract_as_float(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body["new_contract"] = float(answer.body["new_contract"])
    return answer


@fault("create")
def contract_as_text(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body["new_contract"] = str(answer.body["new_contract"])
    return answer


@fault("search", "list", "show")
def padded_text(vast, call, go):
    pad = ("gpu_name", "label", "actual_status", "verification")
    return each_row(go(), lambda row: {k: f" {v} " if k in pad and v else v for k, v in row.items()})


# ---- 8, 9: rows ---------------------------------------------------------------------------------


@fault("list")
def labels_null(vast, call, go):
    return each_row(go(), lambda row: {**row, "label": None})


@fault("list", "show")
def status_never_seen(vast, call, go):
    return each_row(go(), lambda row: {**row, "actual_status": "hibernating"})


@fault("list", "show")
def status_unknown(vast, call, go):
    return each_row(go(), lambda row: {**row, "actual_status": "unknown"})


@fault("list", "show")
def status_null(vast, call, go):
    return each_row(go(), lambda row: {**row, "actual_status": None, "status_msg": None})


@fault("list")
def rows_twice(vast, call, go):
    answer = go()
    if isinstance(answer.body, dict) and answer.body.get("instances"):
        answer.body["instances"] *= 2
    return answer


# ---- 10: logs -----------------------------------------------------------------------------------

instead("log_refused", ("logs",), 403, {"error": "not_authorized", "msg": "not authorized"})
instead("log_no_url", ("logs",), 200, {"success": False, "msg": "logs are not available"})
instead("log_bare_404", ("logs",), 404, {"success": False, "error": "invalid_id", "msg": "Invalid id"})
instead("log_never_ready", ("object",), 404, b"<Error><Code>NoSuchKey</Code></Error>",
        {"Content-Type": "application/xml"})
instead("log_empty", ("object",), 200, b"", TEXT)
instead("log_blank", ("object",), 200, b"\n \n\n", TEXT)
instead("log_no_container", ("object",), 200,
        b"Error response from daemon: No such container: C.21934511\n", TEXT)
instead("log_daemon_file", ("object",), 200, b"cat: /var/lib/vastai_kaalia/data/instance_extra_logs/"
        b"C.21934511: No such file or directory\n", TEXT)
instead("log_layers", ("object",), 200, b"ea381c80ad7f: Pulling fs layer\nea381c80ad7f: Pull complete\n",
        TEXT)
instead("log_of_other", ("object",), 200, b"2 1 0\nno line of a worker\n" * 20, TEXT)


@fault("object")
def log_slow(vast, call, go):
    time.sleep(10)
    return go()


@fault("object")
def log_odd_bytes(vast, call, go):
    """Progress bars, colours, invalid UTF-8, a line of 1 MiB, and no line feed at the end."""
    answer = go()
    if answer.status == 200:
        noise = b"\x1b[32mDownloading\x1b[0m  1%\r 2%\r 3%\r\xff\xfe\x00\n" + b"x" * (1 << 20) + b"\n"
        answer.body = noise + b"\x1b[1m" + answer.data().replace(b"\n", b"\r\n").rstrip()
    return answer


@fault("object")
def log_recovered_error(vast, call, go):
    """An error that the worker got over: batches follow it."""
    answer = go()
    if answer.status == 200:
        answer.body = (b"Traceback (most recent call last):\n  urllib3.exceptions.ReadTimeoutError\n"
                       b"  HF transient error (attempt 1/4): OSError: killed\n") + answer.data()
    return answer


@fault("object")
def log_short_tail(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body = b"\n".join(answer.data().splitlines()[-2:])
    return answer


@fault("object")
def log_object_redirect(vast, call, go):
    return Answer(302, b"", {"Location": vast.other_url + "/elsewhere", "Content-Type": "text/plain"})


@fault("logs")
def log_foreign_host(vast, call, go):
    answer = go()
    if answer.status == 200:
        answer.body["result_url"] = vast.other_url + "/vast.ai/instance_logs/0.log"
    return answer


# ---- 12, 13: ends and redirects -----------------------------------------------------------------

instead("destroy_404", ("destroy",), 404, {"success": False, "error": "not_found", "msg": "not found"})
instead("destroy_lies", ("destroy",), 200, {"success": True})


@fault("list")
def list_shows_destroyed(vast, call, go):
    """What was destroyed within three seconds is still shown, as it was."""
    answer, now = go(), time.time()
    if isinstance(answer.body, dict) and answer.body.get("next_token", 0) is None:
        gone = [c.row(now) for c in vast.world.past if c.ended > now - 3 and not call.query.get(
            "select_filters", "{}").count("label")]
        answer.body["instances"] = answer.body["instances"] + gone
        answer.body["total_instances"] += len(gone)
        answer.body["instances_found"] += len(gone)
    return answer


@fault(*API)
def redirect_elsewhere(vast, call, go):
    return Answer(302, b"", {"Location": vast.other_url + call.path})


@fault(*API)
def redirect_308(vast, call, go):
    return Answer(308, b"", {"Location": vast.other_url + call.path})


# ---- 14, 16: clocks and secrets -----------------------------------------------------------------


@fault("list", "show")
def start_date_odd(vast, call, go):
    odd = [None, "1770403201.42", -5.0, 4e12, time.time() - 1e7, time.time() + 86400]
    return each_row(go(), lambda row: {**row, "start_date": odd[row["machine_id"] % len(odd)]})


@fault(*API)
def echo(vast, call, go):
    """An error that repeats the request with everything secret in it."""
    told = f"bad request: {call.headers} {call.raw.decode()}"
    return Answer(400, {"success": False, "error": "invalid_args", "msg": told})


# ---- bad HTTP -----------------------------------------------------------------------------------


def wired(wire):
    def run(vast, call, go):
        answer = go()
        answer.wire = wire
        return answer
    FAULTS[wire.__name__] = Fault(run, ALL)


for one in WIRES:
    wired(one)


# ---- helpers ------------------------------------------------------------------------------------


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def each_row(answer, change):
    """The answer with each offer or instance changed."""
    body = answer.body
    if not isinstance(body, dict):
        return answer
    for name in ("offers", "instances"):
        if isinstance(body.get(name), list):
            body[name] = [change(row) for row in body[name]]
        elif isinstance(body.get(name), dict):
            body[name] = change(body[name])
    return answer


def without(answer, ids):
    body = answer.body
    if isinstance(body, dict) and isinstance(body.get("instances"), list):
        kept = [row for row in body["instances"] if row["id"] not in ids]
        lost = len(body["instances"]) - len(kept)
        body.update(instances=kept, instances_found=len(kept),
                    total_instances=body["total_instances"] - lost)
    elif isinstance(body, dict) and isinstance(body.get("instances"), dict) and \
            body["instances"]["id"] in ids:
        body["instances"] = None
    return answer
