"""Silences without a server: what a preview says of one and of several, and what reading back shows, state by state."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.actions.expire import Expire, ExpireFacts
from console.actions.plan import ActionRefused, CheckLevel, Plan, Request
from console.actions.silence import CreateSilence, SilenceFacts, silence_subject
from queries.errors import RequestRejected, SourceError, Unreachable
from queries.model.alert import Alert, AlertState
from queries.model.matcher import Matcher, parse_matchers
from queries.model.silence import ExistingSilence

NOW = 1_700_000_000.0
"""2023-11-14T22:13:20Z."""
TARGET = 'alertname="HighErrorRate", severity="critical"'
MATCHERS = [
    {"name": "alertname", "value": "HighErrorRate", "isRegex": False, "isEqual": True},
    {"name": "severity", "value": "critical", "isRegex": False, "isEqual": True},
]
SENT = {"endsAt": "2023-11-15T00:13:20Z", "createdBy": "ann", "comment": "rolling back", "matchers": MATCHERS}


def alert(name: str, *silences: str, state: AlertState = AlertState.ACTIVE, **labels: str) -> Alert:
    pairs = {"alertname": name, "severity": "critical", **labels}
    return Alert(f"{name}{labels}", state, tuple(sorted(pairs.items())), silenced_by=silences)


def stored(identity: str = "s1", state: str = "active", **changes: Any) -> dict[str, Any]:
    return {"id": identity, "status": {"state": state}, "startsAt": "2023-11-14T22:13:20.000Z", **SENT, **changes}


class Manager:
    """Alertmanager's answers in their order; the last one stays."""

    kubectl = ("kubectl",)

    def __init__(self, *answers: dict[str, Any] | SourceError, alerts: tuple[tuple[Alert, ...], ...] = ((),)) -> None:
        self.answers, self.listed, self.asked = list(answers), list(alerts), 0

    async def silence(self, identity: str) -> ExistingSilence:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SourceError):
            raise answer
        return ExistingSilence.decode(answer)

    async def silences(self) -> tuple[ExistingSilence, ...]:
        return tuple(ExistingSilence.decode(item) for item in self.answers if isinstance(item, dict))

    async def alerts(self) -> tuple[Alert, ...]:
        return self.listed.pop(0) if len(self.listed) > 1 else self.listed[0]

    alertmanager_ahead_seconds = 0.0


def planned(*alerts: Alert, old: dict[str, Any] | None = None, target: str = TARGET, user: str = "ann", **given: str) -> Plan:
    facts = SilenceFacts(alerts, ExistingSilence.decode(old) if old else None)
    parameters = given if old else {"duration": "2h", "comment": "rolling back", **given}
    return CreateSilence().plan(Request("silence", target, parameters, user=user), facts, NOW)


def written(identity: str = "s1") -> Plan:
    return replace(planned(), written=identity)


async def reports(manager: Manager, plan: Plan | None = None) -> list[tuple[str, bool | None]]:
    found = []
    async for item in CreateSilence().verify(plan or written(), manager):  # type: ignore[arg-type]
        found.append((item.text, item.done))
        assert len(found) < 10, "it never ends"
    return found


@pytest.mark.parametrize(
    ("target", "subject"),
    [
        ('alertname="A"', "A"),
        ('alertname="A", severity="critical"', "A"),
        ('severity="critical", alertname="A"', "A"),
        ('severity="critical"', "alerts"),
        ('severity="critical", team="A"', "alerts"),
        ('alertname="A", alertname="B"', "alerts"),
        ('alertname!="A", severity="critical"', "alerts"),
        ('alertname=~"A"', "alerts"),
        ('alertname!~"A", severity="critical"', "alerts"),
        ('alertname="", severity="critical"', "alerts"),
    ],
)
def test_a_silence_is_called_by_the_one_alert_that_it_names(target: str, subject: str) -> None:
    """By its name only where exactly one matcher says so; that is the word to type, and it stands in the title."""
    assert silence_subject(parse_matchers(target)) == subject
    plan = planned(target=target)
    assert (plan.confirm_word, plan.title) == (subject, f"Silence {subject} for 2h")


