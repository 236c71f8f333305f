"""The API's page for readers, made from its own OpenAPI description: no script, no style of others, our CSP holds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema

_ERROR = {
    "description": "The error, whatever is wrong.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}},
}
_TEXT = {"type": "string"}
_ERROR_OUT = {
    "title": "ErrorOut", "type": "object", "required": ["error"],
    "properties": {"error": {
        "type": "object", "required": ["code", "message", "field"],
        "properties": {"code": _TEXT, "message": _TEXT, "field": {"anyOf": [_TEXT, {"type": "null"}]}},
    }},
}  # fmt: skip


class Described(NinjaAPI):
    """An API whose description says of every call how it answers when something is wrong."""

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        schema["components"]["schemas"]["ErrorOut"] = _ERROR_OUT
        for methods in schema["paths"].values():
            for call in methods.values():
                call["responses"]["default"] = _ERROR
        return schema


class Page(DocsBase):
    """`/api/v1/docs`."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        schema = api.get_openapi_schema(path_params=kwargs)
        named = schema["components"]["schemas"]
        calls = [
            _call(method, path, operation, named)
            for path, methods in schema["paths"].items()
            for method, operation in methods.items()
        ]
        context = {"api": api, "calls": calls, "openapi": self.get_openapi_url(api, kwargs)}
        return render(request, "api/docs.html", context)


def _call(method: str, path: str, operation: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [
            {"name": p["name"], "where": p["in"], "type": _type(p["schema"]), "default": p["schema"].get("default")}
            for p in operation.get("parameters", [])
        ],
        "body": _fields(body, named) if body else [],
        "answers": [_answer(*one, named) for one in operation["responses"].items() if one[0] != "default"],
    }


def _answer(status: str, answer: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return {"status": status, "fields": _fields(schema, named) if schema else []}


def _fields(schema: dict[str, Any], named: dict[str, Any]) -> list[dict[str, str]]:
    """The fields of an object, or of the items of a list of objects."""
    found = named.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
    if set(found.get("properties", {})) == {"items", "total", "next"}:
        found = named[found["properties"]["items"]["items"]["$ref"].rsplit("/", 1)[-1]]
    return [
        {"name": name, "type": _type(field), "words": field.get("description", "")}
        for name, field in found.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A type as a word: "integer", "text or null", "list of text"."""
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(one) for one in schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("format") == "date-time":
        return "time"
    return {"string": "text", "boolean": "true or false"}.get(kind, str(kind))
