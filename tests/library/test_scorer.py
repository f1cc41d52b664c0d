"""A worker keeps a few sessions, and no more."""

from __future__ import annotations

import gc
from pathlib import Path

from tests.conftest import draw_yuv
from tests.networks import student
from vmafsal.infer.session import Session
from vmafsal.library.plan import make_plan
from vmafsal.library.record import Record
from vmafsal.library.scorer import SESSIONS, ClipScorer


def live_sessions() -> list[Session]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is Session]


def test_a_worker_keeps_the_sessions_that_it_used_last(tmp_path: Path) -> None:
    (tmp_path / "d.yuv").write_bytes(draw_yuv(1, 48, 64))
    rows = ["distorted,width,height,feature,output"]
    for number in range(SESSIONS + 3):
        student(tmp_path / f"{number}.onnx")
        rows.append(f"d.yuv,64,48,mobilesal=model_path={number}.onnx,{number}.json")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    plan = make_plan([str(tmp_path / "clips.csv")], str(tmp_path / "out"))
    before = len(live_sessions())
    scorer = ClipScorer(plan.folder, plan.digest, 1)
    tasks = plan.tasks({})
    for task in [*tasks, *tasks]:
        record = scorer.do(task, lambda done, total, fps: None)
        assert isinstance(record, Record)
        assert record.status == "done", record.error
    kept = live_sessions()
    assert len(kept) - before == SESSIONS
    # The last models of the list are those that the scorer still has.
    assert scorer.do(tasks[-1], lambda done, total, fps: None) is not None
    assert {id(session) for session in live_sessions()} == {id(session) for session in kept}