async def test_a_silence_is_done_once_it_stands_there_as_it_was_sent() -> None:
    """Not there, another comment, one matcher less: it is looked at again. Then active, however its times are written."""
    manager = Manager(
        RequestRejected("no", status=404),
        stored(comment="before"),
        stored(createdBy="bob"),
        stored(endsAt="2023-11-15T01:13:20Z"),
        stored(matchers=MATCHERS[:1]),
        stored(annotations={"ticket": "1"}),
        stored(matchers=MATCHERS[::-1], endsAt="2023-11-15T00:13:20.999+00:00"),
    )
    unchanged = [("silence s1 is unchanged so far", None)] * 5
    end = "silence s1 is active until 2023-11-15T00:13:20.999+00:00; no firing alert matches it"
    assert await reports(manager) == [("silence s1 is not there yet", None), *unchanged, (end, True)]


async def test_a_silence_waits_for_every_alert_that_it_matches() -> None:
    """Silenced by another one is not by this one; a pending alert and one of other labels do not count."""
    apart = (alert("HighErrorRate", state=AlertState.PENDING), alert("HighErrorRate", severity="warning"), alert("Other"))
    both = [alert("HighErrorRate", pod="a"), alert("HighErrorRate", "s2", state=AlertState.SUPPRESSED, pod="b")]
    one = [alert("HighErrorRate", "s1", state=AlertState.SUPPRESSED, pod="a"), both[1]]
    none = [one[0], alert("HighErrorRate", "s2", "s1", state=AlertState.SUPPRESSED, pod="b")]
    manager = Manager(stored(), alerts=tuple((*apart, *item) for item in (both, one, none)))
    assert await reports(manager) == [
        ("silence s1 is active; 2 alerts not suppressed yet", None),
        ("silence s1 is active; 1 alert not suppressed yet", None),
        ("silence s1 is active until 2023-11-15T00:13:20Z; 2 alerts suppressed", True),
    ]
    (only,) = await reports(Manager(stored(), alerts=((one[0],),)))
    assert only[0].endswith("; 1 alert suppressed")


async def test_a_silence_that_has_not_begun_or_has_ended_ends_the_wait() -> None:
    """One that was scheduled is done, with both times, and needs no alert; expired is a failure at once."""
    text = "silence s1 is scheduled from 2023-11-14T23:13:20Z until 2023-11-15T00:13:20Z"
    later = stored(state="pending", startsAt="2023-11-14T23:13:20Z")
    plan = replace(planned(old=later, target="", comment="rolling back"), written="s1")
    assert await reports(Manager(later), plan) == [(text, True)]
    assert await reports(Manager(stored(state="expired", comment="x"))) == [("silence s1 has expired already", False)]
    with pytest.raises(Unreachable):
        await reports(Manager(Unreachable("no connection")))


async def test_a_new_silence_that_alertmanager_has_not_begun_hides_nothing_yet() -> None:
    """It was to begin at once, and by Alertmanager's clock it has not: the alerts still notify, so it is not done."""
    early = stored(state="pending", startsAt="2023-11-14T22:13:25Z")
    text = "silence s1 is scheduled from 2023-11-14T22:13:25Z until 2023-11-15T00:13:20Z"
    end = "silence s1 is active until 2023-11-15T00:13:20Z; no firing alert matches it"
    assert await reports(Manager(early, stored())) == [(text, None), (end, True)]


async def test_the_times_of_a_silence_are_by_the_clock_of_alertmanager() -> None:
    """With an hour between the clocks it begins at once all the same, and lasts as long as the preview says."""
    manager = Manager(stored())
    manager.alertmanager_ahead_seconds = -3600.0
    request = Request("silence", TARGET, {"duration": "30m", "comment": "c"}, user="ann")
    facts = await CreateSilence().fetch_facts(request, manager)  # type: ignore[arg-type]
    body = CreateSilence().plan(request, facts, NOW).body
    assert (body["startsAt"], body["endsAt"]) == ("2023-11-14T21:12:20Z", "2023-11-14T21:43:20Z")
    extended = replace(request, target="", parameters={"id": "s1", "duration": "2h"})
    facts = await CreateSilence().fetch_facts(extended, manager)  # type: ignore[arg-type]
    assert CreateSilence().plan(extended, facts, NOW).body["endsAt"] == "2023-11-14T23:13:20Z"


