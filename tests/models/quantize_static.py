"""Quantized forms of models, as ONNX Runtime's own quantizer makes them: QDQ, unsigned 8-bit activations, signed 8-bit
weights per channel (7 bits with `reduced`), 32-bit biases. Calibrated on random inputs: for exactness and speed, not
for accuracy."""

import tempfile
from pathlib import Path

import onnx
import onnx.version_converter
import onnxruntime as ort
from inputs import make_inputs
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

CALIBRATION_RUNS, OPSET = 8, 13
PRODUCTS = ["MatMul", "Gemm"]
IMAGE_OPS = ["Conv", "MatMul", "Gemm", "Add", "GlobalAveragePool", "AveragePool", "MaxPool", "Mul", "HardSwish"]
IMAGE_OPS += ["HardSigmoid", "Relu", "Clip"]


class RandomInputs(CalibrationDataReader):
    """Arrays for each input, with the typical sizes."""

    def __init__(self, inputs):
        self.runs = (make_inputs(inputs, {}, 100 + run) for run in range(CALIBRATION_RUNS))

    def get_next(self):
        return next(self.runs, None)


def quantize(source: Path, dest: Path, inputs, reduced: bool) -> None:
    """Writes `dest`, the quantized form of `source`. Of what takes no images, only the products are quantized."""
    image = any(len(i.shape) == 4 for i in inputs)
    with tempfile.TemporaryDirectory(dir=dest.parent) as folder:
        simple = Path(folder) / "simple.onnx"
        simplify(source, simple)
        partial = Path(folder) / "quantized.onnx"
        quantize_static(
            simple,
            partial,
            RandomInputs(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=reduced,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=IMAGE_OPS if image else PRODUCTS,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, "QuantizeBias": True},
        )
        partial.replace(dest)


def simplify(source: Path, dest: Path) -> None:
    """Folds constants and batch norms, so that what is quantized is what will run. Scales by channel need opset 13."""
    model = onnx.load(source)
    if next(o.version for o in model.opset_import if not o.domain) < OPSET:
        onnx.save(onnx.version_converter.convert_version(model, OPSET), dest)
        source = dest
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(dest)
    options.log_severity_level = 3
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
