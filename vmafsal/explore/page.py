"""The page: widgets in, pictures and curves out. Streamlit runs this file for every change.

Errors that a person can correct become one sentence where they arise; what is computed stands in
the modules beside this one.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from vmafsal.errors import VmafsalError
from vmafsal.explore.clip import Clip
from vmafsal.explore.look import Chain, data_url, encode_maps, list_models, stretched
from vmafsal.explore.serve import settings
from vmafsal.explore.truth import read_truth
from vmafsal.explore.uploads import Uploads, sentence
from vmafsal.logs import Log, NumberFormat, encode_log
from vmafsal.logs.join import join_logs
from vmafsal.logs.read import read_log
from vmafsal.maps.drawing import colored, enlarged, overlay, rgb_of
from vmafsal.maps.post import apply_steps, make_steps
from vmafsal.models.registry import packaged_registry
from vmafsal.post_spec import check_range
from vmafsal.report.curves import curves_of
from vmafsal.report.page import figure

T = TypeVar("T")


def main() -> None:
    """Draw the page from top to bottom."""
    st.set_page_config(page_title="vmafsal explore", layout="wide")
    st.title("vmafsal explore")
    clip = None
    with st.sidebar, sentences():
        clip = choose_clip()
    logs: dict[str, Log] = {}
    with st.sidebar, sentences(stop=True):
        models, post = choose_models(), choose_steps()
    with st.sidebar, sentences():
        logs = choose_logs()
    if clip is None:
        st.write("Upload a video or a picture at the left, or open one: `vmafsal explore VIDEO`.")
        return
    position = choose_frame(clip)
    maps: dict[str, Any] = {}
    with sentences():
        maps = show_maps(clip, position, models, post)
    with sentences():
        show_scores(clip, maps, post)
    with sentences():
        show_curves(clip, models, post, logs)


@contextmanager
def sentences(stop: bool = False) -> Iterator[None]:
    """Show an error that a person can correct as a sentence.

    Args:
        stop: leave the rest of the page out then.
    """
    try:
        yield
    except VmafsalError as error:
        st.error(plain(sentence(error, uploads().names)))
        if stop:
            st.stop()


def plain(text: str) -> str:
    """Text in which nothing is taken for Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:-])", r"\\\1", text)


def remembered(name: str, make: Callable[[], T]) -> T:
    """A value of this page that is made once."""
    if name not in st.session_state:
        st.session_state[name] = make()
    value: T = st.session_state[name]
    return value


def uploads() -> Uploads:
    """The files that were uploaded to this page."""
    return remembered("uploads", lambda: Uploads(settings().folder))


def upload(role: str, label: str, **options: Any) -> str | None:
    """A place to upload a file; gives its path."""
    given = st.file_uploader(label, key=f"upload {role}", **options)
    if given is None:
        uploads().drop(role)
        return None
    return uploads().keep(role, given.file_id, given.name, given.getvalue).path


def choose_clip() -> Clip | None:
    """The video or picture to look at: the one uploaded, else the one of the command line."""
    path = upload("video", "Video or picture") or settings().video
    if st.session_state.get("path") != path:
        for name in ("clip", "scored"):
            st.session_state.pop(name, None)
        st.session_state["path"] = path
        st.session_state["frame"] = 0
    if path is None:
        return None
    options = settings().options if path == settings().video else {}
    return remembered("clip", lambda: Clip(path, options))


def choose_models() -> list[str]:
    """Ids of the models to look through."""
    families = list_models()
    return list(
        st.multiselect(
            "Models",
            list(families),
            default=[packaged_registry().default],
            format_func=lambda name: f"{name} ({families[name]})",
            key="models",
        )
    )


def choose_steps() -> str:
    """Steps of post-processing, as --post takes them."""
    with st.expander("Post-processing"):
        histogram = st.selectbox("Histogram", ["none", "equalize", "match"], key="histogram")
        reference = None
        if histogram == "match":
            reference = upload("reference", "Reference: a gray map, .npy or .npz")
        smooth = st.slider("Blur, % of the longer side", 0.0, 10.0, 0.0, 0.5, key="smooth")
        prior = st.selectbox("Centre prior", ["none", "add", "multiply"], key="prior")
        width = weight = 0.0
        if prior != "none":
            width = st.slider("Its width, share of a side", 0.05, 1.0, 0.3, 0.05, key="width")
            weight = st.slider("Its weight", 0.0, 1.0, 0.25, 0.05, key="weight")
        scales = ["none", "minmax", "zscore", "logdensity"]
        scale = st.selectbox("Scale", scales, key="scale")
        chain = Chain(histogram, reference, smooth, prior, width, weight, scale)
        if text := chain.text():
            named = dataclasses.replace(chain, reference=reference and "FILE").text()
            st.code(f'--post "{named}"', language=None)
    return text


