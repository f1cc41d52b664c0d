"""The documentation agrees with the program: options, figures, commands, links."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import vmafsal as package
from docs import generate
from fixtures.yuv.draw import encode, numbered, picture
from tests.conftest import PLACEHOLDER, ROOT, Run, draw_yuv
from tests.networks import u2netp
from vmafsal import errors
from vmafsal.models.sidecar import read_sidecar
from vmafsal.verify import verify

PAGES = [path.relative_to(ROOT).as_posix() for path in generate.pages()]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def table_codes(text: str) -> set[str]:
    """Everything that stands as code in a table."""
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    return set(re.findall(r"`([^`]+)`", rows))


def every_page() -> str:
    return "".join(page(name) for name in PAGES)


def codes(text: str) -> set[str]:
    """Everything that is marked as code."""
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize(
    ("tree", "least"),
    [
        (
            generate.command_tree,
            {"vmafsal", "vmafsal join", "vmafsal models show", "vmafsal models verify"},
        ),
        (
            generate.training_tree,
            {"python -m train fit", "python -m train evaluate", "python -m train evaluate maps"},
        ),
    ],
)
def test_every_command_and_option_is_documented(
    tree: Callable[[], dict[str, Any]], least: set[str]
) -> None:
    documented = codes(every_page())
    commands = tree()
    assert least <= set(commands)
    for command, known in commands.items():
        assert command in every_page(), command
        for param in known.params:
            missing = {option for option in param.opts if option.startswith("-")} - documented
            assert not missing, f"the documentation lacks {missing} of {command}"


def test_generated_parts_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    status = generate.main(["--check"])
    assert status == 0, capsys.readouterr().out


def test_a_stale_part_is_renewed_and_nothing_else() -> None:
    text = (
        "before\n<!-- generated: operators -->\nnone\n<!-- end: operators -->\n"
        "<!-- generated: matrices -->\n<!-- end: matrices -->\nafter\n"
    )
    filled = generate.fill(text)
    assert "none" not in filled
    assert "`ConvTranspose`" in filled
    assert "1.57480" in filled
    assert filled.startswith("before\n<!-- generated: operators -->\n")
    assert filled.endswith("<!-- end: matrices -->\nafter\n")
    assert generate.fill(filled) == filled


def test_speeds_and_last_digits_are_no_changes() -> None:
    said = 'saliency_mean 0.471575, 218.23 fps on CPU.\n"fps": 218.23'
    assert generate.same(said, 'saliency_mean 0.471576, 9.10 fps on CUDA.\n"fps": 9.10')
    assert not generate.same(said, said.replace("0.471575", "0.471585"))
    assert not generate.same(said, said.replace("saliency_mean", "mean"))


def test_every_marker_has_its_part_and_every_part_its_place() -> None:
    everything = every_page()
    begun = re.findall(r"<!-- generated: ([\w-]+) -->", everything)
    assert begun == re.findall(r"<!-- end: ([\w-]+) -->", everything)
    assert set(begun) == set(generate.PARTS)


def test_the_generator_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


def anchors(text: str) -> set[str]:
    """The anchors that headings get."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    heads = re.findall(r"^#+ (.*)$", outside, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
