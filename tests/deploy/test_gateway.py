"""The gateway: a real nginx with the shipped configuration, in front of three replicas on one Redis."""

import http.client
import itertools
import json
import re
import socket
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from callers_of_gateway import KINDS, LONG, PROMPT, QUICK, Caller
from jobs_over_http import has_ended
from nginx_gateway import Gateway, gateways_error, running
from redis_tls import Certificates
from replicas_behind_nginx import Replicas, created_key, until
from starlette.routing import Route

from benchmarks.faults.load import digest
from service.app import MAX_BODY_BYTES, create_app
from service.security_headers import API_HEADERS
from service.settings import Settings

ENDLESS = {"prompt": PROMPT, "num_inference_steps": 999, "stream": True}
OF_EACH_FAMILY = ("/policies", "/v1/models", "/hf/text-to-image", "/sdapi/v1/options")
IN_FLIGHT = "trimtab_requests_in_flight"
ANSWERED = 'trimtab_requests_total{outcome="ok"}'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys: Path) -> str:
    return created_key(keys, "shop")


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, keys: Path, key: str) -> Iterator[Replicas]:
    replicas = Replicas(tmp_path_factory.mktemp("replicas"), keys)
    try:
        replicas.start()
        yield replicas
    finally:
        replicas.end()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, replicas: Replicas
) -> Iterator[Gateway]:
    """As it is shipped, but that no key asks too often."""
    folder = tmp_path_factory.mktemp("gateway") / "nginx"
    with running(
        Gateway(folder, certificates, replicas.ports, changed={"rate=20r/s": "rate=1000r/s"})
    ) as gateway:
        yield gateway


def raw(gateway: Gateway, path: str, key: str) -> tuple[int, bytes]:
    """The answer to a path that is sent as it stands."""
    with closing(http.client.HTTPSConnection("127.0.0.1", gateway.port, context=gateway.trust)) as connection:
        connection.request("GET", path, headers={"X-API-Key": key})
        answer = connection.getresponse()
        return answer.status, answer.read()


# --- Who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OF_EACH_FAMILY)
def test_who_has_no_key_that_opens_is_refused_in_the_service_s_own_words(gateway, replicas, key, path):
    method = "POST" if path.startswith("/hf/") else "GET"
    wrong = f"{key[:-8]}00000000"
    with gateway.client() as client:
        for headers in ({}, {"X-API-Key": wrong}, {"Authorization": f"Bearer {wrong}"}):
            there = httpx2.request(method, f"{replicas.url}{path}", headers=headers)
            here = client.request(method, path, headers=headers)
            assert here.status_code == there.status_code == 401
            assert here.json() == there.json()
            challenges = here.headers.get_list("www-authenticate")
            assert challenges == there.headers.get_list("www-authenticate")
        assert client.get("/").status_code == 200


def test_a_right_key_opens_however_it_is_sent(gateway, key):
    ways = ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"})
    with gateway.client() as client:
        for headers in ways:
            assert client.get("/v1/models", headers=headers).status_code == 200
        as_password = client.get("/sdapi/v1/options", auth=("anybody", key))
        assert as_password.status_code == 200
        assert "www-authenticate" not in as_password.headers
        # Elsewhere a password is none to the service either.
        assert client.get("/v1/models", auth=("anybody", key)).status_code == 401


def test_a_browser_may_ask_without_a_key_what_pages_of_others_may_send(gateway, replicas):
    asked = {"Origin": "https://studio.example.com", "Access-Control-Request-Method": "POST"}
    with gateway.client() as client:
        here = client.options("/generate", headers=asked)
    there = httpx2.options(f"{replicas.url}/generate", headers=asked)
    assert (here.status_code, here.content) == (there.status_code, there.content)
    assert here.status_code != 401


