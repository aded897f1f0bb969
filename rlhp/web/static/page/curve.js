// The learning curve as SVG.

import { drawn } from "./base.js";

const WIDTH = 300, HEIGHT = 150, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 22;

const short = (n) => (Math.abs(n) >= 1000 ? `${Number((n / 1000).toPrecision(2))}k` : Number(n.toPrecision(2)).toString());

/** The points of one line: the true return if it is known, otherwise the predicted reward. */
export function series(curve) {
  const of = (column) => curve.filter((row) => Number.isFinite(row[column])).map((row) => [row[0], row[column]]);
  const known = of(1);
  return known.length ? { name: "True return", points: known } : { name: "Predicted reward, mean per step", points: of(2) };
}

/** An <svg> of points [[step, value], ...] with the label `name`. */
export function plot({ name, points }) {
  const steps = points.map(([step]) => step), values = points.map(([, value]) => value);
  const last = Math.max(...steps, 1), low = Math.min(...values), high = Math.max(...values, low + 1e-9);
  const x = (step) => LEFT + (step / last) * (WIDTH - LEFT - RIGHT), y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const label = `${name}: ${short(values[0])} at first, ${short(values.at(-1))} now, step ${short(last)}`;
  const text = (at, up, said, anchor) => drawn("text", { x: at, y: up, "text-anchor": anchor }, said);
  return drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    drawn("path", { class: "axis", d: `M ${LEFT} ${TOP} V ${HEIGHT - BOTTOM} H ${WIDTH - RIGHT}` }),
    text(LEFT - 6, TOP + 8, short(high), "end"), text(LEFT - 6, HEIGHT - BOTTOM, short(low), "end"),
    text(LEFT, HEIGHT - 6, "0", "start"), text(WIDTH - RIGHT, HEIGHT - 6, `${short(last)} steps`, "end"),
    drawn("polyline", { class: "line", points: points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }));
}
