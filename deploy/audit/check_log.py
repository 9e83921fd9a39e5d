#!/usr/bin/env python3
"""Checks an exported muster log by itself: it shares no code with muster and asks it nothing.

    check_log.py EXPORT [--head FILE] [--key FILE] [--events]   a file of 'muster audit export --raw'
    check_log.py --proof FILE [--key FILE]                      a proof of 'muster audit prove'

The chain of hashes must hold from the first event to the last. With --head, the log must be the one
that the signed head speaks of: not cut, not rewritten. With --key, the head's signature must be of
that key (PEM or 64 hex digits), which you have from the day muster was set up.

--events also prints every event as a line of JSON, and looks for the redaction event behind every
payload that was taken out. It needs python3-protobuf, protoc and muster's proto folder (--proto DIR).
Signatures need python3-cryptography or the openssl command. Exit: 0 whole, 1 not, 64 usage.
What is checked is described byte by byte in eventstore/log_format.md.
"""
import argparse
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

PAYLOAD, PRUNED = 1, 2


class Bad(Exception):
    """The log is not what it should be; says where and why."""


def sha256(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


# ---- records ------------------------------------------------------------------------------------

def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Record:
    """One stored event, taken apart."""

    def __init__(self, data):
        if len(data) < 41 or struct.unpack_from("<I", data)[0] != crc32c(data[4:]):
            raise Bad("its checksum does not match")
        self.hash = data[4:36]
        (size,) = struct.unpack_from("<I", data, 36)
        self.header = data[40:40 + size]
        rest = data[40 + size:]
        if len(self.header) != size or not rest or rest[0] not in (PAYLOAD, PRUNED):
            raise Bad("it is malformed")
        self.pruned = rest[0] == PRUNED
        self.payload = b"" if self.pruned else rest[1:]
        self.digest = rest[1:] if self.pruned else sha256(self.payload)
        if len(self.digest) != 32:
            raise Bad("its digest is no digest")
        self.read_header()

    def read_header(self):
        if len(self.header) < 32:
            raise Bad("its header is malformed")
        self.position, self.version, self.recorded_us, self.occurred_us = struct.unpack_from(
            "<QQqq", self.header)
        at, texts = 32, []
        for _ in range(6):
            if len(self.header) < at + 4:
                raise Bad("its header is malformed")
            (size,) = struct.unpack_from("<I", self.header, at)
            texts.append(self.header[at + 4:at + 4 + size])
            at += 4 + size
        if at != len(self.header):
            raise Bad("its header is malformed")
        self.stream, self.id, self.type, self.actor, self.cause, self.correlation = (
            text.decode(errors="replace") for text in texts)


def follow(previous, record):
    """h(n) as it must be: of the hash before, the header and the payload's digest."""
    return sha256(previous, record.header, record.digest)


# ---- the tree over the hashes -------------------------------------------------------------------

def leaf(event_hash):
    return sha256(b"\0", event_hash)


def node(left, right):
    return sha256(b"\1", left, right)


class Tree:
    """The Merkle tree of RFC 6962 over the hashes of all events."""

    def __init__(self):
        self.size, self.peaks = 0, []

    def append(self, event_hash):
        new, rest = leaf(event_hash), self.size
        while rest & 1:
            new = node(self.peaks.pop(), new)
            rest >>= 1
        self.peaks.append(new)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha256()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node(peak, root)
        return root


def root_of(event_hash, position, size, path):
    """The root of a tree of `size` leaves in which the leaf at `position` has this path."""
    sides, at, rest = [], position - 1, size
    while rest > 1:
        left = 1 << (rest - 1).bit_length() - 1
        sides.append(at < left)
        at, rest = (at, left) if at < left else (at - left, rest - left)
    if len(sides) != len(path):
        raise Bad("the path has not the right length")
    root = leaf(event_hash)
    for sibling, on_right in zip(path, reversed(sides)):
        root = node(root, sibling) if on_right else node(sibling, root)
    return root


# ---- signatures ---------------------------------------------------------------------------------

def statement(head):
    """The bytes that are signed."""
    return (f"muster-head 1\ninstallation {head['installation']}\nposition {head['position']}\n"
            f"hash {head['hash']}\nroot {head['root']}\nsigned_at {head['signed_at']}\n").encode()


ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # what stands before the 32 bytes of a key


def verify_signature(public_key, text, signature):
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return verify_by_openssl(public_key, text, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def verify_by_openssl(public_key, text, signature):
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, data in (("key", ED25519_DER + public_key), ("text", text), ("sig", signature)):
            paths[name] = str(pathlib.Path(folder) / name)
            pathlib.Path(paths[name]).write_bytes(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths["key"],
             "-rawin", "-in", paths["text"], "-sigfile", paths["sig"]],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def read_key(path):
    text = pathlib.Path(path).read_text().strip()
    if "BEGIN PUBLIC KEY" in text:
        import base64
        der = base64.b64decode("".join(line for line in text.splitlines() if "-----" not in line))
        if der[:12] != ED25519_DER or len(der) != 44:
            raise Bad(f"{path}: no ed25519 public key")
        return der[12:]
    return bytes.fromhex(text)


def check_head(head, key):
    """The head, once its signature is found right; `key` None takes the head's own word."""
    try:
        own, signature = bytes.fromhex(head["key"]), bytes.fromhex(head["signature"])
        text = statement(head)
        if head["format"] != "muster-head 1" or not isinstance(head["position"], int):
            raise Bad("no signed head")
    except (KeyError, TypeError, ValueError):
        raise Bad("no signed head") from None
    if key is not None and key != own:
        raise Bad(f"the head was signed with another key, {own.hex()}")
    if len(own) != 32 or not verify_signature(own, text, signature):
        raise Bad("the signature of the head is not right")
    return head


# ---- the log ------------------------------------------------------------------------------------

def read_export(path):
    """Yields (after, hash) once, then the bytes of each record."""
    with open(path, "rb") as file:
        words = file.readline(200).decode(errors="replace").split()
        if len(words) != 4 or words[:2] != ["muster-export", "1"]:
            raise Bad("no export: expected 'muster-export 1 AFTER HASH' in the first line")
        yield int(words[2]), bytes.fromhex(words[3])
        while True:
            size = file.read(4)
            if not size:
                return
            record = file.read(struct.unpack("<I", size)[0]) if len(size) == 4 else b""
            if len(size) != 4 or len(record) != struct.unpack("<I", size)[0]:
                raise Bad("the file ends within a record")
            yield record


def check_log(path, head=None, see=lambda record: None):
    """Walks the chain; returns (events, last hash, redacted). Raises Bad naming the position."""
    parts = read_export(path)
    position, last = next(parts)
    tree = Tree() if position == 0 else None
    redacted = 0
    while True:
        try:
            data = next(parts, None)
            record = None if data is None else Record(data)
        except Bad as bad:
            raise Bad(f"event {position + 1} is damaged: {bad}") from None
        if record is None:
            break
        position += 1
        if record.position != position:
            raise Bad(f"event {position} is missing: event {record.position} stands in its place")
        if follow(last, record) != record.hash:
            raise Bad(f"event {position} breaks the hash chain")
        last = record.hash
        redacted += record.pruned
        if tree is not None:
            tree.append(last)
        if head and head["position"] == position:
            if last.hex() != head["hash"] or (tree and tree.root().hex() != head["root"]):
                raise Bad(f"event {position} is not the head's: the log was rewritten at or before it")
        see(record)
    if head and position < head["position"]:
        raise Bad(f"event {position + 1} is missing: the log ends at {position}, the head says "
                  f"{head['position']}: {head['position'] - position} events are cut off")
    return position, last, redacted


def check_proof(text, key):
    """The record that a proof proves, and its head."""
    try:
        proof = json.loads(text)
        record = Record(bytes.fromhex(proof["record"]))
        previous = bytes.fromhex(proof["previous"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        head = proof["head"]
    except (KeyError, TypeError, ValueError):
        raise Bad("no proof") from None
    check_head(head, key)
    if follow(previous, record) != record.hash:
        raise Bad(f"event {record.position} was changed")
    if root_of(record.hash, record.position, head["position"], path).hex() != head["root"]:
        raise Bad(f"event {record.position} is not in the log of the head")
    return record, head


# ---- payloads -----------------------------------------------------------------------------------

class Payloads:
    """Reads payloads by muster's own proto files, and keeps what they say of redactions."""

    def __init__(self, folder):
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(
                ["protoc", "-I", str(folder), "--include_imports", f"--descriptor_set_out={out.name}",
                 "muster/event/v1/event.proto"], check=True, cwd=folder)
            files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        body = pool.FindMessageTypeByName("muster.event.v1.EventBody")
        self.body = message_factory.MessageFactory(pool).GetPrototype(body)
        self.pruned, self.told = {}, {}

    def see(self, record):
        from google.protobuf import json_format
        line = {"position": record.position, "stream": record.stream, "type": record.type,
                "actor": record.actor, "id": record.id}
        if record.pruned:
            self.pruned[record.position] = record.digest.hex()
            line["redacted"] = True
        else:
            body = self.body.FromString(record.payload)
            if body.HasField("payload_redacted"):
                what = body.payload_redacted
                self.told[what.position] = what.payload_sha256
            line["data"] = json_format.MessageToDict(body, preserving_proto_field_name=True)
        print(json.dumps(line, ensure_ascii=False))

    def check(self):
        for position, digest in self.pruned.items():
            if self.told.get(position) != digest:
                raise Bad(f"event {position} lost its payload, and no event tells why")


# ---- the command --------------------------------------------------------------------------------

def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", nargs="?", help="what 'muster audit export --raw' wrote")
    parser.add_argument("--head", help="a signed head kept elsewhere; of several lines the last")
    parser.add_argument("--key", help="the public key you trust, PEM or hex")
    parser.add_argument("--proof", help="check a proof instead")
    parser.add_argument("--events", action="store_true", help="print every event")
    parser.add_argument("--proto", default=str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
    args = parser.parse_args(words)
    if bool(args.export) == bool(args.proof):
        parser.error("expected an export or --proof FILE")
    return args


def main(words):
    try:
        args = parse(words)
    except SystemExit as end:
        return 64 if end.code else 0
    try:
        key = read_key(args.key) if args.key else None
        if args.proof:
            record, head = check_proof(pathlib.Path(args.proof).read_text(), key)
            print(f"proved: event {record.position}, {record.type} of {record.stream}, is in the log "
                  f"of the head signed at {head['signed_at']}")
            return 0
        head = None
        if args.head:
            lines = [line for line in pathlib.Path(args.head).read_text().splitlines() if line.strip()]
            head = check_head(json.loads(lines[-1]), key)
        payloads = Payloads(args.proto) if args.events else None
        events, last, redacted = check_log(args.export, head, payloads.see if payloads else lambda r: None)
        if payloads:
            payloads.check()
        print(f"{events} events, the chain is whole, hash {last.hex()}, {redacted} redacted",
              file=sys.stderr if args.events else sys.stdout)
        return 0
    except (Bad, OSError, ValueError, IndexError) as problem:
        print(f"NOT WHOLE: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
