"""Response times and contacts: the platform's, and what a team changes."""

from __future__ import annotations

import pytest

from console.config.errors import ConfigError
from console.config.settings import Contact, IncidentSettings
from console.incidents.severity_policy import KEYS, load_severity_policies
from queries.model.alert import Priority


def test_the_platform_s_own_times() -> None:
    """As the platform's procedure has them, for every severity whole."""
    response = load_severity_policies()
    one = response.for_severity(Priority.P1)
    assert (one.acknowledge_seconds, one.assess_seconds, one.update_every_seconds) == (300, 600, 900)
    assert (one.mitigate_seconds, one.stability_seconds, one.review_seconds) == (1800, 900, 86_400)
    assert [response.for_severity(level).response_seconds / 60 for level in Priority] == [15, 30, 120, 1440]
    assert (one.escalate_after_seconds, response.for_severity(Priority.P2).escalate_after_seconds) == (0, 900)
    assert all(response.for_severity(level).escalate_by in ("pager", "email", "ticket", "chat") for level in Priority)


def test_whom_one_escalates_to() -> None:
    """By the severity's own way: a pager for P1, e-mail for P3, and nobody's address for a ticket."""
    response = load_severity_policies()
    assert response.escalation_contacts(Priority.P1)[0] == ("Platform", "PagerDuty Platform Team")
    assert response.escalation_contacts(Priority.P3)[0] == ("Platform", "platform-team@example.com")
    assert response.escalation_contacts(Priority.P4) == ()


def test_a_team_changes_what_it_wants() -> None:
    """One time, one word, other people; everything else stays."""
    own = IncidentSettings((("P1", "mitigate", "20m"), ("P1", "escalate_by", "chat")), (Contact("Night", chat="#night"),))
    response = load_severity_policies(own)
    assert response.for_severity(Priority.P1).mitigate_seconds == 1200
    assert response.for_severity(Priority.P1).acknowledge_seconds == 300
    assert response.escalation_contacts(Priority.P1) == (("Night", "#night"),)


@pytest.mark.parametrize("key", KEYS)
def test_the_schema_and_the_data_know_the_same_keys(key: str) -> None:
    """What the file beside the code may say, a config file may say too."""
    from console.config.schema import INCIDENTS
    from console.config.validation import Fields, MapOf, unwrap_kind

    severities = unwrap_kind(INCIDENTS.keys["severities"])
    assert isinstance(severities, MapOf)
    policy = unwrap_kind(severities.each)
    assert isinstance(policy, Fields)
    assert key in policy.keys
    assert set(policy.keys) == set(KEYS)


@pytest.mark.parametrize(("given", "seconds"), [("1s", 1.0), ("366d", 31_622_400.0), ("999ms", None), ("366d1s", None)])
def test_a_time_is_between_a_second_and_a_year(given: str, seconds: float | None) -> None:
    """Both ends are allowed; beyond them the key is named."""
    own = IncidentSettings((("P2", "assess", given),))
    if seconds is None:
        with pytest.raises(ConfigError, match=r"incidents\.severities\.P2\.assess"):
            load_severity_policies(own)
    else:
        assert load_severity_policies(own).for_severity(Priority.P2).assess_seconds == seconds


def test_of_two_teams_the_one_that_a_runbook_names() -> None:
    """Whatever the case; one that nobody configured is none."""
    policies = load_severity_policies(IncidentSettings(contacts=(Contact("Platform", chat="#p"), Contact("DevOps", chat="#d"))))
    found = policies.contact("devops")
    assert found is not None and found.chat == "#d"
    assert policies.contact("security") is None
