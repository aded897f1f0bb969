"""Render MuJoCo simulator states as pictures.

Rendering is separate from training: it uses a copy of the model and its own OpenGL context. It does not depend on MUJOCO_GL
being set before `import mujoco`, and a machine without OpenGL can still train.
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
SIZE = 480  # pixels, width and height
CAPTION = mujoco.mjtFont.mjFONT_NORMAL.value, mujoco.mjtGridPos.mjGRID_TOPLEFT.value
# MuJoCo's modules for rendering without a screen, and the libraries that each loads, with alternative file names.
BACKENDS = {"egl": (("libEGL.so.1",), ("libGL.so.1",)), "osmesa": (("libOSMesa.so.8", "libOSMesa.so.6"),)}


@dataclass(frozen=True, slots=True)
class View:
    """The camera: it looks at `lookat` (metres) from `distance` (metres); angles are in degrees.

    If the robot can move away, the camera follows its centre of mass, but only along the ground, so that jumps are visible.
    """

    lookat: tuple[float, float, float] = (0.0, 0.0, 0.6)
    distance: float = 4.0
    azimuth: float = 90.0
    elevation: float = -12.0
    backdrop: bool = False  # a light wall behind a robot that would otherwise be in front of black


@dataclass(frozen=True, slots=True)
class Aids:
    """Additions that make motion visible. `marks`: a start line and metre marks. `caption`: how far the robot has moved.

    Both apply to robots that can move away. `watch`: names of bodies and joints to highlight.
    """

    marks: bool = False
    caption: bool = False
    watch: tuple[str, ...] = ()


PLAIN = Aids()


def backend() -> str:
    """Return the backend for rendering without a screen: MUJOCO_GL if it names one, else egl, else osmesa; cgl on a Mac.

    Raises UserError, with the command that installs one, if there is none.
    """
    if sys.platform == "darwin":
        return "cgl"
    requested = os.environ.get("MUJOCO_GL", "").lower()
    for name in [requested] if requested in BACKENDS else BACKENDS:
        if all(any(map(_loads, library)) for library in BACKENDS[name]):
            return name
    raise UserError(f"videos need an OpenGL library that is not installed; install it with: {APT}")


def draws() -> bool:
    """Return whether the libraries for rendering without a screen are installed."""
    try:
        backend()
    except UserError:
        return False
    return True


def probe() -> None:
    """Render one small picture. Raises UserError if that fails."""
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>")
    if not any(picture.any() for picture in frames(model, np.zeros((1, 0)), View(lookat=(0, 0, 0), distance=1), size=32)):
        raise UserError("OpenGL draws only black pictures here")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def without_screen() -> None:
    """Configure MuJoCo's own rendering to work without a screen, in this process and its child processes."""
    if not os.environ.get("MUJOCO_GL") and draws():
        os.environ["MUJOCO_GL"] = backend()
    _quietly()


def _quietly() -> None:
    logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it reports missing accelerators
    os.environ.setdefault(
        "LP_NUM_THREADS", "0"
    )  # Mesa's own threads wait for each other, which takes minutes per clip on busy cores


def _context(width: int, height: int) -> mujoco.GLContext:
    """Create an off-screen OpenGL context and make it current. Raises UserError if the installed libraries do not work."""
    name = backend()
    _quietly()
    try:
        context = import_module(f"mujoco.{name}").GLContext(width, height)
        context.make_current()
    except Exception as error:  # PyOpenGL raises exceptions of many types
        raise UserError(f"OpenGL ({name}) cannot draw here: {error}; try MUJOCO_GL=osmesa after installing libosmesa6") from error
    return context


Draw = Callable[[mujoco.MjData, View, Sequence[Shape], str], Array]


@contextmanager
def renderer(model: mujoco.MjModel, width: int, height: int) -> Generator[Draw]:
    """Yield a function that renders an MjData, with shapes and a caption, as [height, width, 3] uint8; free OpenGL afterwards."""
    context = _context(width, height)
    try:
        model.vis.global_.offwidth, model.vis.global_.offheight = (
            width,
            height,
        )  # the default buffer is 640 x 480; pixels beyond it are noise
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
    """Return a font size that is legible when a picture of this height, in pixels, is shown at half its size."""
    scales = mujoco.mjtFontScale
    return scales.mjFONTSCALE_100 if height < 300 else scales.mjFONTSCALE_150 if height < 500 else scales.mjFONTSCALE_200