@pytest.mark.parametrize(
    ("differs", "same"),
    [
        ({}, True),
        ({"matchers": MATCHERS[::-1]}, True),
        ({"endsAt": "2023-11-15T00:13:20.999Z"}, True),
        ({"endsAt": "2023-11-15T00:13:21Z"}, False),
        ({"endsAt": "2023-11-15T00:13:19.001Z"}, True),
        ({"endsAt": "2023-11-15T00:13:19Z"}, False),
        ({"endsAt": "soon"}, False),
        ({"endsAt": "2023-11-15T00:13:20"}, False),
        ({"comment": "rolling"}, False),
        ({"createdBy": "bob"}, False),
        ({"matchers": MATCHERS[:1]}, False),
        ({"matchers": [*MATCHERS, {**MATCHERS[1], "name": "team"}]}, False),
        ({"status": {"state": "expired"}}, False),
        ({"status": {"state": "pending"}}, True),
    ],
)
async def test_a_lost_answer_is_found_among_other_silences_by_all_that_was_sent(differs: dict[str, Any], same: bool) -> None:
    """Its id is that of the one silence with the same matchers, author, comment and second of its end that has not ended."""
    others = (stored("s7", comment="another"), stored("s8", createdBy="carl"), stored("s9", state="expired"))
    found = await CreateSilence().check_applied(planned(), Manager(*others, stored("s2", **differs), others[0]))  # type: ignore[arg-type]
    assert (found.plan.written if found.plan else found.text) == ("s2" if same else "Alertmanager lists no such silence")
    assert not found.final


@pytest.mark.parametrize(
    ("firing", "level", "text"),
    [
        ((), CheckLevel.WARN, "it matches no firing alert"),
        ((alert("Other"),), CheckLevel.WARN, "it matches no firing alert"),
        ((alert("HighErrorRate"),), CheckLevel.OK, "it matches 1 of 1 alerts"),
        ((alert("HighErrorRate"), alert("Other")), CheckLevel.OK, "it matches 1 of 2 alerts"),
        ((alert("HighErrorRate"), alert("HighErrorRate", pod="b")), CheckLevel.WARN, "it hides every firing alert: 2 of 2"),
    ],
)
async def test_hiding_all_of_several_is_warned_of(firing: tuple[Alert, ...], level: CheckLevel, text: str) -> None:
    """The only firing alert is the one that somebody silences; two of two may be a mistake. Pending ones do not count."""
    facts = SilenceFacts((*firing, alert("HighErrorRate", state=AlertState.PENDING)), None)
    checks = await CreateSilence().preflight(planned(*facts.alerts), facts, None, None)  # type: ignore[arg-type]
    assert [(item.level, item.text) for item in checks[1:]] == [(level, text)]


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 12])
def test_the_preview_names_eight_alerts_and_counts_the_rest(count: int) -> None:
    """Each with where it is; exactly eight need no further line."""
    hidden = [alert("HighErrorRate", pod=f"p{number}", component="ocr", zone="x") for number in range(count)]
    notes = planned(*hidden, alert("Other")).notes
    assert notes[0] == f"hides {'1 alert' if count == 1 else f'{count} alerts'} of {count + 1} now:"
    lines = [f"  HighErrorRate (ocr, p{number}) critical" for number in range(min(count, 8))]
    assert list(notes[1:]) == [*lines, *([f"  and {count - 8} more"] if count > 8 else [])]
    bare = Alert("f", AlertState.ACTIVE, (("alertname", "HighErrorRate"),))
    assert planned(bare, target='alertname="HighErrorRate"').notes[1:] == ("  HighErrorRate",)


