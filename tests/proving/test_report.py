"""The report of a backtest, looked at by a real browser."""

import re
from dataclasses import replace
from importlib.resources import files

import pytest
from rigs.browser import Browser
from rigs.proven_week import week

from agent.model import TagSpec
from agent.proving.report import render
from agent.proving.results import Doing, Stretch, Suggestion
from agent.proving.seen import Bucket
from agent.rules.spec import AlarmSpec

HOSTILE = "\"><img src=x onerror=document.hacked=1><script>document.hacked=1</script></style>&lt;\u202e\x00'"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def outcome():
    return week()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def file(outcome, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(outcome), "utf-8")
    return path


@pytest.fixture(scope="module")
def still(browser, file):
    """The page, for those who only look."""
    return browser.open(file)


@pytest.fixture
def page(browser, file):
    """A page of one's own, to do something with."""
    return browser.open(file)


def hostile(outcome):
    """The same week, every text of which tries to be markup."""
    first = outcome.side.rules[0]
    events = tuple(event._replace(message=HOSTILE, value=HOSTILE) for event in first.events)
    suggestions = tuple(
        replace(one, text=HOSTILE, suggested=HOSTILE, present=HOSTILE) for one in first.suggestions
    )
    rule = replace(
        first, spec=replace(first.spec, name=HOSTILE), sentence=HOSTILE, tags=(HOSTILE,), events=events, suggestions=suggestions
    )  # fmt: skip
    series = replace(outcome.series["R1.TT101"], tag=TagSpec(HOSTILE, HOSTILE, HOSTILE))
    side = replace(outcome.side, name=HOSTILE, rules=(rule,))
    return replace(
        outcome, files=(HOSTILE,), series={HOSTILE: series}, side=side, unknown_tags={HOSTILE: 1}, without_history={HOSTILE: HOSTILE}
    )  # fmt: skip


def count(page, selector, rule="#r1"):
    return page.run(f"document.querySelectorAll({f'{rule} {selector}'!r}).length")


def drawn(page, selector):
    """Whether the first of these is there and takes room on the screen."""
    return page.run(
        f"(e => !!e && Math.max(e.getBoundingClientRect().height, e.getBoundingClientRect().width) > 0)(document.querySelector({selector!r}))"
    )


def test_it_loads_nothing_and_nothing_goes_wrong(still):
    """No error, no warning, no request: the file is all there is."""
    assert still.problems == []
    assert still.requests == []


def test_every_rule_has_its_section_and_the_table_leads_to_it(still, outcome):
    """The links of the table and the sections are the same set, in the words of the configuration."""
    linked = still.run(
        "[...document.querySelectorAll('.rules th a')].map(a => [a.textContent, document.querySelector(a.hash + ' h2').textContent])"
    )

    assert {name for name, _ in linked} == {rule.spec.name for rule in outcome.side.rules}
    assert all(link == heading for link, heading in linked)


@pytest.mark.parametrize(
    "part",
    [
        ".curve", ".value .limit", ".value .deadband", ".value .gap rect", ".tint rect", ".marks .wide .mark", ".strip .pending rect",
        ".strip .active rect", ".strip .clearing rect", ".strip .suppressed rect", ".strip .blind rect", ".other .curve",
        ".old .active rect", ".new .active rect", ".old .raised rect", ".axis .ticks text", ".cut.delay line", ".cut.quantile line",
        ".cut.limit line", ".calendar rect", ".key li", ".sentence", ".suggestions li", ".facts dd",
    ],
)  # fmt: skip
def test_a_rule_is_drawn_whole(still, part):
    """Value, gaps, limits, deadband, marks, states, old against new, panels: each takes room."""
    assert drawn(still, f"#r1 {part}")


def test_a_gate_that_is_false_is_drawn(still):
    """`disabled` has a bar of its own."""
    assert drawn(still, "#r2 .strip .disabled rect")


