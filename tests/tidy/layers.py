#!/usr/bin/env python3
"""Checks who may include whom, and a few habits a compiler does not see. Run as a ctest.

The house: commands and queries share event definitions only; only workers/os knows the operating
system; a provider and its simulator share nothing, and no provider knows another.
"""
import pathlib
import re
import sys

BASE = {"absl", "eventstore/base"}
EVENTS = {"eventstore/events", "muster/event", "muster/spec", "google"}
MAY = {
    "eventstore/base": {"absl", "asio", "openssl"},
    "eventstore/events": BASE | EVENTS,
    "eventstore": BASE | EVENTS | {"rocksdb", "openssl"},
    "eventstore/audit": BASE | EVENTS | {"eventstore", "openssl", "nlohmann"},
    "commands": BASE | EVENTS | {"re2"},
    "commands/handler": BASE | EVENTS | {"eventstore", "commands"},
    "queries": BASE | EVENTS | {"eventstore"},
    "workers/ports": BASE,
    "workers/os": BASE | {"workers/ports", "asio", "curl", "libssh2.h", "openssl", "sys", "netinet",
                                         "arpa"},
    "workers/virtual": BASE | {"asio", "workers/ports", "workers/servers/remote"},
    # What is said to a machine over SSH: no provider, no store, no time of its own.
    "workers/servers/remote": BASE | EVENTS | {"workers/ports", "nlohmann"},
    "workers/providers": BASE | {"workers/ports", "nlohmann", "simdjson.h"},
    "workers/providers/sim": BASE | {"workers/ports", "nlohmann", "re2", "openssl"},
    "workers/notify": BASE | {"workers/ports", "nlohmann"},
    "workers": BASE | EVENTS
    | {"workers/ports", "workers/servers/remote", "eventstore", "eventstore/audit",
       "commands/handler", "commands", "re2"},
    "services/files": BASE | EVENTS | {"yaml-cpp", "re2"},
    "services/simulate": BASE | EVENTS
    | {"eventstore", "queries", "workers", "workers/ports", "workers/virtual", "commands/handler",
       "services", "nlohmann"},
    # Replays a log wherever it is: in the daemon, in a folder, in a bundle on another machine.
    "services/replay": BASE | EVENTS
    | {"muster/api", "services/files", "eventstore", "commands", "commands/handler"},
    "services/muster": BASE | EVENTS
    | {"muster/api", "services/files", "services/simulate", "services/replay", "eventstore",
       "eventstore/audit", "grpcpp", "nlohmann", "sys"},
}
BANNED = [
    (r"system_clock|absl::Now\(|random_device|absl::BitGen",
     "take time and chance from Runtime", ("workers/os/", "services/", "tests/")),
    (r"absl::(string_view|optional|variant)\b",
     "use the std:: type", ("eventstore/base/", "eventstore/rocksdb")),
    (r"std::regex\b", "use RE2", ()),
    (r"\bsleep_for\b", "wait on the Runtime, never sleep a thread", ("tests/bench/",)),
]
FILE_LINES_MAX = 500
ROOTS = ("commands", "eventstore", "queries", "services", "tests", "workers")


def layer(path):
    """The longest known prefix of `path`, with every provider's sim/ folder as one layer."""
    path = re.sub(r"^workers/providers/\w+/sim/", "workers/providers/sim/", path)
    parts = path.split("/")
    for n in range(len(parts), 0, -1):
        prefix = "/".join(parts[:n])
        if prefix in MAY or prefix in ("muster/event", "muster/spec", "muster/api"):
            return prefix
    return parts[0]


def provider_of(path):
    match = re.match(r"workers/providers/(\w+)/", path)
    return match and match[1]


def include_problem(name, target):
    if target.endswith("providers.def"):
        return None  # the registry is for everybody
    own, other = layer(name), layer(target)
    if own not in MAY or own == other:
        if provider_of(name) and provider_of(target) not in (None, provider_of(name)):
            return "one provider must not include another"
        return None
    if other not in MAY[own]:
        return f"{own} must not include {other} ({target})"
    return None


def problems(name, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield 1, f"{len(lines)} lines; look for a second idea inside (at most {FILE_LINES_MAX})"
    for number, line in enumerate(lines, 1):
        include = re.match(r'#include ["<](\w+/[^">]+|libssh2\.h|simdjson\.h)[">]', line)
        if include:
            problem = include_problem(name, include[1])
            if problem:
                yield number, problem
        for pattern, hint, homes in BANNED:
            if re.search(pattern, line) and not name.startswith(homes or ("\0",)):
                yield number, hint


def folders_without_readme(files):
    """The folders with code in or below them that lack a README.md; tests/ mirrors the others."""
    homes = {parent.as_posix() for path in files if path.suffix in (".h", ".cc", ".def")
             for parent in path.parents if parent.name}
    described = {path.parent.as_posix() for path in files if path.name == "README.md"}
    return sorted(home for home in homes - described if not home.startswith("tests/"))


def self_test():
    """The check must be able to fail: planted sins, and one clean line."""
    assert list(problems("commands/fleet/decide.cc", '#include "queries/cost/model.h"\n'))
    assert list(problems("queries/cost/model.h", '#include "commands/fleet/state.h"\n'))
    assert list(problems("workers/providers/vast/sim/sim.cc",
                         '#include "workers/providers/vast/wire.h"\n'))
    assert list(problems("workers/providers/vast/a.cc",
                         '#include "workers/providers/ec2/wire.h"\n'))
    assert list(problems("commands/fleet/plan.cc", "auto t = absl::Now();\n"))
    assert list(problems("commands/fleet/plan.cc", "#include <libssh2.h>\n"))
    assert not list(problems("commands/fleet/plan.cc", '#include "eventstore/base/ids.h"\n'))
    one = [pathlib.PurePosixPath("queries/cost/model.h")]
    assert folders_without_readme(one) == ["queries", "queries/cost"]
    two = one + [pathlib.PurePosixPath(name) for name in ("queries/README.md",
                                                          "queries/cost/README.md")]
    assert folders_without_readme(two) == []


def main():
    self_test()
    root = pathlib.Path(__file__).resolve().parents[2]
    found = 0
    everything = [path for top in ROOTS for path in sorted((root / top).rglob("*"))]
    for folder in folders_without_readme([path.relative_to(root) for path in everything]):
        print(f"{folder}: no README.md")
        found += 1
    for path in everything:
        if path.suffix not in (".h", ".cc"):
            continue
        name = path.relative_to(root).as_posix()
        for number, what in problems(name, path.read_text()):
            print(f"{name}:{number}: {what}")
            found += 1
    print(f"layers: {found} problem(s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
