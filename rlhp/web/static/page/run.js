// The run panel: learning curve, agreement of the reward model with this annotator, newest clip, and controls.

import { $, ask, count, onClick, request, say, sleep, storage } from "../base.js";
import { curve } from "../chart.js";
import { playback } from "./playback.js";
import { mine, page } from "./state.js";

const AGAIN = 5000; // ms between requests
const KEPT = "rlhp run"; // storage key: whether the panel is open
const WIDE = matchMedia("(min-width: 1100px)"); // enough space for it beside the clips

let filmed = null, unsupported = false;

async function look() {
  if (unsupported) return;
  try {
    write(await request(`api/run?${mine}`));
  } catch (error) { unsupported = error.status === 404; } // the server does not have this route
}

function write({ curve: rows, agreement, film, may_control: may, ...asked }) {
  $("panel").hidden = false;
  show(wanted());
  writeCurve(rows);
  $("agreement").textContent = agreed(agreement);
  $("controls").hidden = !may;
  writeControls(asked);
  if (film && film !== filmed) watch(film);
}

/** Draw the true return if it is known, otherwise the predicted reward; rows: [step, return, reward]. */
function writeCurve(rows) {
  const of = (column) => rows.filter((row) => Number.isFinite(row[column])).map((row) => [row[0], row[column]]);
  const known = of(1), points = known.length ? known : of(2), drawn = points.length > 1;
  const name = known.length ? "True return" : "Predicted reward, mean per step";
  $("curve").replaceChildren(...(drawn ? [curve(name, points)] : []));
  $("curve-name").textContent = drawn ? name : "The curve starts when the first episodes end.";
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
    await request(`api/run/${act}`, content);
    say(SAID[act]);
  } catch (error) { say(error.message, true); }
  look();
}

const SAID = { pause: "Training pauses after this rollout; you can continue to answer.", resume: "Training resumes.",
  stop: "Training stops; the same command resumes it from its last checkpoint.", labels: "The run will ask for more." };

function askForMore() {
  if ($("labels").reportValidity()) command("labels", { more: $("labels").valueAsNumber });
}

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

onClick({ panel: toggle, hold: () => command($("hold").dataset.act), stop: () => $("stopping").showModal(), more: askForMore });
$("stopping").addEventListener("close", () => { if ($("stopping").returnValue === "stop") command("stop"); });

/** Keep the panel up to date while it is visible. */
export async function follow() {
  for (;;) {
    if (!document.hidden && ($("panel").hidden || !$("run-panel").hidden)) await look();
    await sleep(AGAIN);
  }
}
