"""Rules, dashboard and check command of contrib/monitoring, against what ``status`` prints."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin import TOP, Admin, peer

from .pulling import come_home
from .writing import SSH_KEY

MONITORING = TOP / "contrib/monitoring"
RULES = MONITORING / "smtpcreds.rules.yml"
DASHBOARD = json.loads((MONITORING / "grafana.json").read_text())
METRIC = re.compile(r"\bsmtpcreds_\w+")
PAGE = (TOP / "man/smtpcreds-status.1").read_text().partition(".Sh METRICS\n")[2]


@pytest.fixture(scope="module")
def printed(hub_tree: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a hub with a client host that fetches its bundles."""
    hub = Admin(hub_tree).copy(tmp_path_factory.mktemp("fetched") / "root")
    hub("bundle", "attic", "--authorize", hub.write("key.pub", SSH_KEY, 0o644))
    come_home(hub)
    return hub("status", "--format", "prometheus").out


def named(text: str) -> set[str]:
    return set(METRIC.findall(text))


def queries() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def test_promtool_tests_the_rules() -> None:
    assert "9 rules found" in peer("promtool", "check", "rules", RULES)
    assert "SUCCESS" in peer(
        "promtool", "test", "rules", RULES.with_suffix("").with_suffix(".rules.test.yml")
    )


def test_each_alert_is_tested() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    fired = re.findall(
        r"alertname: (\w+)\n +exp_alerts", (MONITORING / "smtpcreds.rules.test.yml").read_text()
    )
    assert set(alerts) == set(fired)


def test_rules_and_dashboard_ask_for_what_is_printed(printed: str) -> None:
    ours = named(printed)
    assert named(RULES.read_text()) <= ours
    assert named(" ".join(queries())) <= ours
    assert named(" ".join(queries())) == ours - {
        "smtpcreds_certificate_not_before_timestamp_seconds",
        "smtpcreds_crl_this_update_timestamp_seconds",
    }


def test_the_manual_names_each_metric_its_labels_and_what_they_say(printed: str) -> None:
    assert set(re.findall(r"^\.It Li (\w+)$", PAGE, re.MULTILINE)) == named(printed)
    labels = set(re.findall(r'(\w+)="', printed)) | {"machine"}
    assert set(re.findall(r"^\.Va (\w+)", PAGE, re.MULTILINE)) == labels
    assert {
        kind for kind in re.findall(r'kind="(\w+)"', printed) if not re.search(rf"\b{kind}\b", PAGE)
    } == set()


def test_labels_that_are_asked_for_are_printed(printed: str) -> None:
    known = set(re.findall(r'(\w+)="', printed)) | {"instance", "machine"}
    shown = RULES.read_text() + json.dumps(DASHBOARD)
    asked = set(re.findall(r"\$labels\.(\w+)", shown)) | set(re.findall(r"(?<!\$)\{\{(\w+)\}\}", shown))
    assert {"host", "authority", "kind"} <= asked <= known


def test_promtool_can_parse_each_query(tmp_path: Any) -> None:
    """As a recording rule, with a hub chosen."""
    rules = [
        {"record": f"try:{number}", "expr": query.replace("$instance", ".*")}
        for number, query in enumerate(queries())
        if not query.startswith("label_values(")
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "try", "rules": rules}]}))
    assert f"{len(rules)} rules found" in peer("promtool", "check", "rules", file)


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.fixture
def hosts(hub: Admin, tmp_path: Path) -> list[Admin]:
    """A hub and a client host of it."""
    client = Admin(tmp_path / "client")
    hub("bundle", "attic", "--output", tmp_path / "attic.tar")
    client("setup", "--client", tmp_path / "attic.tar")
    return [hub, client]


def test_what_an_alert_says_can_be_typed_on_the_host_whose_metric_it_is(hosts: list[Admin]) -> None:
    rules = re.findall(r"alert: (.*?)\n +command: smtpcreds (.*?)\n", RULES.read_text(), re.DOTALL)
    assert len(rules) == 7
    for host in hosts:
        has = named(host("status", "--format", "prometheus").out)
        for rule, command in rules:
            if named(rule) <= has:
                assert host.run(*command.split(), "--dry-run").status in {0, 1}, rule


def test_the_check_command_is_ours(hub: Admin) -> None:
    """NRPE's line and that of sudoers are one command, and it answers as a plugin does."""
    text = (MONITORING / "nagios.cfg").read_text()
    commands = re.findall(r"(?:sudo -n|NOPASSWD:) (\S+) (.*)", text)
    assert len(commands) == 2
    assert len(set(commands)) == 1
    assert os.path.basename(commands[0][0]) == "smtpcreds"
    ran = hub(*commands[0][1].split())
    assert (ran.status, ran.out.partition(" - ")[0]) == (0, "SMTPCREDS OK")
