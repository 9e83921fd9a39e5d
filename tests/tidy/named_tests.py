#!/usr/bin/env python3
"""Checks that what has a name is held by a test of that name. Run as a ctest.

Every trap of a simulator (sim/traps.def) occurs in a test of the simulator, in one of the provider's
adapter, and in the table of the provider's README. Every defect of the list in tests/README.md has
a test DefectNN. And whatever test a README names, `Suite.Name`, exists.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFECTS = 22


def traps_of(text):
    return re.findall(r'^TRAP\((k\w+), "(\w+)"', text, re.MULTILINE)


def unnamed(traps, text, where):
    """A trap is named by its enumerator or by its quoted wire name."""
    for enumerator, wire in traps:
        if not re.search(rf'\b{enumerator}\b|["`]{wire}["`]', text):
            yield f"trap {wire} ({enumerator}) does not occur in {where}"


def tests_of(text):
    return {f"{suite}.{name}"
            for suite, name in re.findall(r"\bT(?:EST|EST_F|EST_P|YPED_TEST)\((\w+),\s*(\w+)\)", text)}


def missing_defects(tests):
    suites = {test.split(".")[0] for test in tests}
    for number in range(1, DEFECTS + 1):
        if f"Defect{number:02}" not in suites:
            yield f"no test is called Defect{number:02}"


def invented(readme, tests):
    suites = {test.split(".")[0] for test in tests}
    for suite, name in re.findall(r"`([A-Z]\w+)\.([A-Z]\w+)`", readme):
        if suite in suites and f"{suite}.{name}" not in tests:
            yield f"names the test {suite}.{name}, which does not exist"


def read_all(folder, pattern):
    return "".join(path.read_text() for path in sorted((ROOT / folder).glob(pattern)))


def problems():
    tests = tests_of(read_all("tests", "**/*.cc"))
    for traps in sorted((ROOT / "workers/providers").glob("*/sim/traps.def")):
        home = traps.parent.parent.relative_to(ROOT)
        named = traps_of(traps.read_text())
        yield from unnamed(named, read_all(f"tests/{home}", "*.cc"), f"tests/{home}")
        yield from unnamed(named, read_all(f"tests/{home}/sim", "*.cc"), f"tests/{home}/sim")
        yield from unnamed(named, (ROOT / home / "README.md").read_text(), f"{home}/README.md")
    yield from missing_defects(tests)
    for readme in sorted(ROOT.glob("**/README.md")):
        name = readme.relative_to(ROOT)
        if name.parts[0].startswith(("build", ".", "node_modules")):
            continue
        for problem in invented(readme.read_text(), tests):
            yield f"{name}: {problem}"


def self_test():
    """The check must be able to fail."""
    traps = traps_of('TRAP(kSlow, "slow", "x")\n// TRAP(kNone)\n')
    assert traps == [("kSlow", "slow")]
    assert list(unnamed(traps, "kSlower slow", "a")) and not list(unnamed(traps, "`slow`", "a"))
    tests = tests_of("TEST_F(Defect01, Sinks) {\nTEST(Other,\n     Swims) {")
    assert tests == {"Defect01.Sinks", "Other.Swims"}
    assert len(list(missing_defects(tests))) == DEFECTS - 1
    assert list(invented("`Other.Sinks`", tests)) and not list(invented("`Other.Swims`", tests))


def main():
    self_test()
    found = list(problems())
    print(*found, sep="\n", end="\n" if found else "")
    print(f"named tests: {len(found)} problem(s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
