"""Simulator states -> pictures.

Pictures are drawn off the training's path, in a copy of the model, through an OpenGL context of our own: nothing here
depends on MUJOCO_GL being set before `import mujoco`, and a machine without OpenGL trains all the same.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module

import mujoco
import numpy as np

from rlhp.film.marks import Shape, lines, moved, watch
from rlhp.types import Array, UserError

APT = "sudo apt-get install -y --no-install-recommends libegl1 libgl1"
SIZE = 480  # pixels, both ways
CAPTION = mujoco.mjtFont.mjFONT_NORMAL.value, mujoco.mjtGridPos.mjGRID_TOPLEFT.value
# MuJoCo's own module for each way to draw without a screen, and the libraries it loads, each under any of its names.
BACKENDS = {"egl": (("libEGL.so.1",), ("libGL.so.1",)), "osmesa": (("libOSMesa.so.8", "libOSMesa.so.6"),)}


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands: it looks at `lookat` (metres) from `distance` (metres), angles in degrees.

    Where the robot can leave, the camera goes with its centre of mass, along the ground only, so that a jump looks like one.
    """

    lookat: tuple[float, float, float] = (0.0, 0.0, 0.6)
    distance: float = 4.0
    azimuth: float = 90.0
    elevation: float = -12.0
    backdrop: bool = False  # a light wall behind what stands in a black void


@dataclass(frozen=True, slots=True)
class Aids:
    """What helps people to judge motion: `marks`, a start line and metre marks; `caption`, how far the robot has moved.

    Both are for robots that can leave; `watch` names bodies and joints that are made conspicuous.
    """

    marks: bool = False
    caption: bool = False
    watch: tuple[str, ...] = ()


PLAIN = Aids()


def backend() -> str:
    """The way to draw without a screen on this machine: MUJOCO_GL if it names one, else egl, else osmesa (cgl on a Mac).

    Raises UserError, with the line that mends it, where there is none.
    """
    if sys.platform == "darwin":
        return "cgl"
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    for name in [wanted] if wanted in BACKENDS else BACKENDS:
        if all(any(map(_loads, library)) for library in BACKENDS[name]):
            return name
    raise UserError(f"videos need an OpenGL library that is missing here; install it with: {APT}")


def draws() -> bool:
    """Whether the libraries for drawing without a screen are there."""
    try:
        backend()
    except UserError:
        return False
    return True


def probe() -> None:
    """Draw one tiny picture. Raises UserError where that fails."""
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>")
    if not any(picture.any() for picture in frames(model, np.zeros((1, 0)), View(lookat=(0, 0, 0), distance=1), size=32)):
        raise UserError("OpenGL draws nothing but black here")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def without_screen() -> None:
    """Let environments that draw by MuJoCo do so without a screen, in this process and those that it starts."""
    if not os.environ.get("MUJOCO_GL") and draws():
        os.environ["MUJOCO_GL"] = backend()
    _quietly()


def _quietly() -> None:
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it tells what it was not accelerated with
    os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's own threads wait for each other: minutes a clip where cores are busy


def _context(width: int, height: int) -> mujoco.GLContext:
    """A current off-screen OpenGL context. Raises UserError where the libraries are there but cannot draw."""
    name = backend()
    _quietly()
    try:
        context = import_module(f"mujoco.{name}").GLContext(width, height)
        context.make_current()
    except Exception as error:  # PyOpenGL raises what it likes
        raise UserError(f"OpenGL ({name}) cannot draw here: {error}; try MUJOCO_GL=osmesa after installing libosmesa6") from error
    return context


Draw = Callable[[mujoco.MjData, View, Sequence[Shape], str], Array]


@contextmanager
def renderer(model: mujoco.MjModel, width: int, height: int) -> Generator[Draw]:
    """A function that draws an MjData, with shapes and a caption, as [height, width, 3] uint8; frees OpenGL on leaving."""
    context = _context(width, height)
    try:
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height  # 640 x 480 otherwise: the rest is noise
        target = mujoco.MjrContext(model, _font(height).value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, target)
        scene, option = mujoco.MjvScene(model, maxgeom=1000), mujoco.MjvOption()
        rectangle = mujoco.MjrRect(0, 0, width, height)

        def draw(data: mujoco.MjData, view: View, shapes: Sequence[Shape], caption: str) -> Array:
            everything = mujoco.mjtCatBit.mjCAT_ALL.value
            mujoco.mjv_updateScene(model, data, option, None, _camera(view), everything, scene)
            if view.backdrop:
                _add_backdrop(scene, view)
            for shape in shapes:
                shape.add(scene)
            mujoco.mjr_render(rectangle, scene, target)
            if caption:
                mujoco.mjr_overlay(*CAPTION, rectangle, caption, "", target)
            pixels = np.empty((height, width, 3), np.uint8)
            mujoco.mjr_readPixels(pixels, None, rectangle, target)
            return pixels[::-1]

        yield draw
        target.free()
    finally:
        context.free()


