"""Batches hold every pair once an epoch, keep to their size, and can be resumed at any position."""

import dataclasses
import hashlib
import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt import config
from nmt.data.batching import Batch, Batches, Position, evaluation_batches
from nmt.data.shuffling import PAIRS_PER_POOL
from nmt.data.store import SIDES, Column, Store, StoreWriter
from nmt.data.subword import Subword, Vocabularies
from nmt.data.token_ids import EOS, PAD
from nmt.errors import NmtError

WORDS = [f"{a}{b}" for a in ("ba", "do", "mi", "su", "ker") for b in ("na", "lo", "ti", "gra", "pu")]


def texts(count: int, seed: int) -> list[tuple[str, str]]:
    """Return different pairs of 0 to 11 words."""
    draw = np.random.default_rng(seed)
    lines = [" ".join(draw.choice(WORDS, size=draw.integers(0, 12))) for _ in range(2 * count)]
    return [(f"{seed} {i} {lines[2 * i]}".strip(), lines[2 * i + 1]) for i in range(count)]


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Vocabularies:
    path = tmp_path_factory.mktemp("subword") / "joint.model"
    subword = Subword.train((s for pair in texts(200, 0) for s in pair), path, config.Subword(), 340)
    return Vocabularies(subword, subword)


def store(folder: Path, pairs: list[tuple[str, str]], vocabularies: Vocabularies, is_text: bool = False) -> Store:
    columns = []
    for side, subword in ((0, vocabularies.source), (1, vocabularies.target)):
        ids = subword.encode([pair[side] for pair in pairs])
        lengths = np.array([len(i) for i in ids])
        raw = [pair[side].encode() for pair in pairs]
        if is_text:
            columns.append(Column(np.frombuffer(b"".join(raw), np.uint8), np.array([len(r) for r in raw]), lengths))
        else:
            columns.append(Column(np.array([i for line in ids for i in line]), lengths, lengths))
    with StoreWriter(folder, "uint8" if is_text else "uint16", is_text, pairs_per_shard=7) as writer:
        writer.append(*columns)
    return Store(folder)


def sentences(batch: Batch, vocabularies: Vocabularies) -> list[tuple[str, str]]:
    """Check the shape of a batch and return its text."""
    for ids, lengths in ((batch.source, batch.source_lengths), (batch.target, batch.target_lengths)):
        assert ids.dtype == lengths.dtype == np.int64
        assert ids.shape == (batch.pairs, lengths.max())
        is_real = np.arange(ids.shape[1]) < lengths[:, None]
        assert ((ids == PAD) == ~is_real).all()
        assert ((ids == EOS).sum(1) == 1).all() and (ids[np.arange(len(ids)), lengths - 1] == EOS).all()
    assert (np.diff(batch.source_lengths) <= 0).all()
    assert batch.tokens == (batch.target != PAD).sum()
    decoded = [
        [subword.decode(row[: n - 1].tolist()) for row, n in zip(ids, lengths, strict=True)]
        for subword, ids, lengths in (
            (vocabularies.source, batch.source, batch.source_lengths),
            (vocabularies.target, batch.target, batch.target_lengths),
        )
    ]
    return list(zip(*decoded, strict=True))


def same(a: Batch, b: Batch) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)


def make(
    train: list[tuple[Store, float]],
    vocabularies: Vocabularies,
    tokens: int | None = 100,
    sentences: int | None = None,
    longest: int = 256,
    seed: int = 1,
    sampling: float = 0.0,
    pool: int = PAIRS_PER_POOL,
    block: int = 8,
) -> Batches:
    return Batches(train, vocabularies, tokens, sentences, longest, seed, sampling, "bpe", pool, block)


def epoch(batches: Batches, number: int) -> list[Batch]:
    """Return the batches of one epoch."""
    seen = []
    for batch, following in batches.iterate_from(Position(number)):
        seen.append(batch)
        if following.epoch > number:
            break
    return seen


def pairs_of(batches: list[Batch], vocabularies: Vocabularies) -> Counter[tuple[str, str]]:
    return Counter(pair for batch in batches for pair in sentences(batch, vocabularies))


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.data.batching.MIN_PAIRS_PER_WINDOW", 1)
    monkeypatch.setattr("nmt.data.batching.BATCHES_PER_WINDOW", 4)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("sampling", [0.0, 0.3])
