"""What holds for every test."""

import torch
from browsing import chromium, port, tab  # noqa: F401  fixtures
from figures import drawn  # noqa: F401  a fixture

torch.set_num_threads(1)  # small networks are slower on more, and far slower where the cores have other work
