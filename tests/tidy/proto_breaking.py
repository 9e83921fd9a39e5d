#!/usr/bin/env python3
"""Checks that no change to the .proto files breaks what is stored or spoken already.

    tests/tidy/proto_breaking.py            compare with tests/golden/proto_baseline.binpb
    tests/tidy/proto_breaking.py --update   take the present files as the new baseline

The log is read for years, so a field, enum value, message or method may be added but never taken
away, renumbered, retyped or renamed. Update the baseline in the commit that adds something, so that
it is protected from then on. Needs protoc only; descriptors are decoded here, by hand.
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = ROOT / "tests/golden/proto_baseline.binpb"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data):
    """Yields (number, value) of a serialised message; sub-messages stay bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


def one(data, number, default=b""):
    return next((value for n, value in fields(data) if n == number), default)


def every(data, number):
    return [value for n, value in fields(data) if n == number]


def text(data, number):
    return one(data, number).decode()


def enum_facts(data, scope, facts):
    name = f"{scope}.{text(data, 1)}"
    facts[f"enum {name}"] = "there"
    for value in every(data, 2):
        facts[f"value {name} = {one(value, 2, 0)}"] = text(value, 1)


def message_facts(data, scope, facts):
    name = f"{scope}.{text(data, 1)}"
    facts[f"message {name}"] = "there"
    oneofs = [text(decl, 1) for decl in every(data, 8)]
    for field in every(data, 2):
        index = one(field, 9, None)
        facts[f"field {name} = {one(field, 3, 0)}"] = " ".join(filter(None, [
            text(field, 1),
            {1: "", 2: "required", 3: "repeated"}[one(field, 4, 1)],
            f"type {one(field, 5, 0)}", text(field, 6),
            f"in oneof {oneofs[index]}" if index is not None else ""]))
    for nested in every(data, 3):
        message_facts(nested, name, facts)
    for nested in every(data, 4):
        enum_facts(nested, name, facts)


def facts_of(descriptor_set):
    """What a reader or caller relies on, as name -> meaning."""
    facts = {}
    for file in every(descriptor_set, 1):
        package = text(file, 2)
        if not package.startswith("muster."):
            continue
        for message in every(file, 4):
            message_facts(message, package, facts)
        for enum in every(file, 5):
            enum_facts(enum, package, facts)
        for service in every(file, 6):
            for method in every(service, 2):
                facts[f"method {package}.{text(service, 1)}.{text(method, 1)}"] = (
                    f"{text(method, 2)} -> {text(method, 3)}"
                    f" streams {one(method, 5, 0)} {one(method, 6, 0)}")
    return facts


def compare(old, new):
    return [f"{name}: was '{meaning}', is {repr(new[name]) if name in new else 'gone'}"
            for name, meaning in sorted(old.items()) if new.get(name) != meaning]


def describe():
    files = sorted((ROOT / "proto").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "set.binpb"
        subprocess.run(["protoc", "-I", ROOT / "proto", "--include_imports",
                        f"--descriptor_set_out={out}", *files], check=True)
        return out.read_bytes()


def self_test(present):
    """The check must be able to fail: a lost, a renamed and a retyped field."""
    facts = facts_of(present)
    assert len(facts) > 100 and not compare(facts, dict(facts))
    field = next(name for name in facts if name.startswith("field "))
    assert compare(facts, {name: f for name, f in facts.items() if name != field})
    assert compare(facts, {**facts, field: facts[field] + " repeated"})
    assert not compare(facts, {**facts, "field a.B = 99": "new type 5"})


def main():
    present = describe()
    self_test(present)
    if sys.argv[1:] == ["--update"]:
        BASELINE.write_bytes(present)
        print(f"proto: {len(facts_of(present))} facts are the baseline now")
        return 0
    old, new = facts_of(BASELINE.read_bytes()), facts_of(present)
    broken = compare(old, new)
    print(*broken, sep="\n", end="\n" if broken else "")
    print(f"proto: {len(broken)} breaking change(s), {len(set(new) - set(old))} addition(s)")
    if broken:
        print("If nothing that was released is concerned, take the new form as the baseline: "
              "tests/tidy/proto_breaking.py --update")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
