"""How other_vast.py gets an answer out, rightly and in all the wrong ways of HTTP."""
import gzip
import json
import time


class Drop(Exception):
    """The connection breaks without an answer."""


class Answer:
    """A status, a body (JSON, or bytes) and headers; `wire` is how the bytes get out."""

    def __init__(self, status, body=None, headers=None):
        self.status, self.body = status, body
        self.headers = {"Content-Type": "application/json"} if headers is None else dict(headers)
        self.version, self.reason = "HTTP/1.1", "OK"
        self.wire = send_plainly

    def data(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def head(self, more=()):
        lines = [f"{self.version} {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **dict(more)}.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, handler):
        self.wire(self, handler)


def send_plainly(answer, handler):
    data = answer.data()
    handler.wfile.write(answer.head({"Content-Length": len(data)}) + data)


# ---- bad HTTP, or unusual -----------------------------------------------------------------------


def drip(answer, handler):
    data = answer.head({"Content-Length": len(answer.data())}) + answer.data()
    for at in range(0, len(data), max(1, len(data) // 20)):
        handler.wfile.write(data[at:at + max(1, len(data) // 20)])
        time.sleep(0.1)


def drip_for_ever(answer, handler):
    handler.wfile.write(answer.head({"Content-Length": 100000}))
    for _ in range(60):
        handler.wfile.write(b" ")
        time.sleep(0.1)


def old_http(answer, handler):
    answer.version = "HTTP/1.0"
    handler.close_connection = True
    handler.wfile.write(answer.head({"Connection": "close"}) + answer.data())


def chunked(answer, handler):
    data, out = answer.data(), answer.head({"Transfer-Encoding": "chunked"})
    for at in range(0, len(data), 37):
        part = data[at:at + 37]
        out += f"{len(part):X};ext=1\r\n".encode() + part + b"\r\n"
    handler.wfile.write(out + b"0\r\nX-Trailer: 1\r\n\r\n")


def chunked_cut(answer, handler):
    data = answer.data()
    handler.wfile.write(answer.head({"Transfer-Encoding": "chunked"}) + b"%X\r\n" % len(data) + data)
    handler.close_connection = True


def closed_after(answer, handler):
    send_plainly(answer, handler)
    handler.close_connection = True  # and nothing in the answer said so


def zipped(answer, handler):
    answer.body = gzip.compress(answer.data())
    answer.headers["Content-Encoding"] = "gzip"
    send_plainly(answer, handler)


def odd_headers(answer, handler):
    kind = answer.headers.pop("Content-Type", "application/json")
    data, answer.reason = answer.data(), ""
    handler.wfile.write(answer.head({"cOnTeNt-TyPe": kind, "CONTENT-LENGTH": len(data), "X-Long":
                                     "x" * 9000, "Set-Cookie": "session=1; path=/"}) + data)


def length_too_long(answer, handler):
    data = answer.data()
    handler.wfile.write(answer.head({"Content-Length": len(data) + 10}) + data)
    handler.close_connection = True


def length_too_short(answer, handler):
    data = answer.data()
    handler.wfile.write(answer.head({"Content-Length": max(0, len(data) - 10)}) + data)
    handler.close_connection = True


def hints_first(answer, handler):
    handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
    send_plainly(answer, handler)


def not_http(answer, handler):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    handler.close_connection = True


WIRES = (drip, drip_for_ever, old_http, chunked, chunked_cut, closed_after, zipped, odd_headers,
         length_too_long, length_too_short, hints_first, not_http)
