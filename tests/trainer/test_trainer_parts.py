"""The pieces of the trainer, each against what it must give."""

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tagger.analysis.features import FeatureSet
from tagger.analysis.networks.registry import build
from tagger.records import TaggerError
from tagger.vocabulary import MOODS
from trainer import manifest, metrics, recipe, soft, teacher
from trainer.augment import louder, mask, mix
from trainer.evaluate import fit_temperature
from trainer.export import tercile_cuts
from trainer.intervals import with_interval
from trainer.loop import one_cycle
from trainer.losses import answers_loss, candidate_loss, head_loss, log_shares, rating_loss, share_loss
from trainer.targets import Targets, network_config, targets, validation_groups

ABLATIONS = sorted((Path(recipe.__file__).parent / "recipes" / "ablations").glob("*.toml"))
HEADER = (
    "set,clip,path,fold,artist,title,group,mood,mood_weight,cluster,genre_candidates,genre_raw,mood_tags,"
    "valence,arousal,dominance,vad_tags,raters,rated_valence,rated_arousal,rated_valence_sd,rated_arousal_sd"
)


def row(**cells: str) -> str:
    values = {"set": "4q", "clip": "a", "path": "a.opus", "fold": "0", "group": "g", **cells}
    return ",".join(values.get(name, "") for name in HEADER.split(","))


def read(folder: Path, *rows: str) -> tuple[manifest.Clip, ...]:
    (folder / "manifest.csv").write_text("\n".join((HEADER, *rows)))
    return manifest.read(folder)


# --- data -------------------------------------------------------------------------------------------------------------


def test_an_empty_cell_is_an_unknown_label(tmp_path: Path) -> None:
    known, unknown = read(
        tmp_path,
        row(
            mood="calm",
            genre_candidates="pop|rock",
            valence="9",
            arousal="1",
            dominance="5",
            rated_valence="0.2",
            rated_arousal="0.9",
        ),
        row(clip="b"),
    )
    assert (known.mood, known.genres, known.words, known.rated) == (
        "calm",
        ("pop", "rock"),
        (1.0, 0.0, 0.5),
        (0.2, 0.9),
    )
    assert (unknown.mood, unknown.genres, unknown.words, unknown.rated, unknown.cluster) == (None, (), None, None, None)


@pytest.mark.parametrize("cells", [{"mood": "merry"}, {"fold": "7"}, {"genre_candidates": "polka"}, {"set": "x"}])
def test_a_wrong_cell_is_named_with_its_line(tmp_path: Path, cells: dict[str, str]) -> None:
    with pytest.raises(TaggerError, match="line 3"):
        read(tmp_path, row(), row(**cells))


def test_the_manifest_keeps_artists_on_one_side(shared_data: Path) -> None:
    clips = manifest.read(shared_data / "data")
    assert len(clips) > 2_000
    folds: dict[str, set[int]] = {}
    for clip in clips:
        folds.setdefault(clip.group, set()).add(clip.fold)
    assert all(len(found) == 1 for found in folds.values())


def test_validation_artists_are_whole_and_reproducible(tmp_path: Path) -> None:
    clips = read(tmp_path, *(row(clip=str(n), group=f"g{n // 3}") for n in range(60)))
    groups = validation_groups(clips, 0.2, seed=1)
    assert groups == validation_groups(clips, 0.2, seed=1)
    assert 12 <= sum(clip.group in groups for clip in clips) <= 15


def test_targets_mark_what_is_known(tmp_path: Path) -> None:
    clips = read(tmp_path, row(mood="sad", genre_candidates="pop|rock"), row(clip="b", set="ishkur"))
    made = targets(clips, {"ishkur": 0.5})
    assert made.known["mood"].tolist() == [True, False]
    assert made.values["genre"].sum(dim=1).tolist() == [2, 0]
    assert made.weights.tolist() == [1.0, 0.5]


def test_a_recipe_is_complete_and_has_no_unknown_key(tmp_path: Path) -> None:
    shipped = recipe.shipped("default")
    assert recipe.load(shipped).fit.weights["mood"] == 2.5
    changed = tmp_path / "r.toml"
    changed.write_text(shipped.read_text().replace("crops =", "crobs ="))
    with pytest.raises(TaggerError, match="crobs"):
        recipe.load(changed)
    with pytest.raises(TaggerError, match="default"):
        recipe.load(tmp_path / "none.toml")


