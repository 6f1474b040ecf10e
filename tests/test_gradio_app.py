import gc
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.gradio_app import build_app, predict
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import overlaid


@pytest.fixture(scope="module")
def explainable(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


@pytest.fixture
def lesion(photograph: Image.Image, tmp_path: Path) -> Path:
    photograph.save(tmp_path / "lesion.png")
    return tmp_path / "lesion.png"


@pytest.fixture
def black(tmp_path: Path) -> Path:
    Image.new("RGB", (300, 300), "black").save(tmp_path / "black.png")
    return tmp_path / "black.png"


def test_result_equals_the_prediction_of_the_predictor(explainable: Predictor, lesion: Path) -> None:
    text, _ = predict(explainable, lesion)
    expected = explainable.predict(lesion)
    assert text.splitlines()[0] == f"### {expected.headline}"
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert [name.removeprefix("| ") for name, *_ in rows[: len(expected.top)]] == [entry.name for entry in expected.top]
    assert len(rows) == len(expected.probabilities)
    assert f"| {expected.top[0].probability:.1%} |" in text
    assert "| 0.0% |" not in text
    assert expected.risk is not None
    assert f"**{expected.risk.capitalize()} risk**" in text
    assert "at 95% sensitivity for malignancy: " in text
    assert "(validation: sensitivity 0.951, specificity 0.620)" in text
    assert text.endswith(RESEARCH_ONLY)


def test_image_has_the_activation_map_of_the_most_probable_class(explainable: Predictor, lesion: Path) -> None:
    _, shown = predict(explainable, lesion)
    explanation = explainable.explain(lesion).explanation
    assert explanation is not None
    with Image.open(lesion) as original:
        assert shown == overlaid(original.convert("RGB"), explanation.values)
        assert shown != original.convert("RGB")


def test_image_is_unchanged_without_an_activation_map(tiny_bundle: Path, lesion: Path) -> None:
    _, shown = predict(Predictor.load(tiny_bundle), lesion)
    with Image.open(lesion) as original:
        assert shown == original.convert("RGB")


def test_abstention_has_its_reasons_and_no_diagnosis(explainable: Predictor, black: Path) -> None:
    expected = explainable.predict(black)
    assert expected.abstained
    text, shown = predict(explainable, black)
    assert text == f"### {expected.headline}\n\n{RESEARCH_ONLY}"
    assert all(reason.message in text for reason in expected.abstain_reasons)
    with Image.open(black) as original:
        assert shown == original.convert("RGB")


def test_notes_are_shown(explainable: Predictor, tmp_path: Path) -> None:
    Image.new("L", (400, 100), 90).save(tmp_path / "grey.png")
    expected = explainable.predict(tmp_path / "grey.png")
    assert expected.notes
    assert all(f"- note: {note}" in predict(explainable, tmp_path / "grey.png")[0] for note in expected.notes)


def test_model_of_melanoma_alone_states_its_target(tiny_binary_bundle: Callable[[str], Path], lesion: Path) -> None:
    text, _ = predict(Predictor.load(tiny_binary_bundle("melanoma")), lesion)
    assert "P(melanoma) " in text
    assert "95% sensitivity for melanoma: " in text


def test_large_images_are_shown_smaller(explainable: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (4000, 3000), "pink").save(tmp_path / "large.jpg")
    _, shown = predict(explainable, tmp_path / "large.jpg")
    assert max(shown.size) == 1024


def test_error_for_a_file_that_is_not_an_image(explainable: Predictor, tmp_path: Path) -> None:
    (tmp_path / "note.jpg").write_text("not an image")
    with pytest.raises(ImageError, match=r"the file holds text, not an image; export"):
        predict(explainable, tmp_path / "note.jpg")


def test_missing_gradio_is_named(explainable: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lesionlab\[gradio\]'"):
        build_app(explainable)


@pytest.mark.slow  # importing Gradio alone takes seconds
@pytest.mark.filterwarnings("default")  # Gradio's own
def test_app_through_the_gradio_client(
    explainable: Predictor, lesion: Path, black: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    client, gradio_client = (
        importlib.import_module("gradio_client"),
        importlib.import_module("gradio_client.exceptions"),
    )
    app = build_app(explainable)
    assert not app.analytics_enabled
    _, url, _ = app.launch(server_name="127.0.0.1", share=False, prevent_thread_lock=True, quiet=True)
    try:
        connected = client.Client(url, verbose=False)
        text, image = connected.predict(client.handle_file(lesion), api_name="/predict")
        expected = explainable.predict(lesion)
        assert text.splitlines()[0] == f"### {expected.headline}"
        assert Path(image).suffix == ".jpeg"
        text, _ = connected.predict(client.handle_file(black), api_name="/predict")
        assert text.splitlines()[0] == f"### {explainable.predict(black).headline}"
        (tmp_path / "broken.png").write_bytes(lesion.read_bytes()[:200])
        with pytest.raises(gradio_client.AppError, match=r"truncated|damaged"):
            connected.predict(client.handle_file(tmp_path / "broken.png"), api_name="/predict")
    finally:
        app.close()
        gc.collect()  # event loops that Gradio leaves open would warn in another test
