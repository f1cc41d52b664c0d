"""One table of options, which every place reads."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vmafsal
from tests.command import SIZE
from tests.conftest import PLACEHOLDER, ROOT, draw_yuv
from vmafsal.errors import UsageError
from vmafsal.job import FEATURE_OPTIONS, JOB_OPTIONS, OPTIONS, Feature, Job
from vmafsal.options import Option
from vmafsal.values import nearest, whole_number

NEW = '    dummy: int = _model("number", 7, "An option that a test added.", least=5)\n'
"""All that it takes to add an option, save for what it does."""

CHECK = """
import inspect, json, sys
from pathlib import Path
from dataclasses import replace
from typer.testing import CliRunner
import vmafsal
from docs.generate import PARTS
from vmafsal.cli.app import app
from vmafsal.errors import UsageError
from vmafsal.library.clips import read_clips
from vmafsal.library.record import settings

def invoke(*args):
    done = CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})
    return done.exit_code, done.output

clip, model = sys.argv[1:]
size = ("--width", "64", "--height", "48")
assert "An option that a test added" in invoke("--help")[1]
assert "An option that a test added" in invoke("batch", "--help")[1]

feature = ("--feature", f"mobilesal=model_path={model}")
code, said = invoke(clip, *size, *feature, "-o", "a.json", "--dummy", "8")
assert code == 0, said
assert json.loads(Path("a.json").read_text())["vmafsal"]["settings"]["dummy"] == 8
assert "--dummy is a whole number from 5 up, not 4" in invoke(clip, *size, "--dummy", "4")[1]

assert inspect.signature(vmafsal.extract).parameters["dummy"].default == 7
assert "dummy: An option that a test added" in vmafsal.extract.__doc__
with vmafsal.extract(clip, model=model, width=64, height=48, dummy=9) as run:
    assert run.job.dummy == 9

Path("clips.csv").write_text(f"distorted,output,width,height,dummy\\n{clip},a.json,64,48,6\\n{clip},b.json,64,48,\\n")
one, other = read_clips(["clips.csv"], "out", {"dummy": 5})
assert (one.job.dummy, other.job.dummy) == (6, 5)
assert settings(one) != settings(replace(one, job=replace(one.job, dummy=5)))

