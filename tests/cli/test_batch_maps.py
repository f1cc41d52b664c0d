"""vmafsal batch --maps: the maps of each clip beside its log, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from tests.batch import DEMO, draw_long_clip, logs, records, starting, wait_for, written
from tests.command import SIZE
from tests.conftest import Run, draw_yuv

pytestmark = pytest.mark.usefixtures("placeholder_model")


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the summary."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in written(folder)}


def pictures_of(video: Path) -> tuple[list[float | None], np.ndarray]:
    """Time and samples of each picture."""
    with av.open(str(video)) as container:
        read = [(frame.time, frame.to_ndarray().astype(int)) for frame in container.decode(video=0)]
    times, pictures = zip(*read, strict=True)
    return list(times), np.array(pictures)


def test_maps_are_those_of_map_and_the_log_is_the_same(vmafsal: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yuv").write_bytes(draw_yuv(5, 48, 64, seed=1))
    (tmp_path / "r.yuv").write_bytes(draw_yuv(5, 48, 64, seed=2))
    shutil.copy(DEMO, tmp_path / "c.mp4")
    (tmp_path / "clips.csv").write_text(
        "distorted,reference,width,height,output,maps,view,frame_skip_dist,subsample,feature\n"
        "a.yuv,r.yuv,64,48,deep/n.json,npz,,1,2,psnr\n"
        "a.yuv,,64,48,p.json,png,,,,\n"
        "c.mp4,,,,v.csv,mkv,side-by-side,,12,\n"
        "c.mp4,,,,o.json,,,,,\n"
    )
    rows = (tmp_path / "clips.csv").read_text().splitlines()
    # A feature a cell of CSV; JSON lines hold several.
    (tmp_path / "clips.jsonl").write_text(
        "\n".join(
            json.dumps(
                {k: v for k, v in zip(rows[0].split(","), row.split(","), strict=True) if v}
                | ({"feature": ["psnr", "mobilesal=stats=true"]} if "psnr" in row else {})
            )
            for row in rows[1:]
        )
    )
    done = vmafsal("batch", "clips.jsonl", "-o", "out", "--workers", "2")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    pictures = {f"p_maps/a_{number:06d}.png" for number in range(5)}
    assert set(files(out)) == {
        *("deep/n.json", "deep/n_maps.npz", "p.json", "v.csv", "v_maps.mkv", "o.json"),
        *pictures,
    }
    for args in (
        ("a.yuv", *SIZE, "--frames", "1:", "--every", "2", "-o", "n.npz"),
        ("a.yuv", *SIZE, "-o", "p/"),
        ("c.mp4", "--every", "12", "--view", "side-by-side", "-o", "v.mkv"),
    ):
        assert vmafsal("map", *args).returncode == 0
    assert (out / "deep" / "n_maps.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()
    with np.load(out / "deep" / "n_maps.npz") as read:
        assert read["frames"].tolist() == [1, 3]
    assert files(out / "p_maps") == files(tmp_path / "p")
    (times, drawn), (expected_times, expected) = map(
        pictures_of, (out / "v_maps.mkv", tmp_path / "v.mkv")
    )
    assert times == expected_times
    # x264 codes a little otherwise on another number of cores.
    assert np.abs(drawn - expected).mean() < 0.5
    # The numbers are those of a run without maps.
    plain = [json.loads(line) for line in (tmp_path / "clips.jsonl").read_text().splitlines()]
    (tmp_path / "plain.jsonl").write_text(
        "\n".join(
            json.dumps({k: v for k, v in row.items() if k not in ("maps", "view")}) for row in plain
        )
    )
    assert vmafsal("batch", "plain.jsonl", "-o", "plain").returncode == 0
    alone = logs(tmp_path / "plain")
    assert {name: log for name, log in logs(out).items() if name in alone} == alone
    metrics = json.loads((out / "deep" / "n.json").read_text())["frames"][0]["metrics"]
    assert {"psnr_y_saliency", "saliency_entropy"} <= set(metrics)
    assert records(out)["p.json"]["maps"]["files"] == 5
    assert records(out)["o.json"]["maps"] == {}


def test_a_clip_is_done_when_its_maps_are_there_and_whole(vmafsal: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yuv").write_bytes(draw_yuv(3, 48, 64))
    out = tmp_path / "out"

    def scored(*more: str) -> bool:
        done = vmafsal("batch", "a.yuv", *SIZE, "-o", "out", *more)
        assert done.returncode == 0, done.stderr
        return "1 of 1 clips scored" in done.stderr

    assert scored()
    for kind, damaged, size in (
        ("npz", out / "a_maps.npz", 100),
        ("mp4", out / "a_maps.mp4", None),
        ("png", out / "a_maps" / "a_000001.png", None),
    ):
        assert scored("--maps", kind)
        assert not scored("--maps", kind)
        before = files(out)
        damaged.unlink() if size is None else os.truncate(damaged, size)
        assert scored("--maps", kind)
        assert set(files(out)) == set(before)
        assert not scored("--maps", kind)
    assert scored("--maps", "png", "--view", "overlay")
    # What is not asked for is no reason.
    assert not scored()
    # A folder of another run is replaced as a whole.
    assert scored("--maps", "png", "--subsample", "2")
    assert sorted(path.name for path in (out / "a_maps").iterdir()) == [
        *("a_000000.png", "a_000002.png"),
    ]


@pytest.mark.parametrize("kind", ["png", "mkv"])
def test_a_killed_run_leaves_no_half_maps(vmafsal: Run, tmp_path: Path, kind: str) -> None:
    clip = draw_long_clip(tmp_path)
    args = (str(clip), *SIZE, "-o", "out", "--maps", kind, "--workers", "1", "--frame_cnt", "120")
    out = tmp_path / "out"

    def fresh(left: set[Path]) -> set[Path]:
        return set(out.glob("*.tmp")) - left

    with starting(tmp_path) as start:
        for end in (signal.SIGKILL, signal.SIGINT):
            left = set(out.glob("*.tmp"))
            run = start(*args)
            wait_for(partial(fresh, left), run)
            (os.killpg if end == signal.SIGINT else os.kill)(run.pid, end)
            run.communicate(timeout=60)
            assert not files(out)
        assert not list(out.glob("*.tmp")), "Ctrl-C clears up"
    done = vmafsal("batch", *args)
    assert done.returncode == 0, done.stderr
    assert not list(out.glob("*.tmp"))
    if kind == "png":
        assert len(list((out / "long_maps").iterdir())) == 120
    else:
        with av.open(str(out / "long_maps.mkv")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 120


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--maps", "npy"), "There is no maps 'npy'. Choose npz, png, mp4, mkv."),
        (("--view", "map"), "does nothing without --maps"),
        (("--maps", "npz", "--view", "map"), "holds the numbers"),
        (("--maps", "mp4", "--view", "heat"), "no view 'heat'"),
        (("--maps", "npz", "--segment", "1"), "Leave --segment or --maps out"),
        (("--maps", "npz", "--feature", "psnr", "-r", "a.yuv"), "--feature mobilesal once"),
        (
            ("--maps", "npz", "--feature", "mobilesal", "--feature", "mobilesal=name=b"),
            "--feature mobilesal once, not 2 times",
        ),
    ],
)
def test_mistakes(vmafsal: Run, tmp_path: Path, args: tuple[str, ...], word: str) -> None:
    (tmp_path / "a.yuv").write_bytes(draw_yuv(1, 48, 64))
    (tmp_path / "clips.csv").write_text("distorted,reference\na.yuv,a.yuv\n")
    args = tuple(arg for arg in args if arg not in ("-r", "a.yuv"))
    done = vmafsal("batch", "clips.csv", *SIZE, "-o", "out", *args)
    assert done.returncode == 2, done.stderr
    assert word in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_input_and_no_other_output_is_replaced(vmafsal: Run, tmp_path: Path) -> None:
    inside = tmp_path / "out" / "b_maps"
    inside.mkdir(parents=True)
    for path in (inside / "b_000000.yuv", tmp_path / "out" / "a_maps.npz", tmp_path / "c.yuv"):
        path.write_bytes(draw_yuv(1, 48, 64))

    def run(*rows: str) -> str:
        (tmp_path / "clips.csv").write_text("\n".join(["distorted,output,maps", *rows]) + "\n")
        done = vmafsal("batch", "clips.csv", *SIZE, "-o", "out")
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        return done.stderr

    before = files(tmp_path / "out")
    assert "its maps would replace" in run("out/a_maps.npz,a.json,npz")
    assert "its maps would replace the folder b_maps" in run("out/b_maps/b_000000.yuv,b.json,png")
    assert "line 3 of clips.csv: it would write d_maps.npz" in run(
        "c.yuv,d.json,npz", "c.yuv,d.csv,npz"
    )
    # A folder that holds something else, which nobody named.
    assert "holds b_000000.yuv, which is not ours" in run("c.yuv,b.json,png")
    assert files(tmp_path / "out") == before
