"""The API reference as Markdown: a page of routes for each tag, a page of schemas, and the description itself.

Entry point: `api_pages`.
"""

import json
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from docs_site.places import ROOT

FOLDER = "api"
METHODS = ("get", "post", "put", "patch", "delete")

Schema = dict[str, Any]


def api_pages(description: dict[str, Any]) -> dict[str, str]:
    """Place in the site -> text, from an OpenAPI 3.1 document."""
    templates = Environment(
        loader=FileSystemLoader(ROOT / "docs_site" / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"type": kind_of, "cell": cell, "limits": limits, "slug": slug, "anchor": anchor}
    tags = _routes_by_tag(description)
    schemas = description["components"]["schemas"]
    pages = {
        f"{FOLDER}/index.md": templates.get_template("index.md").render(info=description["info"], tags=tags)
    }
    for tag, routes in tags.items():
        pages[f"{FOLDER}/{slug(tag)}.md"] = templates.get_template("routes.md").render(tag=tag, routes=routes)
    pages[f"{FOLDER}/schemas.md"] = templates.get_template("schemas.md").render(schemas=schemas)
    pages[f"{FOLDER}/openapi.json"] = json.dumps(description, indent=1) + "\n"
    return pages


def slug(text: str) -> str:
    """A tag as a file's name."""
    return text.lower().replace(" ", "-")


def anchor(route: dict[str, Any]) -> str:
    """Where a route stands on its page."""
    return slug(f"{route['method']}{route['path']}".translate(str.maketrans("/", "-", "{}")))


def cell(text: str) -> str:
    """Text that stays in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def kind_of(schema: Schema) -> str:
    """A schema's type in words, with links to the schemas that it names."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](schemas.md#{name.lower()})"
    if variants := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(kind_of(variant) for variant in variants))
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    match schema.get("type"):
        case "array":
            return f"list of {kind_of(schema['items'])}" if schema.get("items") else "list"
        case "object" if isinstance(values := schema.get("additionalProperties"), dict):
            return f"object of {kind_of(values)}"
        case None:
            return "anything"
        case kind:
            return str(kind)


LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matching `{}`",
}


def limits(schema: Schema) -> str:
    """What a value has to keep to, beside its type, and what is taken where it is left out."""
    said = []
    for variant in [schema, *schema.get("anyOf", [])]:
        said += [words.format(_plain(variant[key])) for key, words in LIMITS.items() if key in variant]
    if "default" in schema and schema["default"] is not None:
        said.append(f"default `{json.dumps(schema['default'])}`")
    return ", ".join(said)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else str(value)
    return cell(str(value))


def _routes_by_tag(description: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method in methods:
                route = {"method": method.upper(), "path": path, **methods[method]}
                tags.setdefault((route.get("tags") or ["other"])[0], []).append(route)
    return tags