assert "- `--dummy` `N` (`7`): An option that a test added." in PARTS["score-options"]()
assert "dummy=7" in PARTS["extract-signature"]()
"""


def test_an_option_is_added_in_one_place(tmp_path: Path) -> None:
    package = tmp_path / "vmafsal"
    shutil.copytree(ROOT / "vmafsal", package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "model").symlink_to(ROOT / "model")
    table = package / "job.py"
    before, after = table.read_text().split("    tf32: bool = ")
    table.write_text(f"{before}{NEW}    tf32: bool = {after}")
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(1, 48, 64))
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(clip), str(PLACEHOLDER)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_names_are_the_same_everywhere() -> None:
    """A field, an option, a column, a parameter and a key of the log go by one name."""
    names = [option.name for option in OPTIONS]
    assert len(set(names)) == len(names)
    assert {option.name for option in JOB_OPTIONS} == set(Job.__slots__) - {"features"}
    assert {option.name for option in FEATURE_OPTIONS} == set(Feature.__slots__) - {"kind"}
    for option in OPTIONS:
        assert f"--{option.name}" in option.flags
        assert f"--{option.name.replace('_', '-')}" in option.flags
        assert option.help.endswith(".")
    spelt = [flag for option in OPTIONS for flag in option.flags]
    assert len(set(spelt)) == len(spelt)
    parameters = inspect.signature(vmafsal.extract).parameters
    python = {o.name for o in (*JOB_OPTIONS, *FEATURE_OPTIONS) if "python" in o.places}
    assert set(parameters) - {"path", "model", "feature", "maps"} == python - {"distorted"}


def test_every_default_passes_its_own_check() -> None:
    for option in (*OPTIONS, *FEATURE_OPTIONS):
        if isinstance(option.default, str | int | bool) or option.default is None:
            option.check_value(option.default)


NUMBER = Option(name="n", kind="number", help="", least=2, most=9, choices=("all",), none="auto")
WORD = Option(name="w", kind="text", help="", choices=("red", "green"), default="red")
SWITCH = Option(name="s", kind="flag", help="", default=False)
TEXTS = Option(name="t", kind="texts", help="")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (NUMBER, "0x8", 8),
        (NUMBER, 8, 8),
        (NUMBER, "auto", None),
        (NUMBER, "all", "all"),
        (WORD, "green", "green"),
        (SWITCH, "Yes", True),
        (SWITCH, 0, False),
        (SWITCH, True, True),
        (TEXTS, "a", ["a"]),
        (TEXTS, ["a", "b"], ["a", "b"]),
    ],
)
def test_values_are_read(option: Option, value: object, expected: object) -> None:
    assert option.parse(value) == expected


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (NUMBER, "eight", "n is all or auto or a whole number from 2 to 9, not 'eight'"),
        (NUMBER, 8.0, "n is all or auto or a whole number"),
        (NUMBER, True, "n is all or auto or a whole number"),
        (NUMBER, None, "n is all or auto or a whole number"),
        (WORD, [], r"w is a text, not \[\]"),
        (SWITCH, "maybe", "s is true or false, not 'maybe'"),
        (TEXTS, [1], "t is a text or a list of texts"),
        (TEXTS, {}, "t is a text or a list of texts"),
    ],
)
def test_values_of_another_kind(option: Option, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        option.parse(value)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (NUMBER, 1, "--n is all or auto or a whole number from 2 to 9, not 1"),
        (NUMBER, 10, "not 10"),
        (NUMBER, 2.5, "not 2.5"),
        (NUMBER, True, "not True"),
        (WORD, "gren", "There is no w 'gren'. Did you mean green?"),
        (WORD, "blue", "There is no w 'blue'. Choose red, green."),
        (WORD, None, "--w is a text, not None"),
        (SWITCH, 1, "--s is true or false, not 1"),
    ],
)
def test_values_that_make_no_sense(option: Option, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        option.check_value(value)


def test_whole_numbers_in_cs_notations() -> None:
    assert [whole_number(text) for text in ("12", "0x0c", "0o14", "0b1100", "012")] == [12] * 5
    for text in ("", "1.0", "1e3", "x", None, True, 1.0):
        with pytest.raises(ValueError):  # noqa: PT011  # the caller says what was expected
            whole_number(text)


def test_an_option_that_extract_does_not_have(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(1, 48, 64))
    with pytest.raises(TypeError, match=r"argument 'widht'\. Did you mean 'width'"):
        vmafsal.extract(clip, widht=64)
    with pytest.raises(TypeError, match=r"keyword argument 'gpumask'$"):
        vmafsal.extract(clip, gpumask="1")
    with pytest.raises(UsageError, match="--width is a whole number, not '64'"):
        vmafsal.extract(clip, width="64", height=48)


def test_numbers_of_numpy(tmp_path: Path) -> None:
    import numpy as np

    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(2, 48, 64))
    width, height = np.array(SIZE[1::2], np.int64)
    run = vmafsal.extract(
        clip, model=PLACEHOLDER, width=width, height=height, subsample=np.uint8(2)
    )
    assert '"subsample": 2' in run.to_json()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--widht", "--width"),
        ("--frame-count", "--frame_cnt"),
        ("--ref", "--reference"),
        ("--batchsize", "--batch-size"),
        ("--zoom", None),
        ("--verbose", None),
        ("--loglevel", None),
        ("--fps", None),
        ("", None),
    ],
)
def test_only_a_near_word_is_proposed(word: str, expected: str | None) -> None:
    known = [flag for option in OPTIONS for flag in option.flags if flag.startswith("--")]
    assert nearest(word, known) == expected