def _font(height: int) -> mujoco.mjtFontScale:
    """Letters that can be read where a picture of so many pixels is shown at half of its size."""
    scales = mujoco.mjtFontScale
    return scales.mjFONTSCALE_100 if height < 300 else scales.mjFONTSCALE_150 if height < 500 else scales.mjFONTSCALE_200


def _camera(view: View) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.lookat[:] = view.lookat
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    return camera


def _add_backdrop(scene: mujoco.MjvScene, view: View) -> None:
    """A wall half a metre behind what is looked at, for a camera that looks along y."""
    middle = np.add(view.lookat, (0, 0.5, 0))
    wall, colour = np.array([4 * view.distance, 0.01, 4 * view.distance]), np.array([0.85, 0.88, 0.92, 1], np.float32)
    mujoco.mjv_initGeom(scene.geoms[scene.ngeom], mujoco.mjtGeom.mjGEOM_BOX.value, wall, middle, np.eye(3).ravel(), colour)
    scene.ngeom += 1


def frames(model: mujoco.MjModel, states: Array, view: View, size: int = SIZE) -> Iterator[Array]:
    """One [size, size, 3] uint8 picture per state; `states` is [L, nq + nv], qpos before qvel.

    Raises UserError where the machine cannot draw.
    """
    with clip_renderer(model, view, size) as shoot:
        yield from shoot(states)


@contextmanager
def clip_renderer(
    model: mujoco.MjModel, view: View, size: int = SIZE, aids: Aids = PLAIN, samples: int = 4
) -> Generator[Callable[[Array], Iterator[Array]]]:
    """`frames` for one clip after another: setting up takes longer than a short clip. For one thread.

    `samples`: of each pixel, against jagged edges; 0 draws in less than half of the time where software does. Raises UserError
    where the machine cannot draw, and where `aids` name a part that the robot lacks.
    """
    model = deepcopy(model)  # the simulation's own model stays as it is
    _soften(model)
    model.vis.quality.offsamples = samples
    data, ground, period = mujoco.MjData(model), _ground(model), _period(model)
    watched, floor = watch(model, aids.watch), _floor(model)
    marks, caption = aids.marks and bool(ground), aids.caption and bool(ground)
    width = 0.4 * view.distance
    with renderer(model, size, size) as draw:

        def shoot(states: Array) -> Iterator[Array]:
            for state in states:
                data.qpos[:], data.qvel[:] = state[: model.nq], state[model.nq : model.nq + model.nv]
                # The floor ends after tens of metres, and the lights stay behind: go back by whole periods of its pattern.
                back = np.round(data.qpos[ground] / period) * period
                data.qpos[ground] -= back
                mujoco.mj_forward(model, data)
                seen, shapes = _follow(view, data) if ground else view, watched.balls(data)
                start = float(states[0][ground[0]] - back[0]) if ground else 0.0
                if marks:
                    shapes += lines(start, seen.lookat[:2], floor, width)
                yield draw(data, seen, shapes, moved(start, float(data.qpos[ground[0]])) if caption else "")

        yield shoot


def _floor(model: mujoco.MjModel) -> float:
    """How high the floor is, metres; 0 where there is none."""
    return max((float(z) for z in model.geom_pos[model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE, 2]), default=0.0)


def _soften(model: mujoco.MjModel) -> None:
    """Draw without shadows and mirrors, and the floor's pattern in light greys, so that the robot is what one looks at."""
    model.light_castshadow[:] = 0  # most of the drawing time without a GPU, and software renderers leave stray specks
    model.mat_reflectance[:] = 0
    model.light_pos[:, 2] = 5  # a light at the models' 1.3 m leaves out what is higher
    for plane in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        texture = model.mat_texid[model.geom_matid[plane]].max() if model.geom_matid[plane] >= 0 else -1
        if texture >= 0:
            start, size = (
                model.tex_adr[texture],
                model.tex_width[texture] * model.tex_height[texture] * model.tex_nchannel[texture],
            )
            pattern = model.tex_data[start : start + size]
            pattern[:] = 120 + pattern // 3


def _follow(view: View, data: mujoco.MjData) -> View:
    x, y, _ = data.subtree_com[1]
    return View((float(x), float(y), view.lookat[2]), view.distance, view.azimuth, view.elevation, view.backdrop)


def _ground(model: mujoco.MjModel) -> list[int]:
    """Where qpos holds how far the robot has gone: its root's unlimited slides along the ground, or a free joint's x and y."""
    found: list[int] = []
    for joint in np.flatnonzero(model.jnt_bodyid == 1):
        at, kind = int(model.jnt_qposadr[joint]), model.jnt_type[joint]
        if kind == mujoco.mjtJoint.mjJNT_FREE:
            found += [at, at + 1]
        elif kind == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint] and model.jnt_axis[joint][2] == 0:
            found.append(at)
    return found


def _period(model: mujoco.MjModel) -> float:
    """Metres after which the floor's pattern repeats; 1 where it has none."""
    for plane in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        material = model.geom_matid[plane]
        if material >= 0 and not model.mat_texuniform[material]:
            return float(2 * model.geom_size[plane, 0] / model.mat_texrepeat[material, 0])
    return 1.0