def test_clients_reach_what_they_use_and_nothing_else(gateway, replicas, keys):
    admin = created_key(keys, "shop", "--role", "admin", "--role", "read")
    assert httpx2.get(f"{replicas.url}/metrics").status_code == 200
    assert httpx2.get(f"{replicas.url}/admin/vectors", headers={"X-API-Key": admin}).status_code == 200
    app = create_app(Settings())
    paths = {route.path for route in app.routes if isinstance(route, Route)} | set(app.openapi()["paths"])
    assert {"/generate", "/metrics", "/admission", "/sdapi/admission"} <= paths
    private = ("/startupz", "/healthz", "/readyz", "/metrics", "/admin", "/admission", "/sdapi/admission")
    with gateway.client() as client:
        for path in sorted(paths):
            answer = client.get(re.sub(r"{[^}]*}", "woman", path))
            if path.startswith(private):
                nothing = (
                    "unknown_address",
                    "Not Found.",
                    "GET /docs describes the routes and what they take.",
                )
                assert answer.status_code == 404, path
                assert answer.json() == gateways_error(path, 404, *nothing)
            elif answer.status_code == 404:  # a page's file, or a picture, that there is none of
                assert path.startswith(("/docs/", "/playground/", "/images/")), path
            else:
                assert answer.status_code in (200, 401, 405), path
    for trick in (
        *("//metrics", "/./metrics", "/docs/../metrics", "/docs/%2e%2e/metrics", "/docs/..%2fmetrics"),
        *(
            "/%6detrics",
            "/metrics/",
            "/metrics%2f",
            "/docs/..//admin/vectors",
            "/-/admission",
            "/v1/../admission",
        ),
        *("/metrics/../docs", "/metrics%2f..%2fdocs", "/metrics?/docs", "/docs/..;/metrics", "/METRICS"),
    ):
        status, content = raw(gateway, trick, admin)
        assert status == 404, trick
        assert b"unknown_address" in content, trick


# --- What is handed on ------------------------------------------------------------------------------------------------


def test_every_answer_has_each_header_once_and_the_id_of_its_request(gateway, key):
    with gateway.client(key) as client:
        for path, body, status in (
            ("/policies", None, 200),
            ("/generate", {}, 422),
            ("/nothing", None, 404),
            ("/generate", {"prompt": "x" * MAX_BODY_BYTES}, 413),
        ):
            for sent in ("of-a-client.1", "not harmless", key):
                method = "GET" if body is None else "POST"
                answer = client.request(method, path, json=body, headers={"X-Request-ID": sent})
                assert answer.status_code == status, answer.text
                for name, value in API_HEADERS.items():
                    assert answer.headers.get_list(name) == [value], name
                assert len(answer.headers.get_list("strict-transport-security")) == 1
                (id,) = answer.headers.get_list("x-request-id")
                assert (id == sent) == (sent == "of-a-client.1")
                # What is logged is logged once it has been answered.
                until(lambda id=id: f'"request_id":"{id}"' in gateway.logged)
    secret = key.rpartition("_")[2]
    assert secret not in gateway.logged + gateway.complained
    assert f'"key":"{key.split("_")[1]}"' in gateway.logged
    assert all(json.loads(line) for line in gateway.logged.splitlines())


def test_a_body_may_be_as_large_as_the_service_allows(gateway, replicas, key):
    fits = json.dumps(QUICK).encode().ljust(MAX_BODY_BYTES)
    with gateway.client(key) as client:
        json_type = {"Content-Type": "application/json"}
        assert client.post("/policies/explain", content=fits, headers=json_type).status_code == 200
        here = client.post("/policies/explain", content=fits + b" ", headers=json_type)
    there = httpx2.post(
        f"{replicas.url}/policies/explain", content=fits + b" ", headers=json_type | {"X-API-Key": key}
    )
    assert here.status_code == there.status_code == 413
    assert here.json() == there.json()


def test_a_picture_has_an_address_at_the_gateway_and_any_replica_shows_it(gateway, key):
    with gateway.client(key) as client, gateway.client() as anybody:
        body = {"prompt": PROMPT, "response_format": "url", "num_inference_steps": 2}
        address = client.post("/v1/images/generations", json=body).json()["data"][0]["url"]
        assert address.startswith(f"{gateway.url}/images/")
        assert {anybody.get(address).headers["content-type"] for _ in range(3)} == {"image/png"}


def test_what_is_sent_in_plain_is_told_to_use_tls(gateway):
    answer = httpx2.get(f"http://127.0.0.1:{gateway.port}/policies")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "plain_http"