def test_what_changes_is_what_was_given() -> None:
    """Of a silence with two matchers: the same two in another order change nothing; other ones give it another id."""
    old = stored(createdBy="ops", annotations={"ticket": "1", "area": "x"})
    turned = 'severity="critical", alertname="HighErrorRate"'
    for target in ("", TARGET, turned):
        plan = planned(old=old, target=target, comment="longer")
        changed = {item.name: (item.before, item.after) for item in plan.differences if item.before != item.after}
        assert (changed, plan.title) == ({"comment": ("rolling back", "longer")}, "Change silence s1")
        assert (plan.body["matchers"], plan.body["createdBy"]) == (MATCHERS, "ops")
        assert plan.notes[0] == "ops stays its author; the journal records that you changed it"
        assert shlex.split(plan.command)[:4] == ["amtool", "silence", "update", "--end=2023-11-15T00:13:20Z"]
    narrower = planned(old=old, target=f'{TARGET}, pod="a"', created_by="ann")
    changed = {item.name: (item.before, item.after) for item in narrower.differences if item.before != item.after}
    assert changed == {
        "matchers": (TARGET, f'{TARGET}, pod="a"'), "starts": ("2023-11-14T22:13:20.000Z", "now"), "by": ("ops", "ann"),
    }  # fmt: skip
    assert narrower.notes == (
        "with other matchers Alertmanager ends this silence and creates a new one with a new id", "matches no firing alert",
    )  # fmt: skip
    words = shlex.split(narrower.command)
    assert '--annotation=area="x"' in words and '--annotation=ticket="1"' in words
    assert words[-4:] == ["amtool", "silence", "expire", "s1"] and "&&" in words
    assert not any(word.startswith("--start=") for word in words)
    taken = planned(old=old, target="", created_by="ann")
    assert taken.notes[0] == "amtool cannot change the author: its line creates a new silence and ends this one"


def test_a_scheduled_silence_counts_from_its_start() -> None:
    """Its new end is the duration after it begins; an active one's is after now. What it will hide is said so."""
    later = stored(state="pending", startsAt="2023-11-14T23:13:20Z")
    plan = planned(alert("HighErrorRate"), old=later, target="", duration="3h")
    assert plan.body["endsAt"] == "2023-11-15T02:13:20Z"
    assert [item.after for item in plan.differences if item.name == "until"] == ["2023-11-15T02:13:20Z (3h from its start)"]
    assert plan.notes[1] == "hides, once it starts, 1 alert of 1 now:"
    other = planned(old=later, target='alertname="B"', created_by="x")
    assert "--start=2023-11-14T23:13:20Z" in other.command
    starts = [(item.before, item.after) for item in other.differences if item.name == "starts"]
    assert starts == [("2023-11-14T23:13:20Z", "2023-11-14T23:13:20Z")]
    now = planned(alert("HighErrorRate"), old=stored(), target="", duration="3h")
    assert now.body["endsAt"] == "2023-11-15T01:13:20Z" and now.notes[1] == "hides 1 alert of 1 now:"
    assert [item.after for item in now.differences if item.name == "until"] == ["2023-11-15T01:13:20Z (3h from now)"]
    with pytest.raises(ActionRefused, match="invalid start time: soon"):
        planned(old={**later, "startsAt": "soon"}, target="", duration="3h")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"old": stored(state="expired")}, "has expired; create a new one"),
        ({"user": ""}, "needs an author"),
        ({"comment": " "}, "needs a comment"),
        ({"duration": ""}, "needs a duration"),
        ({"target": '{"" = "x"}'}, "needs the name of a label"),
        ({"target": 'team=~".*", alertname!="x"'}, "match everything"),
    ],
)
def test_what_no_silence_is_made_of(change: dict[str, Any], why: str) -> None:
    """Each of these alone refuses it; of two matchers one that needs a value is enough for the rest."""
    with pytest.raises(ActionRefused, match=why):
        planned(**change)
    assert planned(target='team=~".*", alertname="x"').subject == 'team=~".*", alertname="x"'


LABEL = st.sampled_from(["alertname", "severity", "team"])
VALUE = st.sampled_from(["a", "b", ""])


@given(
    st.lists(st.builds(Matcher, LABEL, VALUE, st.just(False), st.booleans()), min_size=1, max_size=3),
    st.lists(st.dictionaries(LABEL, VALUE), max_size=4),
)
def test_an_alert_is_hidden_if_all_matchers_match(matchers: list[Matcher], labelled: list[dict[str, str]]) -> None:
    """However many matchers and alerts there are, by the rule alone: every matcher, and an absent label is an empty one."""
    target = ", ".join(map(str, matchers))
    if all((item.value == "") is item.is_equal for item in matchers):
        with pytest.raises(ActionRefused, match="match everything"):
            planned(target=target)
        return
    alerts = [Alert(str(at), AlertState.ACTIVE, tuple(sorted(item.items()))) for at, item in enumerate(labelled)]
    hidden = sum(all((one.get(item.name, "") == item.value) is item.is_equal for item in matchers) for one in labelled)
    first = planned(*alerts, target=target).notes[0]
    words = "1 alert" if hidden == 1 else f"{hidden} alerts"
    assert first == (f"hides {words} of {len(alerts)} now:" if hidden else "matches no firing alert")


