// The page on which a person watches and acts: draws the newest picture as soon as it arrives, and sends keys when they change.

import { $, ask, made, onClick, request, sleep, write } from "./base.js";

const client = crypto.getRandomValues(new Uint32Array(3)).join("-");
const RETRY = 500, LATER = 10000; // ms between attempts while the server does not respond; after the session has finished
const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];
const body = document.body, canvas = $("canvas"), paint = canvas.getContext("2d", { alpha: false, desynchronized: true });
const NAMES = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Comma: ",", Period: ".", Slash: "/", Semicolon: ";", Quote: "'", BracketLeft: "[", BracketRight: "]" };
const ARROWS = ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"];
const name = (code) => NAMES[code] ?? code.replace(/^(Key|Digit|Numpad)/, "");

let facts = null, status = { phase: "loading", speed: 1 };
let held = [], sent = 0; // keys held, the newest last; number of messages sent about them
const pads = new Map(); // on-screen buttons for keys, by key code

// The server

function order(what, value = 0) {
  ask("api/order", { order: what, value }).catch(fail);
}

function fail(error) {
  if (status.phase === "finished") return; // no response is expected any more
  body.dataset.phase = "away";
  $("state").dataset.state = "away";
  const shut = error.status === 401 || error.status === 403;
  const why = shut ? `${error.message}.` : "The server does not respond. This page continues once it runs again.";
  write({ state: "no connection", say: why });
  $("go").hidden = true;
}

// Pictures: each is requested once the previous one is drawn, so that a slow browser skips pictures instead of falling behind.

async function watch() {
  let after = 0;
  for (;;) {
    try {
      if (!facts) begin(await request("api/facts"));
      const answer = await ask(`api/picture?after=${after}&client=${client}`);
      if (answer.status === 204) continue;
      after = Number(answer.headers.get("x-number"));
      await show(await answer.arrayBuffer());
    } catch (error) {
      fail(error);
      after = 0;
      await sleep(status.phase === "finished" ? LATER : RETRY);
    }
  }
}

async function show(message) {
  const length = new DataView(message).getUint32(0);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length)));
  if (message.byteLength > 4 + length) await draw(new Uint8Array(message, 4 + length));
  tell(header);
}

async function draw(file) {
  const image = await createImageBitmap(new Blob([file]));
  canvas.classList.toggle("sharp", file[0] === 0x89); // a PNG: few colours, drawn without smoothing
  if (canvas.width !== image.width || canvas.height !== image.height) {
    [canvas.width, canvas.height] = [image.width, image.height];
    $("picture").style.setProperty("--ratio", image.width / image.height);
  }
  paint.drawImage(image, 0, 0);
  image.close();
}

// Status

function begin(given) {
  facts = given;
  document.title = `${facts.title} · rlhp`;
  write({ title: facts.title, task: facts.task, instructions: facts.instructions });
  $("speed").hidden = !facts.paced;
  $("pads").replaceChildren(...groups(facts.keys).map(pad));
  $("orders").replaceChildren(...facts.orders.map(tool));
}

// Arrows form a cross; up to three other keys form a row; more form two groups of pairs, one for each hand.
function groups(keys) {
  const arrows = keys.filter((key) => ARROWS.includes(key.code)), rest = keys.filter((key) => !ARROWS.includes(key.code));
  const half = 2 * Math.ceil(rest.length / 4);
  const others = rest.length > 3 ? [[rest.slice(0, half), "pairs"], [rest.slice(half), "pairs"]] : [[rest, "row"]];
  return [[arrows, "arrows"], ...others].filter(([some]) => some.length);
}

const pad = ([keys, kind]) => made("div", { className: `pad ${kind}` }, ...keys.map(button));

function button({ code, does }) { // not focusable: the keyboard has the keys themselves
  const key = made("button", { className: "key", tabIndex: -1, "data-code": code }, name(code), made("small", does));
  key.addEventListener("pointerdown", (event) => { event.preventDefault(); key.setPointerCapture(event.pointerId); press(code); });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) key.addEventListener(end, () => release(code));
  key.addEventListener("contextmenu", (event) => event.preventDefault());
  pads.set(code, key);
  return key;
}

function tool({ order: what, label, code }) {
  const button = made("button", { id: `order-${what}` }, made("span", label), made("kbd", name(code)));
  button.addEventListener("click", () => { button.blur(); order(what); });
  return button;
}

function tell(header) {
  const before = status.phase;
  status = header;
  body.dataset.phase = header.phase;
  $("state").dataset.state = header.phase;
  const { say, news, progress, kept } = header;
  write({ state: header.state ?? header.phase, say, news, progress, kept, pace: `${header.speed}×` });
  $("go").hidden = !header.go;
  $("go").firstElementChild.textContent = header.go ?? "";
  for (const item of facts.orders) $(`order-${item.order}`).hidden = !item.phases.includes(header.phase);
  if (header.phase === "playing" && before !== "playing" && matchMedia("(max-width: 720px), (max-height: 700px)").matches) $("guide").open = false;
  body.dataset.heard = header.heard ?? 0; // number of the newest key message that took effect in this picture
}

// Keys

function hold(codes) {
  if (codes.length === held.length) return;
  held = codes;
  for (const [code, key] of pads) key.classList.toggle("held", held.includes(code));
  ask("api/keys", { client, n: ++sent, held }).catch(fail);
  body.dataset.sent = sent;
}

const press = (code) => hold([...held.filter((other) => other !== code), code]);
const release = (code) => hold(held.filter((other) => other !== code));
const releaseAll = () => hold([]);

function startOrPause() {
  if (status.phase === "playing") order("pause");
  else if (status.go) order("start");
}

addEventListener("keydown", (event) => {
  if (!facts || event.ctrlKey || event.metaKey || event.altKey) return;
  const { code } = event;
  const playing = status.phase === "playing", asked = facts.orders.find((item) => item.code === code && item.phases.includes(status.phase));
  if (code === "Enter" && document.activeElement?.tagName !== "SUMMARY") startOrPause();
  else if (asked && !(playing && pads.has(code))) order(asked.order);
  else if (pads.has(code)) press(code);
  else return;
  event.preventDefault();
});
addEventListener("keyup", (event) => release(event.code));
addEventListener("blur", releaseAll);
document.addEventListener("visibilitychange", () => { if (document.hidden) { releaseAll(); if (status.phase === "playing") order("pause"); } });
onClick({
  go() { $("go").blur(); startOrPause(); },
  slower() { order("speed", SPEEDS.findLast((speed) => speed < status.speed) ?? SPEEDS[0]); },
  faster() { order("speed", SPEEDS.find((speed) => speed > status.speed) ?? SPEEDS.at(-1)); },
});

watch();
