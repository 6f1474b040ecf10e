"""The typology angle of uniform colours, and images without skin at the margin."""

import numpy as np
import pytest
from PIL import Image

from lesionlab.images.skin_tone import skin_tone, skin_tone_of_file, typology_angle


def uniform(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (200, 150), colour)


def lab_of(colour: tuple[int, int, int]) -> np.ndarray:
    """Return CIE L*a*b* (D50) of an sRGB colour."""
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(colour) / 255])
    # sRGB to XYZ, adapted to D50 as in ICC profiles.
    matrix = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    x, y, z = matrix @ linear / (0.9642, 1.0, 0.8249)
    f = [np.cbrt(v) if v > (6 / 29) ** 3 else v / (3 * (6 / 29) ** 2) + 4 / 29 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("colour", [(255, 224, 200), (230, 190, 160), (190, 140, 110), (120, 80, 55), (70, 45, 35)])
def test_angle_equals_the_definition(colour: tuple[int, int, int]) -> None:
    lightness, _, yellow = lab_of(colour)
    expected = np.degrees(np.arctan2(lightness - 50, yellow))
    assert typology_angle(uniform(colour)) == pytest.approx(expected, abs=2.5)


def test_bands_from_light_to_dark() -> None:
    colours = ((255, 235, 220), (235, 195, 165), (205, 155, 115), (160, 110, 75), (110, 75, 50), (75, 45, 32))
    tones = [skin_tone(uniform(colour)) for colour in colours]
    order = ["very light", "light", "intermediate", "tan", "brown", "dark"]
    assert [order.index(tone) for tone in tones] == sorted(order.index(tone) for tone in tones)
    assert len(set(tones)) >= 4


def test_dark_fields_and_lesions_are_not_skin(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fields")
    assert typology_angle(uniform((0, 0, 0))) is None
    skin = uniform((230, 190, 160))
    spotted = skin.copy()
    spotted.paste((40, 20, 15), (40, 30, 160, 120))
    assert typology_angle(spotted) == pytest.approx(typology_angle(skin) or 0, abs=1)
    (folder / "broken.jpg").write_bytes(b"no image")
    assert skin_tone_of_file(str(folder / "broken.jpg")) == "unknown"
