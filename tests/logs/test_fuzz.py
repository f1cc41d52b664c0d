"""Whatever logs hold, reading and joining them ends in figures or in a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.logs.examples import CLIP, FORMATS, GOLDEN
from vmafsal.errors import InputError, VmafsalError
from vmafsal.logs import LogFormat, format_log, parse_precision
from vmafsal.logs.align import How
from vmafsal.logs.join import join_logs
from vmafsal.logs.read import parse_log
from vmafsal.logs.stats import correlations, salient_quarters, summarise
from vmafsal.logs.worst import frame_rate, worst_frames


def check_read_or_refused(text: str) -> None:
    """No other exception gets out."""
    message = ""
    try:
        assert parse_log(text, "log").frames
    except InputError as error:
        message = str(error)
    assert message == "" or message.startswith("log ")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    check_read_or_refused(text)


@given(st.text(alphabet='Frame,a0123456789.-"\r\n ;', max_size=60))
def test_any_table_is_read_or_refused(text: str) -> None:
    check_read_or_refused("Frame,a" + text)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["nan", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["frames", "frameNum", "metrics", "n", "a", "fps", "version", "pts_time"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "version": JSON_VALUES,
            "fps": JSON_VALUES,
            "frames": JSON_VALUES
            | st.lists(
                st.fixed_dictionaries(
                    {"frameNum": st.integers(-1, 4) | JSON_VALUES},
                    optional={"metrics": JSON_VALUES, "pts_time": JSON_VALUES},
                ),
                max_size=3,
            ),
            "vmaf": st.lists(
                st.fixed_dictionaries({"n": st.integers(0, 3) | JSON_VALUES, "a": JSON_VALUES}),
                max_size=3,
            ),
            "aggregate_metrics": JSON_VALUES,
            "vmafsal": JSON_VALUES,
        },
    )
)
def test_any_json_is_read_or_refused(content: dict[str, Any]) -> None:
    check_read_or_refused(json.dumps(content))


@given(
    st.lists(
        st.lists(st.sampled_from(["frame", "Frame", "frameNum", "a", "0", "1", "x"]), max_size=3),
        max_size=3,
    )
)
def test_any_xml_is_read_or_refused(frames: list[list[str]]) -> None:
    rows = "".join(
        f"<frame {' '.join(f'{name}={chr(34)}{n}{chr(34)}' for n, name in enumerate(row))} />"
        for row in frames
    )
    check_read_or_refused(f"<VMAF><frames>{rows}</frames></VMAF>")


@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from(FORMATS))
    text = (GOLDEN / f"{CLIP}mobilesal.{fmt}").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    check_read_or_refused(damaged)


FIGURES = st.none() | st.floats() | st.integers(-3, 100) | st.sampled_from(["nan", "-inf"])
COLUMNS = st.sampled_from(["vmaf", "saliency_mean", "saliency_mean_b", "psnr_y", "a b", "a:b"])


def frames_of(columns: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Mostly the frames 0 to 3 or so; at times any."""
    metrics = st.dictionaries(columns, FIGURES, min_size=1, max_size=3)
    frame = st.fixed_dictionaries({"metrics": metrics}, optional={"pts_time": FIGURES})
    return st.tuples(
        st.lists(frame, min_size=1, max_size=5),
        st.permutations(range(6)) | st.just(range(6)) | st.just(range(1, 7)),
    ).map(lambda drawn: [f | {"frameNum": n} for f, n in zip(*drawn, strict=False)])


ANY = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3)
OWN = st.fixed_dictionaries(
    {},
    optional={
        "settings": ANY
        | st.fixed_dictionaries(
            {}, optional={"frame_skip_dist": st.integers(0, 3) | ANY, "frame_skip_ref": ANY}
        ),
        "input": ANY
        | st.fixed_dictionaries({}, optional={"fps": ANY, "distorted": ANY, "reference": ANY}),
    },
)
FACTS = (
    OWN
    | ANY
    | st.fixed_dictionaries(
        {
            "join": ANY
            | st.fixed_dictionaries(
                {
                    "logs": ANY
                    | st.lists(
                        ANY
                        | st.fixed_dictionaries(
                            {"vmafsal": OWN | ANY}, optional={"offset": st.integers(-2, 2) | ANY}
                        ),
                        max_size=2,
                    )
                }
            )
        }
    )
)


def log_of(columns: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"frames": frames_of(columns)}, optional={"vmafsal": FACTS, "version": ANY}
    )


LOGS = st.tuples(
    log_of(st.sampled_from(["saliency_mean", "saliency_mean_b"])),
    log_of(st.sampled_from(["vmaf", "psnr_y", "a b"])),
) | st.lists(log_of(COLUMNS), min_size=1, max_size=3)
NAMES = st.sampled_from(["a", "b"])


@settings(max_examples=150)
@given(
    contents=LOGS,
    how=st.sampled_from(["exact", "inner"]),
    suffix=st.just({}) | st.dictionaries(NAMES, st.text(max_size=2), max_size=2),
    take=st.just({}) | st.dictionaries(COLUMNS, NAMES, max_size=1),
    rename=st.just({}) | st.dictionaries(COLUMNS, COLUMNS, max_size=2),
    offset=st.dictionaries(NAMES, st.integers(-3, 3), max_size=2),
    fmt=st.sampled_from(["json", "xml", "csv", "sub", "tidy", "ndjson"]),
)
def test_any_logs_join_or_are_refused(
    contents: Sequence[dict[str, Any]],
    how: How,
    suffix: dict[str, str],
    take: dict[str, str],
    rename: dict[str, str],
    offset: dict[str, int],
    fmt: LogFormat,
) -> None:
    message = "."
    try:
        logs = {
            name: parse_log(json.dumps(content), name)
            for name, content in zip("abc", contents, strict=False)
        }
        joined = join_logs(logs, how, suffix, take, rename, offset)
        text = format_log(joined, fmt, parse_precision("max"), times=True)
        back = parse_log(text, "joined")
        assert [f.index for f in back.frames] == [f.index for f in joined.frames]
        for name in joined.feature_names:
            summary = summarise(joined.column(name))
            assert all(value is None or math.isfinite(value) for value in summary)
        for pair in correlations(joined):
            coefficient = pair.correlation.pearson
            assert coefficient is None or -1 <= coefficient <= 1
        assert all(0 < one.frames <= one.total for one in salient_quarters(joined))
        rate = frame_rate(joined)
        assert rate is None or rate > 0
        assert worst_frames(joined, "vmaf", "saliency_mean", 3, rate or 25.0)
    except VmafsalError as error:
        message = str(error)
    assert message.endswith((".", "?"))
