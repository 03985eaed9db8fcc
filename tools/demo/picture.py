"""An image of random words, for those who bring none."""

import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
WORDS = [
    "anchor",
    "basket",
    "candle",
    "dragon",
    "engine",
    "forest",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kitten",
    "ladder",
    "marble",
    "needle",
    "orange",
    "pencil",
    "quartz",
    "ribbon",
    "silver",
    "tunnel",
    "velvet",
    "window",
    "yellow",
    "zipper",
    "Bridge",
    "Copper",
    "Meadow",
    "Planet",
    "Rocket",
    "Summit",
    "Thunder",
    "Winter",
]
WIDTH, HEIGHT, MARGIN, PITCH, SIZE = 640, 480, 32, 72, 34


def draw(seed: int | None = None) -> tuple[np.ndarray, list[str]]:
    """A light page with lines of random words and numbers, the last line upside down. Returns the image (height x width
    x 3, BGR, uint8) and the lines."""
    r = random.Random(seed)
    lines = ["  ".join([*r.sample(WORDS, 2), str(r.randrange(100, 9999))]) for _ in range(5)]
    page = Image.new("RGB", (WIDTH, HEIGHT), tuple(r.randrange(225, 256) for _ in range(3)))
    font = ImageFont.truetype(str(FONT), SIZE) if FONT.exists() else ImageFont.load_default(SIZE)
    for row, text in enumerate(lines):
        strip = Image.new("RGB", (WIDTH - 2 * MARGIN, PITCH - 10), page.getpixel((0, 0)))
        ink = tuple(r.randrange(0, 110) for _ in range(3))
        ImageDraw.Draw(strip).text((8, 6), text, font=font, fill=ink)
        upside_down = row == len(lines) - 1
        page.paste(strip.rotate(180) if upside_down else strip, (MARGIN, MARGIN + row * PITCH))
    return np.asarray(page)[:, :, ::-1].copy(), lines


def load(path: str) -> np.ndarray:
    """An image file as height x width x 3, BGR, uint8."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))[:, :, ::-1].copy()