def test_every_limit_has_its_line_its_name_and_its_strip(still):
    """Three limits: three lines, three shaded deadbands, three names, three strips."""
    names = still.run("[...document.querySelectorAll('#r1 .limit-name')].map(t => t.textContent)")

    assert sorted(names) == ["high 170", "high_high 175", "low 146"]
    assert count(still, "line.limit") == count(still, "rect.deadband") == 3
    assert count(still, ".strip:not(.old):not(.new)") == 4  # and one for the rule as a whole


def test_a_measure_is_drawn_on_its_own_scale_and_its_tag_small_above_it(still):
    """The value line of a rate of change is the rate, with its limit and deadband; degrees stand above it."""
    rows = still.run(
        "[...document.querySelectorAll('#r3 .row[data-curve]')].map(r => [r.className, r.dataset.curve, r.dataset.unit])"
    )

    assert rows == [
        ["row other", "R1.TT101", "°C"],
        ["row value", "the change per 1m, over 30s", "°C/min"],
    ]
    assert all(drawn(still, f"#r3 .value {part}") for part in (".curve", ".limit", ".deadband"))
    assert still.run("document.querySelector('#r3 .limit-name').textContent") == "high 5"


def test_every_scale_says_its_unit(outcome):
    """With the topmost value that has room: 6 would stand on the very edge of the small plot of 3 to 5."""
    degrees = outcome.series["R1.TT101"]
    buckets = tuple(bucket._replace(least=3.0, greatest=5.0) for bucket in degrees.buckets)
    known = {**outcome.series, "R1.TT101": replace(degrees, buckets=buckets)}
    steep = replace(outcome.side, rules=outcome.side.rules[2:3])

    assert ">4 °C<" in render(replace(outcome, series=known, side=steep, against=None))


def test_a_measure_that_was_never_known_is_said_to_be(outcome):
    """A baseline that is learned for longer than the history: no empty plot."""
    steep = outcome.side.rules[2]
    unknown = replace(steep, compared=replace(steep.compared, buckets=()))
    page = render(replace(outcome, side=replace(outcome.side, rules=(unknown,))))

    assert "Compared is the change per 1m, over 30s, which was never known in this history." in page
    assert 'class="row value"' not in page


def test_the_page_says_whose_hours_they_are(still):
    """The calendar, the axis and the events have the plant's wall clock."""
    assert "all times are those of the plant: Europe/Berlin" in still.run(
        "document.querySelector('header').textContent"
    )


def test_what_cannot_be_told_is_not_written(outcome):
    """Too little data for a suggestion is for scripts alone; a suggestion names its level."""
    first = outcome.side.rules[0]
    advice = (
        Suggestion("low", "on_delay", "0s", "", "too few excursions", insufficient=True),
        Suggestion("low", "deadband", "2", "5", "6 sigma"),
        Suggestion("high", "deadband", "2", "3", "6 sigma"),
    )
    page = render(replace(outcome, side=replace(outcome.side, rules=(replace(first, suggestions=advice),))))

    assert "too few" not in page
    assert "low deadband 5, high deadband 3" in page


def test_no_event_is_without_a_mark(still, outcome):
    """The counts of all marks are the number of the events, on the wide and on the narrow screen."""
    for width in ("wide", "narrow"):
        texts = still.run(
            f"[...document.querySelectorAll('#r1 .marks .{width} text')].map(t => t.textContent)"
        )
        marked = sum(int(text[1:]) if text[0] == "\N{MULTIPLICATION SIGN}" else 1 for text in texts)

        assert marked == len(outcome.side.rules[0].events)


def test_all_rows_of_all_rules_have_the_same_time_axis(still):
    """The ticks stand at the same place on the screen, wherever they are."""
    places = still.run(
        "[...document.querySelectorAll('.row .grid')].map(g => [...g.children].map(l => Math.round(l.getBoundingClientRect().x)).join())"
    )

    assert len(places) > 10
    assert len(set(places)) == 1


