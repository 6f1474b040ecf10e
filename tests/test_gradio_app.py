import gc
import importlib
import sys
from pathlib import Path

import pytest
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.errors import ImageError, MissingExtraError
from lesionlab.gradio_app import answer, build_app
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import overlaid


@pytest.fixture(scope="module")
def explaining(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle)


@pytest.fixture
def lesion(photograph: Image.Image, tmp_path: Path) -> Path:
    photograph.save(tmp_path / "lesion.png")
    return tmp_path / "lesion.png"


def test_the_answer_is_that_of_the_predictor(explaining: Predictor, lesion: Path) -> None:
    by_name, words, _ = answer(explaining, lesion)
    expected = explaining.predict(lesion)
    assert list(by_name.values()) == list(expected.probabilities.values())
    assert max(by_name, key=by_name.__getitem__) == expected.top[0].name
    assert f"{expected.top[0].name}: {expected.top[0].probability:.1%}, {expected.risk.value} risk" in words
    assert f"P(malignant) {expected.malignant:.1%}" in words
    assert (
        "the threshold for 95% sensitivity for malignancy (validation: sensitivity 0.951, specificity 0.620)" in words
    )
    assert words.endswith(RESEARCH_ONLY)


def test_the_picture_shows_what_speaks_for_the_answer(explaining: Predictor, lesion: Path) -> None:
    _, _, shown = answer(explaining, lesion)
    with Image.open(lesion) as original:
        assert shown == overlaid(original.convert("RGB"), explaining.explain(lesion).values)
        assert shown != original.convert("RGB")


def test_a_model_without_a_map_shows_the_picture_as_it_is(tiny_bundle: Path, lesion: Path) -> None:
    _, _, shown = answer(Predictor.load(tiny_bundle), lesion)
    with Image.open(lesion) as original:
        assert shown == original.convert("RGB")


def test_a_refusal_comes_first_and_with_its_reasons(explaining: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "black").save(tmp_path / "black.png")
    refusal = explaining.predict(tmp_path / "black.png").refusal
    assert refusal is not None
    _, words, _ = answer(explaining, tmp_path / "black.png")
    assert words.startswith("### Do not rely on this answer\n- ")
    assert all(reason.message in words for reason in refusal.reasons)


def test_what_was_unusual_is_said(explaining: Predictor, tmp_path: Path) -> None:
    Image.new("L", (400, 100), 90).save(tmp_path / "grey.png")
    assert "note: grey image" in answer(explaining, tmp_path / "grey.png")[1]


def test_a_task_without_malignancy_names_what_it_looks_for(tiny_binary_bundle: object, lesion: Path) -> None:
    assert callable(tiny_binary_bundle)
    _, words, _ = answer(Predictor.load(tiny_binary_bundle("melanoma")), lesion)
    assert "P(melanoma) " in words


def test_a_large_photograph_is_shown_smaller(explaining: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (4000, 3000), "pink").save(tmp_path / "large.jpg")
    _, _, shown = answer(explaining, tmp_path / "large.jpg")
    assert max(shown.size) == 1024


def test_a_file_that_is_no_image_is_one_clear_line(explaining: Predictor, tmp_path: Path) -> None:
    (tmp_path / "note.jpg").write_text("not an image")
    with pytest.raises(ImageError, match=r"the file holds text, not an image; export"):
        answer(explaining, tmp_path / "note.jpg")


def test_without_gradio_the_remedy_is_named(explaining: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lesionlab\[gradio\]'"):
        build_app(explaining)


@pytest.mark.slow  # importing Gradio alone takes seconds
@pytest.mark.filterwarnings("default")  # Gradio's own
def test_the_app_answers_through_gradio(
    explaining: Predictor, lesion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    client, gradio_client = (
        importlib.import_module("gradio_client"),
        importlib.import_module("gradio_client.exceptions"),
    )
    app = build_app(explaining)
    assert not app.analytics_enabled
    _, url, _ = app.launch(server_name="127.0.0.1", share=False, prevent_thread_lock=True, quiet=True)
    try:
        asked = client.Client(url, verbose=False)
        label, words, picture = asked.predict(client.handle_file(lesion), api_name="/judge")
        assert label["label"] == explaining.predict(lesion).top[0].name
        assert RESEARCH_ONLY in words
        assert Path(picture).suffix == ".jpeg"
        (tmp_path / "broken.png").write_bytes(lesion.read_bytes()[:200])
        with pytest.raises(gradio_client.AppError, match=r"truncated|damaged"):
            asked.predict(client.handle_file(tmp_path / "broken.png"), api_name="/judge")
    finally:
        app.close()
        gc.collect()  # the event loops that Gradio leaves open would warn in another test
