#!/usr/bin/env python3
"""Checks the Grafana dashboards: their structure here, and every field against Grafana's own schema.

Grafana publishes its schema as TypeScript types (npm: @grafana/schema), so each dashboard becomes a
typed value, and the TypeScript compiler says what does not fit: unknown or misspelt fields, wrong
kinds, values that are none of an enum; the options of each panel by the types of its plugin. Without
npm or a network that half is left out, and the test counts as skipped (exit 77).
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/grafana"
PACKAGES = ["@grafana/schema@11.1.0", "typescript@5.5.4"]
SKIPPED = 77
COLUMNS = 24
# A panel's type, and what its plugin's types are called in the schema.
PLUGINS = {"stat": "stat/panelcfg/x/StatPanelCfg", "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg"}


# ---- structure ----------------------------------------------------------------------------------

def overlap(a, b):
    return (a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
            and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"])


def panel_problems(panel, variables):
    where = panel.get("title", panel.get("id"))
    place = panel["gridPos"]
    if place["x"] + place["w"] > COLUMNS:
        yield f"{where}: stands outside of the grid"
    if panel["type"] == "row":
        return
    if panel["type"] not in PLUGINS:
        yield f"{where}: no schema is known here for a panel of type {panel['type']}"
    targets = panel.get("targets", [])
    if not targets:
        yield f"{where}: shows nothing"
    refs = [target["refId"] for target in targets]
    if len(set(refs)) != len(refs):
        yield f"{where}: two queries have one refId"
    for target in targets:
        for word in target["expr"].split("$")[1:]:
            name = word.strip("{").split("}")[0].split('"')[0]
            if name not in variables:
                yield f"{where}: ${name} is no variable of the dashboard"


def structure_problems(dashboard):
    panels = dashboard["panels"]
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        yield "two panels have one id"
    titles = [panel["title"] for panel in panels if panel["type"] != "row"]
    yield from (f"two panels are called {title}" for title in sorted(set(titles))
                if titles.count(title) > 1)
    for i, panel in enumerate(panels):
        yield from panel_problems(panel, variables)
        yield from (f"{panel['title']} and {other['title']} overlap" for other in panels[i + 1:]
                    if overlap(panel["gridPos"], other["gridPos"]))


# ---- schema -------------------------------------------------------------------------------------

# JSON has no enums: a field of one takes its value as text.
PRELUDE = """
type Json<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
"""


def typescript(dashboard):
    """A dashboard as a typed value, and the options of each of its panels as others."""
    lines = ["import type { Dashboard } from '@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';"]
    for kind, path in PLUGINS.items():
        lines.append(f"import type * as {kind} from '@grafana/schema/dist/esm/raw/composable/{path}_types.gen';")
    lines += [PRELUDE, f"export const board: Json<Dashboard> = {json.dumps(dashboard)};"]
    for panel in dashboard["panels"]:
        kind = panel["type"]
        if kind not in PLUGINS:
            continue
        lines.append(f"export const options{panel['id']}: Json<{kind}.Options> = {json.dumps(panel['options'])};")
        custom = panel["fieldConfig"]["defaults"].get("custom")
        if custom is not None:
            lines.append(f"export const field{panel['id']}: Json<{kind}.FieldConfig> = {json.dumps(custom)};")
    return "\n".join(lines) + "\n"


def compile_all(folder, sources):
    for name, text in sources.items():
        (folder / f"{name}.ts").write_text(text)
    words = [str(folder / "node_modules/.bin/tsc"), "--noEmit", "--strict", "--skipLibCheck",
             "--target", "es2022", "--module", "esnext", "--moduleResolution", "node"]
    return subprocess.run(words + [f"{name}.ts" for name in sources], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200)


def install(folder):
    """Whether npm could bring the schema and the compiler."""
    if not shutil.which("npm"):
        return False
    env = {**os.environ, "npm_config_fetch_retries": "0", "npm_config_fetch_timeout": "20000"}
    try:
        return subprocess.run(["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund",
                               *PACKAGES], cwd=folder, env=env, timeout=150,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def schema_problems(folder, dashboards):
    sources = {name: typescript(dashboard) for name, dashboard in dashboards.items()}
    # The check must be able to fail: a misspelt field, a value that is none, a wrong kind.
    good = next(iter(dashboards.values()))
    misspelt, wrong = json.loads(json.dumps(good)), json.loads(json.dumps(good))
    misspelt["refrsh"] = "15s"
    chart = next(panel for panel in wrong["panels"] if panel["type"] == "timeseries")
    chart["options"]["legend"]["placement"] = "nowhere"
    chart["gridPos"]["w"] = "8"
    planted = compile_all(folder, {"misspelt": typescript(misspelt), "wrong": typescript(wrong)}).stdout
    for sin in ("refrsh", "nowhere", "'string' is not assignable to type 'number'"):
        if sin not in planted:
            yield f"the check does not see a planted fault ({sin}):\n{planted}"
    result = compile_all(folder, sources)
    if result.returncode != 0:
        yield result.stdout


def main():
    dashboards = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    found = [f"{name}: {problem}" for name, dashboard in dashboards.items()
             for problem in structure_problems(dashboard)]
    uids = [dashboard["uid"] for dashboard in dashboards.values()]
    if len(set(uids)) != len(uids):
        found.append("two dashboards have one uid")
    with tempfile.TemporaryDirectory(prefix="muster-dashboards-") as temporary:
        folder = pathlib.Path(temporary)
        (folder / "package.json").write_text('{"private": true}')
        schema = install(folder)
        if schema:
            found += schema_problems(folder, dashboards)
    print(*found, sep="\n")
    print(f"dashboards: {len(dashboards)} files, {len(found)} problem(s)"
          + ("" if schema else "; not held to Grafana's schema: npm did not bring it"))
    if found:
        return 1
    return 0 if schema else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