# Expiring one


def expired(silence: dict[str, Any], *alerts: Alert) -> Plan:
    facts = ExpireFacts(ExistingSilence.decode(silence), alerts)
    return Expire().plan(Request("expire", "silence/s1"), facts, NOW)


def test_only_alerts_that_nothing_else_silences_will_notify() -> None:
    """One that two silences hide stays silent, and so does one that another alert inhibits or a time interval mutes; each name
    once, eight of them, in their order.
    """
    hidden = alert("B", "s1"), alert("A", "s1"), alert("A", "s1", pod="b")
    quiet = replace(alert("F", "s1"), inhibited_by=("f1",)), replace(alert("G", "s1"), muted_by=("night",))
    others = alert("C", "s1", "s2"), alert("D", "s2"), alert("E"), *quiet
    assert expired(stored(), *hidden, *others).notes == ("3 alerts will notify again: A, B",)
    assert expired(stored(), hidden[0], *others).notes == ("1 alert will notify again: B",)
    assert expired(stored(), *others).notes == ("no firing alert is hidden by it alone",)
    many = [alert(f"N{number}", "s1") for number in range(9)]
    assert expired(stored(), *many).notes == (f"9 alerts will notify again: {', '.join(f'N{at}' for at in range(8))}",)
    plan = expired(stored())
    assert (plan.title, plan.command, plan.body) == (
        "Expire the silence of HighErrorRate", "amtool silence expire s1", {"id": "s1"},
    )  # fmt: skip
    assert plan.digest != expired(stored(state="pending")).digest
    with pytest.raises(ActionRefused, match="s1 has already expired"):
        expired(stored(state="expired"))


async def test_an_expiry_is_done_when_the_silence_has_ended_or_is_gone() -> None:
    """While it is active it is looked at again; a silence that nobody has any more has ended too."""

    async def verification_steps(*answers: dict[str, Any] | SourceError) -> list[tuple[str, bool | None]]:
        reader: Any = Manager(*answers)
        return [(item.text, item.done) async for item in Expire().verify(expired(stored()), reader)]

    still, done = ("silence s1 is still active", None), ("silence s1 has expired", True)
    assert await verification_steps(stored(), stored(), stored(state="expired")) == [still, still, done]
    assert await verification_steps(stored(), RequestRejected("no", status=404)) == [still, done]
    reader: Any = Manager(stored(state="expired"))
    assert (await Expire().check_applied(expired(stored()), reader)).plan is not None
    left = await Expire().check_applied(expired(stored()), Manager(stored()))  # type: ignore[arg-type]
    assert (left.plan, left.text) == (None, "the silence is still active")


@pytest.mark.parametrize(("status", "refused"), [(404, True), (500, True), (403, False), (503, False), (None, False)])
async def test_a_silence_that_nobody_has_is_refused_and_a_server_in_trouble_is_an_error(
    status: int | None, refused: bool
) -> None:
    """Alertmanager 0.25 answers an unknown id with 500."""
    reader: Any = Manager(RequestRejected("no", status=status))
    with pytest.raises(
        ActionRefused if refused else RequestRejected, match="Alertmanager has no silence s1" if refused else "no"
    ):
        await Expire().fetch_facts(Request("expire", "silence/s1"), reader)
    for target in ("silence", "silence/", "silence/ ", "alert/s1"):
        with pytest.raises(ActionRefused, match="is not silence/ID"):
            await Expire().fetch_facts(Request("expire", target), reader)


@pytest.mark.parametrize(("given", "read"), [({}, []), ({"id": ""}, []), ({"id": "s1"}, ["s1"])])
async def test_a_silence_is_read_where_one_is_changed(given: dict[str, str], read: list[str]) -> None:
    """With the alerts that fire now; a new one has none before it."""
    asked: list[str] = []

    class Alertmanager:
        alertmanager_ahead_seconds = 0.0

        async def silence(self, identity: str) -> str:
            asked.append(identity)
            return "the old one"

        async def alerts(self) -> tuple[str, ...]:
            return ("an alert",)

    reader: Any = Alertmanager()
    facts = await CreateSilence().fetch_facts(Request("silence", "alertname=X", given), reader)
    assert (asked, facts.alerts, facts.old) == (read, ("an alert",), "the old one" if read else None)