def _camera(view: View) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.lookat[:] = view.lookat
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    return camera


def _add_backdrop(scene: mujoco.MjvScene, view: View) -> None:
    """Add a wall half a metre behind `view.lookat`, for a camera that looks along y."""
    middle = np.add(view.lookat, (0, 0.5, 0))
    wall, colour = np.array([4 * view.distance, 0.01, 4 * view.distance]), np.array([0.85, 0.88, 0.92, 1], np.float32)
    mujoco.mjv_initGeom(scene.geoms[scene.ngeom], mujoco.mjtGeom.mjGEOM_BOX.value, wall, middle, np.eye(3).ravel(), colour)
    scene.ngeom += 1


def frames(model: mujoco.MjModel, states: Array, view: View, size: int = SIZE) -> Iterator[Array]:
    """Render one picture [size, size, 3] uint8 per state; `states` is [L, nq + nv], qpos before qvel.

    Raises UserError if this machine cannot render.
    """
    with clip_renderer(model, view, size) as render:
        yield from render(states)


@contextmanager
def clip_renderer(
    model: mujoco.MjModel, view: View, size: int = SIZE, aids: Aids = PLAIN, samples: int = 4
) -> Generator[Callable[[Array], Iterator[Array]]]:
    """Yield a function that renders clips like `frames`, with one setup for all, since setup takes longer than a short clip.

    The function must be used in one thread. `samples`: samples per pixel for antialiasing; with 0, software rendering takes less
    than half the time. Raises UserError if this machine cannot render, or `aids` name a part that the robot does not have.
    """
    model = deepcopy(model)  # the simulation's model is not changed
    _soften(model)
    model.vis.quality.offsamples = samples
    data, ground, period = mujoco.MjData(model), _ground(model), _period(model)
    watched, floor = watch(model, aids.watch), _floor(model)
    marks, caption = aids.marks and bool(ground), aids.caption and bool(ground)
    width = 0.4 * view.distance
    with renderer(model, size, size) as draw:

        def render(states: Array) -> Iterator[Array]:
            for state in states:
                data.qpos[:], data.qvel[:] = state[: model.nq], state[model.nq : model.nq + model.nv]
                # The floor ends after tens of metres, and the lights do not follow: shift by whole periods of its pattern.
                back = np.round(data.qpos[ground] / period) * period
                data.qpos[ground] -= back
                mujoco.mj_forward(model, data)
                seen, shapes = _follow(view, data) if ground else view, watched.balls(data)
                start = float(states[0][ground[0]] - back[0]) if ground else 0.0
                if marks:
                    shapes += lines(start, seen.lookat[:2], floor, width)
                yield draw(data, seen, shapes, moved(start, float(data.qpos[ground[0]])) if caption else "")

        yield render


def _floor(model: mujoco.MjModel) -> float:
    """Return the height of the floor in metres; 0 if there is none."""
    return max((float(z) for z in model.geom_pos[model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE, 2]), default=0.0)


def _soften(model: mujoco.MjModel) -> None:
    """Remove shadows and reflections, and draw the floor's pattern in light greys, so that the robot stands out."""
    model.light_castshadow[:] = 0  # shadows take most of the rendering time without a GPU, and software renderers add specks
    model.mat_reflectance[:] = 0
    model.light_pos[:, 2] = 5  # the models' lights at 1.3 m do not light what is higher
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
    """Return the indices of qpos that hold the robot's horizontal position.

    These are the root's unlimited slide joints along the ground, or x and y of a free joint.
    """
    found: list[int] = []
    for joint in np.flatnonzero(model.jnt_bodyid == 1):
        at, kind = int(model.jnt_qposadr[joint]), model.jnt_type[joint]
        if kind == mujoco.mjtJoint.mjJNT_FREE:
            found += [at, at + 1]
        elif kind == mujoco.mjtJoint.mjJNT_SLIDE and not model.jnt_limited[joint] and model.jnt_axis[joint][2] == 0:
            found.append(at)
    return found


def _period(model: mujoco.MjModel) -> float:
    """Return the period of the floor's pattern in metres; 1 if it has none."""
    for plane in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        material = model.geom_matid[plane]
        if material >= 0 and not model.mat_texuniform[material]:
            return float(2 * model.geom_size[plane, 0] / model.mat_texrepeat[material, 0])
    return 1.0
