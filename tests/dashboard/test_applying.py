"""`manage.py apply`: a file of brokers and tags, its differences, its mistakes, and who manages what."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from dashboard.applying import FileRefused, read
from dashboard.brokers import acting_url_of, save_broker, url_of
from dashboard.configured import from_environment, settle
from dashboard.directory import Directory
from dashboard.models import AuditEntry, Broker, Queue, TagRule

pytestmark = pytest.mark.django_db
Managed = Broker.Managed

FILE = """
[[brokers]]
name = "prod"
url = "memory://weir:s3cret@shop"
interval = 5

[[brokers]]
url = "memory://stage?name=stage&interval=30s"
look_only = true

[[tags]]
broker = "pro*"
queues = "orders-*"
tags = ["team:shop", "tier:1"]
"""


@pytest.fixture
def apply(tmp_path: Path):
    def run(text: str, *options: str) -> str:
        file, out = tmp_path / "weir.toml", io.StringIO()
        file.write_text(text)
        call_command("apply", str(file), *options, stdout=out)
        return out.getvalue()

    return run


def mistakes(text: str) -> list[str]:
    with pytest.raises(FileRefused) as caught:
        read(text)
    return caught.value.mistakes


class TestDifferences:
    def test_a_file_is_done_once_and_then_nothing_is_left_to_do(self, apply):
        said = apply(FILE)
        assert said.count("+ ") == 3 and "3 changes made." in said and "s3cret" not in said
        prod, stage = Broker.objects.get(name="prod"), Broker.objects.get(name="stage")
        assert (prod.interval, prod.managed_by, url_of(prod).password) == (5.0, "apply", "s3cret")
        assert (stage.interval, stage.look_only) == (30.0, True)
        revision = prod.revision
        assert apply(FILE).strip() == "Nothing to change: all is as the file says."
        assert Broker.objects.get(name="prod").revision == revision

    def test_a_dry_run_says_the_same_and_changes_nothing(self, apply):
        dry = apply(FILE, "--dry-run")
        assert not Broker.objects.exists() and not TagRule.objects.exists() and not AuditEntry.objects.exists()
        assert dry.splitlines()[:-1] == apply(FILE).splitlines()[:-1]
        assert "3 changes to be made." in dry

    def test_each_difference_is_named_with_before_and_after(self, apply):
        apply(FILE)
        said = apply(
            FILE.replace("interval = 5", "interval = 9").replace("s3cret", "n3w").replace('"tier:1"', '"tier:2"')
        )
        assert "~ broker prod: interval 5 s → 9 s; another password" in said and "n3w" not in said
        assert "~ tags of pro*/orders-*: team:shop tier:2 (were team:shop tier:1)" in said

    def test_what_the_file_no_longer_names_is_paused_and_keeps_its_history(self, apply):
        apply(FILE)
        said = apply("brokers = []\ntags = []\n")
        assert said.count("- ") == 3
        assert set(Broker.objects.values_list("managed_by", "paused")) == {("page", True)}
        assert not TagRule.objects.exists()
        assert "paused yes → no; managed page → apply" in apply(FILE)

    def test_a_section_that_is_left_out_is_left_alone(self, apply):
        apply(FILE)
        assert "Nothing" in apply(FILE[: FILE.index("[[tags]]")])
        assert TagRule.objects.count() == 1

    def test_tags_reach_the_queues_that_come_later_too(self, apply):
        apply(FILE)
        prod = Broker.objects.get(name="prod")
        made = [Queue.objects.create(broker=prod, key=k, name=k, kind="list").pk for k in ("orders-new", "mail")]
        entries = Directory().of(prod.pk, 1).entries
        assert [entries[id].tags for id in made] == [("team:shop", "tier:1"), ()]
        assert prod.marks > 0

    def test_it_is_audited_without_secrets_and_there_is_json(self, apply):
        said = json.loads(apply(FILE, "--json"))
        assert [change["sign"] for change in said["changes"]] == ["+", "+", "+"]
        assert "s3cret" not in str(AuditEntry.objects.get(action="apply").details)


class TestSecrets:
    def test_a_url_comes_from_the_environment_or_a_file(self, apply, monkeypatch, tmp_path):
        monkeypatch.setenv("PROD_URL", "memory://weir:s3cret@shop")
        (tmp_path / "acting").write_text("memory://boss:b0ss@shop\n")
        apply(f'[[brokers]]\nname = "prod"\nurl = "env:PROD_URL"\nacting_url = "file:{tmp_path / "acting"}"\n')
        prod = Broker.objects.get()
        assert (url_of(prod).password, acting_url_of(prod).password) == ("s3cret", "b0ss")
        assert "b0ss" not in str(Broker.objects.values().get()) and prod.safe_acting_url == "memory://boss:•••@shop/"

    def test_so_does_a_password_in_the_middle_of_one(self, apply, monkeypatch, tmp_path):
        monkeypatch.setenv("PW", "p@ss/w:rd")
        apply('[[brokers]]\nurl = "memory://weir:env:PW@shop"\n')
        assert url_of(Broker.objects.get()).password == "p@ss/w:rd"
        (tmp_path / "pw").write_text("from file\n")
        said = apply(f'[[brokers]]\nurl = "memory://weir:file:{tmp_path / "pw"}@shop"\n')
        assert url_of(Broker.objects.get()).password == "from file" and "another password" in said

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("env:NO_SUCH_NAME", "line 2: url: the environment has no NO_SUCH_NAME."),
            ("file:/no/such/file", "line 2: url: /no/such/file cannot be read: No such file or directory."),
            ("memory://weir:env:NO_SUCH_NAME@shop", "line 2: url: the environment has no NO_SUCH_NAME."),
        ],
    )
    def test_one_that_is_not_there_is_named(self, url, words):
        assert mistakes(f'[[brokers]]\nurl = "{url}"\n') == [words]


class TestMistakes:
    def test_every_mistake_is_said_with_its_line(self):
        text = '[[brokers]]\nname = "a"\n\n[[brokers]]\nurl = "memory://b"\nintervall = 3\nlook_only = "yes"\n'
        text += "\n[people]\nx = 1\n"
        assert mistakes(text) == [
            "line 9: there is no section 'people'; this version knows brokers, tags, notifiers, rules, silences.",
            "line 1: a table of brokers needs 'url'.",
            "line 6: 'intervall' is not known here; there are name, url, acting_url, interval, look_only, paused.",
            "line 7: look_only: it must be true or false.",
        ]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[[brokers]\n", "at line 1"),
            ("brokers = 3\n", "line 1: 'brokers' is a list of tables: write [[brokers]] before each."),
            ("[[tags]]\ntags = []\n", "line 2: tags: it must be a list of texts."),
            ('[[tags]]\ntags = ["a\\nb"]\n', "line 2: tags: A tag is a text of at most 100 printable characters."),
            (
                '[[brokers]]\nurl = "memory://a"\ninterval = "soon"\n',
                "line 3: interval: interval=soon is not a duration",
            ),
            ('[[tags]]\ntags = ["a"]\n[[tags]]\ntags = ["b"]\n', "line 3: '* *' stands in line 1 already."),
        ],
    )
    def test_a_mistake_says_where_and_what(self, text, words):
        assert words in "\n".join(mistakes(text))

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nonsense://x", "line 6: 'nonsense' is not a kind of broker"),
            ("memory://x?callback=os", "line 6: 'callback' is not a parameter"),
            ("memory://u:pa#ss@x", "line 6: The broker URL has a '#'"),
        ],
    )
    def test_a_wrong_url_changes_nothing_at_all(self, apply, url, words):
        good = '[[tags]]\ntags = ["a"]\n\n[[brokers]]\nurl = "memory://good"\n[[brokers]]\nname = "bad"\n'
        with pytest.raises(CommandError) as caught:
            apply(f'{good}url = "{url}"\n')
        assert (
            words in str(caught.value) and "weir.toml, line" in str(caught.value) and "pa#ss" not in str(caught.value)
        )
        assert not Broker.objects.exists() and not TagRule.objects.exists()

    def test_a_file_that_is_not_there_is_said(self):
        with pytest.raises(CommandError, match="cannot be read: No such file"):
            call_command("apply", "/no/such/file.toml")

    def test_a_credential_of_another_broker_is_refused(self, apply):
        with pytest.raises(CommandError, match="must lead to the same broker"):
            apply('[[brokers]]\nurl = "memory://a"\nacting_url = "memory://u:p@b"\n')


class TestWhoManages:
    """The strongest first: command line, environment, file, page."""

    def test_a_file_takes_over_what_the_page_has_and_keeps_its_row(self, apply):
        row = save_broker("memory://other", name="prod")
        assert "managed page → apply" in apply(FILE)
        assert Broker.objects.get(name="prod").pk == row.pk

    @pytest.mark.parametrize(
        ("managed", "words"),
        [
            (Managed.ENVIRONMENT, "by the environment (WEIR_BROKERS)"),
            (Managed.COMMAND_LINE, "by the command line (--broker)"),
        ],
    )
    def test_a_file_leaves_what_is_above_it_and_says_by_whom_it_is_managed(self, apply, managed, words):
        save_broker("memory://shop", name="prod", managed_by=managed)
        with pytest.raises(CommandError) as caught:
            apply(FILE)
        assert f"prod is managed {words}: name it in one place only." in str(caught.value)

    def test_the_environment_takes_over_what_a_file_or_the_page_has(self, apply, settings):
        apply('[[brokers]]\nname = "prod"\nurl = "memory://a"\nacting_url = "memory://u:p@a"\n')
        save_broker("memory://c", name="mine")
        settings.WEIR_BROKERS = ["memory://b?name=prod", "memory://d?name=mine"]
        from_environment()
        assert set(Broker.objects.values_list("name", "managed_by")) == {
            ("prod", "environment"),
            ("mine", "environment"),
        }
        prod = Broker.objects.get(name="prod")
        assert url_of(prod).host == "b" and acting_url_of(prod) is None

    def test_two_that_would_have_one_name_are_told_apart_by_hand(self):
        with pytest.raises(ImproperlyConfigured, match=r"named a exists already\. Tell them apart .*, with name=\."):
            settle(["memory://a", "memory://b?name=a"], Managed.COMMAND_LINE)

    def test_the_command_line_stands_above_the_environment(self, settings, caplog):
        settings.WEIR_BROKERS = ["memory://b?name=prod", "memory://c?name=other"]
        from_environment()
        from_environment(above=settle(["memory://a?name=prod"], Managed.COMMAND_LINE))
        shown = dict(Broker.objects.values_list("name", "managed_by"))
        assert shown == {"prod": "command line", "other": "environment"}
        assert url_of(Broker.objects.get(name="prod")).host == "a"
        from_environment(above=settle([], Managed.COMMAND_LINE))
        prod = Broker.objects.get(name="prod")
        assert (prod.managed_by, prod.paused, url_of(prod).host) == ("environment", False, "b")

    def test_what_somebody_paused_stays_paused_over_a_restart(self, settings):
        settings.WEIR_BROKERS = ["memory://b?name=prod"]
        from_environment()
        Broker.objects.update(paused=True)
        from_environment()
        assert Broker.objects.get().paused

    def test_on_the_page_it_is_read_only_and_says_so(self, apply, client_admin, web):
        apply(FILE)
        row = Broker.objects.get(name="prod")
        page = client_admin.get(f"/brokers/{row.pk}/")
        assert b"Managed by a file (manage.py apply): its settings are read-only here." in page.content
        assert client_admin.get(f"/brokers/{row.pk}/change/").status_code == 409
        assert client_admin.post(f"/brokers/{row.pk}/delete/").status_code == 409
