"""PP-OCR: find text lines in an image, turn them upright, read them.

Detection after Liao et al., "Real-time Scene Text Detection with Differentiable Binarization" (2020); reading is greedy
CTC (Graves et al., 2006). The models want BGR images scaled to -1 .. 1.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx

PIXEL_THRESHOLD, BOX_THRESHOLD, UNCLIP, SMALLEST_SIDE = 0.3, 0.5, 1.6, 5
STEP, LONGEST_SIDE, SHORTEST_SIDE = 32, 1280, 480
LINE_HEIGHT, CLASSIFIER_WIDTH, SURE_UPSIDE_DOWN = 48, 192, 0.9
WIDTH_STEP = 8
TEXT_THRESHOLD = 0.5


def characters(recogniser: Path) -> list[str]:
    """The recogniser's alphabet, which its file carries as metadata."""
    properties = onnx.load(recogniser, load_external_data=False).metadata_props
    return next(p.value for p in properties if p.key == "character").splitlines()


@dataclass(frozen=True)
class Line:
    """A text line: its four corners in the image (clockwise from the top left), what it says, and how sure that is."""

    corners: np.ndarray
    text: str
    score: float


class Reader:
    """Reads images. `detect`, `classify`, `recognise`: callables from one image batch to one output array;
    `characters`: the recogniser's alphabet, which follows the CTC blank at index 0."""

    def __init__(self, detect, classify, recognise, characters: list[str]):
        self.detect, self.classify, self.recognise = detect, classify, recognise
        self.alphabet = ["", *characters, " "]

    def __call__(self, image: np.ndarray) -> list[Line]:
        """`image`: height x width x 3, BGR, uint8. Lines come from top to bottom."""
        lines = []
        for corners in find_boxes(self.detect(page_batch(image)), image.shape[:2]):
            strip = self.upright(cut_out(image, corners))
            text, score = decode(self.recognise(line_batch(strip, None))[0], self.alphabet)
            if text and score >= TEXT_THRESHOLD:
                lines.append(Line(corners, text, score))
        return sorted(lines, key=lambda line: (round(line.corners[:, 1].mean() / 24), line.corners[:, 0].min()))

    def upright(self, strip: np.ndarray) -> np.ndarray:
        upside_down = self.classify(line_batch(strip, CLASSIFIER_WIDTH))[0, 1] > SURE_UPSIDE_DOWN
        return cv2.rotate(strip, cv2.ROTATE_180) if upside_down else strip


def to_batch(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray((image.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None])


def page_batch(image: np.ndarray) -> np.ndarray:
    """The whole image at a size that the detector takes: sides are multiples of 32."""
    height, width = image.shape[:2]
    scale = max(1.0, SHORTEST_SIDE / min(height, width))
    scale = min(scale, LONGEST_SIDE / max(height, width))
    sides = [max(STEP, round(side * scale / STEP) * STEP) for side in (width, height)]
    return to_batch(cv2.resize(image, sides))


def find_boxes(probability: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Corner points of text lines in image coordinates, from the detector's map of text probability."""
    scores = probability[0, 0]
    mask = (scores > PIXEL_THRESHOLD).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = np.array([size[1] / scores.shape[1], size[0] / scores.shape[0]])
    boxes = []
    for contour in contours:
        (x, y), (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < SMALLEST_SIDE - 2 or inside_score(scores, contour) < BOX_THRESHOLD:
            continue
        # The net is trained on shrunken lines: grow each box by area * ratio / perimeter on every side.
        grow = width * height * UNCLIP / (width + height)
        corners = cv2.boxPoints(((x, y), (width + grow, height + grow), angle))
        if min(width, height) + grow >= SMALLEST_SIDE:
            boxes.append(order_corners(corners * scale))
    return boxes


def inside_score(scores: np.ndarray, contour: np.ndarray) -> float:
    inside = np.zeros(scores.shape, np.uint8)
    cv2.fillPoly(inside, [contour], 1)
    return float(scores[inside == 1].mean())


def order_corners(corners: np.ndarray) -> np.ndarray:
    """Top left, top right, bottom right, bottom left."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = by_x[:2], by_x[2:]
    left, right = left[np.argsort(left[:, 1])], right[np.argsort(right[:, 1])]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def cut_out(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The box as an image of its own, laid level; a tall one is turned to lie."""
    width = max(1, round(float(np.linalg.norm(corners[1] - corners[0]))))
    height = max(1, round(float(np.linalg.norm(corners[3] - corners[0]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, target)
    strip = cv2.warpPerspective(image, warp, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    return cv2.rotate(strip, cv2.ROTATE_90_COUNTERCLOCKWISE) if height >= 1.5 * width else strip


def line_batch(strip: np.ndarray, width: int | None) -> np.ndarray:
    """The strip at the height that the line models take; `width`: pad or squeeze to it, None: as wide as it is."""
    natural = max(1, round(strip.shape[1] * LINE_HEIGHT / strip.shape[0]))
    total = width or max(2 * WIDTH_STEP, -(-natural // WIDTH_STEP) * WIDTH_STEP)
    batch = np.zeros((1, 3, LINE_HEIGHT, total), np.float32)
    used = min(natural, total)
    batch[:, :, :, :used] = to_batch(cv2.resize(strip, (used, LINE_HEIGHT)))
    return batch


def decode(probability: np.ndarray, alphabet: list[str]) -> tuple[str, float]:
    """Greedy CTC: the likeliest symbol of each step, repeats merged, blanks dropped; the score is their mean."""
    best = probability.argmax(axis=1)
    kept = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
    text = "".join(alphabet[i] for i in best[kept]).strip()
    return text, float(probability.max(axis=1)[kept].mean()) if kept.any() else 0.0
