"""What Vela, the compiler of Arm's Ethos-U, estimates for the layers of two networks; writes bench/data/vela.csv.

    python -m venv VENV && VENV/bin/pip install tensorflow-cpu ethos-u-vela==5.2.0
    VENV/bin/python bench/vela_estimates.py [NETWORK..]

Needed only to make the file anew. The networks are made with random weights, turned into int8 TFLite files, and
compiled by `vela --verbose-performance --optimise Performance` for the configurations below.
"""

import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import peer_networks
import tensorflow as tf

# Ours: the accelerator, the system's configuration and the memory mode in Vela's own Arm/vela.ini.
CONFIGURATIONS = {
    "u55-256": ("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "u65-512": ("ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram_512KB"),
}
VERSION = "5.2.0"
FILE = Path(__file__).parent / "data/vela.csv"
FIELDS = ["network", "machine", "layer", "kind", "inputs", "outputs", "out", "kernel", "stride", "macs"]
CYCLES = {"npu": "NPU", "sram": "SRAM AC", "dram": "DRAM AC", "flash": "OffFlash AC", "op": "Op Cycles"}
# Keras names its operators after its layers; this one tells whose they are.
MARK = "L_{}_L"


def make_layer(layer: peer_networks.Layer, sources: list):
    keras, name = tf.keras.layers, MARK.format(layer.name.replace(".", "-"))
    made = {
        "conv": lambda: keras.Conv2D(layer.outputs, layer.kernel, layer.stride, "same", name=name),
        "depthwise": lambda: keras.DepthwiseConv2D(layer.kernel, layer.stride, "same", name=name),
        "max_pool": lambda: keras.MaxPool2D(layer.kernel, layer.stride, "same", name=name),
        "mean": lambda: keras.AveragePooling2D(7, name=name),
        "dense": lambda: keras.Dense(layer.outputs, name=name),
        "add": lambda: keras.Add(name=name),
    }[layer.kind]()
    if layer.kind == "dense":
        sources = [keras.Flatten()(sources[0])]
    value = made(sources if layer.kind == "add" else sources[0])
    if layer.limit is None:
        return value
    return keras.ReLU(None if np.isinf(layer.limit) else layer.limit)(value)


def make_tflite(layers: list[peer_networks.Layer]) -> bytes:
    random = np.random.default_rng(1)
    values = {"": tf.keras.layers.Input((224, 224, 3), batch_size=1)}
    for layer in layers:
        values[layer.name] = make_layer(layer, [values[source] for source in layer.sources])
    model = tf.keras.Model(values[""], values[layers[-1].name])
    model.set_weights([draw(random, weights.shape) for weights in model.get_weights()])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    images = [[random.normal(size=(1, 224, 224, 3)).astype(np.float32)] for _ in range(2)]
    converter.representative_dataset = lambda: images
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    if len(shape) < 2:
        return random.normal(size=shape) * 0.01
    codes = peer_networks.draw_weights(random, shape)
    codes.reshape(-1, shape[-1])[0] = 127  # so that the converter finds these codes again
    return codes / 32 * np.prod(shape[:-1]) ** -0.5


def estimate(network: str, machine: str, folder: Path) -> list[dict]:
    accelerator, system, memory = CONFIGURATIONS[machine]
    vela = Path(sys.executable).parent / "vela"
    options = ["--verbose-performance", "--optimise", "Performance", "--config", "Arm/vela.ini"]
    options += ["--accelerator-config", accelerator, "--system-config", system, "--memory-mode", memory]
    target = folder / machine
    run = [vela, folder / f"{network}.tflite", *options, "--output-dir", target]
    subprocess.run(run, check=True, capture_output=True)
    layers = {layer.name: layer for layer in peer_networks.NETWORKS[network]()}
    found: dict[str, dict] = {}
    for line in csv.DictReader((target / f"{network}_per-layer.csv").read_text().splitlines()):
        names = re.findall(MARK.format("([^/;]+?)"), line["Name"])
        # What follows a layer (a rectifier) is fused and costs nothing; names of fused ones come after the layer's own.
        # The last one keeps no name.
        name = names[-1].replace("-", ".") if names else list(layers)[-1]
        row = found.setdefault(name, {"network": network, "machine": machine, "layer": name})
        if layer := layers.get(name):
            row |= {field: getattr(layer, field) for field in FIELDS[3:]}
        for field, column in CYCLES.items():
            row[field] = row.get(field, 0) + int(line[column])
    [summary] = csv.DictReader(next(target.glob("*_summary_*.csv")).read_text().splitlines())
    total = {"network": network, "machine": machine, "layer": "total", "op": summary["cycles_total"]}
    columns = {"npu": "npu", "sram": "sram_access", "dram": "dram_access", "flash": "off_chip_flash_access"}
    total |= {field: summary[f"cycles_{column}"] for field, column in columns.items()}
    return [*found.values(), total]


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for network in sys.argv[1:] or peer_networks.NETWORKS:
            (Path(folder) / f"{network}.tflite").write_bytes(make_tflite(peer_networks.NETWORKS[network]()))
            for machine in CONFIGURATIONS:
                rows += estimate(network, machine, Path(folder))
    FILE.parent.mkdir(exist_ok=True)
    with FILE.open("w") as out:
        out.write(f"# ethos-u-vela {VERSION}: --optimise Performance --config Arm/vela.ini\n")
        for machine, options in CONFIGURATIONS.items():
            out.write(f"# {machine}: {' '.join(options)}\n")
        writer = csv.DictWriter(out, [*FIELDS, *CYCLES], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
