// A line chart over time as SVG.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = Math.min(innerWidth, 640), HEIGHT = 200, LEFT = 44, RIGHT = 12, TOP = 12, BOTTOM = 26;
const COLOURS = ["--left", "--right", "--third", "--fourth"], DASHES = ["none", "7 4", "2 3"]; // every combination is used once before they repeat

export function made(name, text, ...inside) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
}

function drawn(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

const look = (i) => ({ stroke: `var(${COLOURS[i % COLOURS.length]}, currentColor)`, "stroke-dasharray": DASHES[Math.floor(i / COLOURS.length) % DASHES.length] });
const day = (seconds) => new Date(1000 * seconds).toLocaleDateString([], { day: "numeric", month: "short" });
const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** A figure of `lines` ({name, points: [[seconds, value], ...]}). `share`: values lie between 0 and 1. */
export function chart({ title, share, lines }) {
  const times = lines.flatMap(({ points }) => points.map(([time]) => time));
  const from = Math.min(...times), to = Math.max(...times);
  const most = share ? 1 : Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const x = (time) => LEFT + ((time - from) / Math.max(to - from, 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
  const formatted = (value) => (share ? `${Math.round(100 * value)} %` : `${Math.round(value)}`);
  const picture = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const last = lines.map(({ name, points }) => `${name} ${formatted(points.at(-1)[1])}`).join(", ");
  picture.setAttribute("aria-label", `${title}: ${last}`);
  for (const value of share ? [0, 0.5, 1] : [0, most]) {
    picture.append(drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    picture.append(drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, formatted(value)));
  }
  const when = day(from) === day(to) ? clock : (time) => `${day(time)} ${clock(time)}`;
  picture.append(drawn("text", { x: LEFT, y: HEIGHT - 7 }, when(from)));
  picture.append(drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 7, "text-anchor": "end" }, when(to)));
  lines.forEach(({ points }, i) => picture.append(drawn("polyline", { class: "line", points: points.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" "), ...look(i) })));
  return framed(title, picture, lines);
}

function framed(title, picture, lines) {
  const names = made("ul", "", ...lines.map(({ name }, i) => {
    const swatch = drawn("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" });
    swatch.append(drawn("line", { class: "line", x1: 0, x2: 24, y1: 4, y2: 4, ...look(i) }));
    return made("li", "", swatch, made("span", name));
  }));
  const figure = made("figure", "", made("figcaption", title), picture, ...(lines.length > 1 ? [names] : []));
  figure.className = "sheet chart";
  return figure;
}