def test_a_recipe_can_name_another_and_what_differs(tmp_path: Path) -> None:
    changed = tmp_path / "r.toml"
    changed.write_text('base = "default"\nname = "r"\n[fit.weights]\nmood = 0\n')
    made, default = recipe.load(changed), recipe.load(recipe.shipped("default"))
    assert made.fit.weights == {**default.fit.weights, "mood": 0}
    assert made.distill == default.distill
    changed.write_text('base = "default"\n[fit]\nepoch = 3\n')
    with pytest.raises(TaggerError, match="epoch"):
        recipe.load(changed)


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_an_ablation_differs_from_the_default_and_learns(path: Path, tmp_path: Path) -> None:
    made, default = recipe.load(path), recipe.load(recipe.shipped("default"))
    assert made.name == path.stem
    assert made.config() != {**default.config(), "name": made.name}
    clips = read(
        tmp_path,
        row(mood="sad", genre_candidates="pop|rock", valence="2", arousal="3", dominance="4"),
        row(clip="b", set="musifeast", rated_valence=".3", rated_arousal=".4"),
    )
    network = build(network_config(made))
    heard = FeatureSet(torch.randn(2, 251, 64), torch.randn(2, 251, 20), torch.rand(2, 32, 12))
    loss = answers_loss(network(heard), targets(clips, made.fit.set_weights), made.fit.weights, 0.3, {})
    loss.backward()
    assert 0 < loss.item() < 100


# --- sound ------------------------------------------------------------------------------------------------------------


def test_a_mixture_is_as_loud_as_its_first_part() -> None:
    generator = np.random.default_rng(0)
    first, second = (generator.normal(size=16_000).astype(np.float32) * scale for scale in (0.1, 0.5))
    mixed = mix(first, second, -3.0)
    assert np.mean(mixed**2) == pytest.approx(np.mean(first**2), rel=1e-3)
    assert np.corrcoef(mixed, second)[0, 1] > 0.4
    assert np.array_equal(mix(first, np.zeros_like(first), 0.0), first)


def test_louder_is_gain_on_the_power_behind_the_logarithm() -> None:
    power = torch.tensor([[[0.01, 1.0]]])
    log_mel = (torch.log(power + 1e-5) + 2) / 4
    got = louder(log_mel, torch.tensor(10.0))
    assert torch.allclose(got, (torch.log(power * 10 + 1e-5) + 2) / 4, atol=1e-5)


def test_masks_touch_the_asked_share() -> None:
    spectra = torch.rand(200, 100, 64)
    masked = mask(spectra, 0.5, torch.Generator().manual_seed(0))
    share = (masked != spectra).flatten(1).any(dim=1).float().mean()
    assert share == pytest.approx(0.5, abs=0.12)


def test_the_teacher_hears_what_its_authors_network_hears(shared_data: Path) -> None:
    golden = np.load(shared_data / "data" / "pretrained" / "golden.npz")
    heard = teacher.load(shared_data / "data").hear(torch.from_numpy(golden["log_mel"]).float().transpose(1, 2))
    assert np.abs(heard.frames.mean(dim=1).numpy() - golden["embedding"]).max() < 1e-3
    assert np.abs(heard.logits.numpy() - golden["logits"]).max() < 1e-2


# --- learning ---------------------------------------------------------------------------------------------------------


def test_a_candidate_set_costs_nothing_where_the_answer_is_in_it() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    candidates = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    loss = candidate_loss(probabilities.log(), candidates)
    assert loss.tolist() == pytest.approx([-math.log(0.8), -math.log(0.2), 0.0], abs=1e-6)


def test_a_share_costs_what_its_label_is_not_given() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    loss = share_loss(probabilities.log(), torch.tensor([[1.0, 0, 0], [0.5, 0, 0.5]]))
    assert loss.tolist() == pytest.approx([-math.log(0.5), -0.5 * (math.log(0.5) + math.log(0.2))], abs=1e-6)