def test_all_replicas_are_used(gateway, replicas, key):
    before = replicas.samples(ANSWERED)
    with gateway.client(key) as client:

        def each_had_one() -> bool:
            client.post("/generate", json=QUICK).raise_for_status()
            return all(late > early for early, late in zip(before, replicas.samples(ANSWERED), strict=True))

        until(each_had_one)


def test_events_come_while_images_are_made_and_a_client_that_leaves_ends_that(gateway, replicas, key):
    with gateway.client(key) as client, client.stream("POST", "/generate", json=ENDLESS) as answer:
        pieces = answer.iter_raw()
        counts = [piece.count(b"event: step") for piece in itertools.islice(pieces, 5)]
        # Hundreds of steps are to be taken still, and what has come did not wait until there were kilobytes of it.
        assert min(count for count in counts if count) == 1
        assert sum(replicas.samples("trimtab_running_rows")) == 1
    until(lambda: sum(replicas.samples("trimtab_running_rows")) == 0)


# --- How much ---------------------------------------------------------------------------------------------------------


def test_a_key_that_asks_too_often_is_told_to_wait_and_no_other_is(
    tmp_path, certificates, replicas, keys, key
):
    other = created_key(keys, "shop")
    few = {"asked_by_key:10m rate=20r/s": "asked_by_key:10m rate=1r/m", "burst=40": "burst=2"}
    waits = (
        "too_many_requests",
        "More is asked for at once than one key may.",
        "Try again in 1 second, with fewer requests at the same time.",
    )
    nginx = Gateway(tmp_path / "nginx", certificates, replicas.ports, changed=few)
    with running(nginx) as gateway, gateway.client() as client:
        mine, others = {"X-API-Key": key}, {"X-API-Key": other}
        assert [client.get("/policies", headers=mine).status_code for _ in range(3)] == [200] * 3
        for path in OF_EACH_FAMILY:
            answer = client.get(path, headers=mine)
            assert answer.status_code == 429
            assert answer.json() == gateways_error(path, 429, *waits)
            assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "true")
            assert all(answer.headers.get_list(name) == [value] for name, value in API_HEADERS.items())
        # It is the key that counts: not how it is sent, nor by whom, nor from where.
        for number in range(3):
            assert client.get("/sdapi/v1/options", auth=(f"user{number}", key)).status_code == 429
        elsewhere = httpx2.HTTPTransport(verify=gateway.trust, local_address="127.0.0.2")
        with httpx2.Client(transport=elsewhere) as moved:
            assert moved.get(f"{gateway.url}/policies", headers=mine).status_code == 429
        assert client.get("/policies", headers=others).status_code == 200
        assert client.get("/").status_code == 200


def test_a_key_has_so_many_requests_at_a_time_and_streams_count(tmp_path, certificates, replicas, keys, key):
    other = created_key(keys, "shop")
    one = {"limit_conn in_flight_of_key 64": "limit_conn in_flight_of_key 1"}
    nginx = Gateway(tmp_path / "nginx", certificates, replicas.ports, changed=one)
    with running(nginx) as gateway, gateway.client(key) as client, gateway.client(other) as another:
        with client.stream("POST", "/generate", json=ENDLESS) as answer:
            lines = answer.iter_lines()
            next(lines)
            assert client.get("/policies").status_code == 429
            assert another.get("/policies").status_code == 200
        until(lambda: client.get("/policies").status_code == 200)
    until(lambda: sum(replicas.samples("trimtab_running_rows")) == 0)


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_the_gateway_is_patient_for_longer_than_any_request_may_take(
    gateway, tmp_path, certificates, replicas, key
):
    patience = max(map(int, re.findall(r"proxy_read_timeout (\d+)s;", gateway.told("-T").stdout)))
    assert patience > Settings().max_timeout_s
    # That it is this which ends a request shows where there is less of it.
    nginx = Gateway(
        tmp_path / "nginx",
        certificates,
        replicas.ports,
        changed={f"proxy_read_timeout {patience}s": "proxy_read_timeout 1s"},
    )
    with running(nginx) as impatient, impatient.client(key) as client:
        for headers in ({}, {"Idempotency-Key": uuid.uuid4().hex}):
            answer = client.post("/generate", json={**LONG, "num_inference_steps": 999}, headers=headers)
            assert answer.status_code == 504
            assert answer.json() == gateways_error(
                "/generate",
                504,
                "replica_silent",
                "The replica has not answered in time.",
                "Hand it in as a job: POST /jobs.",
            )
    until(lambda: sum(replicas.samples(IN_FLIGHT)) == 0)


