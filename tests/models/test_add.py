"""Models that a person adds: fetched from two places or taken from a file, and checked."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PLACEHOLDER
from tests.models.test_model import external as with_external_weights
from tests.networks import student, u2netp
from vmafsal.errors import InputError, ModelError, OutputError, UsageError, VmafsalError
from vmafsal.models.add import add_external, add_file, remove_model
from vmafsal.models.added import added_ids, models_folder
from vmafsal.models.model import Model, load_model
from vmafsal.models.registry import External, packaged_registry

MEMBER = "small/net.onnx"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "models"))


def no_trial(model: Model) -> None:
    """The network was tried elsewhere."""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network of one size, in a folder without its sidecar."""
    path = u2netp(tmp_path / "net.onnx", size=32)
    path.with_suffix(".json").rename(tmp_path / "sidecar.json")
    return path


@pytest.fixture
def known(network: Path) -> External:
    """What a registry would say of it; its two sources are not there."""
    data = network.read_bytes()
    return External(
        id="net",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        license="Apache-2.0",
        source="https://example.org/net",
        url="http://127.0.0.1:9/net.onnx",
        wheel="vmafsal-test-net==1.0",
        member=MEMBER,
        sidecar=json.loads((network.parent / "sidecar.json").read_text()) | {"id": "net"},
    )


def wheel(folder: Path, data: bytes, member: str = MEMBER) -> Path:
    """The smallest wheel that pip downloads, with a file in it."""
    folder.mkdir(exist_ok=True)
    path = folder / "vmafsal_test_net-1.0-py3-none-any.whl"
    facts = "vmafsal_test_net-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, data)
        archive.writestr(
            f"{facts}/METADATA", "Metadata-Version: 2.1\nName: vmafsal-test-net\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{facts}/RECORD", "")
    return path


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which it is served."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks for packages in, instead of an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def changed(known: External, **fields: object) -> External:
    values = {name: getattr(known, name) for name in known.__dataclass_fields__}
    return External(**(values | fields))


def nothing_is_left() -> bool:
    return not models_folder().is_dir() or not list(models_folder().iterdir())


def test_from_the_release(
    known: External, network: Path, served: tuple[Path, str], index: Path
) -> None:
    folder, address = served
    (folder / "net.onnx").write_bytes(network.read_bytes())
    steps: list[str] = []
    model = add_external(changed(known, url=f"{address}/net.onnx"), steps.append, no_trial)
    assert model.path == models_folder() / "net" / "net.onnx"
    assert (model.id, model.policy.size, model.digest) == ("net", (32, 32), known.sha256)
    assert model.entry is not None
    assert (model.entry.license, model.entry.status) == ("Apache-2.0", "added")
    assert model.path.with_name("added.json") in model.files
    assert len(steps) == 1
    assert load_model("net").digest == known.sha256
    assert load_model(str(model.path)).entry == model.entry


def test_from_the_package_where_the_release_cannot_be_had(
    known: External, network: Path, index: Path
) -> None:
    wheel(index, network.read_bytes())
    steps: list[str] = []
    assert add_external(known, steps.append, no_trial).digest == known.sha256
    assert ["Fetching" in step for step in steps] == [True, False, True]
    assert "cannot be reached" in steps[1]


def test_another_file_at_the_release_is_not_taken(
    known: External, network: Path, served: tuple[Path, str], index: Path
) -> None:
    folder, address = served
    (folder / "net.onnx").write_bytes(network.read_bytes()[:-1] + b"x")
    wheel(index, network.read_bytes())
    steps: list[str] = []
    other = changed(known, url=f"{address}/net.onnx")
    assert add_external(other, steps.append, no_trial).digest == known.sha256
    assert "hash" in steps[1]


WHEELS: dict[str, Callable[[Path, bytes], object]] = {
    "no package": lambda folder, data: None,
    "another": lambda folder, data: wheel(folder, data[:-1] + b"x"),
}


@pytest.mark.parametrize("case", WHEELS)
def test_what_cannot_be_had_is_a_sentence(
    case: str, known: External, network: Path, index: Path
) -> None:
    WHEELS[case](index, network.read_bytes())
    steps: list[str] = []
    with pytest.raises(ModelError, match=r"could not be fetched\..*--from FILE"):
        add_external(known, steps.append, no_trial)
    assert len(steps) == 4
    assert nothing_is_left()


@pytest.mark.parametrize("packed", [False, True])
def test_from_a_file(packed: bool, known: External, network: Path, tmp_path: Path) -> None:
    file = wheel(tmp_path / "w", network.read_bytes()) if packed else network
    model = add_external(known, pytest.fail, no_trial, file)
    assert model.policy.size == (32, 32)
    # A second time it is there already.
    assert add_external(known, pytest.fail, no_trial, file).path == model.path


def lying(folder: Path, data: bytes) -> Path:
    """A zip whose directory says another length than its member has."""
    path = wheel(folder, data + b"x" * 1000)
    raw = path.read_bytes()
    length = (len(data) + 1000).to_bytes(4, "little")
    path.write_bytes(raw.replace(length, len(data).to_bytes(4, "little")))
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