def choose_logs() -> dict[str, Log]:
    """Logs to draw beside the curve, by their names."""
    logs = dict(settings().logs)
    path = upload("log", "Log, for example of vmaf")
    if path is not None:
        logs[uploads().names[path]] = read_log(path)
    return logs


def choose_frame(clip: Clip) -> int:
    """Position of the frame to look at."""
    if clip.count < 2:
        return 0
    # What a click on a curve asks for may lie beyond the end.
    st.session_state["frame"] = min(st.session_state.get("frame", 0), clip.count - 1)
    return int(st.slider("Frame", 0, clip.count - 1, key="frame"))


def show_maps(clip: Clip, position: int, models: list[str], post: str) -> dict[str, Any]:
    """The frame, and each model's map beside its overlay; gives the maps."""
    frame = clip.frame(position)
    picture = rgb_of(frame)
    clock = f", {frame.time:.3f} s" if frame.time is not None and clip.count > 1 else ""
    size = f"{frame.width}x{frame.height}"
    steps = make_steps(post)
    maps = {}
    shown = [(f"frame {position}{clock}, {size}", picture)]
    for model in models:
        maps[model] = apply_steps(clip.saliency(position, model), steps)
        mean = round(float(maps[model].mean(dtype="float64")), 4) + 0.0  # -0.0 becomes 0.0
        drawn, was_stretched = stretched(maps[model], post)
        drawn = enlarged(drawn, frame.height, frame.width)
        note = ", drawn from its least to its greatest value" if was_stretched else ""
        shown.append((f"{model}: mean {mean:.4f}{note}", colored(drawn, "inferno")))
        shown.append((f"{model} over the frame", overlay(picture, drawn)))
    columns = st.columns(min(3, len(shown)))
    first, rest = shown[0], shown[1:]
    columns[0].image(data_url(first[1]), caption=plain(first[0]))
    for place, (caption, pixels) in enumerate(rest):
        # The frame stands at the left; a model's two pictures stand beside each other.
        columns[1 + place % 2].image(data_url(pixels), caption=plain(caption))
    if maps:
        st.download_button(
            "Maps of this frame (.npz)",
            lambda: encode_maps(maps, position),
            file_name=f"maps_{position:06d}.npz",
        )
    return maps


def show_scores(clip: Clip, maps: dict[str, Any], post: str) -> None:
    """Figures of each map, where a ground truth was uploaded."""
    with st.expander("Ground truth of this frame"):
        kind = st.radio("It is a", ["mask", "fixation map"], horizontal=True, key="kind")
        path = upload("truth", "Picture of the ground truth")
        if path is None or not maps:
            return
        truth = read_truth(path, kind, clip.info.height, clip.info.width)
        if kind == "mask":
            check_range(post, "A mask is compared with")
        st.table(
            [
                {"model": model}
                | {name: f"{value:.4f}" for name, value in truth.scores(one).items()}
                for model, one in maps.items()
            ]
        )


def show_curves(clip: Clip, models: list[str], post: str, logs: dict[str, Log]) -> None:
    """The curves of all frames, which are scored when the button is pressed."""
    asked = (tuple(models), post)
    if clip.count > 1 and models and st.button(f"Score all {clip.count:,} frames"):
        bar = st.progress(0.0, "Scoring")
        log = clip.score(
            models, post, lambda done, of: bar.progress(done / of, f"{done:,} of {of:,} frames")
        )
        bar.empty()
        st.session_state["scored"] = (asked, log)
    known, log = st.session_state.get("scored", (None, None))
    if log is not None and known != asked:
        st.caption("The curves are of the models and steps that were scored, not of those chosen.")
    if log is not None:
        st.download_button(
            "Log (.json)",
            lambda: encode_log(log, "json", NumberFormat()),
            file_name="saliency.json",
        )
        logs = {"saliency": log, **logs}
    if not logs:
        return
    joined = join_logs(logs) if len(logs) > 1 else next(iter(logs.values()))
    drawn = figure(curves_of(joined))
    for trace in drawn["traces"]:
        # A click finds the points of a curve, not its line.
        trace |= {"mode": "lines+markers", "marker": {"size": 4}}
    st.plotly_chart(
        {"data": drawn["traces"], "layout": drawn["layout"]},
        theme=None,
        key="curves",
        selection_mode="points",
        on_select=go_to_point,
    )


def go_to_point() -> None:
    """Move the slider to the point that was clicked."""
    points = st.session_state["curves"].selection.points
    if points:
        st.session_state["frame"] = int(points[0]["x"])


main()
