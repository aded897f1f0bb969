// Line charts as SVG.

import { clock, made } from "./base.js";

const COLOURS = ["--left", "--right", "--third", "--fourth"], DASHES = ["none", "7 4", "2 3"]; // every combination is used once before they repeat

function drawn(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const label = (x, y, text, anchor) => drawn("text", { x, y, "text-anchor": anchor }, text);
const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);

function line(points, x, y, look = {}) {
  return drawn("polyline", { class: "line", points: points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" "), ...look });
}

const look = (i) => ({ stroke: `var(${COLOURS[i % COLOURS.length]}, currentColor)`, "stroke-dasharray": DASHES[Math.floor(i / COLOURS.length) % DASHES.length] });
const day = (seconds) => new Date(1000 * seconds).toLocaleDateString([], { day: "numeric", month: "short" });

/** A figure of `lines` over time ({name, points: [[seconds, value], ...]}). `share`: values lie between 0 and 1. */
export function chart({ title, share, lines }) {
  const right = Math.min(innerWidth, 640) - 12, left = 44, top = 12, bottom = 174;
  const points = lines.flatMap((each) => each.points), times = points.map(([time]) => time);
  const from = Math.min(...times), to = Math.max(...times), most = share ? 1 : Math.max(...points.map(([, value]) => value));
  const x = scale(from, Math.max(to, from + 1), left, right), y = scale(0, most, bottom, top);
  const written = (value) => (share ? `${Math.round(100 * value)} %` : `${Math.round(value)}`);
  const when = day(from) === day(to) ? clock : (time) => `${day(time)} ${clock(time)}`;
  const last = lines.map((each) => `${each.name} ${written(each.points.at(-1)[1])}`).join(", ");
  const picture = drawn("svg", { viewBox: `0 0 ${right + 12} 200`, role: "img", "aria-label": `${title}: ${last}` },
    ...(share ? [0, 0.5, 1] : [0, most]).flatMap((value) => [
      drawn("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }), label(left - 6, y(value) + 4, written(value), "end")]),
    label(left, 193, when(from), "start"), label(right, 193, when(to), "end"),
    ...lines.map((each, i) => line(each.points, x, y, look(i))));
  return made("figure", { className: "sheet card chart" }, made("figcaption", title), picture, ...(lines.length > 1 ? [legend(lines)] : []));
}

function legend(lines) {
  return made("ul", {}, ...lines.map(({ name }, i) => {
    const swatch = drawn("line", { class: "line", x1: 0, x2: 24, y1: 4, y2: 4, ...look(i) });
    return made("li", {}, drawn("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, swatch), made("span", name));
  }));
}

const short = (n) => (Math.abs(n) >= 1000 ? `${Number((n / 1000).toPrecision(2))}k` : Number(n.toPrecision(2)).toString());

/** The learning curve, of points [[step, value], ...]. */
export function curve(name, points) {
  const left = 46, right = 292, top = 8, bottom = 128;
  const values = points.map(([, value]) => value), last = Math.max(...points.map(([step]) => step), 1);
  const low = Math.min(...values), high = Math.max(...values, low + 1e-9);
  const shown = `${name}: ${short(values[0])} at first, ${short(values.at(-1))} now, step ${short(last)}`;
  return drawn("svg", { viewBox: "0 0 300 150", role: "img", "aria-label": shown },
    drawn("path", { class: "axis", d: `M ${left} ${top} V ${bottom} H ${right}` }),
    label(left - 6, top + 8, short(high), "end"), label(left - 6, bottom, short(low), "end"),
    label(left, 144, "0", "start"), label(right, 144, `${short(last)} steps`, "end"),
    line(points, scale(0, last, left, right), scale(low, high, bottom, top)));
}
