import asyncio

from fastapi.testclient import TestClient
from held_engines import held_steps
from jobs_over_http import QUICK, has_ended

from service.app import create_app
from service.draining import Draining
from service.settings import Settings


def test_what_has_begun_has_the_grace_period():
    now = [100.0]
    draining = Draining(grace_s=25, clock=lambda: now[0])
    assert not draining.has_begun
    assert not draining.is_over
    draining.begin()
    now[0] += 24
    draining.begin()  # a second time does not prolong it
    assert draining.has_begun
    assert not draining.is_over
    now[0] += 1
    assert draining.is_over


def test_the_grace_period_can_be_cut_short_before_and_after_it_begins():
    before, after = Draining(), Draining()
    before.cut_short()
    before.begin()
    after.begin()
    assert not after.is_over
    after.cut_short()
    assert before.is_over
    assert after.is_over


def test_who_waits_hears_of_its_beginning():
    async def heard() -> tuple[bool, bool]:
        draining = Draining()
        too_early = await draining.begins_within(0.01)
        asyncio.get_running_loop().call_soon(draining.begin)
        return too_early, await draining.begins_within(5)

    assert asyncio.run(heard()) == (False, True)


def test_a_service_alone_accepts_no_job_that_nobody_would_make_and_ends_what_it_has_begun(
    narrow, until_ready, until
):
    with TestClient(create_app(Settings(**narrow))) as client:
        until_ready(client.get)
        with held_steps() as held:
            begun = client.post("/jobs", json=QUICK).json()["id"]
            held.until_reached()
            client.portal.call(client.app.state.draining.begin)
            refused = client.post("/jobs", json=QUICK)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "shutting_down")
            assert refused.headers["retry-after"] == "1"
            held.let_go()
            # Clients are still answered: they can come for it.
            assert until(client, begun, has_ended)["state"] == "done"