@pytest.mark.parametrize(("tokens", "count"), [(100, None), (None, 7), (10, None)])
def test_an_epoch_has_every_pair_once(
    tokens: int | None, count: int | None, sampling: float, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs = texts(60, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies, is_text=sampling > 0), 1.0)]
    batches = make(train, vocabularies, tokens, count, sampling=sampling)
    for number in (0, 1):
        assert pairs_of(epoch(batches, number), vocabularies) == Counter(pairs)
    assert batches.left_out == 0
    for batch, _ in islice(batches.iterate_from(Position()), 30):
        if tokens:
            assert batch.tokens <= tokens or batch.pairs == 1
        else:
            assert batch.pairs <= (count or 0)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("sampling", [0.0, 0.3])
def test_training_resumes_exactly_at_any_position(sampling: float, vocabularies: Vocabularies, tmp_path: Path) -> None:
    train = [
        (store(tmp_path / "a", texts(40, 1), vocabularies, sampling > 0), 1.0),
        (store(tmp_path / "b", texts(30, 2), vocabularies, sampling > 0), 0.5),
    ]
    run = list(islice(make(train, vocabularies, 50, sampling=sampling).iterate_from(Position()), 40))
    assert run[-1][1].epoch >= 1 and max(position.window for _, position in run) >= 1
    for i, (_, position) in enumerate(run[:-2]):
        resumed = list(islice(make(train, vocabularies, 50, sampling=sampling).iterate_from(position), 2))
        assert all(same(a[0], b[0]) and a[1] == b[1] for a, b in zip(resumed, run[i + 1 :], strict=False))


def longer_side(pair: tuple[str, str], vocabularies: Vocabularies) -> int:
    return max(len(vocabularies.source.encode([pair[0]])[0]), len(vocabularies.target.encode([pair[1]])[0]))


def epoch_in_parts(
    made: list[Batches], taken: list[int], vocabularies: Vocabularies
) -> tuple[Counter[tuple[str, str]], list[Batch]]:
    """Take `taken` batches of epoch 0 from each of `made`, and the rest from the last of them.

    Return all pairs, and the batches of the last one. Positions are written to JSON and read again, as in a checkpoint.
    """
    position, seen = Position(), []
    for batches, count in zip(made, [*taken, None], strict=True):
        rest = []
        for batch, following in islice(batches.iterate_from(position), count):
            rest.append(batch)
            if following.epoch:
                break
        seen, position = seen + rest, following
        position = Position.from_json(json.loads(json.dumps(dataclasses.asdict(position))))
    assert position == Position(1)
    return pairs_of(seen, vocabularies), rest


CHANGES: dict[str, list[dict[str, Any]]] = {
    "smaller batches": [{"tokens": 200}, {"tokens": 60}],
    "larger batches": [{"tokens": 60}, {"tokens": 200}],
    "sentences": [{"tokens": 100}, {"tokens": None, "sentences": 3}],
    "three changes": [{"tokens": 100}, {"tokens": 30}, {"tokens": 300}, {"tokens": None, "sentences": 5}],
    "a change and back": [{"tokens": 100}, {"tokens": 30}, {"tokens": 100}],
}


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("taken", [1, 4])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("sampling", [0.0, 0.3])
def test_no_pair_is_repeated_or_skipped_if_the_batch_size_changes_within_an_epoch(
    changes: list[dict[str, Any]], taken: int, sampling: float, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs = texts(200, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies, is_text=sampling > 0), 1.0)]
    made = [make(train, vocabularies, **change, sampling=sampling) for change in changes]
    seen, rest = epoch_in_parts(made, [taken] * (len(made) - 1), vocabularies)
    assert seen == Counter(pairs)
    most = changes[-1]["tokens"]
    assert all(b.tokens <= most or b.pairs == 1 if most else b.pairs <= changes[-1]["sentences"] for b in rest)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("taken", [1, 2, 5])