def test_dragging_looks_closer_and_the_keyboard_goes_back(page):
    """All plots move together, marks come apart, ticks become finer; Escape shows all again."""
    widths = "[...new Set([...document.querySelectorAll('.pan')].map(p => p.getAttribute('width')))]"
    page.run("document.querySelector('#r1 .rows').scrollIntoView({block: 'center'})")
    left, top, width = page.run(
        "(r => [r.x, r.y, r.width])(document.querySelector('#r1 .field').getBoundingClientRect())"
    )
    gap = "document.querySelector('#r1 .value .gap rect').getBoundingClientRect().x"
    before = (page.run(gap) - left) / width
    page.drag((left + width * 0.33, top + 50), (left + width * 0.43, top + 50))

    assert (page.run(gap) - left) / width == pytest.approx((before - 0.33) / 0.1, abs=0.05)
    assert [round(float(text.rstrip("%")), -1) for text in page.run(widths)] == [1000]
    assert all(
        ":" in text
        for text in page.run("[...document.querySelectorAll('#r1 .ticks text')].map(t => t.textContent)")[:1]
    )
    assert count(page, ".closer .mark") > 0

    page.run("document.querySelector('#r1 .rows').focus()")
    page.key("Escape")

    assert page.run(widths) == ["100%"]
    assert page.problems == []


def test_the_cursor_reads_value_and_states_by_keyboard(page):
    """Time, value with its unit, and what each strip shows, in one line."""
    page.run("document.querySelector('#r1 .rows').focus()")
    page.key("ArrowLeft")
    said = page.run("document.querySelector('#r1 .readout').textContent")

    assert re.search(r"3 Dec \d\d:\d\d:\d\d", said)
    assert re.search(r"R1.TT101 (1\d\d(\.\d+)?( to 1\d\d(\.\d+)?)? °C|no value)", said)
    assert re.search(r"P101.RUN_FB (true|false)", said)


def test_it_is_complete_without_the_script(browser, file):
    """With scripts switched off the same marks, states and ticks are on the screen."""
    page = browser.open(file, script=False)

    assert count(page, ".tools") == 0
    assert all(
        drawn(page, f"#r1 {part}") for part in (".wide .mark", ".active rect", ".ticks text", ".curve")
    )


def test_dark_and_light_differ(page):
    """The page follows what its reader prefers."""
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.theme("dark")

    assert page.run(ground) != light


def test_on_paper_there_are_no_buttons_and_nothing_is_cut_off(page):
    """What only a screen can do is left out; tables are as wide as the sheet."""
    page.ask("Emulation.setDeviceMetricsOverride", width=780, height=1100, deviceScaleFactor=1, mobile=False)
    page.ask("Emulation.setEmulatedMedia", media="print")

    assert not drawn(page, ".tools")
    assert drawn(page, "#r1 .curve")
    assert page.run(
        "[...document.querySelectorAll('.scroll')].every(s => s.scrollWidth <= s.clientWidth + 1)"
    )


def test_a_phone_shows_it_without_scrolling_sideways(browser, file):
    """At 390 pixels nothing is wider than the screen, and the marks are those that fit."""
    page = browser.open(file, width=390, height=844)

    assert page.run("document.documentElement.scrollWidth") == 390
    assert not drawn(page, "#r1 .wide .mark")
    assert drawn(page, "#r1 .narrow .mark")


def test_texts_from_outside_are_inert(browser, outcome, tmp_path):
    """Names, units, messages that try to be markup are read as what they are, and nothing of them runs."""
    path = tmp_path / "hostile.html"
    path.write_text(render(hostile(outcome)), "utf-8")
    page = browser.open(path)

    assert page.run("document.hacked") is None
    assert page.run("[document.images.length, document.scripts.length]") == [0, 1]
    assert page.run("document.querySelector('#r1 h2').textContent") == HOSTILE.replace(
        "\u202e", "\ufffd"
    ).replace("\0", "\ufffd")
    assert page.problems == []
    assert page.requests == []


def test_the_policy_lets_nothing_else_run_or_load(page):
    """A script that got in all the same, a style of its own, an image: refused by the page itself."""
    page.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'document.hacked = 1'; document.body.append(s);"
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p><img src=\"http://127.0.0.1:9/x.png\">'); })()"
    )

    assert page.run("document.hacked") is None
    for refused in ("inline script", "inline style", "Loading the image"):
        assert any(refused in problem and "Content Security Policy" in problem for problem in page.problems)


