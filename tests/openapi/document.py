"""The OpenAPI document as something to ask: operations, their parameters, and whether a reply is one
of those it describes. Members that a schema does not name are errors here, though a client must
live with them."""
import copy
import json
import re

import jsonschema

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def strictly(text):
    """JSON without the NaN and Infinity that Python would take."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


class Operation:
    def __init__(self, document, path, method, described):
        self.document, self.path, self.method = document, path, method.upper()
        self.described, self.id = described, described["operationId"]
        template = re.sub(r"\\{[a-z]+\\}", "([^/]+)", re.escape(path))
        self.template = re.compile(template)
        self.parameters = [document.resolve(p) for p in described["parameters"]]

    def schema_of_body(self):
        content = self.described.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("schema")

    def types_of_body(self):
        return list(self.described.get("requestBody", {}).get("content", {}))

    def queries(self):
        return [p for p in self.parameters if p["in"] == "query"]

    def successes(self):
        return [status for status in self.described["responses"] if status[0] in "23"]

    def check(self, status, headers, body):
        """That a reply is one of those described: status, type, headers, and members of JSON."""
        where = f"{self.method} {self.path} {status}"
        responses = self.described["responses"]
        assert str(status) in responses, f"{where} is not described: {body[:300]}"
        described = self.document.resolve(responses[str(status)])
        for name, header in described.get("headers", {}).items():
            header = self.document.resolve(header)
            assert name in headers or not header.get("required"), f"{where} has no {name}: {headers}"
            if name in headers:
                self.document.check(header["schema"], self.typed(header, headers[name]), where)
        content = described.get("content", {})
        if status in (204, 304):
            assert not body, where
            return None
        kind = headers.get("Content-Type", "none").partition(";")[0]
        assert kind in content, f"{where} has type {kind}, described are {list(content)}"
        if "json" not in kind:
            return body
        value = strictly(body)
        if "schema" in content[kind]:
            self.document.check(content[kind]["schema"], value, where)
        return value

    def typed(self, header, text):
        kind = self.document.resolve(header["schema"]).get("type")
        return int(text) if kind == "integer" else text


class Document:
    def __init__(self, json_document):
        self.json = json_document
        self.closed = copy.deepcopy(json_document)
        self.close(self.closed["components"]["schemas"])
        self.operations = [
            Operation(self, path, method, described)
            for path, methods in json_document["paths"].items()
            for method, described in methods.items()
        ]

    def close(self, json_value):
        """additionalProperties: false wherever a schema lists members and does not say."""
        if isinstance(json_value, list):
            for item in json_value:
                self.close(item)
        elif isinstance(json_value, dict):
            if json_value.get("type") == "object" and "properties" in json_value:
                json_value.setdefault("additionalProperties", False)
            for item in json_value.values():
                self.close(item)

    def resolve(self, json_value, root=None):
        while isinstance(json_value, dict) and "$ref" in json_value:
            target = self.json if root is None else root
            for step in json_value["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            json_value = target
        return json_value

    def check(self, schema, value, where):
        resolver = jsonschema.RefResolver("", self.closed)
        errors = jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(value)
        error = jsonschema.exceptions.best_match(errors)
        assert error is None, f"{where}, at {'/'.join(map(str, error.absolute_path))}: {error.message[:400]}"

    def accepts(self, schema, value):
        """Whether a request's body is one that the document allows."""
        resolver = jsonschema.RefResolver("", self.json)
        return jsonschema.Draft202012Validator(schema, resolver=resolver).is_valid(value)

    def find(self, method, path):
        """The operation of a request; a path without braces goes before one with."""
        path = path.partition("?")[0]
        found = [o for o in self.operations if o.method == method and o.template.fullmatch(path)]
        return min(found, key=lambda o: o.path.count("{"), default=None)

    def named(self, name):
        return next(o for o in self.operations if o.id == name)