def test_a_smaller_max_tokens_within_an_epoch_leaves_out_only_longer_pairs(
    taken: int, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs = texts(400, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies), 1.0)]
    sizes = {pair: longer_side(pair, vocabularies) for pair in pairs}
    short = int(np.median([*sizes.values()]))
    made = [make(train, vocabularies, longest=longest) for longest in (256, short, 256)]
    seen, rest = epoch_in_parts(made[:2], [taken], vocabularies)
    assert all(sizes[pair] <= short for pair in pairs_of(rest, vocabularies))
    assert seen == Counter(pair for pair in pairs if sizes[pair] <= short or seen[pair]) and max(seen.values()) == 1
    # Pairs left out for a while come back if their window has not begun yet.
    seen, rest = epoch_in_parts(made, [taken, 2], vocabularies)
    assert max(seen.values()) == 1 and all(seen[pair] for pair in pairs if sizes[pair] <= short)
    assert any(sizes[pair] > short for pair in pairs_of(rest, vocabularies))
    # After the limit is raised, the longer pairs come in the next epoch.
    seen, _ = epoch_in_parts(made[1:], [taken], vocabularies)
    assert seen == Counter(pair for pair in pairs if sizes[pair] <= short)
    assert pairs_of(epoch(made[0], 1), vocabularies) == Counter(pairs)


@pytest.mark.usefixtures("small_windows")
def test_new_weights_of_corpora_take_effect_in_the_next_epoch(vocabularies: Vocabularies, tmp_path: Path) -> None:
    pairs, others = texts(60, 1), texts(40, 2)
    stores = store(tmp_path / "a", pairs, vocabularies), store(tmp_path / "b", others, vocabularies)
    first, second = (make(list(zip(stores, w, strict=True)), vocabularies) for w in ((1.0, 1.0), (2.0, 0.5)))
    for taken in (1, 6):
        assert epoch_in_parts([first, second], [taken], vocabularies)[0] == Counter(pairs + others)
    assert sum(pairs_of(epoch(second, 1), vocabularies).values()) == 2 * 60 + 20


@pytest.mark.usefixtures("small_windows")
def test_a_position_saved_by_an_older_version_gets_the_settings_of_its_run(
    vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs = texts(400, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies), 1.0)]
    old, new = make(train, vocabularies, tokens=200), make(train, vocabularies, tokens=60)
    for taken in (2, 4, 6):
        head = list(islice(old.iterate_from(Position()), taken))
        bare = Position(head[-1][1].epoch, head[-1][1].window, head[-1][1].batch)
        assert bare.is_incomplete and not head[-1][1].is_incomplete and not Position(3).is_incomplete
        position = new.complete(bare, tokens_per_batch=200, sentences_per_batch=None, max_tokens=256, weights=[1.0])
        assert position == head[-1][1]
        seen = [batch for batch, _ in head]
        for batch, following in new.iterate_from(position):
            seen.append(batch)
            if following.epoch:
                break
        assert pairs_of(seen, vocabularies) == Counter(pairs)


@pytest.mark.usefixtures("small_windows")
def test_pairs_that_fit_into_a_pool_come_in_the_order_of_earlier_versions(
    vocabularies: Vocabularies, tmp_path: Path
) -> None:
    train = []
    for name, count, seed, weight in (("a", 60, 1, 2.25), ("b", 40, 2, 0.4)):
        draw = np.random.default_rng(seed)
        columns = []
        for _ in SIDES:
            sizes = draw.integers(0, 12, count)
            columns.append(Column(draw.integers(4, 300, int(sizes.sum())), sizes, sizes))
        with StoreWriter(tmp_path / name, "uint16", is_text=False, pairs_per_shard=7) as writer:
            writer.append(columns[0], columns[1])
        train.append((Store(tmp_path / name), weight))
    digest = hashlib.sha256()
    for batch, position in islice(make(train, vocabularies, 80, longest=10, seed=3).iterate_from(Position()), 60):
        digest.update(batch.source.tobytes() + batch.target.tobytes())
        digest.update(repr((position.epoch, position.window, position.batch)).encode())
    # Computed at commit 8a2a3be, which shuffled the pairs of every corpus together.
    assert digest.hexdigest() == "3619996183a02e683df242c475291e6d38f8fd8dfcfadffeee9b217553c9fdbc"


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("sampling", [0.0, 0.3])
def test_training_in_pools_resumes_exactly_at_any_position(
    sampling: float, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    train = [
        (store(tmp_path / "a", texts(40, 1), vocabularies, sampling > 0), 1.0),
        (store(tmp_path / "b", texts(30, 2), vocabularies, sampling > 0), 0.5),
    ]
    run = list(islice(make(train, vocabularies, 50, sampling=sampling, pool=16).iterate_from(Position()), 40))
    layout = run[0][1].layout
    assert layout is not None and layout.pools == 4 and run[-1][1].epoch >= 1
    for i, (_, position) in enumerate(run[:-2]):
        saved = Position.from_json(json.loads(json.dumps(dataclasses.asdict(position))))
        resumed = list(islice(make(train, vocabularies, 50, sampling=sampling, pool=16).iterate_from(saved), 2))
        assert all(same(a[0], b[0]) and a[1] == b[1] for a, b in zip(resumed, run[i + 1 :], strict=False))


IN_POOLS: dict[str, list[dict[str, Any]]] = {
    **{name: [change | {"pool": 40} for change in changes] for name, changes in CHANGES.items()},
    "other pools": [{"pool": 40}, {"pool": 70, "block": 5}, {"pool": 10}],
    "from pools to one": [{"pool": 40}, {}],
    "from one to pools": [{}, {"pool": 40}],
}


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("taken", [1, 3])
@pytest.mark.parametrize("changes", IN_POOLS.values(), ids=IN_POOLS)
def test_no_pair_is_repeated_or_skipped_in_pools_if_settings_change_within_an_epoch(
    changes: list[dict[str, Any]], taken: int, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs = texts(200, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies), 1.0)]
    made = [make(train, vocabularies, **change) for change in changes]
    assert epoch_in_parts(made, [taken] * (len(made) - 1), vocabularies)[0] == Counter(pairs)


