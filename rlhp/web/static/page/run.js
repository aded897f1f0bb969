// The run panel: learning curve, agreement of the reward model with this annotator, newest clip, and controls.

import { $, count, say, sleep, storage } from "./base.js";
import { plot, series } from "./curve.js";
import { playback } from "./playback.js";
import { ask, mine, read, tell } from "./server.js";
import { page } from "./state.js";

const AGAIN = 5000; // ms between requests
const KEPT = "rlhp run"; // storage key: whether the panel is open
const WIDE = matchMedia("(min-width: 1100px)"); // enough space for it beside the clips

let filmed = null, unsupported = false;

async function look() {
  if (unsupported) return;
  try {
    write(await read(`api/run?${mine}`));
  } catch (error) { unsupported = error.status === 404; } // the server does not have this route
}

function write({ curve, agreement, film, may_control: may, ...asked }) {
  $("panel").hidden = false;
  show(wanted());
  const points = series(curve);
  $("curve").replaceChildren(...(points.points.length > 1 ? [plot(points)] : []));
  $("curve-name").textContent = points.points.length > 1 ? points.name : "The curve starts when the first episodes end.";
  $("agreement").textContent = agreed(agreement);
  $("controls").hidden = !may;
  writeControls(asked);
  if (film && film !== filmed) watch(film);
}

function writeControls({ paused, stopping, may_grow: reason }) {
  const over = ["finished", "stopped", "failed"].includes(page.run?.state);
  $("hold").textContent = paused ? "Resume training" : "Pause training";
  $("hold").dataset.act = paused ? "resume" : "pause";
  $("stop").textContent = stopping ? "Stopping after this round" : "Stop training …";
  $("hold").disabled = $("stop").disabled = over || !!stopping;
  $("more").disabled = $("labels").disabled = over || !!reason;
  $("more").title = reason ?? "";
}

const percent = (share) => Math.round(100 * share);

function agreed(agreement) {
  if (!agreement) return "The reward model's agreement with you is shown once some of your answers are held out.";
  const { share, low, high, n } = agreement;
  return `The reward model agrees with you on ${percent(share)} % of ${count(n, "held-out answer")} (${percent(low)} to ${percent(high)} %).`;
}

async function watch(path) {
  filmed = path;
  try {
    const address = URL.createObjectURL(await (await ask(path)).blob());
    const before = $("newest").src;
    $("newest").src = address;
    $("newest").hidden = $("newest-name").hidden = false;
    if (!playback.paused) $("newest").play().catch(() => {});
    if (before) URL.revokeObjectURL(before);
  } catch { filmed = null; }
}

async function command(act, content = {}) {
  try {
    await tell(`run/${act}`, content);
    say(SAID[act]);
  } catch (error) { say(error.message, true); }
  look();
}

const SAID = { pause: "Training pauses after this rollout; you can continue to answer.", resume: "Training resumes.",
  stop: "Training stops; the same command resumes it from its last checkpoint.", labels: "The run will ask for more." };

const wanted = () => storage.read(KEPT) ?? WIDE.matches;

function show(open) {
  $("run-panel").hidden = !open;
  $("panel").setAttribute("aria-expanded", open);
  dispatchEvent(new Event("resize")); // the space for the clips has changed
}

function toggle() {
  const open = $("run-panel").hidden;
  storage.write(KEPT, open);
  show(open);
  if (open) look();
}

export async function start() {
  $("panel").addEventListener("click", toggle);
  $("hold").addEventListener("click", () => command($("hold").dataset.act));
  $("stop").addEventListener("click", () => $("stopping").showModal());
  $("stopping").addEventListener("close", () => { if ($("stopping").returnValue === "stop") command("stop"); });
  $("more").addEventListener("click", () => { if ($("labels").reportValidity()) command("labels", { more: $("labels").valueAsNumber }); });
  for (;;) {
    if (!document.hidden && ($("panel").hidden || !$("run-panel").hidden)) await look();
    await sleep(AGAIN);
  }
}
