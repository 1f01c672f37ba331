"""The JSON schema of chip files, for completion, checking and hover texts in editors."""

from __future__ import annotations

from typing import Any

from picojoule.hardware.chipfile.blocks import ChipSpec


def chip_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a chip file, generated from the models that read it.

    In an editor with a YAML language server, the first line of a chip file may name it:
    `# yaml-language-server: $schema=chip.schema.json`, with the file written by `pj schema > chip.schema.json`.
    """
    schema = ChipSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_null(schema), "title": "picojoule chip"}


def _without_null(schema: Any) -> Any:
    """Leaving a key out is how a chip file says nothing; a null is an error there, so the schema names none."""
    if isinstance(schema, list):
        return [_without_null(s) for s in schema if s != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    out = {k: _without_null(v) for k, v in schema.items() if not (k == "default" and v is None)}
    if len(out.get("anyOf", ())) == 1:
        out |= out.pop("anyOf")[0]
    return out
