// This annotator's last answers. Those that the training has not used can be changed; used ones can be flagged.

import { $, annotator, clock, made, say } from "./base.js";
import { reopen } from "./answers.js";
import { film } from "./films.js";
import { kindOf, namesOf } from "./panel.js";
import { listen } from "./progress.js";
import { acknowledged, mine, read, tell } from "./server.js";
import { page } from "./state.js";

const SHOWN = 20;
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches; // then clips do not play automatically
let seen = "", asking = false, answers = [], open = null;

/** Reload the answers if something has changed: their number, or which of them the training has used. */
export async function look(force = false) {
  const now = `${acknowledged()} ${page.mine.answers} ${page.run?.taken}`;
  if (asking || (now === seen && !force)) return;
  asking = true;
  try {
    answers = await read(`api/history?${mine}`);
    seen = now;
    write();
  } catch { seen = ""; } // the rest of the page reports a lost connection
  asking = false;
}

const state = ({ flagged, taken }) => (flagged ? "flagged" : taken ? "used by the training" : "can be changed");

function write() {
  $("history").hidden = !answers.length;
  $("history").querySelector("ol").replaceChildren(...answers.slice(0, SHOWN).map((answer) => made("li", {}, chip(answer))));
}

function chip(answer) {
  const words = kindOf(answer).words(answer.value);
  const button = made("button", { type: "button", textContent: kindOf(answer).sign(answer.value), title: `${words} ${clock(answer.answered_at)}` });
  button.setAttribute("aria-label", `${words} At ${clock(answer.answered_at)}, ${state(answer)}`);
  button.dataset.state = answer.flagged ? "flagged" : answer.taken ? "taken" : "open";
  button.addEventListener("click", () => review(answer));
  return button;
}

function review(answer) {
  open = answer;
  const names = namesOf(answer), chosen = kindOf(answer).sides(answer.value);
  $("reviewed").replaceChildren(...answer.clips.map((clip, side) => figure(clip, names[side], side, chosen.includes(side))));
  $("verdict").textContent = `Your answer at ${clock(answer.answered_at)}: ${kindOf(answer).words(answer.value)} ${explained(answer)}`;
  $("again").hidden = answer.taken;
  $("flag").hidden = !answer.taken && !answer.flagged;
  $("flag").textContent = answer.flagged ? "Remove the flag" : "Flag it as a mistake";
  if (!$("review").open) $("review").showModal();
}

function explained({ taken, flagged }) {
  if (flagged) return "It is flagged as a mistake and excluded from later fits.";
  return taken ? "The training has used it. If it was a mistake, flag it to exclude it from later fits." : "The training has not used it yet, so you can change it.";
}

function figure(clip, name, side, chosen) {
  const video = made("video", { muted: true, loop: true, playsInline: true, autoplay: !STILL, controls: STILL });
  video.setAttribute("aria-label", name ? `${name} clip` : "The clip");
  film(clip).then((address) => { video.src = address; }, () => {});
  const frame = made("figure", { className: chosen ? "chosen" : "" }, video, made("figcaption", { textContent: name }));
  frame.dataset.side = side;
  return frame;
}

async function flag() {
  const { query, round, flagged } = open;
  try {
    await tell("flag", { annotator, query, round, flagged: !flagged });
    say(flagged ? "The flag is removed: that answer counts again." : "That answer is flagged and excluded from later fits.");
  } catch (error) { say(error.message, true); }
  close();
  look(true);
}

async function again() {
  close();
  await reopen(open);
  look(true);
}

const close = () => $("review").close();

export function start() {
  $("flag").addEventListener("click", flag);
  $("again").addEventListener("click", again);
  $("review").addEventListener("close", () => $("reviewed").replaceChildren());
  listen(() => { if (page.run && !page.away && !page.pending.length) look(); });
}
