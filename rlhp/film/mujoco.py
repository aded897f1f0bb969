"""Clips of the simulated robots, rendered from stored simulator states."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rlhp import robots
from rlhp.film.render import Aids, View, backend, clip_renderer
from rlhp.types import Array, Segment, UserError


@dataclass(frozen=True, slots=True)
class Scene:
    """Camera and playback speed for a robot."""

    view: View
    fps: int  # environment steps shown per second


# MuJoCo's own `track` cameras cut off parts of the robot, and three models have none. At these speeds the paper's clips of 15 to
# 60 steps last 1.5 s (appendix A.1); this is viewing time, not simulated time.
SCENES = {
    "hopper": Scene(View(lookat=(0, 0, 0.75), distance=3.2), 40),
    "walker": Scene(View(lookat=(0, 0, 0.75), distance=3.2), 30),
    "halfcheetah": Scene(View(lookat=(0, 0, 0.5), distance=3.2), 20),
    "ant": Scene(View(lookat=(0, 0, 0.4), distance=5.0, elevation=-30), 20),
    "swimmer": Scene(View(lookat=(0, 0, 0), distance=6.0, elevation=-50), 40),
    "reacher": Scene(View(lookat=(0, 0, 0), distance=0.85, elevation=-90), 10),
    "pendulum": Scene(View(lookat=(0, 0, 0), distance=4.3, elevation=-6, backdrop=True), 10),
    "double_pendulum": Scene(View(lookat=(0, 0, 0), distance=5.6, elevation=-3, backdrop=True), 10),
}


class MuJoCo:
    """Renders clips of one of `rlhp.robots`: a picture of the state before each step.

    `marks`: draw a start line and metre marks on the floor, for robots that can move away. `caption`: show how far the robot has
    moved since the start of the clip. `watch`: bodies and joints of the model to highlight. Raises UserError for an unknown
    robot.
    """

    def __init__(self, robot: str, marks: bool = True, caption: bool = False, watch: Sequence[str] = ()) -> None:
        self._robot, self._aids = robots.find(robot), Aids(marks, caption, tuple(watch))
        self.view, self.fps, self.dt = SCENES[robot].view, SCENES[robot].fps, self._robot.dt

    def check(self) -> None:
        """Raise UserError if this machine has no OpenGL."""
        backend()

    @contextmanager
    def clip_renderer(self, size: int) -> Generator[Callable[[Segment], Iterator[Array]]]:
        """Yield a function that renders a segment as pictures [size, size, 3] uint8. Raises UserError without OpenGL."""
        with clip_renderer(self._robot.model(), self.view, size, self._aids, samples=0) as render:
            yield lambda segment: render(_states(segment))


def _states(segment: Segment) -> Array:
    if segment.state is None:
        raise UserError(
            "These clips cannot be drawn: they hold no simulator states; set film to a class that draws them without."
        )
    return segment.state