def test_with_its_prior_a_rare_label_is_not_talked_down() -> None:
    """Nine clips of one genre and one of another, indistinguishable: without the prior's help 0.9 would be learned."""
    candidates = torch.eye(2)[torch.tensor([0] * 9 + [1])]
    prior = log_shares(candidates, torch.full((10,), 1e6))
    made = Targets({"genre": candidates}, {"genre": torch.ones(10, dtype=torch.bool)}, torch.ones(10))
    even, frequent = torch.full((10, 2), 0.5).log(), torch.tensor([[0.9, 0.1]] * 10).log()
    assert head_loss("genre", even, made, {"genre": prior}) < head_loss("genre", frequent, made, {"genre": prior})
    assert head_loss("genre", even, made, {}) > head_loss("genre", frequent, made, {})


def test_mood_words_of_both_sets_are_one_vocabulary(tmp_path: Path) -> None:
    rows = [row(clip=str(n), mood_tags="Aggressive|Fun") for n in range(4)]
    rows += [row(clip=f"m{n}", set="mirex", mood_tags="Agressive") for n in range(4)]
    made = targets(read(tmp_path, *rows, row(clip="t", set="mirex", mood_tags="Tense - Anxious")), {})
    assert made.values["tags"].shape == (9, 1)
    assert made.known["tags"].tolist() == [True] * 8 + [False]


def test_induced_emotions_are_known_where_the_data_has_them(shared_data: Path) -> None:
    clips = manifest.read(shared_data / "data")
    made = targets(clips, {})
    assert {clip.set for clip, known in zip(clips, made.known["gems"], strict=True) if known} == {"emotify"}
    assert made.values["gems"].min() >= 0
    assert made.values["gems"].max() <= 1


def test_unlabelled_rows_give_no_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    candidate_loss(torch.log_softmax(logits, dim=1), torch.tensor([[1.0, 0, 0], [0, 0, 0]])).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[1].abs().sum() == 0
    assert logits.grad[0].abs().sum() > 0


def test_a_rating_off_by_its_deviation_costs_one() -> None:
    assert rating_loss(torch.tensor([[0.7, 0.3]]), torch.tensor([[0.5, 0.5]])).item() == pytest.approx(1.0, abs=1e-5)


@given(st.integers(8, 5_000))
def test_one_cycle_rises_and_falls(steps: int) -> None:
    rates = [one_cycle(step, steps, 1.0) for step in range(steps)]
    assert max(rates) == pytest.approx(1.0, abs=0.05)
    assert rates[0] == pytest.approx(0.04, abs=0.05)
    assert rates[-1] < 0.5


def test_temperature_finds_the_one_that_was_applied() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4_000, 4)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([generator.choice(4, p=row) for row in probabilities])
    assert fit_temperature(np.log(probabilities) * 3, truth) == pytest.approx(3.0, rel=0.1)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_of_known_answers() -> None:
    truth, guessed = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    assert metrics.accuracy(truth, guessed) == pytest.approx(0.6)
    assert metrics.class_mean(truth, guessed, [0, 1, 2]) == pytest.approx(0.5)
    assert metrics.confusion(truth, guessed, 3).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert metrics.in_set(np.eye(3, dtype=bool)[truth], guessed) == pytest.approx(0.6)
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
    assert metrics.top_k(np.array([1, 0]), probabilities, 2) == pytest.approx(0.5)
    assert metrics.brier(np.array([0, 2]), probabilities) == pytest.approx(
        (0.16 + 0.09 + 0.01 + 0.04 + 0.09 + 0.25) / 2
    )
    precision, recall, f1 = metrics.by_class(truth, guessed, 4)
    assert precision[:3].tolist() == pytest.approx([0.5, 2 / 3, float("nan")], nan_ok=True)
    assert recall.tolist() == pytest.approx([0.5, 1, 0, float("nan")], nan_ok=True)
    assert metrics.macro_f1(truth, guessed) == pytest.approx(np.nanmean(f1)) == pytest.approx((0.5 + 0.8 + 0) / 3)
    values = np.array([0.1, 0.4, 0.9])
    assert metrics.pearson(values, 2 * values) == pytest.approx(1)
    assert metrics.concordance(values, values) == pytest.approx(1)
    assert metrics.concordance(values, values + 0.5) < 0.7
    assert metrics.root_mean_square(values, values + 0.5) == pytest.approx(0.5)
    assert metrics.mean_absolute(values, values - 0.2) == pytest.approx(0.2)
    assert metrics.spearman(values, values**5) == pytest.approx(1)
    assert metrics.explained(values, values) == pytest.approx(1)
    assert metrics.explained(values, np.full(3, values.mean())) == pytest.approx(0)


