"""From a request body that is right, many that are wrong in one member each, by its schema."""
import copy

WRONG = {  # a value of another type than the one that is asked for
    "string": 17,
    "number": "seventeen",
    "integer": 1.5,
    "boolean": "yes",
    "array": {"a": 1},
    "object": [1],
    "null": "nothing",
}


def put(body, path, value):
    """A copy with the value at a path of members and indices; DROP takes the member away."""
    changed = copy.deepcopy(body)
    target = changed
    for step in path[:-1]:
        target = target[step]
    if value is DROP:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return changed


DROP = object()


def values_against(document, schema):
    """Values that the schema of one member forbids, each with what is wrong."""
    schema = document.resolve(schema)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and "null" not in kinds:
        yield "null", None
    for kind in kinds[:1]:
        yield f"no {kind}", WRONG[kind]
    if "enum" in schema:
        yield "no enum", "no-such-choice"
    if "minimum" in schema:
        yield "too small", schema["minimum"] - 1
    if "exclusiveMinimum" in schema:
        yield "at the exclusive minimum", schema["exclusiveMinimum"]
    if "maximum" in schema:
        yield "too large", schema["maximum"] + 1
    if "exclusiveMaximum" in schema:
        yield "at the exclusive maximum", schema["exclusiveMaximum"]
    if schema.get("minItems", 0) > 0:
        yield "empty", []
    if schema.get("minLength", 0) > 0:
        yield "too short", "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)


def items_against(document, schema, value, path):
    """The same of what is inside a member: the first item of an array."""
    schema = document.resolve(schema)
    if isinstance(value, list) and value and "items" in schema:
        for what, wrong in values_against(document, schema["items"]):
            yield what, path + [0], wrong
        yield from items_against(document, schema["items"], value[0], path + [0])
        if schema.get("maxItems", 10**9) < 10000:
            yield "too many", path, [value[0]] * (schema["maxItems"] + 1)


def mutants(document, schema, body, path=()):
    """(what is wrong, the name that a refusal should have, the body)."""
    schema, path = document.resolve(schema), list(path)
    value = body
    for step in path:
        value = value[step]
    if isinstance(value, list):
        for i, _ in enumerate(value[:1]):
            yield from mutants(document, schema.get("items", {}), body, path + [i])
        return
    if not isinstance(value, dict) or "properties" not in schema:
        return
    yield "unknown member", "no_such_member", put(body, path + ["no_such_member"], 1)
    for name in schema.get("required", []):
        yield f"{name} is missing", name, put(body, path + [name], DROP)
    for name, member in schema["properties"].items():
        at = path + [name]
        for what, wrong in values_against(document, member):
            yield f"{name}: {what}", name, put(body, at, wrong)
        if name in value:
            for what, where, wrong in items_against(document, member, value[name], at):
                yield f"{name}: {what}", name, put(body, where, wrong)
            yield from mutants(document, member, body, at)
