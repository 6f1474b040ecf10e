"""Dermoscopic structures. Each function adds one to the tissue, in place."""

import numpy as np
from numpy.typing import NDArray

from lesionlab.images.ink import Field, Ink
from lesionlab.phantoms.frame import Frame
from lesionlab.phantoms.lesion import PhantomLesion
from lesionlab.phantoms.tissue import Tissue


def add_structures(tissue: Tissue, lesion: PhantomLesion, frame: Frame) -> None:
    """Add all structures of the lesion, deepest first."""
    for purpose, (trait, add) in enumerate(_STRUCTURES.items(), start=10):
        if getattr(lesion.traits, trait) > 0:
            add(tissue, lesion, frame, lesion.stream(purpose))


def _scatter(
    lesion: PhantomLesion, rng: np.random.Generator, count: float, inner: float = 0.0, outer: float = 0.95
) -> NDArray[np.float64]:
    """Return points within the lesion, [N, 2], between two fractions of the way to its contour."""
    number = round(count)
    angle = rng.uniform(0, 2 * np.pi, number)
    share = np.sqrt(rng.uniform(inner**2, outer**2, number))
    reach = share * lesion.boundary(angle.astype(np.float32))
    return np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)


def _spots(
    lesion: PhantomLesion,
    frame: Frame,
    rng: np.random.Generator,
    count: float,
    *,
    radii: tuple[float, float],
    blur: float = 0.006,
    outer: float = 0.95,
) -> Field:
    """Return the coverage, [H, W], by dots scattered over the lesion, with radii in skin units."""
    centres = _scatter(lesion, rng, count, outer=outer)
    ink = Ink(frame.size)
    ink.dots(frame.to_pixels(centres), rng.uniform(*radii, len(centres)) * frame.scale)
    return ink.coverage(blur * frame.scale)


def _mesh(frame: Frame, rng: np.random.Generator, period: float, disorder: float) -> Field:
    """Return the lines of a honeycomb, bent by noise: 1 on a line, 0 in a hole, [H, W]."""
    bend = np.float32(period * (0.2 + 0.5 * disorder))
    u = frame.u + bend * frame.noise(rng, 2.2 * period)
    v = frame.v + bend * frame.noise(rng, 2.2 * period)
    wave = np.float32(4 * np.pi / (np.sqrt(3) * period))
    # Three plane waves at 120 degrees add up to a hexagonal lattice of peaks: the holes.
    half, root = np.float32(0.5), np.float32(np.sqrt(3) / 2)
    peaks = np.cos(wave * u) + np.cos(wave * (root * v - half * u)) + np.cos(wave * (root * v + half * u))
    return np.asarray(np.clip((1.0 - peaks) / 2.2, 0, 1))


