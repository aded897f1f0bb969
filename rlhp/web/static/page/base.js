// Shared helpers: the page's link, the browser's storage, DOM elements, formatting of numbers and times.

const link = new URLSearchParams(location.search);
export const token = link.get("token") ?? "";
export const annotator = link.get("annotator") || "me";

export const $ = (id) => document.getElementById(id);
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// The browser's storage may be blocked, full or damaged; then data lasts only as long as this tab.
export const storage = {
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; } },
};

/** Create an element with properties and children. Text is never parsed as HTML. */
export function made(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Create an SVG element. */
export function drawn(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function say(text, bad = false) {
  $("say").textContent = text;
  $("say").classList.toggle("bad", bad);
}

export const number = (n) => Math.round(n).toLocaleString("en");
export const count = (n, one) => `${number(n)} ${one}${Math.round(n) === 1 ? "" : "s"}`;
export const time = (hours) => (hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${Math.floor(hours)} h ${Math.round((hours % 1) * 60)} min`);
export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