def test_areas_under_curves_agree_with_another_implementation(need_module: Callable[[str], ModuleType]) -> None:
    others = need_module("sklearn.metrics")
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 20, 300) / 20  # with ties
    positive = generator.random(300) < scores
    assert metrics.roc_auc(positive, scores) == pytest.approx(others.roc_auc_score(positive, scores))
    assert metrics.average_precision(positive, scores) == pytest.approx(
        others.average_precision_score(positive, scores)
    )
    assert math.isnan(metrics.roc_auc(np.ones(3, dtype=bool), np.zeros(3)))


def test_risk_rises_as_more_is_answered() -> None:
    hit, confidence = np.array([True, False, True, False]), np.array([0.9, 0.5, 0.8, 0.7])
    assert metrics.risks(hit, confidence).tolist() == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert metrics.mean_risk(hit, confidence) == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_calibration_error_of_the_calibrated_is_small_and_of_the_sure_is_not() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.3, 1, 20_000)
    hit = generator.random(20_000) < confidence
    assert metrics.calibration_error(hit, confidence) < 0.02
    assert metrics.calibration_error(hit, np.full(20_000, 0.99)) > 0.3
    assert metrics.gain_by_silence(hit, confidence) > 0.08


def test_intervals_resample_artists_not_clips() -> None:
    hits = np.repeat([0.0, 1.0] * 10, 50)
    alone = with_interval(lambda rows: float(hits[rows].mean()), [str(n) for n in range(1_000)])
    by_artist = with_interval(lambda rows: float(hits[rows].mean()), [str(n // 50) for n in range(1_000)])
    assert alone.value == by_artist.value == 0.5
    assert by_artist.high - by_artist.low > 3 * (alone.high - alone.low)


def test_terciles_cut_in_three() -> None:
    values = np.linspace(0, 1, 301)
    assert tercile_cuts(values, values)["arousal"] == pytest.approx([1 / 3, 2 / 3], abs=0.01)


# --- soft labels ------------------------------------------------------------------------------------------------------


def test_soft_labels_come_from_other_artists_and_reach_clips_without_one(tmp_path: Path) -> None:
    """Two taggers' dimensions tell two moods apart; the fold left out has them swapped, and teaches nothing."""
    moods = ("sad", "happy")
    rows = [row(clip=str(n), fold=str(n % 5), mood=moods[n // 5 % 2] if n < 40 else "") for n in range(50)]
    clips = read(tmp_path, *rows)
    (tmp_path / "teacher").mkdir()
    np.save(tmp_path / "teacher" / "clips.npy", np.array([clip.key for clip in clips]))
    side = np.array([(1.0 if n // 5 % 2 else -1.0) * (-1 if n % 5 == 0 else 1) for n in range(50)])
    for name in soft.TAGGERS:
        np.savez(tmp_path / "teacher" / f"{name}.npz", embedding=np.stack((side, -side), axis=1))
    hard = targets(clips, {})
    learned = np.flatnonzero(np.arange(50) % 5)  # all but fold 0
    softened = soft.soften(tmp_path, clips, learned, hard, 0.5)
    column = MOODS.index("happy")
    assert torch.equal(softened.values["mood"][::5], hard.values["mood"][::5])  # the fold left out
    assert softened.values["mood"][6, column] > 0.8  # happy, and sounds like it
    assert not hard.known["mood"][46]
    assert softened.known["mood"][46]
    assert softened.values["mood"][46, column] > 0.6
    assert softened.values["cluster"].sum() == 0


def test_without_the_taggers_soft_labels_say_what_is_missing(tmp_path: Path) -> None:
    clips = read(tmp_path, row(mood="sad"))
    with pytest.raises(TaggerError, match="soft_share"):
        soft.soften(tmp_path, clips, np.array([0]), targets(clips, {}), 0.5)


def test_a_branch_that_is_left_out_has_no_weights() -> None:
    made = build({"kind": "late-fusion", "softmax_heads": {"mood": 4}, "unit_heads": {}, "branches": ["mel"]})
    assert made.sources == ("fused", "mel")
    assert not any("chroma" in name or "mfcc" in name for name in made.state_dict())