def _network(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    traits = lesion.traits
    period = rng.uniform(0.075, 0.12)
    lines = _mesh(frame, rng, period, traits.disorder)
    # An irregular network is interrupted; one around a central patch is peripheral.
    present = np.clip(1 + traits.disorder * 1.5 * frame.noise(rng, 0.35), 0, 1.4)
    if traits.scar > 0:
        present = present * np.clip(1.2 - 1.3 * tissue.depth, 0.1, 1)
    tissue.melanin += np.float32(traits.network) * tissue.inside * present * (1.5 * lines - 0.55)


def _globules(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    disorder = lesion.traits.disorder
    cover = _spots(
        lesion, frame, rng, lesion.traits.globules, radii=(0.018 - 0.008 * disorder, 0.026 + 0.026 * disorder)
    )
    tissue.melanin += np.float32(0.6 + 0.5 * disorder) * cover


def _streaks(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    traits = lesion.traits
    number = round(traits.streaks)
    # With increasing disorder, streaks are concentrated on one side.
    angle = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi * (1 - 0.55 * traits.disorder), number)
    angle += rng.normal(0, 0.05, number)
    start = lesion.boundary(angle.astype(np.float32))
    ink = Ink(frame.size)
    for theta, reach in zip(angle, start, strict=True):
        direction = np.array([np.cos(theta), np.sin(theta)])
        ends = np.array([0.85 * reach, reach + traits.radius * rng.uniform(0.06, 0.22)])[:, None] * direction
        tip = frame.to_pixels(ends)
        ink.line(tip, 0.022 * frame.scale)
        ink.dots(tip[1:], np.array([0.018 * frame.scale]))
    tissue.melanin += np.float32(0.75 * traits.pigment) * ink.coverage(0.008 * frame.scale)


def _veil(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    where = np.clip(frame.noise(rng, 0.45, 2) + 0.25, 0, 1) * np.clip(3 * tissue.depth, 0, 1)
    tissue.veil += np.float32(lesion.traits.veil) * tissue.inside * where


def _scar(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    centre = rng.normal(0, 0.08 * lesion.traits.radius, 2)
    reach = np.float32(lesion.traits.radius * rng.uniform(0.3, 0.5))
    square = ((frame.u - np.float32(centre[0])) ** 2 + (frame.v - np.float32(centre[1])) ** 2) / reach**2
    ragged = np.exp(-square) * np.clip(0.85 + 0.35 * frame.noise(rng, 0.1, 2), 0, 1.3)
    tissue.white += np.float32(lesion.traits.scar) * ragged
    tissue.melanin *= 1 - np.float32(0.5 * lesion.traits.scar) * np.clip(ragged, 0, 1)


def _cysts(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    tissue.white += np.float32(0.7) * _spots(lesion, frame, rng, lesion.traits.cysts, radii=(0.012, 0.03), blur=0.008)


def _openings(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    cover = _spots(lesion, frame, rng, lesion.traits.openings, radii=(0.014, 0.04))
    tissue.melanin += np.float32(1.0) * cover
    tissue.keratin += np.float32(0.8) * cover


def _fissures(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    ink = Ink(frame.size)
    for start in _scatter(lesion, rng, lesion.traits.fissures, outer=0.7):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.45, 9))
        steps = 0.07 * lesion.traits.radius * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        ink.line(frame.to_pixels(start + np.cumsum(steps, axis=0)), 0.02 * frame.scale)
    tissue.melanin += np.float32(0.8) * tissue.inside * ink.coverage(0.006 * frame.scale)


def _arborising(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    ink = Ink(frame.size)
    for root in _scatter(lesion, rng, lesion.traits.arborising, inner=0.6, outer=1.05):
        inward = float(np.arctan2(-root[1], -root[0]) + rng.normal(0, 0.5))
        branches = [(root, inward, rng.uniform(0.016, 0.026), rng.uniform(0.4, 0.8) * lesion.traits.radius)]
        while branches:
            start, heading, width, length = branches.pop()
            turns = heading + np.cumsum(rng.normal(0, 0.22, 8))
            path = start + np.cumsum(length / 8 * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
            ink.line(frame.to_pixels(np.vstack([start, path])), width * frame.scale)
            if width > 0.008:
                for point, sign in ((path[3], 1), (path[7], -1), (path[7], 1)):
                    turn = sign * rng.uniform(0.35, 0.9)
                    branches.append((point, float(turns[-1] + turn), 0.62 * width, 0.55 * length))
    tissue.blood += np.float32(1.3) * ink.coverage(0.004 * frame.scale)


def _dotted(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    tissue.blood += np.float32(1.1) * _spots(lesion, frame, rng, lesion.traits.dotted, radii=(0.008, 0.016), blur=0.005)


def _lacunae(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    size = lesion.traits.radius / np.sqrt(lesion.traits.lacunae)
    cover = _spots(lesion, frame, rng, lesion.traits.lacunae, radii=(0.5 * size, 1.0 * size), blur=0.02, outer=0.85)
    tissue.blood += cover * np.float32(rng.uniform(0.8, 1.8))
    tissue.melanin += cover * np.float32(rng.uniform(0.0, 0.7))
    tissue.white += tissue.inside * (1 - cover) * np.float32(rng.uniform(0.0, 0.25))


def _nests(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    cover = _spots(lesion, frame, rng, lesion.traits.nests, radii=(0.03, 0.085), blur=0.018, outer=0.9)
    tissue.melanin += np.float32(1.1) * cover
    tissue.veil += np.float32(rng.uniform(0.3, 0.7)) * cover


def _ulcer(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    crust = tissue.inside * np.clip(2 * frame.noise(rng, 0.25, 3) - 0.9, 0, 1) * np.clip(3 * tissue.depth, 0, 1)
    tissue.blood += np.float32(1.4 * lesion.traits.ulcer) * crust
    tissue.melanin += np.float32(1.2 * lesion.traits.ulcer) * crust


def _scale(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    flakes = np.clip(0.7 * frame.noise(rng, 0.12, 3) - 0.1, 0, 1)
    tissue.white += np.float32(0.7 * lesion.traits.scale) * tissue.inside * flakes


def _strawberry(tissue: Tissue, lesion: PhantomLesion, frame: Frame, rng: np.random.Generator) -> None:
    lines = _mesh(frame, rng, rng.uniform(0.14, 0.2), 0.35)
    tissue.blood += np.float32(0.9 * lesion.traits.strawberry) * tissue.inside * (lines - np.float32(0.35))
    tissue.white += np.float32(0.35 * lesion.traits.strawberry) * tissue.inside * np.clip(0.25 - lines, 0, 1) * 4


_STRUCTURES = {
    "network": _network,
    "globules": _globules,
    "streaks": _streaks,
    "nests": _nests,
    "lacunae": _lacunae,
    "openings": _openings,
    "fissures": _fissures,
    "ulcer": _ulcer,
    "strawberry": _strawberry,
    "veil": _veil,
    "scar": _scar,
    "arborising": _arborising,
    "dotted": _dotted,
    "cysts": _cysts,
    "scale": _scale,
}