@pytest.mark.usefixtures("small_windows")
def test_a_smaller_max_tokens_or_other_weights_in_pools_repeat_no_pair(
    vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs, others = texts(200, 1), texts(90, 2)
    stores = store(tmp_path / "a", pairs, vocabularies), store(tmp_path / "b", others, vocabularies)
    sizes = {pair: longer_side(pair, vocabularies) for pair in pairs + others}
    short = int(np.median([*sizes.values()]))
    made = [
        make(list(zip(stores, weights, strict=True)), vocabularies, longest=longest, pool=50)
        for weights, longest in (((1.0, 1.0), 256), ((2.0, 0.5), short))
    ]
    seen, rest = epoch_in_parts(made, [9], vocabularies)
    assert all(sizes[pair] <= short for pair in pairs_of(rest, vocabularies))
    assert seen == Counter(pair for pair in pairs + others if sizes[pair] <= short or seen[pair])
    assert max(seen.values()) == 1
    both = pairs_of(epoch(made[1], 1), vocabularies) + pairs_of(epoch(made[1], 2), vocabularies)
    expected = {pair: 4 if pair in set(pairs) else 1 for pair in pairs + others if sizes[pair] <= short}
    assert both == Counter(expected)


@pytest.mark.usefixtures("small_windows")
def test_an_epoch_that_an_older_version_began_ends_as_it_began(vocabularies: Vocabularies, tmp_path: Path) -> None:
    pairs = texts(200, 1)
    train = [(store(tmp_path / "s", pairs, vocabularies), 1.0)]
    old, new = make(train, vocabularies), make(train, vocabularies, pool=40)
    head = list(islice(old.iterate_from(Position()), 5))
    values = json.loads(json.dumps(dataclasses.asdict(head[-1][1])))
    values["layout"] = {key: values["layout"][key] for key in ("pairs_per_window", "max_tokens", "weights")}
    bare = Position(0, head[-1][1].window, head[-1][1].batch)
    for position in (
        Position.from_json(values),
        new.complete(bare, tokens_per_batch=100, sentences_per_batch=None, max_tokens=256, weights=[1.0]),
    ):
        seen = [batch for batch, _ in head]
        for batch, following in new.iterate_from(position):
            seen.append(batch)
            if following.epoch:
                break
        assert pairs_of(seen, vocabularies) == Counter(pairs)
        _, later = next(new.iterate_from(following))
        assert later.layout is not None and later.layout.pools == 5


def test_the_order_depends_on_the_seed_and_the_epoch(vocabularies: Vocabularies, tmp_path: Path) -> None:
    train = [(store(tmp_path / "s", texts(60, 1), vocabularies), 1.0)]
    first, _ = next(make(train, vocabularies).iterate_from(Position()))
    other_seed, _ = next(make(train, vocabularies, seed=2).iterate_from(Position()))
    other_epoch, _ = next(make(train, vocabularies).iterate_from(Position(1)))
    assert not same(first, other_seed) and not same(first, other_epoch)


def test_segmentations_differ_between_epochs(vocabularies: Vocabularies, tmp_path: Path) -> None:
    pairs = [("banalo mitisu", "kerpu dogra")] * 2
    train = [(store(tmp_path / "s", pairs, vocabularies, is_text=True), 1.0)]
    batches = make(train, vocabularies, sampling=0.5)
    seen = {next(batches.iterate_from(Position(number)))[0].target.tobytes() for number in range(8)}
    assert len(seen) > 1


@pytest.mark.parametrize(("weight", "epochs"), [(2.0, 1), (0.5, 2), (1.5, 2), (0.3, 10), (0.01, 100)])
def test_a_weight_is_the_number_of_passes_in_an_epoch(
    weight: float, epochs: int, vocabularies: Vocabularies, tmp_path: Path
) -> None:
    pairs, other = texts(20, 1), texts(5, 2)
    train = [(store(tmp_path / "a", pairs, vocabularies), weight), (store(tmp_path / "b", other, vocabularies), 1.0)]
    batches = make(train, vocabularies)
    seen: Counter[tuple[str, str]] = Counter()
    for number in range(epochs):
        seen += pairs_of(epoch(batches, number), vocabularies)
    expected = {pair: round(weight * epochs) for pair in pairs} | dict.fromkeys(other, epochs)
    assert seen == expected


def test_epochs_without_pairs_are_skipped(vocabularies: Vocabularies, tmp_path: Path) -> None:
    train = [(store(tmp_path / "s", texts(2, 1), vocabularies), 0.1)]
    _, following = next(make(train, vocabularies).iterate_from(Position()))
    assert following == Position(5)
    with pytest.raises(NmtError, match=r"data\.train\.weight leaves 2e-15 pairs an epoch; raise it"):
        make([(train[0][0], 1e-15)], vocabularies)


def test_long_pairs_are_left_out(vocabularies: Vocabularies, tmp_path: Path) -> None:
    pairs = texts(40, 1)
    made = store(tmp_path / "s", pairs, vocabularies)
    longest = int(np.median(made.source_lengths))
    fits = [
        pair
        for pair, s, t in zip(pairs, made.source_lengths, made.target_lengths, strict=True)
        if s <= longest and t <= longest
    ]
    batches = make([(made, 1.0)], vocabularies, longest=longest)
    assert 0 < batches.left_out == len(pairs) - len(fits)
    assert pairs_of(epoch(batches, 0), vocabularies) == Counter(fits)
    with pytest.raises(NmtError, match=r"training\.max_tokens"):
        make([(made, 1.0)], vocabularies, longest=1)


def test_batches_have_pairs_of_similar_length_and_are_full(vocabularies: Vocabularies, tmp_path: Path) -> None:
    train = [(store(tmp_path / "s", texts(1500, 1), vocabularies), 1.0)]
    batches = epoch(make(train, vocabularies, tokens=1000), 0)
    padding = sum(batch.target.size - batch.tokens for batch in batches) / sum(batch.tokens for batch in batches)
    assert padding < 0.25
    assert min(batch.tokens for batch in batches) > 900


def test_sampling_needs_stores_of_text_and_the_same_kind(vocabularies: Vocabularies, tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="without subword"):
        make([(store(tmp_path / "a", texts(3, 1), vocabularies), 1.0)], vocabularies, sampling=0.1)
    train = [(store(tmp_path / "b", texts(3, 1), vocabularies, is_text=True), 1.0)]
    with pytest.raises(NmtError, match=r"subword\.kind bpe, not unigram"):
        Batches(train, vocabularies, 100, None, 99, 1, 0.1, "unigram")


def test_evaluation_batches_have_every_pair_once(vocabularies: Vocabularies, tmp_path: Path) -> None:
    pairs = texts(50, 1)
    made = store(tmp_path / "s", pairs, vocabularies)
    numbers: list[int] = []
    for batch, indices in evaluation_batches(made, 60):
        assert sentences(batch, vocabularies) == [pairs[i] for i in indices]
        assert batch.tokens <= 60 or batch.pairs == 1
        numbers += indices.tolist()
    assert sorted(numbers) == list(range(50))
