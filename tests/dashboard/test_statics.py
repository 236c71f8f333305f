"""Static files that change, come to an end or vanish while the server runs."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import RequestFactory

from dashboard.statics import StaticFiles


@pytest.fixture
def file(tmp_path, settings):
    settings.STATICFILES_DIRS = [tmp_path]
    finders.get_finder.cache_clear()
    file = tmp_path / "js" / "page.js"
    file.parent.mkdir()
    file.write_text("first();\n" * 50)
    yield file
    finders.get_finder.cache_clear()


@pytest.fixture
def ask(file):
    statics = StaticFiles(lambda request: HttpResponse(status=404))

    def ask(**headers):
        response = statics(RequestFactory().get("/static/js/page.js", headers=headers))
        body = b"".join(response.streaming_content) if response.streaming else response.content
        if response.status_code == 200:
            assert int(response["Content-Length"]) == len(body)
        return response, body

    return ask


@pytest.mark.parametrize("text", ["short();\n", "longer();\n" * 100])
def test_a_file_that_changed_is_sent_whole_and_with_its_own_length(ask, file, text):
    before, _ = ask()
    file.write_text(text)
    after, body = ask(**{"If-None-Match": before["ETag"]})
    assert (after.status_code, body.decode()) == (200, text)
    assert ask(**{"If-None-Match": after["ETag"]})[0].status_code == 304


def test_a_file_that_vanished_is_404(ask, file):
    assert ask()[0].status_code == 200
    file.unlink()
    assert ask()[0].status_code == 404


def test_what_is_vendored_is_kept_for_a_day_and_the_rest_is_asked_for_again(client):
    vendored = client.get("/static/vendor/plotly/plotly-basic-4.1.1.min.js")
    assert vendored["Cache-Control"] == "max-age=86400, public"
    assert client.get("/static/js/keys.js")["Cache-Control"] == "max-age=0, public"
