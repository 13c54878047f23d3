"""Makes the JSON schema of Grafana's dashboards from Grafana's own published types, with npm: for a newer Grafana.

    python tests/support/grafana_schema.py 13.2.3

`@grafana/schema` is published by Grafana under the Apache License 2.0.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

INTO = Path(__file__).parents[1] / "queries" / "grafana"
TOOLS = ("ts-json-schema-generator@2.4.0", "typescript@5")
ROOT = """\
import type * as dashboard from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';
export type GrafanaDashboard = dashboard.Dashboard;
export type TimeSeriesOptions = timeseries.Options;
export type TimeSeriesFieldConfig = timeseries.FieldConfig;
"""
OPTIONS = {
    "compilerOptions": {
        "module": "esnext",
        "moduleResolution": "bundler",
        "target": "es2022",
        "skipLibCheck": True,
        "strict": True,
    },
    "files": ["root.ts"],
}


def bare(value: Any) -> Any:
    """Without the descriptions: what is checked is the shape."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if not (key == "description" and isinstance(item, str))}
    return [bare(item) for item in value] if isinstance(value, list) else value


def main(version: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "root.ts").write_text(ROOT)
        (folder / "tsconfig.json").write_text(json.dumps(OPTIONS))
        (folder / "package.json").write_text("{}")
        subprocess.run(["npm", "install", "--silent", *TOOLS, f"@grafana/schema@{version}"], cwd=folder, check=True)
        made = ["npx", "ts-json-schema-generator", "--path", "root.ts", "--tsconfig", "tsconfig.json", "--type", "*"]
        subprocess.run([*made, "--no-type-check", "-o", "schema.json"], cwd=folder, check=True)
        schema = bare(json.loads((folder / "schema.json").read_text()))
    path = INTO / f"schema-{version}.json"
    path.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    print(path)


if __name__ == "__main__":
    main(sys.argv[1])