def test_links_resolve(name: str) -> None:
    text = re.sub(r"^```.*?^```", "", page(name), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{name}: {target}"


def test_messages_name_pages_that_exist() -> None:
    for source in (ROOT / "vmafsal").rglob("*.py"):
        for name in re.findall(r"docs/[\w-]+\.md", source.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{source.name} names {name}"


def shown_commands(name: str) -> Iterator[str]:
    """The vmafsal commands of a page's sh blocks, one line each."""
    for block in blocks(page(name), "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.split(r"\s+#|\s\|\s", line)[0].strip()
            if command.startswith("vmafsal "):
                yield command


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with the files that the examples name."""
    (tmp_path / "ref.yuv").write_bytes(draw_yuv(2, 1080, 1920))
    (tmp_path / "dist.yuv").write_bytes(draw_yuv(2, 1080, 1920, seed=1))
    clip = encode(tmp_path / "clip.mp4", [picture(numbered(number)) for number in range(12)])
    for name in ("dist.mkv", "ref.mkv"):
        shutil.copy(clip, tmp_path / name)
    for model in ("my.onnx", "old.onnx", "new.onnx"):
        shutil.copy(PLACEHOLDER, tmp_path / model)
    (tmp_path / "clips.csv").write_text("distorted\nclip.mp4\n")
    frames = [{"frameNum": n, "metrics": {"vmaf": 90.0 + n / 10}} for n in range(12)]
    (tmp_path / "vmaf.json").write_text(json.dumps({"version": "3.0.0", "frames": frames}))
    return tmp_path


def run_commands(commands: Sequence[str], workplace: Path, vmafsal: Run) -> None:
    for command in commands:
        args = shlex.split(command)[1:]
        done = vmafsal(*args)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        for option in ("-o", "--output"):
            if option in args:
                assert (workplace / args[args.index(option) + 1]).stat().st_size


@pytest.mark.parametrize(
    ("name", "least"),
    [("README.md", 5), ("docs/usage.md", 6), ("docs/models.md", 3), ("docs/scaling.md", 2)],
)
def test_commands_run(name: str, least: int, workplace: Path, vmafsal: Run) -> None:
    commands = [command for command in shown_commands(name) if "u2netp" not in command]
    assert len(commands) >= least
    run_commands(commands, workplace, vmafsal)


@pytest.mark.network
def test_commands_for_a_model_that_is_fetched_run(workplace: Path, vmafsal: Run) -> None:
    commands = [command for command in shown_commands("docs/models.md") if "u2netp" in command]
    assert len(commands) >= 4
    run_commands(commands, workplace, vmafsal)


def test_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("fixtures", "model"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    said: list[str] = []
    names["print"] = lambda *values: said.append(" ".join(map(str, values)))
    examples = blocks(page("docs/python-api.md"), "python")
    assert len(examples) >= 4
    for example in examples:
        exec(compile(example, "docs/python-api.md", "exec"), names)
    assert re.fullmatch(r"320 180 \w+ExecutionProvider", said[0])
    assert "['pts_time', 'saliency_mean', 'saliency_mean_again'] 48" in said
    assert said[-1] == "missing.mp4 does not exist."


def test_all_is_what_the_package_exports() -> None:
    assert set(package.__all__) == set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="extrct"):
        _ = package.extrct
    text = page("docs/python-api.md")
    assert all(f"`{name}`" in text for name in package.__all__)


def test_the_python_page_names_every_parameter_and_attribute(tmp_path: Path) -> None:
    documented = table_codes(page("docs/python-api.md"))
    assert {"path", "reference", "model", "maps"} <= documented
    with package.extract(ROOT / "fixtures/yuv/demo_dist.mp4", model=PLACEHOLDER) as result:
        public = {name for name in dir(result) if not name.startswith("_")}
        methods = {name for name in public if callable(getattr(result, name))}
        facts = {name for name in dir(result.info) if not name.startswith("_")}
    written = {re.sub(r"\(.*", "", code) for code in documented}
    assert public - methods <= documented
    assert methods <= written
    assert facts <= documented


def test_errors_have_the_exit_codes_of_the_page() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| (\d) \|", page("docs/python-api.md"), re.M)
    listed = {name: int(code) for name, code in rows}
    assert listed == {
        name: getattr(errors, name).exit_code for name in errors.__all__ if name != "VmafsalError"
    }


def test_every_key_of_registry_and_sidecar_is_documented() -> None:
    documented = table_codes(page("docs/models.md"))
    schema = json.loads((ROOT / "model/tiny/registry.schema.json").read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    assert set(definitions["entry"]["properties"]) <= documented
    for key, value in definitions["sidecar"]["properties"].items():
        nested = [f"{key}.{name}" for name in value.get("properties", ())]
        assert set(nested or [key]) <= documented, key


def test_the_sidecar_of_the_page_runs_such_a_network(tmp_path: Path) -> None:
    (example,) = blocks(page("docs/models.md"), "json")
    model = u2netp(tmp_path / "u2netp.onnx")
    model.with_suffix(".json").write_text(example)
    assert read_sidecar(model).policy.size == (320, 320)
    checks = verify(str(model))
    assert [check.name for check in checks] == ["contract", "sidecar", "trial run"]
    assert all(check.passed for check in checks), checks


def test_the_changelog_knows_this_version() -> None:
    sections = re.findall(r"^## \[(.+?)\]", page("CHANGELOG.md"), re.M)
    assert sections[0] == "Unreleased" or sections[0] == package.__version__