FILES: dict[str, tuple[Callable[[Path, bytes], Path], type[VmafsalError], str]] = {
    "missing": (lambda folder, data: folder / "no", InputError, "cannot be read: No such file"),
    "a folder": (lambda folder, data: folder, VmafsalError, "cannot be read|is not net"),
    "short": (lambda folder, data: write(folder / "f", data[:99]), ModelError, "it has 99 bytes"),
    "another": (
        lambda folder, data: write(folder / "f", data[:-1] + b"x"),
        ModelError,
        "its sha256 is",
    ),
    "a zip without it": (
        lambda folder, data: wheel(folder / "w", data, "../../net.onnx"),
        ModelError,
        "holds no small/net.onnx",
    ),
    "a zip with a longer one": (
        lambda folder, data: wheel(folder / "w", data + b"x"),
        ModelError,
        "bytes, not",
    ),
    "a zip that lies": (
        lambda folder, data: lying(folder / "w", data),
        ModelError,
        "is damaged|its sha256 is",
    ),
    "a zip cut off": (
        lambda folder, data: write(folder / "f", wheel(folder / "w", data).read_bytes()[:-30]),
        ModelError,
        "is not net",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_another_file_is_refused(case: str, known: External, network: Path, tmp_path: Path) -> None:
    make, kind, message = FILES[case]
    with pytest.raises(kind, match=message):
        add_external(known, pytest.fail, no_trial, make(tmp_path, network.read_bytes()))
    assert nothing_is_left()


def test_a_file_of_ones_own(network: Path) -> None:
    sidecar = network.parent / "sidecar.json"
    model = add_file(network, no_trial, sidecar, "mine")
    assert (model.id, model.sidecar.id, model.policy.size) == ("mine", "mine", (32, 32))
    assert model.entry is not None
    assert model.entry.license == "not on record"
    assert added_ids() == ["mine"]
    assert remove_model("mine") == models_folder() / "mine"
    assert nothing_is_left()


def test_its_weights_and_its_sidecar_come_along(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    path = with_external_weights(tmp_path / "m.onnx", "weights.bin")
    path.with_suffix(".json").write_text('{"id": "beside", "stride": 8}')
    digest = load_model(str(path)).digest
    model = add_file(path, no_trial)
    assert (model.id, model.stride, model.digest) == ("beside", 8, digest)
    assert model.weights == (models_folder() / "beside" / "weights.bin",)


def test_what_was_changed_after_adding_is_refused(tmp_path: Path) -> None:
    model = add_file(student(tmp_path / "m.onnx"), no_trial)
    student(model.path, opset=18)
    with pytest.raises(ModelError, match=r"not the one in the registry.*models remove m`"):
        load_model("m")


def test_a_damaged_record_is_a_sentence_and_can_be_removed(tmp_path: Path) -> None:
    model = add_file(student(tmp_path / "m.onnx"), no_trial)
    model.path.with_name("added.json").write_text("{")
    with pytest.raises(ModelError, match=r"record .*added.json.*models remove m`"):
        load_model("m")
    remove_model("m")
    assert nothing_is_left()


def test_a_model_that_fails_its_trial_is_not_added(tmp_path: Path) -> None:
    def trial(model: Model) -> None:
        raise ModelError("it answers 7")

    with pytest.raises(ModelError, match="answers 7"):
        add_file(student(tmp_path / "m.onnx"), trial)
    assert nothing_is_left()


def test_ids_that_cannot_be(tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="id of a packaged model"):
        add_file(path, no_trial, model_id=packaged_registry().default)
    with pytest.raises(ModelError, match="u2netp is the id of a known model"):
        add_file(path, no_trial, model_id="u2netp")
    for bad in ("a/b", "..", ".hidden", "x" * 65):
        with pytest.raises(UsageError, match="cannot be called"):
            add_file(path, no_trial, model_id=bad)
    add_file(path, no_trial)
    with pytest.raises(ModelError, match="there already"):
        add_file(path, no_trial)
    with pytest.raises(ModelError, match="part of vmafsal"):
        remove_model(packaged_registry().default)
    with pytest.raises(ModelError, match="Added models: m"):
        remove_model("..")
    # As it could be added while the id was free.
    record = (models_folder() / "m").rename(models_folder() / "u2netp") / "added.json"
    record.write_text(record.read_text().replace('"id": "m"', '"id": "u2netp"'))
    with pytest.raises(ModelError, match=r"there already.*`vmafsal models remove u2netp`\.$"):
        add_external(packaged_registry().externals[0], pytest.fail, no_trial)


def test_bad_files_of_ones_own(tmp_path: Path, network: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        add_file(tmp_path / "no.onnx", no_trial)
    with pytest.raises(ModelError, match=r"32x32|input\.1"):
        add_file(network, no_trial)
    (tmp_path / "net.json").write_text('{"stride": "eight"}')
    with pytest.raises(ModelError, match="stride is a whole number"):
        add_file(network, no_trial)
    assert nothing_is_left()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(OutputError, match=r"cannot be written.*VMAFSAL_MODELS"):
        add_file(student(tmp_path / "m.onnx"), no_trial)


def test_a_file_that_the_registry_knows_gets_its_sidecar(
    known: External, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = packaged_registry()
    with_known = type(registry)(registry.folder, registry.default, registry.entries, (known,))
    monkeypatch.setattr("vmafsal.models.add.packaged_registry", lambda: with_known)
    model = add_file(network, no_trial)
    assert model.entry is not None
    assert (model.id, model.entry.license) == ("net", "Apache-2.0")


def test_a_known_model_that_was_not_added_is_named() -> None:
    with pytest.raises(ModelError, match=r"models add u2netp` fetches it \(licence Apache-2.0"):
        load_model("u2netp")


def test_an_id_goes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mobilesal_placeholder_v0").mkdir()
    assert load_model("mobilesal_placeholder_v0").path == PLACEHOLDER
