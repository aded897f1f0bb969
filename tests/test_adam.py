"""The optimiser against torch's own."""

import subprocess
import sys

import pytest
import torch

from rlhp.adam import Adam

SHAPES = [(64, 17), (33,), (), (1, 5)]


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def descend(optimiser, params, steps, first=0):
    for step in range(first, first + steps):
        generator = torch.Generator().manual_seed(step)
        optimiser.param_groups[0]["lr"] = 0.01 / (1 + step)
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        optimiser.step()


@pytest.mark.parametrize("settings", [{}, {"fused": True, "eps": 1e-5}, {"fused": True, "betas": (0.9, 0.99), "eps": 1e-12}])
def test_its_numbers_are_torchs(settings):
    mine, theirs = parameters(), parameters()
    ours, torchs = Adam(mine, **settings), torch.optim.Adam(theirs, **settings)
    descend(ours, mine, 20)
    descend(torchs, theirs, 20)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    for one, other in zip(ours.state_dict()["state"].values(), torchs.state_dict()["state"].values(), strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_goes_on_from_what_it_saved():
    whole, parts = parameters(), parameters()
    descend(Adam(whole), whole, 7)
    first = Adam(parts)
    descend(first, parts, 4)
    second = Adam(parts)
    second.load_state_dict(first.state_dict())
    assert second.param_groups[0]["lr"] == first.param_groups[0]["lr"] == 0.01 / 4
    descend(second, parts, 3, first=4)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    second.load_state_dict({"state": {}, "param_groups": [{"lr": 0.5}]})
    assert not any(value.any() for state in second.state for value in state.values())


TRAINING = """
import sys
from rlhp.cli import main
tiny = ["env=point", "total_steps=512", "labels=8", "n_envs=2", "threads=1", "agent.n_steps=64", "agent.batch_size=64"]
tiny += ["training_schedule.first_per_1000_steps=4", "hydra.run.dir=" + sys.argv[1]]
assert main(["train", *tiny]) == 0
assert "torch.optim" in sys.modules and "torch._dynamo" not in sys.modules, "torch's compiler was imported"
"""


def test_a_run_does_not_import_torchs_compiler(tmp_path):
    """It takes more than a second, of every process."""
    subprocess.run([sys.executable, "-c", TRAINING, str(tmp_path / "run")], check=True, timeout=120)