def test_many_rules_and_events_are_a_few_megabytes(outcome):
    """25 rules, each with 2,000 events and as many stretches in four strips: coarser, but whole."""
    first = outcome.side.rules[0]
    step = outcome.span // 2000
    begins = [outcome.begin + step * index for index in range(2000)]
    events = tuple(first.events[0]._replace(seq=i, at=at, message=HOSTILE) for i, at in enumerate(begins))
    stretches = tuple(
        Stretch(name, doing, at, at + step // 2)
        for at in begins
        for name, doing in (
            ("high", Doing.ACTIVE),
            ("high_high", Doing.PENDING),
            ("low", Doing.CLEARING),
            ("", Doing.BLIND),
        )
    )
    buckets = tuple(Bucket(at, 150.0 + i % 7, 160.0 + i % 11) for i, at in enumerate(begins))
    rules = tuple(
        replace(first, spec=replace(first.spec, name=f"rule-{number}"), events=events, stretches=stretches)
        for number in range(25)
    )
    series = {name: replace(one, width=step, buckets=buckets) for name, one in outcome.series.items()}
    page = render(
        replace(
            outcome,
            side=replace(outcome.side, rules=rules),
            against=replace(outcome.side, rules=rules),
            series=series,
        )
    )

    assert len(page.encode()) < 5 * MEGABYTE


@pytest.mark.parametrize("length", [0, 1, 60, 86_400, 400 * 86_400])
def test_a_history_of_any_length_has_a_page(outcome, length):
    """One sample, a minute, a day, more than a year."""
    short = replace(outcome, end=outcome.begin + length * 1_000_000_000)

    assert "</html>" in render(short)


@pytest.mark.parametrize(("new", "old"), [(11, 1), (1, 11)])
def test_either_configuration_may_have_many_rules(outcome, new, old):
    """The figures of both stand in the same lines, also where only one has more than ten rules."""
    first = outcome.side.rules[0]
    rules = [replace(first, spec=replace(first.spec, name=f"rule-{number}")) for number in range(11)]
    page = render(
        replace(
            outcome,
            side=replace(outcome.side, rules=tuple(rules[:new])),
            against=replace(outcome.side, rules=tuple(rules[:old])),
        )
    )

    assert page.count("Share of the ten loudest") == 1


def test_a_rule_without_anything_has_a_page(outcome):
    """No history, no tags, no events: a section that says so."""
    bare = replace(
        outcome.side.rules[3], spec=AlarmSpec("bare", "", (), "d"), tags=(), events=(), stretches=(), excursions=(), hours={}
    )  # fmt: skip
    empty = replace(
        outcome, series={}, side=replace(outcome.side, rules=(bare,)), against=None, differences=()
    )

    assert "No event would have been sent." in render(empty)


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    colour = "".join(2 * digit for digit in colour) if len(colour) == 3 else colour
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *((text, ground, 4.5) for text in ("ink", "quiet", "limit", "link", "active", "good", "curve") for ground in ("page", "paper")),
        *((mark, "paper", 3) for mark in ("active", "pending", "suppressed", "disabled", "gap", "curve", "limit")),
        ("bar", "page", 3),
        *(("ink", f"heat{shade}", 4.5) for shade in (1, 2, 3)),
        *(("on-heat", f"heat{shade}", 4.5) for shade in (4, 5)),
    ],
)  # fmt: skip
def test_contrast_is_enough_for_everyone(theme, front, back, least):
    """WCAG AA: 4.5 to 1 for text, 3 to 1 for marks, in both themes."""
    style = files("agent.proving.report").joinpath("style.css").read_text("utf-8")
    colours = [
        dict(re.findall(r"--([\w-]+): #([0-9a-f]{6}|[0-9a-f]{3})\b", block))
        for block in style.split(":root")[1:3]
    ]
    light, dark = sorted((luminance(colours[theme][name]) for name in (front, back)), reverse=True)

    assert (light + 0.05) / (dark + 0.05) >= least
