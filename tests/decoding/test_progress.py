"""Log lines about the progress of a translation, and warnings about its input."""

import logging
from typing import Any

import pytest

from nmt.data.lines import InvalidLines
from nmt.data.training_words import TrainingWords, hash_word
from nmt.decoding.input_warnings import InputWarnings
from nmt.decoding.progress import Progress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def report_times(seconds: list[float], messages: list[str], is_live: bool = False) -> list[float]:
    """Return the times of the messages of a translation that finishes 100 lines at each of the `seconds`."""
    clock, times = Clock(), []
    with Progress(lambda n: n / 1e4, "", is_live, clock) as progress:
        for second in seconds:
            clock.now = 100 + second
            progress.advance(100, 2500)
            times += [second] * (len(messages) - len(times))
    return times


def test_progress_is_logged_at_regular_intervals(messages: list[str]) -> None:
    assert report_times([1.0 * second for second in range(1, 101)], messages) == [10, 40, 70, 100]
    assert messages[1] == "4,000 lines in 40.0 s: 100.0 lines/s, 2,500 target tokens/s, 40 %, 0:01:00 left"
    messages.clear()
    assert report_times([1.0 * second for second in range(1, 10)], messages) == []


def test_log_lines_about_live_input_become_rare(messages: list[str]) -> None:
    times = report_times([10.0 * second for second in range(1, 8640)], messages, is_live=True)
    assert times[:4] == [10, 40, 100, 220] and len(times) < 40


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_a_progress_bar_is_shown_on_a_terminal_unless_quiet(
    level: int, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("nmt").setLevel(level)  # `messages` restores it
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bars = []
    monkeypatch.setattr("tqdm.tqdm", lambda **options: bars.append(options))
    Progress()
    assert len(bars) == (level == logging.INFO)


def test_long_lines_are_counted_in_one_warning_at_the_end(messages: list[str]) -> None:
    warnings = InputWarnings(InvalidLines("in.txt"), 10)
    for number, tokens in enumerate([3, 10, 11, 4, 50, 0]):
        warnings.check(number, tokens, "")
    assert messages == []
    warnings.finish()
    [message] = messages
    assert message.startswith("warning: in.txt: 2 lines (the first is line 3) are longer than 99.9 %")
    assert "--split-sentences" in message and "--max-source-tokens 10" in message


def test_problems_of_live_input_are_reported_at_once_and_once(messages: list[str]) -> None:
    counts = InvalidLines("standard input")
    warnings = InputWarnings(counts, 10, is_live=True)
    warnings.check(6, 11, "")
    assert len(messages) == 1 and "line 7 is longer" in messages[0]
    counts.decode(b"\xff")
    for _ in range(2):
        warnings.check(7, 11, "")
        warnings.finish()
    assert len(messages) == 2 and "1 of 1 lines are not valid UTF-8" in messages[1]


def test_lines_of_runs_without_known_lengths_cause_no_warning(messages: list[str]) -> None:
    warnings = InputWarnings(InvalidLines("in.txt"), None)
    warnings.check(0, 10_000, "a")
    warnings.finish()
    assert messages == []


def known(*words: str, **facts: Any) -> TrainingWords:
    return TrainingWords(frozenset(map(hash_word, words)), language="en", **{"usual_share": 0.05, **facts})


@pytest.mark.parametrize("is_live", [False, True])
def test_many_unseen_words_cause_one_warning_at_the_end(messages: list[str], is_live: bool) -> None:
    warnings = InputWarnings(InvalidLines("in.txt"), None, is_live, known("the", "cat"))
    for number, line in enumerate(["The cat.", "the dog and the cow", "THE dog 7", f"the {'x' * 50}"]):
        warnings.check(number, 5, line)
    assert messages == []
    warnings.finish()
    [message] = messages
    assert message.startswith(
        "warning: in.txt: 5 of 11 words are not in the training text (the first in line 2: dog, and, cow, …). "
    )
    assert "nmt tune" in message


def test_one_unseen_word_is_named(messages: list[str]) -> None:
    warnings = InputWarnings(InvalidLines("in.txt"), None, known=known("the", sampled_pairs=1000))
    warnings.check(3, 5, f"the {'x' * 50}")
    warnings.finish()
    [message] = messages
    assert f"1 of 2 words is not in the training text (1,000 pairs of it were read; line 4: {'x' * 40}…)" in message


def test_few_unseen_words_cause_no_warning(messages: list[str]) -> None:
    for unseen, is_warned in ((1, False), (2, True)):
        warnings = InputWarnings(InvalidLines("in.txt"), None, known=known("the"))
        warnings.check(0, 5, "the " * (20 - unseen) + "dog " * unseen)
        warnings.check(1, 5, "12 %")
        warnings.finish()
        assert bool(messages) == is_warned