def test_without_a_replica_that_takes_requests_clients_are_told_to_come_back(tmp_path, certificates, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    with (
        running(Gateway(tmp_path / "nginx", certificates, [closed])) as gateway,
        gateway.client(key) as client,
    ):
        for path in OF_EACH_FAMILY:
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.json() == gateways_error(
                path, 503, "no_replica", "No replica takes requests now.", "Try again in 1 second."
            )
            assert answer.headers["retry-after"] == "1"


def test_replicas_are_restarted_one_after_another_and_no_request_is_lost(gateway, replicas, key):
    callers = [Caller(gateway, key, ask) for ask in KINDS]
    with ThreadPoolExecutor(max_workers=len(callers)) as pool:
        running = [pool.submit(caller.run) for caller in callers]
        try:
            for replica in replicas.all:
                asked = [caller.asked for caller in callers]
                replica.terminate()
                assert replica.exit_code() == 0
                replica.start()
                replica.until_ready()
                for caller, early in zip(callers, asked, strict=True):
                    until(lambda one=caller, early=early: one.asked > early)
        finally:
            for caller in callers:
                caller.end()
        for one in running:
            one.result()
    assert [caller.wrong for caller in callers] == [[], [], [], []]
    # Each is used again.
    test_all_replicas_are_used(gateway, replicas, key)


def test_a_killed_replica_loses_no_job_and_no_request_that_may_be_sent_twice(gateway, replicas, key):
    """What it was making for a client without an Idempotency-Key is told to that client, and is all that fails."""
    # As long as the job runs its replica has the others in the making too.
    job_body, keyed_body, plain_body = (
        {**LONG, "seed": seed, "num_inference_steps": steps} for seed, steps in ((1, 60), (2, 15), (3, 15))
    )
    with gateway.client(key) as client, ThreadPoolExecutor(max_workers=24) as pool:

        def posted(body: Mapping[str, object], **headers: str) -> httpx2.Response:
            return client.post("/generate", json=body, headers=headers)

        undisturbed = pool.map(posted, (job_body, keyed_body, plain_body))
        files = [digest(answer.json()["images"]) for answer in undisturbed]

        job = client.post("/jobs", json=job_body).headers["location"]
        until(lambda: any(replica.making for replica in replicas.all))
        killed = next(replica for replica in replicas.all if replica.making)
        keyed, plain = [], []
        for body, answers in ((keyed_body, keyed), (plain_body, plain)):
            begun = replicas.begun(killed)
            while replicas.begun(killed) == begun:  # they go to the replicas by turns
                assert len(answers) < 12
                of_all = replicas.begun(*replicas.all)
                headers = {"Idempotency-Key": uuid.uuid4().hex} if answers is keyed else {}
                answers.append(pool.submit(posted, body, **headers))
                until(lambda of_all=of_all: replicas.begun(*replicas.all) > of_all)
        assert killed.making
        killed.kill()

        for _ in range(6):  # who comes now hears nothing of it
            assert client.get("/policies").status_code == 200
        answers = [one.result() for one in keyed]
        assert {answer.status_code for answer in answers} == {200}
        assert {digest(answer.json()["images"]) for answer in answers} == {files[1]}
        *others, lost = sorted((one.result() for one in plain), key=lambda answer: answer.status_code)
        assert [answer.status_code for answer in others] == [200] * (len(plain) - 1)
        assert all(digest(answer.json()["images"]) == files[2] for answer in others)
        assert lost.status_code == 502
        assert lost.json() == gateways_error(
            "/generate",
            502,
            "replica_lost",
            "The replica ended before it had answered.",
            "Send it again. With an Idempotency-Key the gateway does so itself, and nothing is made twice.",
        )
        until(lambda: has_ended(client.get(job).json()))
        assert digest(client.get(job).json()["answer"]["images"]) == files[0]
