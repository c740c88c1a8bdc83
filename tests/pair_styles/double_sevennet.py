"""SevenNet in double precision: the sevenn package exports what it trained, in single."""

from pathlib import Path

import e3nn.util.jit
import torch
from ase.data import chemical_symbols
from sevenn._const import AtomGraphDataType
from sevenn.nn.node_embedding import OnehotEmbedding
from sevenn.util import load_checkpoint

ONEHOT = "onehot_idx_to_onehot"


@e3nn.util.jit.compile_mode("script")
class DoubleOnehot(torch.nn.Module):
    """The one module of sevenn that is single precision whatever its parameters are."""

    def __init__(self, single: OnehotEmbedding) -> None:
        super().__init__()
        self.single = single
        self.key = single.key_output
        self.additional_key = single.key_additional_output

    def forward(self, data: AtomGraphDataType) -> AtomGraphDataType:
        data = self.single(data)
        data[self.key] = data[self.key].double()
        data[self.additional_key] = data[self.additional_key].double()
        return data


def export_double(checkpoint: Path, file: Path) -> None:
    """Write what `pair_style e3gnn` reads, as `sevenn.scripts.deploy` does, in double precision."""
    loaded = load_checkpoint(str(checkpoint))
    model = loaded.build_model().double()
    model.replace_module(ONEHOT, DoubleOnehot(model._modules[ONEHOT]))
    model.delete_module_by_key("force_output")
    model.eval_type_map = False
    model.set_is_batch_data(False)
    model.eval()
    torch.jit.save(
        torch.jit.freeze(e3nn.util.jit.script(model)),
        str(file),
        _extra_files={
            "chemical_symbols_to_index": " ".join(chemical_symbols[z] for z in loaded.config["_type_map"]),
            "cutoff": str(loaded.config["cutoff"]),
            "model_type": "E3_equivariant_model",
            "version": "double",
            "dtype": "double",
            "flashTP": "no",
            "oeq": "no",
        },
    )
