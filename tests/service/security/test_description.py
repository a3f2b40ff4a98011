"""GET /openapi.json tells the truth: who is let in, every refusal and its form, every method of an address."""

import re

import pytest

from service.families import family_of

METHODS = {"get", "post", "delete"}


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def operations(document):
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_refusals_are_declared_where_they_can_be_met_in_the_form_of_their_family(operations, document):
    assert len(operations) >= 26
    for (method, path), operation in operations.items():
        told = set(operation["responses"])
        if operation.get("security"):
            assert told >= {"401", "403"}, path
        if "requestBody" in operation:
            assert told >= {"400", "408", "413", "422"}, path
        if method == "post" and path.startswith(("/generate", "/v1/", "/hf/", "/sdapi/", "/jobs")):
            assert told >= {"409", "429", "503"}, path
        if path.startswith(("/generate", "/v1/images", "/hf/", "/sdapi/v1/txt2img")):
            assert "504" in told, path
        assert ("503" in told) is (path != "/metrics"), path
        model = family_of(path).error_model.__name__
        for status, response in operation["responses"].items():
            if status >= "400":
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{model}"}, (path, status)
                assert response["description"] != "Validation Error"
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_reference_is_there(client, document):
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', client.get("/openapi.json").text))
    assert referred <= set(document["components"]["schemas"])


def test_what_a_status_asks_for_is_declared_with_it(operations):
    responses = operations["post", "/generate"]["responses"]
    assert responses["401"]["headers"]["WWW-Authenticate"]["required"]
    for status in ("409", "429", "503"):
        assert "Retry-After" in responses[status]["headers"]


def test_an_idempotency_key_is_described_where_it_is_read(operations):
    for path in ("/generate", "/jobs", "/v1/images/generations", "/hf/text-to-image", "/sdapi/v1/txt2img"):
        (header,) = operations["post", path]["parameters"]
        assert (header["name"], header["in"], header["required"]) == ("Idempotency-Key", "header", False)
        assert (header["schema"]["minLength"], header["schema"]["maxLength"]) == (1, 255)


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/jobs/none", "DELETE, GET"), ("/admin/vectors", "GET, POST"), ("/generate", "POST"), ("/docs", "GET")],
)
def test_a_wrong_method_is_told_all_that_are_right(client, path, methods):
    answer = client.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)
