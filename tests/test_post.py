"""--post through every door: the command, batch, Python; what it names, and what it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.command import SIZE, invoke, scores
from tests.conftest import PLACEHOLDER, draw_yuv
from vmafsal import extract
from vmafsal.errors import UsageError
from vmafsal.job import Job, build_job
from vmafsal.library.clips import read_clips
from vmafsal.library.identity import digest_inputs
from vmafsal.maps.post import apply_steps, make_steps
from vmafsal.post_spec import change_paths, check_range, read_steps

FEATURE = ("--feature", f"mobilesal=model_path={PLACEHOLDER}")
RAW: dict[str, Any] = {"model": PLACEHOLDER, "width": 64, "height": 48}


def maps_of(clip: Path, **options: Any) -> list[NDArray[np.float32]]:
    run = extract(clip, maps=True, **RAW, **options)
    return [frame.map for frame in run if frame.map is not None]


@pytest.fixture
def mean_map(tmp_path: Path) -> Path:
    path = tmp_path / "mean.png"
    Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1))).save(path)
    return path


CHAINS = [
    "equalize",
    "smooth=2,centre-add=0.3:0.25,minmax",
    "smooth=2%,centre-multiply=0.3:0.5",
    "zscore",
    "zscore,smooth=1.5",
    "logdensity",
    "logdensity=1e-3",
    "match={}",
]


@pytest.mark.parametrize("chain", CHAINS)
def test_the_mean_is_that_of_the_changed_map(
    chain: str, clip: Path, mean_map: Path, tmp_path: Path
) -> None:
    text = chain.format(mean_map)
    output = tmp_path / "log.json"
    code, _, err = invoke(clip, *SIZE, *FEATURE, "--post", text, "-o", output, "--precision", "max")
    assert code == 0, err
    steps = make_steps(text)
    expected = [apply_steps(one, steps).mean(dtype=np.float64) for one in maps_of(clip)]
    assert list(scores(output, "saliency_mean_post").values()) == expected
    log = json.loads(output.read_text())
    assert list(log["frames"][0]["metrics"]) == ["saliency_mean_post"]
    assert log["vmafsal"]["settings"]["post"] == text
    changed = maps_of(clip, post=text)
    for one, raw in zip(changed, maps_of(clip), strict=True):
        np.testing.assert_array_equal(one, apply_steps(raw, steps))


def test_without_steps_nothing_is_named_otherwise(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "log.json"
    plain = [float(one.mean(dtype=np.float64)) for one in maps_of(clip)]
    for args in ((), ("--post", "")):
        done = invoke(clip, *SIZE, *FEATURE, *args, "-o", output, "--precision", "max")
        assert done[0] == 0
        assert list(scores(output).values()) == plain
    assert "post_files" not in json.loads(output.read_text())["vmafsal"]


def test_tags_of_one_s_own_stay_and_all_models_are_changed(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "log.csv"
    two = ("--feature", f"mobilesal=model_path={PLACEHOLDER}:name=b:stats=true")
    code, _, err = invoke(clip, *SIZE, *FEATURE, *two, "--post", "zscore", "-o", output)
    assert code == 0, err
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [name for name in rows[0] if name.startswith("saliency_mean")] == [
        "saliency_mean_post",
        "saliency_mean_b",
    ]
    for row in rows:
        assert float(row["saliency_mean_post"]) == pytest.approx(0, abs=1e-6)
        assert float(row["saliency_std_b"]) == pytest.approx(1, abs=1e-5)
        assert row["saliency_entropy_b"] == row["saliency_cx_b"] == "nan"


def test_the_digest_of_a_reference_stands_in_the_log(clip: Path, mean_map: Path) -> None:
    from hashlib import sha256

    run = extract(clip, post=f"match={mean_map}", **RAW).read()
    assert run.provenance()["post_files"] == {
        str(mean_map): sha256(mean_map.read_bytes()).hexdigest()
    }
    assert str(mean_map) in run.files


def test_a_reference_is_an_input(clip: Path, mean_map: Path, tmp_path: Path) -> None:
    before = mean_map.read_bytes()
    post = ("--post", f"match={mean_map}")
    code, _, err = invoke(clip, *SIZE, *FEATURE, *post, "--json", "-o", mean_map)
    assert (code, "would be lost" in err) == (1, True), err
    assert mean_map.read_bytes() == before
    missing = ("--post", f"match={tmp_path / 'no.png'}")
    code, _, err = invoke(clip, *SIZE, *FEATURE, *missing, "-o", tmp_path / "a.json")
    assert (code, "no.png cannot be used as a reference" in err) == (1, True), err
    assert not (tmp_path / "a.json").exists()


def test_a_manifest_has_a_column_of_it(clip: Path, mean_map: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "clips.csv"
    manifest.write_text(
        "distorted,output,width,height,post\n"
        'clip.yuv,a.csv,64,48,"match=mean.png,minmax"\n'
        "clip.yuv,b.csv,64,48,\n"
    )
    out = tmp_path / "out"
    args = (manifest, "-o", out, *FEATURE, "--workers", "1")
    code, _, err = invoke("batch", *args, "--post", "zscore", "-q")
    assert code == 0, err
    first, second = ((out / name).read_text() for name in ("a.csv", "b.csv"))
    assert "saliency_mean_post" in first
    assert "saliency_mean_post" in second
    changed = maps_of(clip, post=f"match={mean_map},minmax")
    row = next(csv.DictReader(first.splitlines()))
    assert float(row["saliency_mean_post"]) == pytest.approx(changed[0].mean(), abs=1e-6)
    code, shown, err = invoke("batch", *args, "--post", "zscore", "--dry-run")
    assert "2 done before" in err, shown + err
    # Another chain, and another reference under the same name, are scored again.
    code, _, err = invoke("batch", *args, "--post", "equalize", "--dry-run")
    assert "1 done before, 1 to score" in err
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(mean_map)
    code, _, err = invoke("batch", *args, "--post", "zscore", "--dry-run")
    assert "1 done before, 1 to score" in err


def test_where_a_reference_lies_is_no_reason_to_score_again(
    clip: Path, mean_map: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere,too.png"
    other.write_bytes(mean_map.read_bytes())
    escaped = str(other).replace(",", "\\,")
    jobs = [
        build_job(distorted=str(clip), post=f"match={path},minmax") for path in (mean_map, escaped)
    ]
    assert jobs[0].identity() == jobs[1].identity()
    assert jobs[1].post_files == [str(other)]
    one, two = (digest_inputs(job, "full")["post 0"] for job in jobs)
    assert one["sha256"] == two["sha256"]
    assert jobs[0].identity() != replace(jobs[0], post="minmax").identity()


def test_no_output_of_a_batch_replaces_a_reference(clip: Path, tmp_path: Path) -> None:
    reference = tmp_path / "out" / "clip.json"
    reference.parent.mkdir()
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(reference, "PNG")
    before = reference.read_bytes()
    post = ("--post", f"match={reference}")
    code, _, err = invoke("batch", clip, *SIZE, *FEATURE, *post, "-o", reference.parent)
    assert (code, "would replace" in err) == (2, True), err
    assert reference.read_bytes() == before


def test_paths_of_a_manifest_are_relative_to_it(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text('{"distorted": "a.mp4", "post": "zscore,match=sub/m\\\\,1.png"}\n')
    (clip,) = read_clips([str(manifest)], str(tmp_path / "out"))
    assert clip.job.post_files == [str(tmp_path / "sub" / "m,1.png")]


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("map", ("-o", "maps")),
        ("map", ("-o", "m.mp4")),
        ("roi", ("--format", "json", "-o", "q.json")),
        ("roi", ("--encode", "e.mp4", "--crf", "30")),
    ],
)
@pytest.mark.parametrize("chain", ["zscore", "minmax,logdensity", "zscore,smooth=2"])
def test_what_needs_zero_to_one_says_so(
    command: str, args: tuple[str, ...], chain: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    code, _, err = invoke(command, clip, *SIZE, *FEATURE, *args, "--post", chain)
    assert code == 2
    assert "gives other values. End --post with minmax" in err
    assert [path.name for path in clip.parent.iterdir()] == [clip.name]


def test_regions_and_composed_videos_are_those_of_the_changed_map(
    clip: Path, tmp_path: Path
) -> None:
    def regions(*args: str) -> str:
        code, out, err = invoke("roi", clip, *SIZE, *FEATURE, *args, "--format=json", "-o-", "-q")
        assert code == 0, err
        return out

    assert regions() == regions("--post", "")
    assert regions() != regions("--post", "centre-multiply=0.1:1")
    other = tmp_path / "other.yuv"
    other.write_bytes(draw_yuv(6, 48, 64, seed=1))
    pair = ("--reference", other, "--distorted", clip, *SIZE, *FEATURE)

    def video(*args: str) -> bytes:
        output = tmp_path / "composed.yuv"
        code, _, err = invoke("compose", *pair, *args, "-o", output, "-q")
        assert code == 0, err
        return output.read_bytes()

    # A Gaussian as narrow as that is 0 nearly everywhere: all is the reference.
    assert video("--post", "centre-multiply=0.001:1") == other.read_bytes()
    assert video() != other.read_bytes()


def test_psnr_is_weighted_by_the_changed_map(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yuv"
    other.write_bytes(draw_yuv(6, 48, 64, seed=1))
    output = tmp_path / "log.json"
    psnr = ("--feature", f"psnr=model_path={PLACEHOLDER}", "--reference", other)
    assert invoke(clip, *SIZE, *psnr, "--post", "centre-multiply=0.2:1", "-o", output)[0] == 0
    changed = scores(output, "psnr_y_saliency_post")
    assert invoke(clip, *SIZE, *psnr, "-o", output)[0] == 0
    assert changed != scores(output, "psnr_y_saliency")
    code, _, err = invoke(clip, *SIZE, *psnr, "--post", "zscore", "-o", output)
    assert (code, "psnr weights the error by" in err) == (2, True)


def test_tags_that_collide_are_a_sentence() -> None:
    with pytest.raises(UsageError, match="saliency_mean_post"):
        build_job(distorted="a", feature=["mobilesal", "mobilesal=name=post"], post="minmax")
    with pytest.raises(UsageError, match="--post is a text"):
        Job("a", post=7)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="There is no step 'sharpen'"):
        extract("a.mp4", post="sharpen")


@pytest.mark.parametrize(
    "text",
    [
        "blur",
        "smooth",
        "smooth=-1",
        "smooth=x%",
        "smooth=1001",
        "smooth=101%",
        "smooth=1e9",
        "smooth=nan",
        "smooth=2%%",
        "minmax=2",
        "equalize=",
        "centre-add",
        "centre-add=0.3",
        "centre-add=0:0.5",
        "centre-add=0.3:0.5:1",
        "centre-multiply=0.3:1.5",
        "logdensity=0",
        "logdensity=2",
        "match",
        "match=",
        "equalise",
    ],
)
def test_a_step_that_makes_no_sense_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"The step|There is no step"):
        read_steps(text)


def test_a_chain_is_in_range_by_the_last_step_that_decides() -> None:
    for text in (None, "", "smooth=2", "zscore,equalize", "logdensity,match=a.png,smooth=3"):
        check_range(text, "A picture shows")
    for text in ("zscore", "logdensity,centre-add=0.3:0.5", "minmax,zscore"):
        with pytest.raises(UsageError, match="A picture shows saliency from 0 to 1"):
            check_range(text, "A picture shows")


def test_paths_are_changed_and_nothing_else() -> None:
    text = " smooth=2% ,match=a\\,b.png,minmax"
    assert change_paths(text, lambda path: f"/{path}") == "smooth=2%,match=/a\\,b.png,minmax"
    assert read_steps("match=a\\,b=c.png")[0].path == "a,b=c.png"
