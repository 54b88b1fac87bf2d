"""The OpenAPI document: made of the routes, whole, and true of a running agent whatever is asked of it."""

import json
import re

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from rigs.agent_process import command, quiet_port
from rigs.populated import populated
from typing_extensions import TypedDict

from agent.web.api import api_routes
from agent.web.openapi import document
from agent.web.routes import question

EXAMPLES = 10  # of each operation and mode; always the same ones
NAMES = {"name": ["plc", "gone", "cloud", "held", "relay/orders"], "destination": ["cmms", "cloud"]}
LAST = ("/api/deadletters/drop", "/api/deadletters/resend")  # before them there are letters to ask for


# The agent, on its thread, throws the dice of this process while hypothesis looks whether a strategy does.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_whatever_the_document_allows_or_forbids_is_answered_as_it_says(tmp_path):
    """Each operation is asked as it may be, and as it may not; the status, type and schema are those of the document."""
    from schemathesis import GenerationMode, openapi  # noqa: PLC0415 - 0.7 s in each process that collects tests

    with populated(tmp_path, quiet_port()) as it, requests.Session() as session:
        told = openapi.from_dict(of_this_plant(it.ask("/api/openapi.json")[1]))
        told.validate()
        asked = 0
        operations = [each.ok() for each in told.include(path_regex="^/api/").get_all_operations()]
        for operation in sorted(operations, key=lambda each: each.path in LAST):
            if operation.path in ("/api/live", "/api/whoami"):
                continue  # of the port alone
            for mode in GenerationMode:
                asked += play(operation, mode, it.url, session)

    assert asked > 300


def of_this_plant(told):
    """No token is asked for here, and names are those that there are: by chance none would ever be met."""
    del told["security"], told["components"]["securitySchemes"]
    for methods in told["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in NAMES:
                    parameter["schema"]["enum"] = NAMES[parameter["name"]]
    told["components"]["schemas"]["Order"]["properties"]["rules"] |= {
        "items": {"enum": ["hot", "pumps", "pumps/U", "quiet", "level"]},
        "minItems": 1,
    }
    return told


def play(operation, mode, url, session):
    """Ask what an operation allows or forbids; how often it was asked."""
    told = operation.definition.raw
    parameters = [each["schema"] for each in told["parameters"]]
    exact = [each for each in parameters if each["type"] == "integer" or {"enum", "pattern"} & set(each)]
    if mode.is_negative and not exact and "requestBody" not in told:
        return 0  # there is nothing that can be asked wrongly: any text is a name
    answered = []

    @settings(
        max_examples=EXAMPLES if parameters or "requestBody" in told else 1,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case):
        response = case.call(base_url=url, session=session, timeout=60)
        case.validate_response(response, checks=checks())
        answered.append(response.status_code)

    each()
    return len(answered)


def checks():
    """What is looked at in each answer."""
    from schemathesis import checks as any_api  # noqa: PLC0415 - as above
    from schemathesis.specs.openapi import checks  # noqa: PLC0415 - as above

    return [
        any_api.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
    ]


# --- made of the routes -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told():
    return document(api_routes(Nobody()))


class Nobody:
    """In an agent's place: nothing is asked of it."""

    def __getattr__(self, name):
        return self


def test_each_route_is_in_the_document_with_all_that_it_takes(told):
    """Path, method, parameters, body, a name of its own; and nothing is left of the server's way to write a path."""
    for route in api_routes(Nobody()):
        path = re.sub(r":[^}]*", "", route.path)
        operation = told["paths"][path][route.method.lower()]
        takes = [(each["in"], each["name"]) for each in operation["parameters"]]
        assert takes == [
            *(("path", each.name) for each in route.named),
            *(("query", each.name) for each in route.parameters),
        ]
        assert re.findall(r"{(\w+)}", path) == [each.name for each in route.named]
        assert ("requestBody" in operation) == (route.order is not None)
        assert ("security" in operation) == (route.method == "POST"), "an order wants a token"
    operations = [each for methods in told["paths"].values() for each in methods.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names))
    assert all(each["summary"].endswith(".") for each in operations)
    assert {tag for each in operations for tag in each["tags"]} == {tag["name"] for tag in told["tags"]}


def test_every_answer_has_a_type_that_is_closed(told):
    """A field that is added to an answer and not to its type fails `test_api`; a map without fields hides nothing."""
    schemas = told["components"]["schemas"]
    for methods in told["paths"].values():
        for operation in methods.values():
            [content] = operation["responses"]["200"]["content"].values()
            schema = content["schema"]
            if schema != {"type": "string"}:  # no JSON
                name = schema.get("items", schema)["$ref"].rpartition("/")[2]
                assert schemas[name]["properties"], name
    for name, schema in schemas.items():
        assert schema["additionalProperties"] is False, name
        assert schema["description"], f"{name} wants a docstring"


class Answer(TypedDict):
    """As of some agent."""

    known: int


def test_a_field_without_its_type_is_seen():
    """What `test_api` holds answers against: one field more than the type has, or one less."""
    told = document([question("/api/some", "Some.", None, Answer)])
    schema = told["paths"]["/api/some"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    holds = Draft202012Validator({**schema, "components": told["components"]}).is_valid

    assert holds({"known": 1})
    assert not any(map(holds, ({"known": 1, "added": 2}, {}, {"known": "1"}, [{"known": 1}])))


@pytest.mark.parametrize("answers", [None, dict, {}, list[dict[str, int]], lambda: 1, int])
def test_a_route_without_a_type_cannot_be(answers):
    """It is refused where it is declared."""
    with pytest.raises(TypeError, match="/api/some has no type of what it answers"):
        question("/api/some", "Some.", None, answers)


async def test_the_command_prints_it_where_no_agent_runs(told):
    """`edge-relay schema --api`, one JSON document."""
    status, output, errors = await command("schema", "--api")

    assert (status, json.loads(output), errors) == (0, told, "")


def test_what_an_order_says_of_its_fields_stands_beside_them(told):
    """The docstring's attributes, for whoever reads the document and not the code."""
    fields = told["components"]["schemas"]["HoldOrder"]["properties"]

    assert fields["reason"]["description"] == "why, for whoever wonders tomorrow."
    assert fields["for_s"]["description"].startswith("for how long, seconds; null: it has no end.")
    assert "title" not in fields["by"]
