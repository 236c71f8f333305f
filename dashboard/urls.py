"""Every address of Weir. Pages first, then the API and what other programs read."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from .api import api
from .views import (
    audit,
    brokers,
    dead_letters,
    health,
    masking,
    people,
    queue_marks,
    queues,
    replays,
    sign_in,
    wallboard,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", queues.queues, name="queues"),
    path("queues/<int:id>/", queues.queue, name="queue"),
    path("queues/<int:id>/tags/", queue_marks.queue_tags, name="queue_tags"),
    path("queues/<int:id>/hide/", queue_marks.queue_hide, name="queue_hide"),
    path("queues/<int:id>/dead-letters/", queue_marks.queue_dead_letters, name="queue_dead_letters"),
    path("queues/<int:id>/ignore/", queue_marks.queue_ignore, name="queue_ignore"),
    path("queues/<int:id>/delete/", queue_marks.queue_delete, name="queue_delete"),
    path("queues/delete/", queue_marks.queues_delete, name="queues_delete"),
    path("wallboard/<str:text>/", wallboard.wallboard, name="wallboard"),
    path("sign-in/", sign_in.SignIn.as_view(), name="sign_in"),
    path("sign-in/<str:text>/", sign_in.sign_in_link, name="sign_in_link"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("dead-letters/", dead_letters.inbox, name="dead_letters"),
    path("brokers/", brokers.brokers, name="brokers"),
    path("brokers/add/", brokers.broker_add, name="broker_add"),
    path("brokers/<int:id>/", brokers.broker, name="broker"),
    path("brokers/<int:id>/change/", brokers.broker_edit, name="broker_edit"),
    path("brokers/<int:id>/pause/", brokers.broker_pause, name="broker_pause"),
    path("brokers/<int:id>/check/", brokers.broker_check, name="broker_check"),
    path("brokers/<int:id>/keep/", brokers.broker_keep, name="broker_keep"),
    path("brokers/<int:id>/delete/", brokers.broker_delete, name="broker_delete"),
    path("replays/", replays.replays, name="replays"),
    path("replays/new/", replays.replay_new, name="replay_new"),
    path("replays/<int:id>/", replays.replay, name="replay"),
    path("audit/", audit.audit_trail, name="audit"),
    path("settings/", people.settings_page, name="settings"),
    path("settings/people/", people.people_add, name="people_add"),
    path("settings/people/<int:id>/", people.people_change, name="people_change"),
    path("settings/people/<int:id>/link/", people.people_link, name="people_link"),
    path("settings/tokens/", people.tokens_add, name="tokens_add"),
    path("settings/tokens/<int:id>/revoke/", people.tokens_revoke, name="tokens_revoke"),
    path("settings/wallboards/", people.wallboards_add, name="wallboards_add"),
    path("settings/wallboards/<int:id>/revoke/", people.wallboards_revoke, name="wallboards_revoke"),
    path("settings/masking/", masking.masks_add, name="masks_add"),
    path("settings/masking/<int:id>/delete/", masking.masks_delete, name="masks_delete"),
    path("settings/password/", people.password_change, name="password_change"),
    path("api/v1/", api.urls),
    path("metrics", health.metrics, name="metrics"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
handler404 = "dashboard.views.errors.not_found"
